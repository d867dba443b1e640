"""Erasing a person (ADR 19): the keys of all his records first, then the facts."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from chassis.command_handling import Outcome
from registration.domain.erasure import Erase
from registration.domain.person import PersonCommand, PersonEvent, decide
from registration.linking import Records, tell_all
from registration.wired import Wired


async def erase_records(parts: Wired, person_id: UUID) -> Outcome[PersonEvent]:
    """Of the record that was asked for; all others of the person are erased with it. Repeating it changes nothing.

    Raises: EpidemicIsNotOver; PersonIsUnknown; VersionConflict and Unavailable, then ask again."""
    erased = [person_id]  # Whose key is gone is told of, though somebody unlinked him at this very moment.

    async def erasing(records: Records) -> Mapping[UUID, PersonCommand]:
        commands = {each: await _erase(parts, each) for each in records}
        # The keys go first, so that the facts are true when they are told; so what may refuse them is asked beforehand.
        for each, command in commands.items():
            decide(command, records[each])
        for each in commands:
            await parts.sealing.destroy(each)
        erased.extend(commands.keys() - erased)
        return commands

    return await tell_all(parts.people, erased, erasing)


async def _erase(parts: Wired, person_id: UUID) -> Erase:
    return Erase(
        person_id=person_id,
        has_key=await parts.sealing.is_erasable(person_id),
        epidemic_ended_on=parts.epidemic_ended_on,
        at=parts.clock.now(),
    )
