"""How full the disks are that volumes are on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chassis.disks import Disks
from tests.measured import measured

ELSEWHERE = Path("/dev/shm")  # noqa: S108 - a file system that every Linux has


def told(volumes: str) -> tuple[float | None, float | None]:
    return measured("gatehouse_disk_bytes", volumes=volumes), measured("gatehouse_disk_available_bytes", volumes=volumes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two volumes on one disk, and one on another."""
    if ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("temporary files are in memory here")
    for name in ("logs", "brokers"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys").symlink_to(ELSEWHERE)
    return tmp_path


class TestDisks:
    async def test_are_each_told_once_by_all_their_volumes(self, folder: Path) -> None:
        disks = Disks(folder)
        await disks.look()
        [size, available] = told("brokers,logs")
        assert size == (found := os.statvfs(folder)).f_blocks * found.f_frsize
        assert 0 < (available or 0) < (size or 0)
        assert told("keys")[0] != size
        assert (None, None) == told("logs")

        (folder / "keys").unlink()
        await disks.look()
        assert (None, None) == told("keys"), "it is there no more"
