"""One request about many people: each is still a command and facts of their own, and has an answer of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from chassis.command_handling import CommandHandler
from chassis.event_store import CommandKey
from contracts.health import HealthEvent, Hold
from contracts.rejection import Rejection
from health.domain.commands import HealthCommand
from health.domain.state import HealthPerson

PEOPLE_MAX = 400
"""People of one request. With what is told of each it stays below the limit of a body."""
PEOPLE_AT_ONCE = 200
"""People who are decided on at the same time. The log gathers what is waiting into few transactions."""

UNKNOWN = "not-found"
"""Of somebody whom the contract, or the employer, does not know: whoever exists elsewhere is told alike."""


class PersonOutcome(StrEnum):
    """What became of one of the people."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class PersonAnswer(BaseModel):
    """What became of one of the people, in the order of the request."""

    person_id: UUID
    outcome: PersonOutcome
    code: str | None = None
    """Why it was refused: the `code` of the problem that a request about this person alone would be answered with."""
    holds: tuple[Hold, ...] = ()
    """What kept the person out when it was answered, whichever report it follows from."""


class PersonIsNamedTwice(Rejection):
    """Of two statements about the same person in one request nobody could say which one is meant."""

    code = "person-is-named-twice"
    status = 422
    title_zh = "同一人员在一次提交中重复出现"
    title_en = "A person is named twice in one request"


def require_distinct(person_ids: Collection[UUID]) -> None:
    """Raises: PersonIsNamedTwice."""
    if len(set(person_ids)) < len(person_ids):
        raise PersonIsNamedTwice


@dataclass(frozen=True)
class ManyPeople:
    """A command a person. Whoever is refused keeps nobody else from being done."""

    handler: CommandHandler[HealthCommand, HealthPerson, HealthEvent]

    async def each(self, commands: Mapping[UUID, HealthCommand | None], key: CommandKey) -> list[PersonAnswer]:
        """Do all that can be done; None: the person is not known. Every command has a key of its own, made from `key`, so
        that a request which died half-way is completed by sending it again, and nobody is reported twice.

        Raises: Unavailable, VersionConflict: then some may be done already.
        """
        answers: list[PersonAnswer] = []
        people = list(commands.items())
        for start in range(0, len(people), PEOPLE_AT_ONCE):
            some = people[start : start + PEOPLE_AT_ONCE]
            answers += await asyncio.gather(*(self._one(person_id, command, key) for person_id, command in some))
        return answers

    async def _one(self, person_id: UUID, command: HealthCommand | None, key: CommandKey) -> PersonAnswer:
        if command is None:
            return PersonAnswer(person_id=person_id, outcome=PersonOutcome.REFUSED, code=UNKNOWN)
        # A client's key has no space in it: no key of another request is ever the same.
        own = CommandKey(key.principal, f"{key.key} {person_id}", key.body_hash)
        try:
            outcome = await self.handler.handle(person_id, command, key=own)
        except Rejection as rejection:
            return PersonAnswer(person_id=person_id, outcome=PersonOutcome.REFUSED, code=rejection.code)
        _, person = await self.handler.read(person_id)
        done = PersonOutcome.DONE if outcome.events else PersonOutcome.UNCHANGED
        return PersonAnswer(person_id=person_id, outcome=done, holds=tuple(sorted(person.holds)))


def done(answers: Sequence[PersonAnswer]) -> list[UUID]:
    """Those of whom something new is stored, or stood already."""
    return [each.person_id for each in answers if each.outcome is not PersonOutcome.REFUSED]
