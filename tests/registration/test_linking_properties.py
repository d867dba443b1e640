"""Whoever says what of whose documents at the same moment: it is as if one had said it after the other.

Drawn by Hypothesis: who begins, and who goes on, each held before his append. After every step what the records tell is compared
with what follows from who was answered so far, one after the other.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Set
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.command_handling import command_key
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.rejection import Rejection
from contracts.same_person import RECORDS_MAX
from registration.domain.same_person import DocumentIsNotLinked, PersonHasTooManyDocuments
from registration.linking import READINGS_MAX
from registration.pre_registering import TypedForm
from tests.registration.asking import begin_test, citizen, number, person_id
from tests.registration.facts import EMPLOYER
from tests.registration.service import Running
from tests.registration.turns import Turn, Turns, turns

PEOPLE = 10
"""Documents: more than one person may have."""
SAYINGS_MAX = READINGS_MAX
"""Of one example: nobody is outrun as often as he may read."""
AT_ONCE_MAX = 4
OUTRUN_MIN = 5
"""In all examples: with fewer, nobody was in anybody's way."""

Does = Literal["link", "unlink", "replace"]
Saying = tuple[Does, int, int]
DOES: list[Does] = ["link", "link", "link", "replace", "unlink"]
SAYINGS = st.tuples(st.sampled_from(DOES), *[st.integers(0, PEOPLE - 1)] * 2).filter(lambda saying: saying[1] != saying[2])


@dataclass
class Known:
    """What must be told, by what was said so far."""

    people: dict[int, frozenset[int]] = field(default_factory=lambda: {n: frozenset({n}) for n in range(PEOPLE)})
    apart: Set[tuple[int, int]] = frozenset()

    def refuses(self, saying: Saying) -> type[Rejection] | None:
        does, one, other = saying
        if does == "unlink":
            return None if other in self.people[one] or (one, other) in self.apart else DocumentIsNotLinked
        return PersonHasTooManyDocuments if len(self._joined(saying)) > RECORDS_MAX else None

    def say(self, saying: Saying) -> None:
        does, one, other = saying
        if does == "unlink":
            if other in self.people[one]:
                self.apart |= {pair for each in self.people[one] - {other} for pair in ((each, other), (other, each))}
                self._set(self.people[one] - {other})
                self._set(frozenset({other}))
            return
        joined = self._joined(saying)
        self.apart = {(a, b) for a, b in self.apart if not {a, b} <= joined}
        self._set(joined)

    def _joined(self, saying: Saying) -> frozenset[int]:
        does, one, other = saying
        if does == "replace" and (one, other) in self.apart:
            return self.people[one]
        return self.people[one] | self.people[other]

    def _set(self, people: frozenset[int]) -> None:
        self.people |= dict.fromkeys(people, people)


@dataclass
class Town:
    """Its records, and who says something."""

    running: Running
    turns: Turns
    ids: list[UUID]
    known: Known = field(default_factory=Known)
    saying: list[tuple[Saying, Turn[Any]]] = field(default_factory=list)
    outrun: int = 0

    async def begin(self, saying: Saying) -> None:
        expected = self.known.refuses(saying)
        turn = await self.turns.begin(self._says(saying))
        await self._told(saying, turn, expected)

    async def go_on(self, n: int) -> None:
        saying, turn = self.saying.pop(n)
        expected, before = self.known.refuses(saying), turn.appends
        await self.turns.go_on(turn)
        self.outrun += turn.appends > before or expected is not None
        await self._told(saying, turn, expected)

    async def _told(self, saying: Saying, turn: Turn[Any], expected: type[Rejection] | None) -> None:
        if not turn.is_done:
            self.saying.append((saying, turn))
        elif error := turn.doing.exception():
            assert expected is type(error), error
        else:
            assert expected is None
            self.known.say(saying)
        await self.check()

    async def check(self) -> None:
        read = await self.running.wired.people.read_together(self.ids)
        told = {
            self.ids.index(each): frozenset(map(self.ids.index, {each, *person.records.same_as}))
            for each, (_, person) in read.items()
        }
        assert self.known.people == told

    def _says(self, saying: Saying) -> Coroutine[Any, Any, Any]:
        does, one, other = saying
        key = command_key(principal="somebody", key=uuid4().hex, body=b"")
        parts = self.running.wired
        if does == "link":
            return parts.linking.link(self.ids[one], document(other), "护照换发", key=key)
        if does == "unlink":
            return parts.linking.unlink(self.ids[one], self.ids[other], "证件号录错", key=key)
        return parts.pre_registering.hand_in(form(one, replaces=self.ids[other]), key=key)


def document(n: int) -> Document:
    return Document(type=DocumentType.CITIZEN_ID, number=citizen(n)["number"])


def form(n: int, *, replaces: UUID) -> TypedForm:
    """Nobody has declared: it waits. On a contract of its own, where whoever is replaced was never expected."""
    return TypedForm(
        contract_no=number(),
        district="310109",
        document=document(n),
        name="张小三",
        person_kind=PersonKind.WORKER,
        trade="020",
        employer_credit_code=EMPLOYER,
        origin_code="320600",
        origin="江苏省南通市",
        arrival_date=None,
        mobile=None,
        declaration_version=None,
        for_one_firm=False,
        replaces=replaces,
    )


@pytest.fixture
def outrun() -> Iterator[list[int]]:
    """By example, how often somebody had to read anew."""
    seen: list[int] = []
    yield seen
    assert sum(seen) >= OUTRUN_MIN, f"the race did not happen: {sum(seen)} outrun"


class TestTown:
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), sayings=st.lists(SAYINGS, min_size=4, max_size=SAYINGS_MAX))
    async def test_is_as_if_one_had_said_it_after_the_other(
        self, running: Running, outrun: list[int], data: st.DataObject, sayings: list[Saying]
    ) -> None:
        begin_test()
        ids = [await person_id(running, n) for n in range(PEOPLE)]
        with turns(running.wired.store) as held:
            town = Town(running, held, ids)
            while sayings or town.saying:
                begins = bool(sayings) and len(town.saying) < AT_ONCE_MAX and (not town.saying or data.draw(st.booleans()))
                if begins:
                    await town.begin(sayings.pop(0))
                else:
                    await town.go_on(data.draw(st.integers(0, len(town.saying) - 1)))
        outrun.append(town.outrun)
