"""Several documents of one person: from what was typed to facts in the records of all of them, in one append.

Each record names all others of the person. That stays so because whoever changes it reads all of them, tells all of them, and is
taken only while none of them has moved meanwhile; else he reads them anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey
from chassis.faults import VersionConflict
from chassis.identity import Identities
from chassis.sealing import Sealing
from contracts.event import shard_of
from contracts.identity import Document
from contracts.same_person import PersonLinked
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.same_person import DocumentIsNotLinked, DocumentIsThePersonsOwn, Link, Named, Unlink

READINGS_MAX = 8
"""How often records are read because one has moved meanwhile, before the client is told to try again."""

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

    With `key`, sending it again answers with the first outcome, of the first one, and asks nothing.

    Raises: what `commands_for` and the decider refuse; IdempotencyKeyReused; VersionConflict; Unavailable."""
    if key and (first := await people.outcome_of(key)):
        return first
    moved = VersionConflict(0)
    for _ in range(READINGS_MAX):
        read = await records_of(people, *asked, others_of=others_of)
        along = {**await commands_for({each: person for each, (_, person) in read.items()})}
        versions = {each: version for each, (version, _) in read.items()}
        command, version = along.pop(asked[0]), versions.pop(asked[0])
        try:
            return await people.handle(
                asked[0], command, key=key, expected_version=version, rests_on=[*versions.items()], along=along
            )
        except VersionConflict as conflict:
            moved = conflict
    raise moved


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
    """For the record that was asked for."""
    same_as: Sequence[UUID]
    """All other records of the person, ascending."""
    token: ConsistencyToken | None
    """Stands for all of them."""


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
        (other,) = await self.identities.identify([document])
        if other == person_id:
            raise DocumentIsThePersonsOwn
        linking = partial(self._linking, other, document, reason)
        return await self._told(person_id, await tell_all(self.people, [person_id, other], linking, key=key), other)

    async def unlink(self, person_id: UUID, other: UUID, reason: str, *, key: CommandKey) -> Told:
        """The other record, or this one itself, leaves all the others, which stay linked.

        Raises: DocumentIsNotLinked; StreamIsErased; IdempotencyKeyReused; VersionConflict; Unavailable."""
        unlinking = partial(self._unlinking, person_id, other, reason)
        return await self._told(person_id, await tell_all(self.people, [person_id], unlinking, key=key), other)

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

    async def _told(self, person_id: UUID, outcome: Outcome[PersonEvent], other: UUID) -> Told:
        _, person = await self.people.read(person_id)
        told = [event.same_as for event in outcome.events if isinstance(event, PersonLinked)]
        same_as = told[-1] if told else sorted(person.records.same_as)
        # Also of whom he was set apart from: a repeat finds what may be just as young.
        token = await self.people.token_of_shards(map(shard_of, {person_id, other, *person.records.known}))
        return Told(outcome, same_as, token)
