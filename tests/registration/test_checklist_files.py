"""What is named is on the disk, and what is not named does not stay; on real PostgreSQL and a real folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from stat import S_IMODE
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import create_pool
from chassis.faults import Unavailable
from chassis.testing.wait import eventually
from registration.checklist_files import (
    NAMED_WITHIN,
    SWEPT_AFTER,
    ChecklistFiles,
    ChecklistIsNotRecognised,
    digest_of,
    recognised,
)
from registration.wiring import SERVICE
from tests.conftest import MakeDatabase

SCAN = b"%PDF-1.4\n%%EOF"
LONG_AGO = "UPDATE checklist_file SET handed_in_at = now() - interval '2 hours'"


@pytest.fixture
async def pool(database: MakeDatabase) -> AsyncIterator[asyncpg.Pool]:
    made = await database("registration", SERVICE.migrations)
    pool = await create_pool(made.app_dsn, application_name="test")
    yield pool
    await pool.close()


@pytest.fixture
def files(pool: asyncpg.Pool, tmp_path: Path) -> ChecklistFiles:
    return ChecklistFiles(pool, tmp_path / "checklists")


async def nobody(site_id: UUID, sha256: str) -> bool:
    return False


async def everybody(site_id: UUID, sha256: str) -> bool:
    return True


class TestKeep:
    async def test_can_be_read_again_and_leaves_nothing_torn(self, files: ChecklistFiles) -> None:
        site = uuid4()
        await files.keep(site, digest_of(SCAN), SCAN)
        await files.keep(site, digest_of(SCAN), SCAN)
        assert SCAN == await files.read(site, digest_of(SCAN))
        assert files.folder is not None
        assert [digest_of(SCAN)] == [each.name for each in (files.folder / str(site)).iterdir()]

    async def test_is_refused_where_there_is_no_room(self, files: ChecklistFiles, pool: asyncpg.Pool) -> None:
        full = ChecklistFiles(pool, files.folder, total_bytes_max=len(SCAN) - 1)
        with pytest.raises(Unavailable):
            await full.keep(uuid4(), digest_of(SCAN), SCAN)
        assert 0 == await pool.fetchval("SELECT count(*) FROM checklist_file")

    async def test_is_refused_where_nothing_can_be_written(self, pool: asyncpg.Pool, tmp_path: Path) -> None:
        (tmp_path / "taken").write_bytes(b"a file, not a folder")
        with pytest.raises(Unavailable):
            await ChecklistFiles(pool, tmp_path / "taken").keep(uuid4(), digest_of(SCAN), SCAN)

    async def test_that_was_altered_on_the_disk_is_not_given_out(self, files: ChecklistFiles) -> None:
        site = uuid4()
        await files.keep(site, digest_of(SCAN), SCAN)
        assert files.folder is not None
        (files.folder / str(site) / digest_of(SCAN)).write_bytes(b"%PDF-forged")
        with pytest.raises(Unavailable):
            await files.read(site, digest_of(SCAN))


class TestSweep:
    def test_begins_well_after_the_last_moment_to_name_a_file(self) -> None:
        assert SWEPT_AFTER >= 2 * NAMED_WITHIN

    async def test_takes_what_nobody_named_with_what_was_torn(self, files: ChecklistFiles, pool: asyncpg.Pool) -> None:
        site, sha256 = uuid4(), digest_of(SCAN)
        await files.keep(site, sha256, SCAN)
        assert files.folder is not None
        folder = files.folder / str(site)
        (folder / f"{sha256}.0123").write_bytes(SCAN[:4])
        assert 0 == await files.sweep(nobody)
        await pool.execute(LONG_AGO)
        assert 1 == await files.sweep(nobody)
        assert [] == list(folder.iterdir())

    async def test_takes_a_file_that_was_never_written(self, files: ChecklistFiles, pool: asyncpg.Pool) -> None:
        await files.keep(uuid4(), digest_of(SCAN), SCAN)
        await pool.execute("UPDATE checklist_file SET site_id = $1", uuid4())
        await pool.execute(LONG_AGO)
        assert 1 == await files.sweep(nobody)
        assert 0 == await pool.fetchval("SELECT count(*) FROM checklist_file")

    async def test_leaves_what_the_log_names_and_does_not_ask_again(self, files: ChecklistFiles, pool: asyncpg.Pool) -> None:
        site = uuid4()
        await files.keep(site, digest_of(SCAN), SCAN)
        await pool.execute(LONG_AGO)
        assert 0 == await files.sweep(everybody)
        assert 0 == await files.sweep(nobody)
        assert SCAN == await files.read(site, digest_of(SCAN))

    async def test_does_not_take_what_is_handed_in_again_meanwhile(self, files: ChecklistFiles, pool: asyncpg.Pool) -> None:
        site, asked, go_on = uuid4(), asyncio.Event(), asyncio.Event()
        await files.keep(site, digest_of(SCAN), SCAN)
        await pool.execute(LONG_AGO)

        async def not_yet(site_id: UUID, sha256: str) -> bool:
            asked.set()
            await go_on.wait()
            return False

        sweeping = asyncio.create_task(files.sweep(not_yet))
        await asked.wait()
        may_be_named_until = await files.keep(site, digest_of(SCAN), SCAN)
        go_on.set()
        assert 0 == await sweeping
        assert SCAN == await files.read(site, digest_of(SCAN))
        assert may_be_named_until - await pool.fetchval("SELECT now()") > NAMED_WITHIN - timedelta(minutes=1)

    async def test_leaves_nothing_for_others_to_read_of_what_an_earlier_release_wrote(self, files: ChecklistFiles) -> None:
        folder = files.folder
        assert folder is not None
        folder.mkdir(mode=0o755)
        sweeping = asyncio.create_task(files.keep_sweeping(nobody, cast(Any, None)))
        await eventually(lambda: S_IMODE(folder.stat().st_mode) == 0o700, within_s=5)
        sweeping.cancel()


class TestRecognised:
    @pytest.mark.parametrize(
        ("content", "media_type"),
        [(SCAN, "application/pdf"), (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"), (b"\x89PNG\r\n\x1a\n0", "image/png")],
    )
    def test_by_content(self, content: bytes, media_type: str) -> None:
        assert media_type == recognised(content)

    @pytest.mark.parametrize("content", [b"", b"<html>%PDF-1.4", b"PK\x03\x04", b"GIF89a", b"\x89PNG\n\x1a\n"])
    def test_is_nothing_else(self, content: bytes) -> None:
        with pytest.raises(ChecklistIsNotRecognised):
            recognised(content)
