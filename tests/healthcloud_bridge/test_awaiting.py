"""Whoever declares late is found without anybody's act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.service import Machinery
from chassis.testing.wait import eventually
from chassis.waiting import wait_for
from contracts.access import Role
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.registration import DeclarationAwaited, FamilyDeclarationAwaited, FormWithdrawn, PersonErased
from healthcloud_bridge import poller
from healthcloud_bridge.read_models.awaited import AWAITED
from tests.health.facts import EMPLOYER, HERE, SEALED, family_member, family_member_withdrawn, pre_registered
from tests.health.service import Running
from tests.healthcloud_bridge.test_api import LOOKUPS, asked
from tests.healthcloud_bridge.test_declarations import FIRST
from tests.healthcloud_bridge.upstream import Upstream, form
from tests.told import fact

NOW = datetime.now(UTC)
ELSEWHERE = "W2017050130174"


async def awaited(
    parts: Machinery[Any], number: str, *, contract_no: str = HERE, name: str = "张小三", asked_at: datetime = NOW
) -> DeclarationAwaited:
    """Registration refused the form of this person, and kept it."""
    (person_id,) = await parts.identities.identify([Document(type=DocumentType.CITIZEN_ID, number=number)])
    sealer = await parts.sealing.sealer_for([person_id])
    return DeclarationAwaited(
        person_id=person_id,
        contract_no=contract_no,
        district="310109",
        person_kind=PersonKind.WORKER,
        trade="020",
        employer_credit_code=EMPLOYER,
        origin_code="320600",
        origin=SEALED,
        document=sealer.seal(person_id, "document", number),
        document_type=DocumentType.CITIZEN_ID,
        name=sealer.seal(person_id, "name", name),
        complete=True,
        asked_at=asked_at,
    )


async def family_awaited(parts: Machinery[Any], number: str) -> FamilyDeclarationAwaited:
    """The same of a family member's."""
    told = (await awaited(parts, number)).model_dump(include=set(FamilyDeclarationAwaited.model_fields))
    return FamilyDeclarationAwaited(**told | {"accompanies": UUID(int=40), "name_fingerprint": "f" * 64})


def form_withdrawn(person_id: UUID) -> FormWithdrawn:
    return FormWithdrawn(person_id=person_id, contract_no=HERE, district="310109", reason=SEALED, withdrawn_at=NOW)


async def waiting(running: Running, person_id: UUID) -> set[str]:
    """The contracts that wait for this person's declaration."""
    rows = await running.parts.pool.fetch("SELECT contract_no FROM awaited_v1 WHERE person_id = $1", person_id)
    return {row["contract_no"] for row in rows}


async def was_asked_for(running: Running, person_id: UUID) -> bool:
    """Whether the poller took the person up at least once."""
    asked: bool = await running.parts.pool.fetchval(
        "SELECT EXISTS (SELECT FROM awaited_v1 WHERE person_id = $1 AND due_at > '-infinity' AND due_at < 'infinity')", person_id
    )
    return asked


async def asked_for(running: Running, person_id: UUID) -> None:
    await eventually(lambda: was_asked_for(running, person_id))


async def versions(running: Running, person_id: UUID) -> list[int]:
    return [each.declaration_version for each in await running.facts(person_id) if isinstance(each, DeclarationReceived)]


class TestAwaited:
    async def project(self, running: Running, *batches: list[Any]) -> None:
        for batch in batches:
            async with running.parts.pool.acquire() as connection, connection.transaction():
                await AWAITED.project(connection, [fact(event) for event in batch], partition=0)

    @pytest.mark.parametrize("in_one_batch", [True, False])
    async def test_is_over_on_this_contract_by_a_pre_registration(
        self, running: Running, upstream: Upstream, number: str, in_one_batch: bool
    ) -> None:
        await upstream.misbehave(down=True)
        here, there = await awaited(running.parts, number), await awaited(running.parts, number, contract_no=ELSEWHERE)
        events = [here, there, pre_registered(here.person_id, contract_no=HERE)]
        await self.project(running, *([events] if in_one_batch else [[each] for each in events]))
        assert {ELSEWHERE} == await waiting(running, here.person_id)

    async def test_is_over_on_this_contract_by_a_withdrawal(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(down=True)
        here, there = await awaited(running.parts, number), await awaited(running.parts, number, contract_no=ELSEWHERE)
        await self.project(running, [here, there, form_withdrawn(here.person_id)])
        assert {ELSEWHERE} == await waiting(running, here.person_id)

    @pytest.mark.parametrize("in_one_batch", [True, False])
    async def test_is_over_everywhere_by_a_declaration(
        self, running: Running, upstream: Upstream, number: str, in_one_batch: bool
    ) -> None:
        await upstream.misbehave(down=True)
        here, there = await awaited(running.parts, number), await awaited(running.parts, number, contract_no=ELSEWHERE)
        declared = DeclarationReceived(person_id=here.person_id, declaration_version=1, received_at=NOW, **vars(FIRST))
        events = [here, there, declared]
        await self.project(running, *([events] if in_one_batch else [[each] for each in events]))
        assert set() == await waiting(running, here.person_id)

    async def test_is_over_everywhere_by_an_erasure(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(down=True)
        here, there = await awaited(running.parts, number), await awaited(running.parts, number, contract_no=ELSEWHERE)
        await self.project(
            running, [here, there, PersonErased(person_id=here.person_id, dropped_forms=(ELSEWHERE, HERE), erased_at=NOW)]
        )
        assert set() == await waiting(running, here.person_id)

    @pytest.mark.parametrize("over", [family_member, family_member_withdrawn])
    async def test_is_of_family_too_until_they_come_along_or_stay_away(
        self, running: Running, upstream: Upstream, number: str, over: Callable[..., Any]
    ) -> None:
        await upstream.misbehave(down=True)
        here = await family_awaited(running.parts, number)
        await self.project(running, [here])
        assert {HERE} == await waiting(running, here.person_id)
        await self.project(running, [over(here.person_id, contract_no=HERE)])
        assert set() == await waiting(running, here.person_id)

    async def test_begins_anew_after_it_was_over(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(down=True)
        here = await awaited(running.parts, number)
        await self.project(running, [here, pre_registered(here.person_id, contract_no=HERE), here])
        assert {HERE} == await waiting(running, here.person_id)
        await self.project(running, [here])
        assert {HERE} == await waiting(running, here.person_id)


class TestPoller:
    async def test_finds_a_late_declaration(self, running: Running, upstream: Upstream, number: str) -> None:
        kept = await awaited(running.parts, number)
        seen = running.registration.tell(kept, await awaited(running.parts, number, contract_no=ELSEWHERE))
        await wait_for(running.parts.pool, seen, subscribers=[AWAITED.name])
        await asked_for(running, kept.person_id)
        assert [] == await versions(running, kept.person_id)

        await upstream.declare(form(number))
        assert [1] == await eventually(lambda: versions(running, kept.person_id))

        async def nobody_waits() -> bool:
            return await waiting(running, kept.person_id) == set()

        assert await eventually(nobody_waits)
        assert [1] == await versions(running, kept.person_id)

    async def test_asks_again_after_the_clock_was_set_back(self, running: Running, upstream: Upstream, number: str) -> None:
        kept = await awaited(running.parts, number)
        await wait_for(running.parts.pool, running.registration.tell(kept), subscribers=[AWAITED.name])
        await asked_for(running, kept.person_id)
        await running.parts.pool.execute(
            "UPDATE awaited_v1 SET due_at = clock_timestamp() + interval '1 hour' WHERE person_id = $1", kept.person_id
        )
        await upstream.declare(form(number))
        assert [1] == await eventually(lambda: versions(running, kept.person_id))

    async def test_is_only_delayed_while_health_cloud_is_down(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(down=True)
        await upstream.declare(form(number))
        kept = await awaited(running.parts, number)
        running.registration.tell(kept)
        await asked_for(running, kept.person_id)
        assert [] == await versions(running, kept.person_id)
        await upstream.misbehave()
        assert [1] == await eventually(lambda: versions(running, kept.person_id))

    async def test_takes_a_declaration_of_another_name_which_is_not_for_it_to_judge(
        self, running: Running, upstream: Upstream, number: str
    ) -> None:
        await upstream.declare(form(number, 姓名="李四"))
        kept = await awaited(running.parts, number)
        running.registration.tell(kept)
        assert [1] == await eventually(lambda: versions(running, kept.person_id))

    async def test_finds_what_a_look_up_has_stored_already(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.declare(form(number))
        looked_up = await running.caller(Role.SITE_OPERATOR).post(LOOKUPS, asked(number))
        assert 200 == looked_up.status_code
        # Taken in before somebody waits: else it ends the waiting before the poller asks.
        stored = ConsistencyToken.parse(looked_up.headers[CONSISTENCY_TOKEN])
        await wait_for(running.parts.pool, stored, subscribers=[AWAITED.name])
        kept = await awaited(running.parts, number)
        running.registration.tell(kept)
        await asked_for(running, kept.person_id)
        assert [1] == await versions(running, kept.person_id)

    async def test_goes_on_where_a_row_cannot_be_read(
        self, running: Running, upstream: Upstream, number: str, other_number: str
    ) -> None:
        broken = (await awaited(running.parts, number)).model_copy(update={"document": SEALED})
        await upstream.declare(form(other_number))
        kept = await awaited(running.parts, other_number)
        running.registration.tell(broken, kept)
        assert [1] == await eventually(lambda: versions(running, kept.person_id))

    async def test_does_not_ask_for_ever(self, running: Running, number: str, other_number: str) -> None:
        long_ago = NOW - timedelta(days=poller.AWAITED.days_max + 1)
        forgotten, kept = await awaited(running.parts, number, asked_at=long_ago), await awaited(running.parts, other_number)
        running.registration.tell(forgotten)
        await eventually(lambda: waiting(running, forgotten.person_id))
        running.registration.tell(kept)
        await asked_for(running, kept.person_id)
        assert not await was_asked_for(running, forgotten.person_id)
        assert {HERE} == await waiting(running, forgotten.person_id)
