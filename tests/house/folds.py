"""What makes a state out of events: the code behind a decider's `evolve`, and the state's shape, as one short hash.

Cached states (`stream.state`) are trusted as long as their `state_version` is the decider's. So whatever changes what
`evolve` makes of a stream must raise it. Comments, docstrings and formatting change nothing; neither does `decide`.

    python -m tests.house.folds    # the hashes as they are now
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from chassis.command_handling import Decider
from tests.house.assembled import wired
from tests.house.house import SERVICES

Decided = Decider[Any, Any, Any]


def deciders() -> dict[str, Decided]:
    """`<package>/<kind of stream>` → decider, of every service."""
    return {f"{service.package}/{each.kind}": each for service in SERVICES for each in wired(service.package).deciders}


def fold_of(decider: Decided) -> str:
    """12 hexadecimal digits. Another fold gives others."""
    evolve = decider.evolve.func if isinstance(decider.evolve, partial) else decider.evolve
    package = evolve.__module__.partition(".")[0]
    reached: dict[str, str] = {}
    for each in (evolve, type(decider.initial)):
        _reach(each, package, reached)
    shape = json.dumps(_without_words(decider.states.json_schema()), sort_keys=True)
    initial = decider.states.dump_json(decider.initial).decode()
    text = "\n".join([*(reached[name] for name in sorted(reached)), shape, initial])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _reach(thing: Any, package: str, reached: dict[str, str]) -> None:
    """Note the code of a function or class of the service, and whatever of the house it uses.

    Of `contracts`, functions only: its classes that are stored in a state are in the state's shape.
    """
    root = (getattr(thing, "__module__", None) or "").partition(".")[0]
    is_code = isinstance(thing, FunctionType) and root in (package, "contracts")
    name = f"{root}.{getattr(thing, '__qualname__', '')}"
    if not (is_code or (isinstance(thing, type) and root == package)) or name in reached:
        return
    reached[name] = _code(thing)
    for function in _functions(thing):
        for used in _used(function):
            _reach(used, package, reached)
            if isinstance(used, int | float | str | timedelta):
                reached[f"{name} uses {used!r}"] = repr(used)


def _functions(thing: Any) -> Iterator[FunctionType]:
    if isinstance(thing, FunctionType):
        yield thing
    else:
        for each in vars(thing).values():
            unwrapped: Callable[..., Any] | None = getattr(each, "fget", None) or getattr(each, "func", None) or each
            if isinstance(unwrapped, FunctionType) and unwrapped.__module__ == thing.__module__:
                yield unwrapped


def _used(function: FunctionType) -> Iterator[Any]:
    """What the function's names stand for, also behind a module (`readings.latest`)."""
    found = [function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__]
    yield from found
    for module in found:
        if isinstance(module, ModuleType):
            yield from (vars(module)[name] for name in _names(function.__code__) if name in vars(module))


def _names(code: CodeType) -> set[str]:
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)


def _code(thing: Any) -> str:
    """The source without comments and docstrings, in one form however it is typed."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            code = [each for each in body if not _is_text(each)]
            node.body = code or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _without_words(schema: Any) -> Any:
    """A JSON Schema without what only explains."""
    if isinstance(schema, dict):
        return {key: _without_words(value) for key, value in schema.items() if key not in ("description", "title")}
    return [_without_words(each) for each in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    print(json.dumps({name: {str(each.state_version): fold_of(each)} for name, each in deciders().items()}, indent=4))  # noqa: T201
