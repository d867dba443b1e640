"""How many people are expected, registered and on site, on each contract?

Registration tells who is pre-registered and who stood on the old roster, the gate who entered and left. The two logs come
in an order of their own, so what one says never overwrites what the other says: a person's row keeps both, and is counted by
what follows from both. Within one log the order is the order in which it happened. The one thing that only both together
tell, whether a roster that says 在场 is older or younger than an exit, is told by their times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome
from contracts.registration import PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported

SELECT = """
SELECT contract_no, person_id, pre_registered, registered, inside, left_at, imported_on_site_at
FROM unnest($1::text[], $2::uuid[]) AS wanted (contract_no, person_id) JOIN membership_v1 USING (contract_no, person_id)
"""

UPSERT_MEMBERS = """
INSERT INTO membership_v1 (contract_no, person_id, pre_registered, registered, inside, left_at, imported_on_site_at)
SELECT * FROM unnest(
    $1::text[], $2::uuid[], $3::boolean[], $4::boolean[], $5::boolean[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (contract_no, person_id) DO UPDATE SET
    pre_registered = excluded.pre_registered, registered = excluded.registered, inside = excluded.inside,
    left_at = excluded.left_at, imported_on_site_at = excluded.imported_on_site_at
"""

ADD_COUNTS = """
INSERT INTO people_count_v1 AS counted (contract_no, partition, pre_registered, registered, on_site)
SELECT contract_no, $1, pre_registered, registered, on_site
FROM unnest($2::text[], $3::integer[], $4::integer[], $5::integer[])
    AS added (contract_no, pre_registered, registered, on_site)
ON CONFLICT (contract_no, partition) DO UPDATE SET
    pre_registered = counted.pre_registered + excluded.pre_registered,
    registered = counted.registered + excluded.registered,
    on_site = counted.on_site + excluded.on_site
"""

Key = tuple[str, int]
"""Contract number and `person_id` as a number, which is hashed and sorted ten times as fast as a UUID, in the same order."""
Counts = tuple[bool, bool, bool]
"""Counts in: pre-registered, registered, on site."""


class Member:
    """What is known of one person on one contract."""

    __slots__ = ("imported_on_site_at", "inside", "left_at", "person_id", "pre_registered", "registered")

    def __init__(
        self,
        person_id: UUID,
        pre_registered: bool = False,
        registered: bool = False,
        inside: bool = False,
        left_at: datetime | None = None,
        imported_on_site_at: datetime | None = None,
    ) -> None:
        self.person_id = person_id
        self.pre_registered = pre_registered
        """Not withdrawn, whether or not entered or left since."""
        self.registered = registered
        """Ever entered or imported."""
        self.inside = inside
        """Admitted by the gate and not left since."""
        self.left_at = left_at
        """Last exit, by the gate's clock."""
        self.imported_on_site_at = imported_on_site_at
        """The old roster says 在场, by registration's clock."""

    def counts(self) -> Counts:
        imported_at = self.imported_on_site_at
        on_site = self.inside or (imported_at is not None and (self.left_at is None or imported_at > self.left_at))
        return self.pre_registered, self.registered, on_site


class PeopleOnContracts:
    """Members, and how many they are."""

    name = "people_on_contract_v1"
    subscribes: tuple[type[Event], ...] = (
        PersonPreRegistered,
        PreRegistrationWithdrawn,
        RosterMemberImported,
        EntryAttempted,
        ExitRegistered,
    )

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        events = [fact.event for fact in facts if _matters(fact.event)]
        if not events:
            return
        people = {(event.contract_no, event.person_id.int): event.person_id for event in events}
        members = await _members(connection, people)
        before = {key: member.counts() for key, member in members.items()}
        for event in events:
            _FOLDS[type(event)](members[event.contract_no, event.person_id.int], event)
        await _store(connection, members)
        await _count(connection, before, members, partition=partition)


def _matters(event: Event) -> bool:
    """Of the attempts only entries that were admitted."""
    return type(event) is not EntryAttempted or (event.kind is EntryKind.ENTRY and event.outcome is Outcome.ADMITTED)


async def _members(connection: Connection, people: Mapping[Key, UUID]) -> dict[Key, Member]:
    """All of them, in the order of their keys; whoever was not known yet is new."""
    members = {key: Member(people[key]) for key in sorted(people)}
    rows = await connection.fetch(
        SELECT, [contract_no for contract_no, _ in members], [each.person_id for each in members.values()]
    )
    for row in rows:
        members[row[0], row[1].int] = Member(*row[1:])
    return members


async def _store(connection: Connection, members: Mapping[Key, Member]) -> None:
    found = members.values()
    await connection.execute(
        UPSERT_MEMBERS,
        [contract_no for contract_no, _ in members],
        [each.person_id for each in found],
        [each.pre_registered for each in found],
        [each.registered for each in found],
        [each.inside for each in found],
        [each.left_at for each in found],
        [each.imported_on_site_at for each in found],
    )


async def _count(connection: Connection, before: Mapping[Key, Counts], members: Mapping[Key, Member], *, partition: int) -> None:
    """Add how many more (or fewer) each contract has."""
    added: dict[str, list[int]] = {}
    for key, member in members.items():
        now, earlier = member.counts(), before[key]
        if now != earlier:
            total = added.setdefault(key[0], [0, 0, 0])
            for n in range(3):
                total[n] += now[n] - earlier[n]
    rows = [(contract_no, *added[contract_no]) for contract_no in sorted(added) if any(added[contract_no])]
    if rows:
        await connection.execute(ADD_COUNTS, partition, *map(list, zip(*rows, strict=True)))


def _pre_registered(member: Member, _: PersonPreRegistered) -> None:
    member.pre_registered = True


def _withdrawn(member: Member, _: PreRegistrationWithdrawn) -> None:
    member.pre_registered = False


def _imported(member: Member, event: RosterMemberImported) -> None:
    member.registered = True
    if event.on_site:
        member.imported_on_site_at = event.imported_at


def _entered(member: Member, _: EntryAttempted) -> None:
    member.registered = member.inside = True


def _left(member: Member, event: ExitRegistered) -> None:
    member.inside = False
    member.left_at = event.exited_at


# Not `match`: a class pattern asks pydantic's metaclass, which costs more here than all the rest of the fold.
_FOLDS: Mapping[type[Event], Callable[[Member, Any], None]] = {
    PersonPreRegistered: _pre_registered,
    PreRegistrationWithdrawn: _withdrawn,
    RosterMemberImported: _imported,
    EntryAttempted: _entered,
    ExitRegistered: _left,
}
