"""A run that did not bite proves nothing. Last of all, by its name: what the tests before this one saw of the installation that
they share, from their histories, the logs, the metrics and the facts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.checker import read_log
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack
from tests.faults.traffic import is_cut_off

FOLDER = Path(__file__).parent
ANSWERED_NOTHING = "nothing"
"""What became of a try of which the history does not say what became of it."""


class TestWholeRun:
    async def test_has_seen_what_it_was_to_provoke(self, running: FaultStack, request: pytest.FixtureRequest) -> None:
        if not _is_whole(request.config):
            pytest.skip("only a part of the tests was asked for")
        unknown, resent = _outcomes(running.histories.glob("*.jsonl"))
        REPORT.effects |= {
            "unknown outcomes": unknown,
            "resends": resent,
            "leases taken over": sum(line["count"] for log in running.logs() for line in log.events("leases.taken_over")),
            "fenced writers": sum(len(log.events("leases.lost")) for log in running.logs()),
            "dropped duplicates": await _dropped(running),
            "stale refusals": await _stale(running),
        }
        assert [] == [what for what, count in REPORT.effects.items() if not count]


class TestOutcomes:
    """As a history has them that ends where its writer was killed."""

    def test_are_unknown_without_an_answer_and_resent_with_the_same_key(self, tmp_path: Path) -> None:
        history = tmp_path / "history.jsonl"
        lines = [{"try": n, "key": key} for n, key in enumerate(["a", "a", "b", None, None])]
        said = [{"try": n, "said": said} for n, said in enumerate(["ReadError", "200", "503", "ConnectError"])]
        history.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *said]))
        assert (2, 1) == _outcomes([history])


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test of this folder runs, or all but the long ones, and in one process."""
    is_alone = not hasattr(config, "workerinput")
    asked_for = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return is_alone and not config.getoption("keyword") and any(FOLDER.is_relative_to(path) for path in asked_for)


def _outcomes(histories: Iterable[Path]) -> tuple[int, int]:
    """Tries of which nobody knows what they did; and tries that were repeats."""
    unknown, resent = 0, 0
    for history in histories:
        lines = [json.loads(line) for line in history.read_text().splitlines()]
        began = {line["try"]: line["key"] for line in lines if "key" in line}
        said = dict.fromkeys(began, ANSWERED_NOTHING) | {line["try"]: line["said"] for line in lines if "said" in line}
        keys = [key for key in began.values() if key is not None]
        unknown += sum(map(is_cut_off, said.values()))
        resent += len(keys) - len(set(keys))
    return unknown, resent


async def _dropped(stack: FaultStack) -> int:
    """Batches that held nothing new, since each worker was started last."""
    metric = "gatehouse_projector_duplicate_batches_total"
    return int(sum([await stack.metric(name, metric) for name in stack.workers()]))


async def _stale(stack: FaultStack) -> int:
    """Refusals of the gate for want of a fresh view."""
    attempts = (await read_log(stack, "gatekeeper")).of("entry-attempted")
    return sum(any(reason["code"] == "state_stale" for reason in data.get("reasons", ())) for _, data in attempts)
