"""Secrets of an installation, as `deploy/make_secrets.py` makes them."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from chassis.settings import keys_bytes
from deploy.make_secrets import KEYS, ON_TOP, make, put_on_top


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "secrets")
    return tmp_path / "secrets"


def read(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in folder.iterdir()}


class TestSecrets:
    def test_stay_the_same(self, folder: Path) -> None:
        before = read(folder)
        make(folder)
        assert before == read(folder)

    def test_are_for_whoever_may_enter_the_folder(self, folder: Path) -> None:
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
        assert {0o444} == {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}

    @pytest.mark.parametrize("name", KEYS)
    def test_of_32_bytes_make_a_key(self, folder: Path, name: str) -> None:
        assert 32 == len(base64.b64decode((folder / name).read_text(), validate=True))

    @pytest.mark.parametrize("name", ON_TOP)
    def test_have_another_key_on_top_of_those_that_are_there(self, folder: Path, name: str) -> None:
        file = folder / name
        (before,) = keys_bytes(SecretStr(file.read_text()))
        put_on_top(file)
        put_on_top(file)
        first, *later = keys_bytes(SecretStr(file.read_text()))
        assert (before, 3) == (first, len({first, *later}))
        assert 0o444 == stat.S_IMODE(file.stat().st_mode)

    def test_are_listed_for_whoever_makes_the_roles(self, folder: Path) -> None:
        (folder / "database_health").unlink()
        make(folder)
        assert f"health {(folder / 'database_health').read_text()}\n" in (folder / "roles_logs").read_text()

    def test_of_the_police_are_made_for_those_who_read_topics(self, folder: Path) -> None:
        make(folder, police=["310115", "city"])
        users = json.loads((folder / "kafka_users").read_text())
        assert {"police-310115", "police-city", "police-bridge", "health"} < users.keys()
        assert users["health"] == (folder / "kafka_health").read_text()
