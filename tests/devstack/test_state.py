"""The folder of a local stack."""

from __future__ import annotations

import base64
import multiprocessing
import stat
from pathlib import Path

import pytest

from devstack.state import State, StateInUse


def _password(root: Path) -> str:
    return State(root).password("shared")


class TestSecrets:
    def test_stay_the_same(self, tmp_path: Path) -> None:
        assert State(tmp_path).password("x") == State(tmp_path).password("x")

    def test_differ_by_name(self, tmp_path: Path) -> None:
        assert State(tmp_path).password("x") != State(tmp_path).password("y")

    def test_are_nobody_elses_to_read(self, tmp_path: Path) -> None:
        State(tmp_path).key("x")
        assert 0o600 == stat.S_IMODE((tmp_path / "secrets" / "x").stat().st_mode)

    def test_of_32_bytes_make_a_key(self, tmp_path: Path) -> None:
        assert 32 == len(base64.b64decode(State(tmp_path).key("x")))

    def test_are_the_same_for_all_who_ask_first_at_once(self, tmp_path: Path) -> None:
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            assert 1 == len(set(pool.map(_password, [tmp_path] * 16, chunksize=1)))


class TestLocked:
    def test_keeps_a_second_devstack_out(self, tmp_path: Path) -> None:
        with State(tmp_path).locked(), pytest.raises(StateInUse, match="stop it first"), State(tmp_path).locked():
            pass

    def test_lets_the_next_one_in(self, tmp_path: Path) -> None:
        for _ in range(2):
            with State(tmp_path).locked():
                pass


class TestThrowAway:
    def test_leaves_only_what_was_downloaded(self, tmp_path: Path) -> None:
        state = State(tmp_path)
        state.password("x")
        state.folder("cache")
        with state.locked():
            state.throw_away(keep=tmp_path / "cache")
        assert {"cache", "lock"} == {entry.name for entry in tmp_path.iterdir()}
