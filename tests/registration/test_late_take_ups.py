"""Nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any
from uuid import UUID

import pytest

from chassis.command_handling import Outcome, command_key
from chassis.faults import Unavailable
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.identity import Document, DocumentType
from devstack.databases import Database
from registration.domain.person import PersonCommand, PersonEvent
from registration.domain.waiting import TakeUp
from registration.late_take_ups import FOUND_MAX, OVERLOOKED
from registration.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.in_process import Caller
from tests.registration.asking import citizen, declare, form, path, person_id, report
from tests.registration.service import Running, registration


@pytest.fixture
async def unattended(database: MakeDatabase, keys_databases: dict[str, Database]) -> AsyncIterator[Running]:
    """Without the policy everything is as it is where the policy looked a moment before the form was stored."""
    made = await database("registration", SERVICE.migrations)
    async with registration(made, keys_databases["registration"], with_policies=False) as service:
        yield service


async def waiting_family(running: Running, operator: Caller, contract_no: str, name: str = "张小四") -> str:
    """Where somebody waits for a declaration to come along with a person who is expected."""
    opened = await operator.post(path(contract_no), form(), seen=await declare(running))
    family = f"{path(contract_no)}/{opened.json()['person_id']}/family-members"
    await operator.get(family, seen=opened.headers["consistency-token"])
    waits = await operator.post(family, {"document": citizen(2), "name": name})
    await operator.get(family, seen=waits.headers["consistency-token"])
    return family


class TestLook:
    async def test_takes_up_a_form_that_the_policy_did_not_see(self, unattended: Running) -> None:
        contract_no = await report(unattended)
        operator = unattended.caller(Role.SITE_OPERATOR, contract_no)
        for n in (0, 1):
            kept = await operator.post(path(contract_no), form(n))
            await operator.get(path(contract_no), seen=kept.headers["consistency-token"])
        assert 0 == await unattended.take_up_late()

        await declare(unattended, 1, name="李四")
        await declare(unattended)

        async def is_taken_up() -> bool:
            return await unattended.take_up_late() == 1

        async def nothing_is_left() -> bool:
            return await unattended.take_up_late() == 0

        await eventually(is_taken_up)
        await eventually(nothing_is_left)
        assert 1 == (await unattended.facts()).count("person-pre-registered")

    async def test_reads_whom_it_takes_up_when_it_is_its_turn(self, unattended: Running) -> None:
        contract_no = await report(unattended)
        operator = unattended.caller(Role.SITE_OPERATOR, contract_no)
        kept = await operator.post(path(contract_no), form())
        await operator.get(path(contract_no), seen=kept.headers["consistency-token"])
        await declare(unattended)
        person, people = await person_id(unattended), unattended.wired.people
        other = Document(type=DocumentType.CITIZEN_ID, number=citizen(1)["number"])

        async def is_known_to_wait() -> bool:
            return len(await unattended.wired.pool.fetch(OVERLOOKED, FOUND_MAX)) == 1

        async def waits_for_its_turn() -> bool:
            line = people._turns._lines.get(person)
            return line is not None and line.waiting == 1

        await eventually(is_known_to_wait)
        async with people.turn(person):
            looking = asyncio.create_task(unattended.take_up_late(), context=Context())
            await eventually(waits_for_its_turn)
            await unattended.wired.linking.link(person, other, "护照换发", key=command_key(principal="a", key="b", body=b""))
        assert 1 == await looking

    async def test_takes_up_whoever_comes_along_with_somebody_who_is_expected(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        family = await waiting_family(running, operator, contract_no)
        await operator.get(family, seen=await declare(running, 2, name="张小四"))
        assert 1 == await running.take_up_late()
        assert 1 == (await running.facts()).count("family-member-pre-registered")

    async def test_leaves_who_was_to_come_along_with_somebody_withdrawn_since(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        family = await waiting_family(running, operator, contract_no)
        person = family.split("/")[-2]
        gone = await operator.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "录入错误"})
        await operator.get(family, seen=gone.headers["consistency-token"])
        await operator.get(family, seen=await declare(running, 2, name="张小四"))
        assert 0 == await running.take_up_late()

        anew = await operator.post(path(contract_no), form())
        await operator.get(family, seen=anew.headers["consistency-token"])
        assert 1 == await running.take_up_late()

    async def test_looks_at_nobody_again_and_again_who_works_here_meanwhile(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        family = await waiting_family(running, operator, contract_no, "张小三")
        works = await operator.post(path(contract_no), form(2), seen=await declare(running, 2))
        assert 201 == works.status_code
        await operator.get(family, seen=works.headers["consistency-token"])

        async def nobody_is_asked(*asked: object) -> None:
            raise AssertionError(asked)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running.wired.people, "handle", nobody_is_asked)
            assert 0 == await running.take_up_late()

    async def test_keeps_nobody_waiting_for_whoever_cannot_be_taken_up(
        self, unattended: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contract_no = await report(unattended)
        operator = unattended.caller(Role.SITE_OPERATOR, contract_no)
        for n in (0, 1):
            await operator.post(path(contract_no), form(n))
            await declare(unattended, n)
        first, second = sorted([await person_id(unattended, n) for n in (0, 1)])
        handle, asked = unattended.wired.people.handle, set[UUID]()

        async def handle_all_but_the_first(stream_id: UUID, command: PersonCommand, **how: Any) -> Outcome[PersonEvent]:
            asked.add(stream_id)
            if stream_id == first:
                raise Unavailable(retry_after_s=1)
            return await handle(stream_id, command, **how)

        monkeypatch.setattr(unattended.wired.people, "handle", handle_all_but_the_first)

        async def the_second_is_taken_up() -> bool:
            await unattended.take_up_late()
            _, person = await unattended.wired.people.read(second)
            return first in asked and person.is_expected_on(contract_no)

        await eventually(the_second_is_taken_up)

    async def test_asks_the_stream_whether_whoever_is_accompanied_is_expected(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        family = await waiting_family(running, operator, contract_no)
        person = family.split("/")[-2]
        gone = await operator.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "录入错误"})
        await operator.get(family, seen=gone.headers["consistency-token"])
        await operator.get(family, seen=await declare(running, 2, name="张小四"))
        # As the read model stood a moment before.
        await running.wired.pool.execute("UPDATE pre_registration_v2 SET state = 'open' WHERE person_id = $1", UUID(person))
        assert 0 == await running.take_up_late()
        assert "family-member-pre-registered" not in await running.facts()

    async def test_leaves_whoever_is_to_come_along_with_somebody_withdrawn_at_that_moment(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        family = await waiting_family(running, operator, contract_no)
        withdrawal = f"{path(contract_no)}/{family.split('/')[-2]}/withdrawal"
        await operator.get(family, seen=await declare(running, 2, name="张小四"))
        handle = running.wired.people.handle

        async def withdraw_then_handle(stream_id: UUID, command: PersonCommand, **how: Any) -> Outcome[PersonEvent]:
            if isinstance(command, TakeUp):
                assert 204 == (await operator.post(withdrawal, {"reason": "录入错误"})).status_code
            return await handle(stream_id, command, **how)

        monkeypatch.setattr(running.wired.people, "handle", withdraw_then_handle)
        assert 0 == await running.take_up_late()
        assert "family-member-pre-registered" not in await running.facts()
