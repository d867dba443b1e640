"""Small enough to be read at once."""

from __future__ import annotations

import ast

from tests.house.house import PARTS, at, modules, named, parsed

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def test_no_file_is_too_long() -> None:
    lengths = {named(module): len(module.read_text().splitlines()) for module in modules(*PARTS)}
    assert {} == {module: lines for module, lines in lengths.items() if lines > FILE_LINES_MAX}


def test_no_function_is_too_long() -> None:
    long = [
        f"{at(module, node)} {node.name}: {lines} lines"
        for module in modules(*PARTS)
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert [] == long
