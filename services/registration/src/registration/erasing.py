"""Erasing a person (ADR 19): the keys of all his records first, then the facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from uuid import UUID

from chassis.command_handling import Outcome
from registration.domain.erasure import Erase
from registration.domain.person import Person, PersonCommand, PersonEvent, decide
from registration.linking import Records, named_by, tell_all
from registration.wired import Wired

PEOPLE_MAX = 100
"""Asked for at once."""
NOBODY = UUID(int=0)
"""Before everybody."""

RECORDS = "SELECT stream_id FROM stream WHERE kind = 'person' AND stream_id > $1 ORDER BY stream_id LIMIT $2"


async def erase_records(parts: Wired, person_id: UUID) -> Outcome[PersonEvent]:
    """Of the record that was asked for; all others of the person are erased with it. A repeat erases those that an erasure left
    which was cut short, and else changes nothing.

    Raises: EpidemicIsNotOver; PersonIsUnknown; VersionConflict and Unavailable, then ask again."""

    async def erasing(records: Records) -> Mapping[UUID, PersonCommand]:
        gone = await parts.sealing.destroyed_among(records)
        commands = {each: await _erase(parts, each) for each in _led_to(person_id, records, gone)}
        # The keys go first, so that the facts are true when they are told; so what may refuse them is asked beforehand.
        for each, command in commands.items():
            decide(command, records[each])
        for each in commands:
            await parts.sealing.destroy(each)
        return commands

    return await tell_all(parts.people, [person_id], erasing, others_of=partial(_erased_with, parts))


async def without_key(parts: Wired) -> AsyncIterator[UUID]:
    """Whose key is gone, though his record does not tell that he was erased: that was cut short, or a restore lost it."""
    async for page in pages(partial(records_after, parts)):
        gone = await parts.sealing.destroyed_among(page)
        for each, (_, person) in (await parts.people.read_together(sorted(gone))).items():
            if not person.is_erased:
                yield each


async def tell_erased(parts: Wired, person_id: UUID) -> int:
    """Of whoever's key is gone. Nobody's is destroyed by it: what names his record may lack that it was unlinked. How many facts.

    Raises: EpidemicIsNotOver; VersionConflict and Unavailable, then ask again."""
    return len((await parts.people.handle(person_id, await _erase(parts, person_id))).events)


async def pages(after: Callable[[UUID], Awaitable[Sequence[UUID]]]) -> AsyncIterator[Sequence[UUID]]:
    """Everybody whom `after` gives, some at a time, in order of the ids."""
    last = NOBODY
    while page := await after(last):
        yield page
        last = page[-1]


async def records_after(parts: Wired, last: UUID) -> Sequence[UUID]:
    """The next of whom the log tells something."""
    return [row["stream_id"] for row in await parts.pool.fetch(RECORDS, last, PEOPLE_MAX)]


async def _erased_with(parts: Wired, records: Collection[Person]) -> Collection[UUID]:
    """Whose key is gone is told of, though he was unlinked before that: at this very moment, or after it was cut short."""
    apart = {other for record in records for other in record.records.apart}
    return {*await named_by(records), *await parts.sealing.destroyed_among(apart)}


def _led_to(person_id: UUID, records: Records, gone: Collection[UUID]) -> Sequence[UUID]:
    """Those of the records that are this person's, himself first.

    Nobody can be unlinked from a record without a key: whom an erased one names, he names it, too. Else he was set apart before,
    and a restore lost its half of that: his key stays. One whose key is `gone` is told of, whoever names him.
    """
    found = [person_id]
    for one in found:
        record = records[one].records
        for other in records.keys() - {*found}:
            named = other in record.same_as and (not records[one].is_erased or one in records[other].records.same_as)
            if named or (other in record.known and other in gone):
                found.append(other)
    return found


async def _erase(parts: Wired, person_id: UUID) -> Erase:
    return Erase(
        person_id=person_id,
        has_key=await parts.sealing.is_erasable(person_id),
        epidemic_ended_on=parts.epidemic_ended_on,
        at=parts.clock.now(),
    )
