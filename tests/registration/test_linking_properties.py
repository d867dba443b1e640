"""Whoever says what of whose documents, wherever he is cut short and however late it is told on: all records end alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.same_person import PersonLinked, PersonUnlinked
from registration.domain.person import Person, decide, evolve
from registration.domain.same_person import Link, LinkCommand, Records, Unlink, time_to_link, time_to_unlink
from registration.policies import when_records_are_linked
from tests.registration.facts import NOW, SEALED
from tests.told import fact

PEOPLE = [UUID(int=n) for n in range(1, 6)]
STEPS = 40
TOLD_MAX = 2_000
"""Facts in all: more would be records that tell each other for ever."""


@dataclass
class Town:
    """Everybody's records, what waits to be told on, and who is in the middle of saying something."""

    random: Random
    people: dict[UUID, Person] = field(default_factory=lambda: dict.fromkeys(PEOPLE, Person()))
    untold: dict[UUID, list[PersonLinked | PersonUnlinked]] = field(default_factory=lambda: {each: [] for each in PEOPLE})
    saying: list[list[LinkCommand]] = field(default_factory=list)
    told: int = 0
    began: datetime = NOW

    def records(self, *of: UUID) -> Mapping[UUID, Records]:
        found: dict[UUID, Records] = {}
        asked = [*of]
        while asked:
            each = asked.pop()
            found[each] = self.people[each].records
            asked += found[each].same_as - found.keys()
        return found

    def begin(self) -> None:
        """Somebody looks at the records, by a clock of his own, and will tell all of them, or be cut short."""
        one, other = self.random.sample(PEOPLE, 2)
        self.saying.append(self.link(one, other) if self.random.random() < 0.6 else self.unlink(one, other))
        if self.random.random() < 0.5:
            del self.saying[-1][self.random.randrange(len(self.saying[-1]) + 1) :]

    def link(self, one: UUID, other: UUID) -> list[LinkCommand]:
        records = self.records(one, other)
        at = time_to_link(records, self.clock())
        return [Link(each, frozenset(records.keys() - {each}), at, reason=SEALED) for each in sorted(records)]

    def unlink(self, one: UUID, mistaken: UUID) -> list[LinkCommand]:
        records = {**self.records(one), mistaken: self.people[mistaken].records}
        at, others = time_to_unlink(records, mistaken, self.clock()), frozenset(records.keys() - {mistaken})
        return [Unlink(each, others if each == mistaken else frozenset({mistaken}), at, SEALED) for each in sorted(records)]

    def clock(self) -> datetime:
        return self.began + timedelta(seconds=self.random.randrange(5))

    def go_on(self) -> None:
        commands = self.random.choice(self.saying)
        if commands:
            self.handle(commands.pop(0))
        self.saying = [each for each in self.saying if each]

    def tell(self) -> None:
        """A record's facts are told on in their order."""
        untold = self.random.choice([each for each in self.untold.values() if each])
        for _, command in when_records_are_linked(fact(untold.pop(0))):
            self.handle(command)

    def handle(self, command: LinkCommand) -> None:
        for event in decide(command, self.people[command.person_id]):
            assert isinstance(event, PersonLinked | PersonUnlinked)
            self.people[command.person_id] = evolve(self.people[command.person_id], event)
            self.untold[command.person_id].append(event)
            self.told += 1
            assert self.told < TOLD_MAX

    def live(self) -> None:
        for _ in range(STEPS):
            moves = [self.begin] + 3 * [self.go_on] * bool(self.saying) + 2 * [self.tell] * any(self.untold.values())
            self.random.choice(moves)()

    def end(self) -> None:
        """Everybody has said what he had to say, and everything is told on."""
        while self.saying:
            self.go_on()
        while any(self.untold.values()):
            self.tell()


class TestTown:
    @settings(max_examples=100, deadline=None)
    @given(st.randoms(use_true_random=False))
    def test_ends_alike_in_all_records(self, random: Random) -> None:
        town = Town(random)
        town.live()
        town.end()
        linked = {(one, other) for one, person in town.people.items() for other in person.records.same_as}
        assert {(other, one) for one, other in linked} == linked

    @pytest.mark.parametrize("is_linked", [True, False])
    @settings(max_examples=100, deadline=None)
    @given(random=st.randoms(use_true_random=False))
    def test_ends_with_what_is_said_last_and_repeating_that_changes_nothing(self, is_linked: bool, random: Random) -> None:
        """Whatever else is on its way."""
        town = Town(random)
        town.live()
        town.saying, town.began = [], NOW + timedelta(hours=1)
        one, other = random.sample(PEOPLE, 2)
        say, before = town.link if is_linked else town.unlink, town.told
        for command in say(one, other):
            town.handle(command)
        if town.told == before:
            return  # A repeat, too: all of them tell it already.
        before = town.told
        for command in say(one, other):
            town.handle(command)
        assert town.told == before
        town.end()
        said = [other in town.people[one].records.same_as, one in town.people[other].records.same_as]
        assert [is_linked, is_linked] == said
