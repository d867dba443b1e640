"""Whoever says what of whose documents at the same moment: it is as if one had said it after the other.

Drawn by Hypothesis: who begins, who goes on, who dies, and who asks again, each held before his append. After every step what the
records tell is compared with what follows from who was answered so far, one after the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.command_handling import Outcome, command_key
from chassis.event_store import CommandKey
from chassis.sealing import StreamIsErased
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.rejection import Rejection
from contracts.same_person import RECORDS_MAX
from registration.domain.erasure import PersonIsErased
from registration.domain.same_person import DocumentIsNotLinked, PersonHasTooManyDocuments
from registration.erasing import erase_records
from registration.linking import READINGS_MAX, Told
from registration.pre_registering import Answer, TypedForm
from tests.registration.asking import begin_test, citizen, number, person_id
from tests.registration.facts import EMPLOYER
from tests.registration.service import Running
from tests.registration.turns import Turn, Turns, turns

PEOPLE = 10
"""Documents: more than one person may have."""
SAYINGS_MAX = READINGS_MAX
"""Of one example: nobody is outrun as often as he may read."""
AT_ONCE_MAX = 4
SEEN_MIN = {"outrun": 5, "answered again": 5, "died": 5, "keys gone, and died": 2, "erased": 5}
"""In all examples: with fewer, nothing of it was tried."""

Does = Literal["link", "unlink", "replace", "erase"]
DOES: list[Does] = ["link", "link", "link", "link", "replace", "unlink", "unlink", "erase"]
SAYINGS = st.tuples(st.sampled_from(DOES), *[st.integers(0, PEOPLE - 1)] * 2).filter(lambda saying: saying[1] != saying[2])


@dataclass(frozen=True)
class Saying:
    """Asked again, it is the same. An erasure has no key, and is of `one`."""

    does: Does
    one: int
    other: int
    key: CommandKey = field(default_factory=lambda: command_key(principal="somebody", key=uuid4().hex, body=b""))
    contract_no: str = field(default_factory=number)

    @property
    def shows(self) -> int | None:
        """Whose document."""
        return {"link": self.other, "replace": self.one}.get(self.does)


@dataclass
class Known:
    """What must be told, by what was said so far."""

    people: dict[int, frozenset[int]] = field(default_factory=lambda: {n: frozenset({n}) for n in range(PEOPLE)})
    apart: Set[tuple[int, int]] = frozenset()
    """The second is somebody else, by what the record of the first tells."""
    without_key: frozenset[int] = frozenset()
    erased: frozenset[int] = frozenset()

    def refuses(self, saying: Saying) -> type[Rejection] | None:
        """Whoever reads the records now. Who read them before may still say of one whose key is gone by now what he sealed then."""
        does, one, other = saying.does, saying.one, saying.other
        match does:
            case "erase":
                return None
            case "unlink" if other not in self.people[one] and (one, other) not in self.apart:
                return DocumentIsNotLinked
            case "unlink":
                return StreamIsErased if self.people[one] & self.without_key else None
            case "link" if self._joined(saying) & self.without_key:
                return StreamIsErased
            case "replace" if one in self.erased:
                return PersonIsErased
        if len(self._joined(saying)) > RECORDS_MAX:
            return PersonHasTooManyDocuments
        return PersonIsErased if does == "replace" and self._joined(saying) & self.erased else None

    def say(self, saying: Saying, erases: Set[int]) -> None:
        one, other = saying.one, saying.other
        match saying.does:
            case "erase":
                self.erased |= erases
                self.apart = {(a, b) for a, b in self.apart if a not in erases}
                self.people |= {each: frozenset({each}) for each in erases}
            case "unlink" if other in self.people[one]:
                self.apart |= {pair for each in self.people[one] - {other} for pair in ((each, other), (other, each))}
                self._set(self.people[one] - {other})
                self._set(frozenset({other}))
            case "link" | "replace":
                joined = self._joined(saying)
                self.apart = {(a, b) for a, b in self.apart if not {a, b} <= joined}
                self._set(joined)

    def erased_with(self, one: int) -> frozenset[int]:
        """All that lead to each other; whose key is gone also where he was set apart since."""
        found, before = frozenset({one}), frozenset[int]()
        while found != before:
            before = found
            apart = {b for a, b in self.apart if a in found and b in self.without_key}
            found = found.union(apart, *(self.people[each] for each in found))
        return found

    def _joined(self, saying: Saying) -> frozenset[int]:
        if saying.does == "replace" and (saying.one, saying.other) in self.apart:
            return self.people[saying.one]
        return self.people[saying.one] | self.people[saying.other]

    def _set(self, people: frozenset[int]) -> None:
        self.people |= dict.fromkeys(people, people)


@dataclass
class Doing:
    """Somebody in the middle of what he says."""

    saying: Saying
    turn: Turn[Any]
    erases: Set[int] = frozenset()
    """Whose keys are gone by it, as far as he has read the records."""


@dataclass
class Town:
    """Its records, and who says something."""

    running: Running
    turns: Turns
    ids: list[UUID]
    seen: Counter[str]
    known: Known = field(default_factory=Known)
    doing: list[Doing] = field(default_factory=list)
    said: list[Saying] = field(default_factory=list)
    """Begun, whatever became of it."""
    done: dict[CommandKey, Sequence[object]] = field(default_factory=dict)
    """What was answered to whoever has the key."""

    async def begin(self, saying: Saying) -> None:
        if saying.key not in self.done and saying.shows in self.known.without_key:
            return  # His document leads to somebody else by now.
        expected = self.known.refuses(saying)
        doing = Doing(saying, await self.turns.begin(self._says(saying)))
        self.said.append(saying)
        await self._told(doing, expected, has_read=True)

    async def go_on(self, n: int) -> None:
        doing = self.doing.pop(n)
        expected, appends = self.known.refuses(doing.saying), doing.turn.appends
        await self.turns.go_on(doing.turn)
        await self._told(doing, expected, has_read=doing.turn.appends > appends)

    async def die(self, n: int) -> None:
        """Before he has appended."""
        doing = self.doing.pop(n)
        doing.turn.doing.cancel()
        await asyncio.wait([doing.turn.doing])
        self.seen["died"] += 1
        self.seen["keys gone, and died"] += bool(doing.erases - self.known.erased)
        await self.check()

    async def _told(self, doing: Doing, expected: type[Rejection] | None, *, has_read: bool) -> None:
        saying, turn = doing.saying, doing.turn
        if not turn.is_done:
            if saying.does == "erase" and has_read:
                doing.erases = self.known.erased_with(saying.one)
                self.known.without_key |= doing.erases
            self.seen["outrun"] += turn.appends > 1 and has_read
            self.doing.append(doing)
        elif saying.key in self.done:
            assert self.done[saying.key] == events_of(turn.doing.result())
            self.seen["answered again"] += 1
        elif error := turn.doing.exception():
            assert expected is type(error), error
            self.seen["outrun"] += turn.appends > 0
        else:
            assert expected is None or (expected is StreamIsErased and not has_read)
            self.seen["erased"] += len(doing.erases - self.known.erased)
            self.known.say(saying, doing.erases)
            if saying.does != "erase":
                self.done[saying.key] = events_of(turn.doing.result())
        await self.check()

    async def check(self) -> None:
        read = await self.running.wired.people.read_together(self.ids)
        told = {
            self.ids.index(each): frozenset(map(self.ids.index, {each, *person.records.same_as}))
            for each, (_, person) in read.items()
        }
        assert self.known.people == told
        assert self.known.erased == {self.ids.index(each) for each, (_, person) in read.items() if person.is_erased}

    async def check_documents(self) -> None:
        """Nobody else became known under them."""
        led_to = [await self.running.wired.identities.find(document(n)) for n in range(PEOPLE)]
        assert [None if n in self.known.without_key else self.ids[n] for n in range(PEOPLE)] == led_to

    def _says(self, saying: Saying) -> Coroutine[Any, Any, Any]:
        parts, one, other = self.running.wired, self.ids[saying.one], self.ids[saying.other]
        match saying.does:
            case "link":
                return parts.linking.link(one, document(saying.other), "护照换发", key=saying.key)
            case "unlink":
                return parts.linking.unlink(one, other, "证件号录错", key=saying.key)
            case "replace":
                return parts.pre_registering.hand_in(form(saying, replaces=other), key=saying.key)
            case "erase":
                return erase_records(parts, one)


def events_of(told: Told | Answer | Outcome[Any]) -> Sequence[object]:
    return told.events if isinstance(told, Outcome) else told.outcome.events


def document(n: int) -> Document:
    return Document(type=DocumentType.CITIZEN_ID, number=citizen(n)["number"])


def form(saying: Saying, *, replaces: UUID) -> TypedForm:
    """Nobody has declared: it waits. On a contract of its own, where whoever is replaced was never expected."""
    return TypedForm(
        contract_no=saying.contract_no,
        district="310109",
        document=document(saying.one),
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
def seen() -> Iterator[Counter[str]]:
    """What happened, and how often, in all examples."""
    counted = Counter[str]()
    yield counted
    assert all(counted[what] >= least for what, least in SEEN_MIN.items()), counted


class TestTown:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), sayings=st.lists(SAYINGS, min_size=4, max_size=SAYINGS_MAX))
    async def test_is_as_if_one_had_said_it_after_the_other(
        self, running: Running, seen: Counter[str], data: st.DataObject, sayings: list[tuple[Does, int, int]]
    ) -> None:
        begin_test()
        ids = [await person_id(running, n) for n in range(PEOPLE)]
        await running.wired.sealing.sealer_for(ids)  # Else there is nothing to erase.
        with turns(running.wired.store) as held:
            town = Town(running, held, ids, seen)
            left = [Saying(*each) for each in sayings]
            while (left and len(town.said) < SAYINGS_MAX) or town.doing:
                may_begin = len(town.said) < SAYINGS_MAX and len(town.doing) < AT_ONCE_MAX
                steps = ["begin"] * bool(may_begin and left) + ["ask again"] * bool(may_begin and town.said)
                match data.draw(st.sampled_from(steps + ["go on", "go on", "die"] * bool(town.doing))):
                    case "begin":
                        await town.begin(left.pop(0))
                    case "ask again":
                        await town.begin(data.draw(st.sampled_from(town.said)))
                    case "go on":
                        await town.go_on(data.draw(st.integers(0, len(town.doing) - 1)))
                    case "die":
                        await town.die(data.draw(st.integers(0, len(town.doing) - 1)))
            while untold := town.known.without_key - town.known.erased:
                await town.begin(Saying("erase", min(untold), min(untold)))
                await town.go_on(0)
            await town.check_documents()
