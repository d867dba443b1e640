"""No cached state outlives the fold that made it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.command_handling import Decider
from tests.house.folds import Decided, deciders, fold_of

MakeDecider = Callable[[str], Decided]

PINNED: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "folds.json").read_text())
"""`<package>/<kind>` → state_version → fold."""


class TestFolds:
    @pytest.mark.parametrize("name", sorted(deciders()))
    def test_change_only_with_their_state_version(self, name: str) -> None:
        decider = deciders()[name]
        versions, fold = PINNED.get(name, {}), fold_of(decider)
        version = str(decider.state_version)
        if version in versions:
            assert versions[version] == fold, (
                f"What `evolve` makes of a {name} stream has changed, and states that the old one made are still cached: raise"
                f' state_version to {decider.state_version + 1} in wiring.py and add "{decider.state_version + 1}": "{fold}"'
                " to tests/house/folds.json."
            )
        assert version in versions, f'A new fold: add "{version}": "{fold}" for "{name}" to tests/house/folds.json.'

    @pytest.mark.parametrize("name", sorted(deciders()))
    def test_have_the_latest_version_that_is_pinned(self, name: str) -> None:
        assert deciders()[name].state_version == max(map(int, PINNED[name]))

    def test_that_are_gone_are_not_pinned(self) -> None:
        assert deciders().keys() == PINNED.keys()


SAMPLE = """
from dataclasses import dataclass, replace
from datetime import timedelta

STEP = timedelta(days=1)

@dataclass(frozen=True)
class State:
    length: timedelta = timedelta(0)

def decide(command, state):
    return []

def evolve(state, event):
    return replace(state, length=_longer(state.length))

def _longer(length):
    return length + STEP
"""


class TestFoldOf:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("return []", "return [command]"),
            ("def evolve", "# Says why.\ndef evolve"),
            ("    return length", '    "Says what."\n    return length'),
        ],
    )
    def test_does_not_see(self, before: str, after: str, sample: MakeDecider) -> None:
        assert fold_of(sample(SAMPLE)) == fold_of(sample(SAMPLE.replace(before, after)))

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("length + STEP", "length - STEP"),
            ("STEP = timedelta(days=1)", "STEP = timedelta(days=2)"),
            ("length=_longer(state.length)", "length=_longer(_longer(state.length))"),
            ("timedelta(0)", "timedelta(1)"),
            ("timedelta(0)", "timedelta(0)\n    count: int = 0"),
        ],
    )
    def test_sees(self, before: str, after: str, sample: MakeDecider) -> None:
        assert fold_of(sample(SAMPLE)) != fold_of(sample(SAMPLE.replace(before, after)))


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDecider:
    """A decider as small as can be, out of its source."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source: str) -> Decided:
        name = f"sample_{uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(source)
        domain = importlib.import_module(name)
        return Decider(
            kind="sample", initial=domain.State(), decide=domain.decide, evolve=domain.evolve, events={}, state_version=1
        )

    return make
