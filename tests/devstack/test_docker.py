"""Whether a Docker engine is there. What runs in it is tried where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import docker


class TestHolds:
    def test_is_no_without_an_engine(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.setattr(docker, "SOCKET", tmp_path / "docker.sock")
        assert not docker.holds()

    def test_is_no_when_the_engine_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        assert not docker.holds()
