"""Whoever says what of whose documents at the same moment: it is as if one had said it after the other.

Drawn by Hypothesis: who begins, who goes on, who dies, and who asks again, each held before his append and before each key that he
destroys. After every step what the records tell is compared with what follows from who was answered so far, one after the other.
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
from chassis.sealing import Sealing, StreamIsErased
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.rejection import Rejection
from contracts.same_person import RECORDS_MAX
from registration.domain.erasure import PersonIsErased
from registration.domain.person import Person
from registration.domain.same_person import DocumentIsNotLinked, PersonHasTooManyDocuments
from registration.erasing import erase_records, tell_erased
from registration.linking import Told
from registration.pre_registering import Answer, TypedForm
from tests.registration.asking import begin_test, citizen, number, person_id
from tests.registration.facts import EMPLOYER
from tests.registration.service import Running
from tests.registration.turns import Turn, Turns, turns

PEOPLE = 10
"""Documents: more than one person may have."""
FEW = 3
"""Where most of what is said is about the same ones, or who are one person from the beginning."""
SAYINGS_MAX = 8
"""Of one example: nobody is outrun as often as he may decide."""
AT_ONCE_MAX = 4
SEEN = ["outrun", "answered again", "died", "keys gone, and died", "told alone", "erased", "found by the key"]
SEEN_MIN = 5
"""Of each, in all examples: with fewer, nothing of it was tried."""

Does = Literal["link", "unlink", "replace", "erase", "tell"]
DOES: list[Does] = ["link", "link", "link", "link", "replace", "unlink", "unlink", "erase", "erase", "erase"]

CROSSING: list[Does] = ["unlink", "erase"]
Before = Literal["nothing", "linked", "set apart and erased at once"]
BEFORE: list[Before] = ["nothing", "linked", "set apart and erased at once"]
"""What the few have said before anything is drawn: else they hardly ever cross."""


def sayings(people: int) -> st.SearchStrategy[list[tuple[Does, int, int]]]:
    saying = st.tuples(st.sampled_from(DOES), *[st.integers(0, people - 1)] * 2).filter(lambda each: each[1] != each[2])
    return st.lists(saying, min_size=4, max_size=SAYINGS_MAX)


@dataclass(frozen=True)
class Saying:
    """Asked again, it is the same. An erasure has no key, and is of `one`; so has what is told of whose key is gone."""

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

    people: dict[int, frozenset[int]]
    """Whom each is the same as, also where he is erased."""
    apart: Set[tuple[int, int]] = frozenset()
    """The second is somebody else, by what the record of the first tells."""
    without_key: frozenset[int] = frozenset()
    erased: frozenset[int] = frozenset()

    def refuses(self, saying: Saying) -> type[Rejection] | None:
        """Whoever reads the records now. Who read them before may still say of one whose key is gone by now what he sealed then."""
        does, one, other = saying.does, saying.one, saying.other
        match does:
            case "erase" | "tell":
                return None
            case "unlink" if other not in self.people[one] and (one, other) not in self.apart:
                return DocumentIsNotLinked
            case "unlink":
                return StreamIsErased if self.people[one] & self.without_key else None
            case "link" if self._joined(saying) & self.without_key:
                return StreamIsErased
            case "replace" if one in self.erased:
                return PersonIsErased
            case "replace" if self._joined(saying) == self.people[one]:
                return None
        if len(self._joined(saying)) > RECORDS_MAX:
            return PersonHasTooManyDocuments
        return PersonIsErased if does == "replace" and self._joined(saying) & self.erased else None

    def say(self, saying: Saying, erases: Set[int]) -> None:
        one, other = saying.one, saying.other
        match saying.does:
            case "erase":
                self.erased |= erases
            case "tell":
                self.erased |= {one}
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
    """Whose keys go by it, as far as he has read the records."""


@dataclass
class Town:
    """Its records, and who says something."""

    running: Running
    turns: Turns
    ids: list[UUID]
    seen: Counter[str]
    known: Known
    readings: int = 0
    """Of records, by whoever decides what to say of them."""
    doing: list[Doing] = field(default_factory=list)
    said: list[Saying] = field(default_factory=list)
    """Begun, whatever became of it."""
    done: dict[CommandKey, Sequence[object]] = field(default_factory=dict)
    """What was answered to whoever has the key."""
    cut_short: list[Saying] = field(default_factory=list)
    """Erasures of whoever died when some of the keys were gone."""

    async def begin(self, saying: Saying) -> None:
        if saying.key not in self.done and saying.shows in self.known.without_key:
            return  # His document leads to somebody else by now.
        expected = self.known.refuses(saying)
        doing = Doing(saying, await self.turns.begin(self._says(saying)))
        self.said.append(saying)
        await self._told(doing, expected, has_read=True)

    async def go_on(self, n: int) -> None:
        doing = self.doing.pop(n)
        expected, readings = self.known.refuses(doing.saying), self.readings
        await self.turns.go_on(doing.turn)
        await self._told(doing, expected, has_read=self.readings > readings and not doing.turn.is_done)

    async def die(self, n: int) -> None:
        """Before he has appended, or destroyed the next key."""
        doing = self.doing.pop(n)
        doing.turn.doing.cancel()
        await asyncio.wait([doing.turn.doing])
        self.seen["died"] += 1
        if doing.erases & self.known.without_key:
            self.cut_short.append(doing.saying)
            self.seen["keys gone, and died"] += 1
        await self.check()

    async def tell_alone(self, n: int) -> None:
        """Of somebody whose key is gone, as `link-again` does."""
        self.seen["told alone"] += 1
        await self.begin(Saying("tell", n, n))

    async def ends(self) -> None:
        """Whoever died is asked again for what he was asked for, and all others whose keys are gone are told of."""
        asked_for = frozenset[int]().union(*(self.known.people[each.one] for each in self.cut_short))
        for saying in self.cut_short:
            await self.to_the_end(saying)
        assert asked_for <= self.known.without_key, "an erasure that is repeated forgets nobody"
        while untold := self.known.without_key - self.known.erased:
            await self.to_the_end(Saying("erase", min(untold), min(untold)))

    async def to_the_end(self, saying: Saying) -> None:
        await self.begin(saying)
        while self.doing:
            await self.go_on(0)

    async def _told(self, doing: Doing, expected: type[Rejection] | None, *, has_read: bool) -> None:
        saying, turn = doing.saying, doing.turn
        if not turn.is_done:
            if saying.does == "erase" and has_read:
                doing.erases = self.known.erased_with(saying.one)
                self.seen["found by the key"] += doing.erases != self.known.people[saying.one]
            assert turn.is_at == "key" or saying.does != "erase" or doing.erases <= self.known.without_key
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
            if saying.does not in ("erase", "tell"):
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
        led_to = [await self.running.wired.identities.find(document(n)) for n in range(len(self.ids))]
        assert [None if n in self.known.without_key else self.ids[n] for n in range(len(self.ids))] == led_to

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
            case "tell":
                return tell_erased(parts, one)


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
    assert all(counted[what] >= SEEN_MIN for what in SEEN), counted


class TestTown:
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), people=st.sampled_from([FEW, FEW, PEOPLE]), before=st.sampled_from(BEFORE))
    async def test_is_as_if_one_had_said_it_after_the_other(
        self, running: Running, seen: Counter[str], data: st.DataObject, people: int, before: Before
    ) -> None:
        begin_test()
        ids = [await person_id(running, n) for n in range(people)]
        await running.wired.sealing.sealer_for(ids)  # Else there is nothing to erase.
        with turns(running.wired.store) as held, pytest.MonkeyPatch.context() as patch:
            town = Town(running, held, ids, seen, Known({n: frozenset({n}) for n in range(people)}))
            read, destroy = running.wired.people.read, running.wired.sealing.destroy

            async def counted_read(stream_id: UUID) -> tuple[int, Person]:
                town.readings += 1
                return await read(stream_id)

            async def destroy_in_turn(stream_id: UUID) -> None:
                await held.hold(before="key")
                await destroy(stream_id)
                town.known.without_key |= {ids.index(stream_id)}

            patch.setattr(running.wired.people, "read", counted_read)
            patch.setattr(Sealing, "destroy", lambda _, stream_id: destroy_in_turn(stream_id))
            if before != "nothing":
                for n in range(1, FEW):
                    await town.to_the_end(Saying("link", 0, n))
            if before == "set apart and erased at once":
                for does in data.draw(st.permutations(CROSSING)):
                    await town.begin(Saying(does, 0, 1))
            left = [Saying(*each) for each in data.draw(sayings(people))]
            while (left and len(town.said) < SAYINGS_MAX) or town.doing:
                may_begin = len(town.said) < SAYINGS_MAX and len(town.doing) < AT_ONCE_MAX
                untold = sorted(town.known.without_key - town.known.erased)
                steps = ["begin"] * bool(may_begin and left) + ["ask again"] * bool(may_begin and town.said)
                steps += ["tell alone"] * bool(may_begin and untold)
                match data.draw(st.sampled_from(steps + ["go on", "go on", "die"] * bool(town.doing))):
                    case "begin":
                        await town.begin(left.pop(0))
                    case "ask again":
                        await town.begin(data.draw(st.sampled_from(town.said)))
                    case "tell alone":
                        await town.tell_alone(data.draw(st.sampled_from(untold)))
                    case "go on":
                        await town.go_on(data.draw(st.integers(0, len(town.doing) - 1)))
                    case "die":
                        await town.die(data.draw(st.integers(0, len(town.doing) - 1)))
            await town.ends()
            await town.check_documents()
