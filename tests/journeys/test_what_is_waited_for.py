"""Whoever has seen something is answered by read models that have seen it, too, and waits for no list that he did not ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from importlib import import_module
from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chassis import waiting
from chassis.consistency import HEADER
from chassis.subscribers import sources_of
from contracts.access import Role
from contracts.event import SHARDS
from tests.journeys.operations import Operation, answer, token_of, with_token
from tests.journeys.worlds import Place

Statement = tuple[str, Sequence[Any]]

AT_ONCE = " AND ".join(
    f"${n}::{kind} IS NOT NULL" for n, kind in enumerate(("text[]", "text", "smallint[]", "bigint[]", "bigint"), 1)
)
"""In place of the question how far they have come: here it is only asked who is waited for."""

OF_ANOTHER = {("read_draft", Role.CITY_SUPERVISOR)}
"""Whose example is of a district, and there for nobody else."""

_statements: ContextVar[list[Statement] | None] = ContextVar("statements", default=None)
"""Those of this request. The worker in the same process has none."""


@pytest.fixture(autouse=True)
def listened(monkeypatch: pytest.MonkeyPatch) -> None:
    execute = asyncpg.Connection._execute  # type: ignore[attr-defined]  # fetch, fetchrow and fetchval all go through it

    def listen(connection: asyncpg.Connection, query: str, args: Sequence[Any], *more: Any, **others: Any) -> Any:
        if (statements := _statements.get()) is not None:
            statements.append((query, args))
        return execute(connection, query, args, *more, **others)

    monkeypatch.setattr(asyncpg.Connection, "_execute", listen)
    monkeypatch.setattr(waiting, "REACHED", f"SELECT {AT_ONCE}")


@contextmanager
def listening() -> Iterator[list[Statement]]:
    statements: list[Statement] = []
    reset = _statements.set(statements)
    yield statements
    _statements.reset(reset)


def those_who_ask(operation: Operation) -> list[Role]:
    """The first and the last of those who may. Of the authorities the city is the last: some of its answers are read elsewhere."""
    return [*dict.fromkeys((operation.allowed[0], operation.allowed[-1]))]


async def asked(operation: Operation, role: Role, source: str) -> list[Statement]:
    """What the database was asked, in order, by somebody who has seen everything of the source."""
    good = operation.example.good
    request = operation.request("seen", 0, good, key=str(uuid4()), version=await operation.version(good))
    token = f"{source}/1/" + ",".join(f"{shard}:1" for shard in range(SHARDS))
    request = with_token(request, token_of(role))
    with listening() as statements:
        response = await answer(operation, replace(request, headers=(*request.headers, (HEADER, token))))
    if operation.method == "GET" and (operation.name, role) not in OF_ANOTHER:
        assert operation.example.status == response.status_code, f"invalid: {operation.name} as {role}: {response.text}"
    return statements


def waited_for(statements: Sequence[Statement], source: str) -> set[str]:
    return {name for query, args in statements if query == waiting.REACHED and args[1] == source for name in args[0]}


def read_from(statements: Sequence[Statement], here: Place, source: str) -> Mapping[str, int]:
    """Read models that take in the source's events, each with the first statement that reads a table of theirs."""
    tables = {
        table.name: each.name
        for each in here.running.application.read_models
        for table in each.tables
        if source in sources_of(each)
    }
    found: dict[str, int] = {}
    for n, (query, _) in enumerate(statements):
        for table in re.findall(r"\w+_v\d+", query):
            if table in tables:
                found.setdefault(tables[table], n)
    return found


@pytest.fixture
def waiting_operations(operations: list[Operation]) -> list[Operation]:
    """Those that take a token; what changes nothing first."""
    return sorted((each for each in operations if HEADER in each.parameters), key=lambda each: each.method != "GET")


@pytest.fixture
def sources(here: Place) -> list[str]:
    return sorted({source for each in here.running.application.read_models for source in sources_of(each)})


class TestAnswer:
    async def test_was_waited_for_by_every_read_model_that_it_is_read_from(
        self, here: Place, waiting_operations: list[Operation], sources: list[str]
    ) -> None:
        missed = []
        for operation, source in product(waiting_operations, sources):
            for role in those_who_ask(operation):
                statements = await asked(operation, role, source)
                for name, first in read_from(statements, here, source).items():
                    if name not in waited_for(statements[:first], source):
                        missed.append((operation.name, role, source, name))
        assert [] == missed

    async def test_waits_for_no_list_that_it_is_not_read_from(
        self, here: Place, waiting_operations: list[Operation], sources: list[str]
    ) -> None:
        readers = getattr(import_module(f"{here.running.parts.name.replace('-', '_')}.wired"), "READERS", {})
        lists = [each for each in waiting_operations if each.method == "GET"]
        in_vain = []
        for operation, source in product(lists, sources):
            for role in those_who_ask(operation):
                statements = await asked(operation, role, source)
                named = waited_for(statements, source) - {*readers.get(source, ())}
                in_vain += [(operation.name, role, source, name) for name in named - read_from(statements, here, source).keys()]
        assert [] == in_vain
