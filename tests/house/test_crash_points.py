"""Every step at which a process can be made to die is one place in the code, and nobody makes it die anywhere else."""

from __future__ import annotations

import ast
from collections import defaultdict
from itertools import pairwise

import pytest

from chassis.crash_points import CrashPoint
from tests.house.house import at, modules, named, parsed

REGISTRY = "chassis/src/chassis/crash_points.py"


def passed() -> dict[str, list[str]]:
    """What `passing` is called with, as written → where."""
    found = defaultdict(list)
    for module in modules("chassis", "services"):
        for node in ast.walk(parsed(module)):
            match node:
                case ast.Call(func=ast.Name(id="passing"), args=[argument]):
                    found[ast.unparse(argument)].append(at(module, node))
    return found


class TestCrashPoints:
    @pytest.mark.parametrize("point", CrashPoint)
    def test_are_each_one_place(self, point: CrashPoint) -> None:
        assert 1 == len(passed().get(f"CrashPoint.{point.name}", []))

    def test_are_passed_by_their_names_alone(self) -> None:
        assert {f"CrashPoint.{point.name}" for point in CrashPoint} == passed().keys()

    def test_say_where_they_are(self) -> None:
        [registry] = [module for module in modules("chassis") if named(module) == REGISTRY]
        [body] = [node.body for node in parsed(registry).body if isinstance(node, ast.ClassDef)]
        said = [here for here, after in pairwise(body) if isinstance(here, ast.Assign) and _is_text(after)]
        assert len(CrashPoint) == len(said)

    def test_are_the_only_places_where_a_process_ends_itself(self) -> None:
        killing = {
            named(module)
            for module in modules("chassis", "services")
            for node in ast.walk(parsed(module))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.kill", "os._exit", "os.abort"}
        }
        assert {REGISTRY} == killing

    def test_are_armed_by_the_variable_alone(self) -> None:
        reading = {named(module) for module in modules("chassis", "services") if "GATEHOUSE_CRASH_AT" in module.read_text()}
        assert {REGISTRY} == reading


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
