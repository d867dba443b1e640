"""Erasing a record (ADR 19): the key first, then the fact."""

from __future__ import annotations

from uuid import UUID

from chassis.command_handling import Outcome
from registration.domain.erasure import Erase
from registration.domain.person import PersonEvent, decide
from registration.wired import Wired


async def erase_record(parts: Wired, person_id: UUID) -> Outcome[PersonEvent]:
    """Repeating it changes nothing. Raises: EpidemicIsNotOver; PersonIsUnknown; Unavailable, then ask again."""
    command = Erase(
        person_id=person_id,
        has_key=await parts.sealing.is_erasable(person_id),
        epidemic_ended_on=parts.epidemic_ended_on,
        at=parts.clock.now(),
    )
    # The key goes first, so that the fact is true when it is told; so what may refuse it is asked beforehand.
    decide(command, (await parts.people.read(person_id))[1])
    await parts.sealing.destroy(person_id)
    return await parts.people.handle(person_id, command)
