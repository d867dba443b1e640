"""Whoever has declared and declares again is noticed without anybody's act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.service import Machinery
from chassis.testing.wait import eventually
from contracts.identity import Document, DocumentType
from contracts.registration import FamilyDetailsCorrected, PersonErased, PersonPreRegistered, PreRegistrationClosed
from healthcloud_bridge import poller
from healthcloud_bridge.read_models.followed import FOLLOWED
from tests.health.facts import (
    HERE,
    SEALED,
    corrected,
    family_member,
    family_member_withdrawn,
    pre_registered,
    pre_registration_withdrawn,
)
from tests.health.service import Running
from tests.healthcloud_bridge.test_awaiting import ELSEWHERE, awaited, form_withdrawn, versions
from tests.healthcloud_bridge.upstream import Upstream, form
from tests.told import fact

NOW = datetime.now(UTC)


async def expected(parts: Machinery[Any], number: str, *, contract_no: str = HERE, at: datetime = NOW) -> PersonPreRegistered:
    """Somebody with this number is pre-registered."""
    (person_id,) = await parts.identities.identify([Document(type=DocumentType.CITIZEN_ID, number=number)])
    sealer = await parts.sealing.sealer_for([person_id])
    sealed = {field: sealer.seal(person_id, field, text) for field, text in (("document", number), ("name", "张小三"))}
    return pre_registered(person_id, contract_no=contract_no, pre_registered_at=at, **sealed)


def closed(person_id: UUID) -> PreRegistrationClosed:
    """The person has left the site."""
    return PreRegistrationClosed(person_id=person_id, contract_no=HERE, closed_at=NOW)


async def followed(running: Running, person_id: UUID) -> set[str]:
    """The contracts for which the person is asked for again and again."""
    rows = await running.parts.pool.fetch("SELECT contract_no FROM followed_v1 WHERE person_id = $1", person_id)
    return {row["contract_no"] for row in rows}


async def due_in(running: Running, person_id: UUID) -> timedelta | None:
    """How long until the person is asked for again. None before he was for the first time."""
    due_at: datetime | None = await running.parts.pool.fetchval(
        "SELECT due_at FROM followed_v1 WHERE person_id = $1 AND due_at > '-infinity'", person_id
    )
    return None if due_at is None else due_at - datetime.now(UTC)


async def time_passes(running: Running, person_id: UUID) -> None:
    """Until the person is due again."""
    await running.parts.pool.execute("UPDATE followed_v1 SET due_at = clock_timestamp() WHERE person_id = $1", person_id)


class TestFollowed:
    async def project(self, running: Running, *batches: list[Any]) -> None:
        for batch in batches:
            async with running.parts.pool.acquire() as connection, connection.transaction():
                await FOLLOWED.project(connection, [fact(event) for event in batch], partition=0)

    @pytest.mark.parametrize("in_one_batch", [True, False])
    @pytest.mark.parametrize("over", [form_withdrawn, pre_registration_withdrawn, closed])
    async def test_is_whoever_is_awaited_or_pre_registered_until_that_is_over(
        self, running: Running, number: str, in_one_batch: bool, over: Callable[[UUID], Any]
    ) -> None:
        here = await expected(running.parts, number)
        there = await awaited(running.parts, number, contract_no=ELSEWHERE)
        events: list[Any] = [here, there, over(here.person_id)]
        await self.project(running, *([events] if in_one_batch else [[each] for each in events]))
        assert {ELSEWHERE} == await followed(running, here.person_id)

    async def test_is_the_family_that_comes_along_until_that_is_over(self, running: Running) -> None:
        child = uuid4()
        await self.project(running, [family_member(child), family_member(child, contract_no=ELSEWHERE)])
        assert {HERE, ELSEWHERE} == await followed(running, child)
        await self.project(running, [family_member_withdrawn(child)])
        assert {ELSEWHERE} == await followed(running, child)

    async def test_is_asked_for_by_the_name_that_was_put_right(self, running: Running) -> None:
        person_id, name = uuid4(), SEALED + "B"
        await self.project(running, [pre_registered(person_id), corrected(person_id, name=name)])
        found = await running.parts.pool.fetchval("SELECT name FROM followed_v1 WHERE person_id = $1", person_id)
        assert name == found
        holds = dict(family_member(person_id)) | {"name": SEALED + "C"}
        del holds["same_as"]
        family = FamilyDetailsCorrected(**holds, reason=SEALED, corrected_at=NOW + timedelta(minutes=1))
        await self.project(running, [family])
        found = await running.parts.pool.fetchval("SELECT name FROM followed_v1 WHERE person_id = $1", person_id)
        assert SEALED + "C" == found

    async def test_is_nobody_who_was_erased(self, running: Running, number: str) -> None:
        here, there = await expected(running.parts, number), await expected(running.parts, number, contract_no=ELSEWHERE)
        await self.project(running, [here, there, PersonErased(person_id=here.person_id, dropped_forms=(), erased_at=NOW)])
        assert set() == await followed(running, here.person_id)


class TestPoller:
    async def test_finds_a_further_declaration_of_whoever_has_declared(
        self, running: Running, upstream: Upstream, number: str
    ) -> None:
        await upstream.declare(form(number))
        told = await expected(running.parts, number, at=datetime.now(UTC) - timedelta(days=7))
        running.registration.tell(told)
        assert [1] == await eventually(lambda: versions(running, told.person_id))

        async def is_settled() -> bool:
            """That round says when he is due next; before, it would take back that he is due now."""
            due = await due_in(running, told.person_id)
            return due is not None and due > timedelta(seconds=poller.CLAIM_S)

        await eventually(is_settled)
        await upstream.declare(form(number, 是否湖北出发="是"))
        await time_passes(running, told.person_id)
        assert await eventually(lambda: _is(running, told.person_id, [1, 2]))

    async def test_asks_ever_more_rarely(self, running: Running, upstream: Upstream, number: str, other_number: str) -> None:
        lately = await expected(running.parts, number, at=datetime.now(UTC) - timedelta(hours=1))
        long_ago = await expected(running.parts, other_number, at=datetime.now(UTC) - timedelta(days=7))
        running.registration.tell(lately, long_ago)

        async def pauses() -> tuple[timedelta, timedelta] | None:
            first, second = await due_in(running, lately.person_id), await due_in(running, long_ago.person_id)
            settled = first is not None and second is not None and timedelta(seconds=poller.CLAIM_S) < min(first, second)
            return (first, second) if first is not None and second is not None and settled else None

        found = await eventually(pauses)
        assert found is not None
        assert timedelta(minutes=25) < found[0] < timedelta(minutes=35)
        assert timedelta(hours=5) < found[1] < timedelta(hours=7)

    async def test_does_not_miss_a_turn_while_health_cloud_is_down(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(down=True)
        await upstream.declare(form(number))
        told = await expected(running.parts, number, at=datetime.now(UTC) - timedelta(days=7))
        running.registration.tell(told)

        async def was_tried() -> bool:
            return await due_in(running, told.person_id) is not None

        await eventually(was_tried)
        await upstream.misbehave()
        assert [1] == await eventually(lambda: versions(running, told.person_id))

    async def test_ends_some_day(self, running: Running, upstream: Upstream, number: str) -> None:
        await upstream.declare(form(number))
        told = await expected(running.parts, number, at=NOW - timedelta(days=poller.FOLLOWED.days_max + 1))
        running.registration.tell(told)

        async def is_over() -> bool:
            over: bool = await running.parts.pool.fetchval(
                "SELECT EXISTS (SELECT FROM followed_v1 WHERE person_id = $1 AND due_at = 'infinity')", told.person_id
            )
            return over

        assert await eventually(is_over)
        assert [] == await versions(running, told.person_id)


async def _is(running: Running, person_id: UUID, wanted: list[int]) -> bool:
    return await versions(running, person_id) == wanted
