"""Facts in order, then rows; on a real database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.same_people import SAME_PEOPLE
from contracts.health import Disposition
from contracts.same_person import PersonLinked, PersonUnlinked
from health.read_models.ban_reviews import BAN_REVIEWS
from health.read_models.known_people import KNOWN_PEOPLE, KnownPerson, everywhere, on_contract
from tests.health.facts import (
    EMPLOYER,
    NOW,
    OTHER_EMPLOYER,
    SEALED,
    corrected,
    dispose,
    disposed,
    family_member,
    family_member_withdrawn,
    imported,
    pre_registered,
    pre_registration_withdrawn,
)
from tests.health.service import Running
from tests.told import fact

Known = dict[str, tuple[str | None, str | None]]


async def project(running: Running, *batches: Sequence[Any]) -> None:
    for batch in batches:
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await KNOWN_PEOPLE.project(connection, [fact(event) for event in batch], partition=0)


@pytest.mark.parametrize("in_one_batch", [True, False])
class TestKnownPeople:
    async def after(self, running: Running, in_one_batch: bool, *events: Any) -> KnownPerson:
        await project(running, *([events] if in_one_batch else [[event] for event in events]))
        return await on_contract(running.parts.pool, events[0].contract_no, events[0].person_id)

    async def test_know_whoever_is_pre_registered(
        self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str
    ) -> None:
        known = await self.after(running, in_one_batch, pre_registered(person_id, contract_no=contract_no))
        assert KnownPerson(pre_registered_for=EMPLOYER) == known

    async def test_know_whoever_was_imported(self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str) -> None:
        known = await self.after(running, in_one_batch, imported(person_id, contract_no=contract_no))
        assert KnownPerson(rostered_for=EMPLOYER) == known

    async def test_know_the_employer_that_was_corrected(
        self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str
    ) -> None:
        other = corrected(person_id, contract_no=contract_no, employer=OTHER_EMPLOYER)
        events = pre_registered(person_id, contract_no=contract_no), other
        assert KnownPerson(pre_registered_for=OTHER_EMPLOYER) == await self.after(running, in_one_batch, *events)

    async def test_know_family_until_they_are_withdrawn(
        self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str
    ) -> None:
        events = family_member(person_id, contract_no=contract_no), family_member_withdrawn(person_id, contract_no=contract_no)
        assert KnownPerson(pre_registered_for=EMPLOYER) == await self.after(running, in_one_batch, events[0])
        assert KnownPerson() == await self.after(running, in_one_batch, *events)

    async def test_forget_whoever_was_withdrawn(
        self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str
    ) -> None:
        events = pre_registered(person_id, contract_no=contract_no), pre_registration_withdrawn(person_id, contract_no=contract_no)
        assert KnownPerson() == await self.after(running, in_one_batch, *events)

    async def test_know_whoever_was_imported_and_withdrawn(
        self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str
    ) -> None:
        events = (
            imported(person_id, contract_no=contract_no),
            pre_registered(person_id, contract_no=contract_no, employer=OTHER_EMPLOYER),
            pre_registration_withdrawn(person_id, contract_no=contract_no),
        )
        assert KnownPerson(rostered_for=EMPLOYER) == await self.after(running, in_one_batch, *events)

    async def test_know_whoever_comes_again(self, running: Running, in_one_batch: bool, person_id: UUID, contract_no: str) -> None:
        events = (
            pre_registered(person_id, contract_no=contract_no),
            pre_registration_withdrawn(person_id, contract_no=contract_no),
            pre_registered(person_id, contract_no=contract_no, employer=OTHER_EMPLOYER),
        )
        assert KnownPerson(pre_registered_for=OTHER_EMPLOYER) == await self.after(running, in_one_batch, *events)


async def test_a_batch_of_many_people_and_contracts_is_kept_apart(running: Running, contract_no: str) -> None:
    people = [uuid4() for _ in range(5)]
    await project(running, [pre_registered(person, contract_no=contract_no) for person in people])
    await project(
        running,
        [
            pre_registration_withdrawn(people[0], contract_no=contract_no),
            pre_registered(people[1], contract_no=f"{contract_no}-2"),
        ],
    )
    pool = running.parts.pool
    assert {} == await everywhere(pool, people[0])
    assert {contract_no, f"{contract_no}-2"} == set(await everywhere(pool, people[1]))
    assert {contract_no} == set(await everywhere(pool, people[2]))


class TestSeveralDocuments:
    async def test_are_known_wherever_one_of_them_is(self, running: Running, person_id: UUID, contract_no: str) -> None:
        other = uuid4()
        await project(running, [pre_registered(person_id, contract_no=contract_no)])
        assert KnownPerson() == await on_contract(running.parts.pool, contract_no, other)
        linked = [
            PersonLinked(person_id=one, same_as=(two,), linked_at=NOW) for one, two in ((person_id, other), (other, person_id))
        ]
        await tell(running, linked)
        assert KnownPerson(pre_registered_for=EMPLOYER) == await on_contract(running.parts.pool, contract_no, other)
        assert {contract_no} == (await everywhere(running.parts.pool, other)).keys()
        await project(running, [pre_registered(other, contract_no=contract_no, employer=OTHER_EMPLOYER)])
        assert KnownPerson(pre_registered_for=OTHER_EMPLOYER) == await on_contract(running.parts.pool, contract_no, other)

    async def test_are_known_where_one_of_them_was_banned(self, running: Running, person_id: UUID, contract_no: str) -> None:
        other, ban = uuid4(), dispose(Disposition.SUSPECTED, person_id=person_id, contract_no=contract_no)
        await project(running, [pre_registered(other, contract_no=contract_no)])
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await BAN_REVIEWS.project(connection, [fact(disposed(ban))], partition=0)
        assert KnownPerson(banned=True) == await on_contract(running.parts.pool, contract_no, person_id)
        pairs = ((person_id, other), (other, person_id))
        await tell(running, [PersonLinked(person_id=one, same_as=(two,), linked_at=NOW) for one, two in pairs])
        both = KnownPerson(pre_registered_for=EMPLOYER, banned=True)
        assert [both, both] == [await on_contract(running.parts.pool, contract_no, each) for each in (person_id, other)]

    async def test_are_somebody_else_s_once_unlinked(self, running: Running, person_id: UUID, contract_no: str) -> None:
        other = uuid4()
        await project(running, [pre_registered(person_id, contract_no=contract_no)])
        pairs = ((person_id, other), (other, person_id))
        await tell(running, [PersonLinked(person_id=one, same_as=(two,), linked_at=NOW) for one, two in pairs])
        apart = [
            PersonUnlinked(person_id=one, not_the_same=(two,), same_as=(), reason=SEALED, unlinked_at=NOW) for one, two in pairs
        ]
        await tell(running, apart)
        assert KnownPerson() == await on_contract(running.parts.pool, contract_no, other)


async def tell(running: Running, events: Sequence[PersonLinked | PersonUnlinked]) -> None:
    async with running.parts.pool.acquire() as connection, connection.transaction():
        await SAME_PEOPLE.project(connection, [fact(event) for event in events], partition=0)
