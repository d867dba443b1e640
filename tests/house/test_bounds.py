"""Nothing grows or waits without a bound."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.house import PARTS, at, modules, named, parsed

UNBOUNDED_DEQUES = {
    "chassis/src/chassis/gathering.py": "its length is checked before anything is added, because whoever adds must be told no",
}
SLEEPING_TESTS = {
    "tests/chassis/lease_holder.py": "a process that a test starts and kills; nothing waits for its pause",
    "tests/chassis/test_server.py": "a client that sends slowly, which is what is tested",
    "tests/healthcloud_bridge/test_client.py": "an upstream that drips, which is what is tested",
    "tests/faults/balancer.py": "a program of the tests, which looks every so often; nothing waits for it",
    "tests/faults/planted/plants.py": "mistakes of which some are that something is done late",
    "tests/faults/proxy.py": "a connection that is slow, which is what is tested",
    "tests/faults/stack.py": "a supervisor, which looks every so often; nothing waits for it",
    "tests/faults/test_clocks.py": "how long a clock is wrong",
    "tests/faults/test_combined.py": "how long a fault lasts",
    "tests/faults/test_disk_full.py": "how long a disk is full",
    "tests/faults/test_network.py": "how long a connection is disturbed",
    "tests/faults/test_new_read_model.py": "somebody looks on every so often; nothing waits for it",
    "tests/faults/test_planted.py": "how long a planted fault may do its damage",
    "tests/gatekeeper/test_freshness.py": "a process that is frozen, which is what is tested",
    "tests/gatekeeper/test_gate.py": "keeps a stamp fresh beside the test; nothing waits for it",
}
"""Test or program of a test → why it does not wait for a condition instead."""


def calls(module: Path) -> Iterator[tuple[str, ast.Call]]:
    """Every call in the module, with the last part of what is called."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node


class TestQueues:
    def test_have_a_bound(self) -> None:
        unbounded = [
            at(module, call)
            for module in modules(*PARTS)
            for name, call in calls(module)
            if name in {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"} and not (call.args or call.keywords)
        ]
        assert [] == unbounded

    def test_made_of_deques_have_a_bound(self) -> None:
        unbounded = {
            named(module): at(module, call)
            for module in modules(*PARTS)
            for name, call in calls(module)
            if name == "deque" and len(call.args) < 2 and not any(each.arg == "maxlen" for each in call.keywords)
        }
        assert {} == {module: place for module, place in unbounded.items() if module not in UNBOUNDED_DEQUES}

    def test_that_need_none_are_still_there(self) -> None:
        using = {named(module) for module in modules(*PARTS) for name, _ in calls(module) if name == "deque"}
        assert UNBOUNDED_DEQUES.keys() <= using


class TestTests:
    def test_do_not_sleep(self) -> None:
        assert {} == {module: places for module, places in sleeps().items() if module not in SLEEPING_TESTS}

    def test_that_may_sleep_still_do(self) -> None:
        assert SLEEPING_TESTS.keys() <= sleeps().keys()


def sleeps() -> dict[str, list[str]]:
    """Module → where it sleeps. `sleep(0)` only lets others run."""
    found: dict[str, list[str]] = {}
    for module in modules("tests"):
        for name, call in calls(module):
            if name == "sleep" and ast.unparse(call).rpartition("sleep")[2] != "(0)":
                found.setdefault(named(module), []).append(at(module, call))
    return found
