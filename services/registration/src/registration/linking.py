"""Several documents of one person: from what was typed to a fact in the record of each of them.

All records tell the same, and 201 is answered once all of them have told it. What is cut short on the way the policies of
`policies.py` complete: they tell every record what any of them tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey, EventStore, KeyReused
from chassis.faults import IdempotencyKeyReused
from chassis.identity import Identities
from chassis.sealing import Sealing
from contracts.event import shard_of
from contracts.identity import Document
from contracts.same_person import RECORDS_MAX
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.same_person import (
    DocumentIsNotLinked,
    DocumentIsThePersonsOwn,
    Link,
    LinkCommand,
    Named,
    PersonHasTooManyDocuments,
    Unlink,
    time_to_link,
    time_to_unlink,
)


async def records_of(people: CommandHandler[PersonCommand, Person, PersonEvent], person_id: UUID) -> Mapping[UUID, Person]:
    """All records of the person, whichever of them knows of which; the one that was asked for first."""
    found: dict[UUID, Person] = {}
    asked = [person_id]
    while asked:
        each = asked.pop()
        _, found[each] = await people.read(each)
        asked += sorted(found[each].records.same_as - found.keys() - {*asked})
    return found


def document_of(record: Person) -> Named | None:
    """The document of a record, as far as that is known here: sealed under the record's key."""
    forms = [*record.awaited.values(), *(each.details.form for each in record.pre_registrations.values())]
    return record.records.named or next((Named(form.document, form.document_type) for form in forms), None)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of it."""

    outcome: Outcome[PersonEvent]
    """For the record that was asked for."""
    records: Set[UUID]
    """Everyone that was told."""
    token: ConsistencyToken | None
    """Stands for all of them."""


@dataclass(frozen=True)
class Linking:
    """Identify, seal, tell every record."""

    people: CommandHandler[PersonCommand, Person, PersonEvent]
    identities: Identities
    sealing: Sealing
    store: EventStore
    clock: Clock

    async def link(self, person_id: UUID, document: Document, reason: str, *, key: CommandKey) -> Told:
        """Raises: DocumentIsThePersonsOwn; PersonHasTooManyDocuments; PersonIsErased; StreamIsErased; IdempotencyKeyReused;
        Unavailable."""
        (other,) = await self.identities.identify([document])
        if other == person_id:
            raise DocumentIsThePersonsOwn
        records = {**await records_of(self.people, person_id), **await records_of(self.people, other)}
        if len(records) > RECORDS_MAX:
            raise PersonHasTooManyDocuments
        at = time_to_link({each: record.records for each, record in records.items()}, self.clock.now())
        sealer = await self.sealing.sealer_for(sorted(records))
        named = {other: Named(sealer.seal(other, "document", document.number), document.type)}
        commands: dict[UUID, LinkCommand] = {
            each: Link(each, frozenset(records.keys() - {each}), at, named.get(each), sealer.seal(each, "reason", reason))
            for each in records
        }
        return await self._tell(person_id, commands, key)

    async def unlink(self, person_id: UUID, other: UUID, reason: str, *, key: CommandKey) -> Told:
        """The other record, or this one itself, leaves all the others, which stay linked.

        Raises: DocumentIsNotLinked; StreamIsErased; IdempotencyKeyReused; Unavailable."""
        records = {**await records_of(self.people, person_id)}
        known = {*records, *records[person_id].records.apart}
        if other not in known or known == {person_id}:
            raise DocumentIsNotLinked
        if other not in records:
            _, records[other] = await self.people.read(other)
        everybody = records.keys()
        at = time_to_unlink({each: record.records for each, record in records.items()}, other, self.clock.now())
        sealer = await self.sealing.sealer_for(sorted(everybody))
        commands: dict[UUID, LinkCommand] = {
            each: Unlink(
                each,
                frozenset(everybody - {other} if each == other else {other}),
                at,
                sealer.seal(each, "reason", reason),
            )
            for each in everybody
        }
        return await self._tell(person_id, commands, key)

    async def _tell(self, person_id: UUID, commands: Mapping[UUID, LinkCommand], key: CommandKey) -> Told:
        """The record that was asked for comes last, with the key: what is remembered has been told by all of them."""
        match await self.store.remembered(key):
            case KeyReused():
                raise IdempotencyKeyReused
            case None:
                for each in sorted(commands.keys() - {person_id}):
                    await self.people.handle(each, commands[each])
        outcome = await self.people.handle(person_id, commands[person_id], key=key)
        token = await self.people.token_of_shards(map(shard_of, commands))
        return Told(outcome, commands.keys(), token)
