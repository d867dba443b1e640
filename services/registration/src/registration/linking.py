"""Several documents of one person: from what was typed to facts in the records of all of them, in one append.

Each record names all others of the person. That stays so because whoever changes it reads all of them, tells all of them, and is
taken only while none of them has moved meanwhile; else he reads them anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.event_store import CommandKey
from chassis.faults import VersionConflict
from chassis.identity import Identities
from chassis.sealing import Sealing
from chassis.turns import Rounds
from contracts.event import shard_of
from contracts.identity import Document
from contracts.same_person import PersonLinked
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.same_person import DocumentIsNotLinked, DocumentIsThePersonsOwn, Link, Named, Unlink

READINGS_MAX = 8
"""How often records are read because they lead to others, or others to them, before the client is told to try again."""

People = CommandHandler[PersonCommand, Person, PersonEvent]
Records = Mapping[UUID, Person]
"""By `person_id`."""
OthersOf = Callable[[Collection[Person]], Awaitable[Collection[UUID]]]
"""Which others are asked along with these records: those that they name, at least."""


async def named_by(records: Collection[Person]) -> Collection[UUID]:
    return {other for record in records for other in record.records.same_as}


async def records_of(people: People, *asked: UUID, others_of: OthersOf = named_by) -> Mapping[UUID, tuple[int, Person]]:
    """All records of these people with their versions, as they are at one moment; those that were asked for first. All
    that lead to each other are read, also where one that lacks a fact does not name all others.

    Raises: VersionConflict, where they are linked anew all the time; Unavailable."""
    found = {each: await people.read(each) for each in asked}
    for _ in range(READINGS_MAX):
        linked = await others_of([record for _, record in found.values()])
        everybody = [*dict.fromkeys([*asked, *sorted(linked)])]
        if everybody == [*found]:
            return found
        found = {**await people.read_together(everybody)}
    raise VersionConflict(found[asked[0]][0])


async def tell_all(
    people: People,
    asked: Sequence[UUID],
    commands_for: Callable[[Records], Awaitable[Mapping[UUID, PersonCommand]]],
    *,
    key: CommandKey | None = None,
    others_of: OthersOf = named_by,
) -> Outcome[PersonEvent]:
    """Ask something of the records of these people, of the first one at least. All of them tell what follows, or none does.

    The outcome is that of the first one; its token stands for all. Whoever has a `key` looks before whether it is `repeated`.

    Raises: what `commands_for` and the decider refuse; IdempotencyKeyReused; VersionConflict; Unavailable."""
    moved = VersionConflict(0)
    async with people.turn(asked[0]):
        async for _ in Rounds():
            read = await records_of(people, *asked, others_of=others_of)
            along = {**await commands_for({each: person for each, (_, person) in read.items()})}
            versions = {each: version for each, (version, _) in read.items()}
            command, version = along.pop(asked[0]), versions.pop(asked[0])
            try:
                outcome = await people.handle(
                    asked[0], command, key=key, expected_version=version, rests_on=[*versions.items()], along=along
                )
            except VersionConflict as conflict:
                moved = conflict
            else:
                return await _for_all(people, outcome, read)
    raise moved


async def repeated(people: People, key: CommandKey) -> Outcome[PersonEvent] | None:
    """The first outcome of what `tell_all` was asked with this key; None where it was not. Nobody's document is asked for, and no
    record: they may have become others since. Raises: IdempotencyKeyReused; Unavailable."""
    first = await people.outcome_of(key)
    return first and await _for_all(people, first, [first.stream_id])


async def _for_all(people: People, outcome: Outcome[PersonEvent], records: Iterable[UUID]) -> Outcome[PersonEvent]:
    """Its token stands for all records, also for those that were set apart: what a repeat finds may be just as young."""
    read = await people.read_together([*records])
    known = {*read, *(other for _, person in read.values() for other in person.records.known)}
    return replace(outcome, token=await people.token_of_shards(map(shard_of, known)))


def one_sided(records: Records) -> Sequence[tuple[UUID, UUID]]:
    """Each that names another, with the other, which does not name it: one of them lacks a fact. Whoever is erased lacks none."""
    named = {each: person.records.same_as for each, person in records.items() if not person.is_erased}
    return [(one, other) for one in named for other in sorted(named[one] & named.keys()) if one not in named[other]]


def document_of(record: Person) -> Named | None:
    """The document of a record, as far as that is known here: sealed under the record's key."""
    forms = [*record.awaited.values(), *(each.details.form for each in record.pre_registrations.values())]
    return record.records.named or next((Named(form.document, form.document_type) for form in forms), None)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it."""

    outcome: Outcome[PersonEvent]
    """Of the record that was asked for. Its token stands for all."""
    same_as: Sequence[UUID]
    """All other records of the person, ascending."""


@dataclass(frozen=True)
class Linking:
    """Identify, seal, tell every record."""

    people: People
    identities: Identities
    sealing: Sealing
    clock: Clock

    async def link(self, person_id: UUID, document: Document, reason: str, *, key: CommandKey) -> Told:
        """Raises: DocumentIsThePersonsOwn; PersonHasTooManyDocuments; PersonIsErased; StreamIsErased; IdempotencyKeyReused;
        VersionConflict; Unavailable."""
        outcome = await repeated(self.people, key) or await self._link(person_id, document, reason, key)
        if told := [event.same_as for event in outcome.events if isinstance(event, PersonLinked)]:
            return Told(outcome, told[-1])
        _, person = await self.people.read(person_id)
        return Told(outcome, sorted(person.records.same_as))

    async def unlink(self, person_id: UUID, other: UUID, reason: str, *, key: CommandKey) -> Outcome[PersonEvent]:
        """The other record, or this one itself, leaves all the others, which stay linked.

        Raises: DocumentIsNotLinked; StreamIsErased; IdempotencyKeyReused; VersionConflict; Unavailable."""
        unlinking = partial(self._unlinking, person_id, other, reason)
        return await repeated(self.people, key) or await tell_all(self.people, [person_id], unlinking, key=key)

    async def _link(self, person_id: UUID, document: Document, reason: str, key: CommandKey) -> Outcome[PersonEvent]:
        (other,) = await self.identities.identify([document])
        if other == person_id:
            raise DocumentIsThePersonsOwn
        return await tell_all(self.people, [person_id, other], partial(self._linking, other, document, reason), key=key)

    async def _linking(self, other: UUID, document: Document, reason: str, records: Records) -> Mapping[UUID, PersonCommand]:
        sealer, at = await self.sealing.sealer_for(sorted(records)), self.clock.now()
        named = {other: Named(sealer.seal(other, "document", document.number), document.type)}
        return {
            each: Link(each, frozenset(records.keys() - {each}), at, named.get(each), sealer.seal(each, "reason", reason))
            for each in records
        }

    async def _unlinking(self, person_id: UUID, other: UUID, reason: str, records: Records) -> Mapping[UUID, PersonCommand]:
        known = records[person_id].records.known
        if not known or other not in {person_id, *known}:
            raise DocumentIsNotLinked
        sealer, at = await self.sealing.sealer_for(sorted(records)), self.clock.now()
        others = frozenset(records.keys() - {other})
        return {
            each: Unlink(each, others if each == other else frozenset({other}), at, sealer.seal(each, "reason", reason))
            for each in records
        }
