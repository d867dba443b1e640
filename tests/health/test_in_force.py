"""`Prefer: wait`: a disposition is answered once every gate knows it. The gatekeeper is told by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.consistency import ConsistencyToken
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.event import Recorded
from contracts.gatekeeper import Cause, Clearance, ClearanceChanged
from contracts.health import DispositionChanged
from health.read_models.in_force import IN_FORCE, InForceWatch, in_force_since, look_for_unknown_bans
from tests.health.facts import NOW, pre_registered
from tests.health.service import Running
from tests.in_process import Caller
from tests.measured import measured, risen
from tests.told import RECORDED_AT, fact

BAN = {
    "disposition": "suspected",
    "isolation_from": "2020-02-18",
    "method": "central",
    "reason_code": "observed",
    "evidence": "电话通知",
}
AT = RECORDED_AT.isoformat().replace("+00:00", "Z")


def clearance_changed(person_id: UUID, decision: UUID, *, rests_on: UUID | None) -> ClearanceChanged:
    cause = Cause(service="health", event_id=decision, type=DispositionChanged.TYPE, shard=person_id.int % 64, pos=1)
    return ClearanceChanged(person_id=person_id, clearance=Clearance(disposition_id=rests_on), caused_by=cause, changed_at=NOW)


async def decisions(running: Running, person_id: UUID) -> list[Recorded]:
    return [each for each in await running.recorded(person_id) if each.type == DispositionChanged.TYPE]


class Supervisor:
    """Decides about one person."""

    def __init__(self, running: Running, caller: Caller, person_id: UUID, contract_no: str) -> None:
        self.running, self.caller, self.person_id, self.contract_no = running, caller, person_id, contract_no

    async def decide(self, *, prefer: str | None = None, key: str | None = None, **changes: Any) -> httpx2.Response:
        body = BAN | {"contract_no": self.contract_no} | changes
        path = f"/v1/people/{self.person_id}/dispositions"
        return await self.caller.post(path, body, key=key, **({"Prefer": prefer} if prefer else {}))

    async def listed(self, *, seen: ConsistencyToken | None = None) -> list[str | None]:
        answer = await self.caller.get(f"/v1/people/{self.person_id}/dispositions", seen=seen)
        return [item["in_force_at"] for item in answer.json()["items"]]

    async def gate_takes_note(self, count: int, *, waiting: int = 0) -> ConsistencyToken:
        """Of the latest of `count` decisions, once they are stored, and so many requests wait."""

        async def stored() -> Sequence[Recorded]:
            found = await decisions(self.running, self.person_id)
            return found if len(found) == count and self.running.application.state["wired"].in_force.waiting >= waiting else []

        found = await eventually(stored)
        return self.running.gatekeeper.tell(clearance_changed(self.person_id, found[-1].event_id, rests_on=found[-1].event_id))


@pytest.fixture
async def supervisor(running: Running, person_id: UUID, contract_no: str) -> Supervisor:
    caller = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
    assert 200 == (await caller.get(f"/v1/people/{person_id}/dispositions", seen=seen)).status_code
    return Supervisor(running, caller, person_id, contract_no)


class TestWait:
    async def test_is_over_when_the_gate_has_taken_note(self, supervisor: Supervisor) -> None:
        answer, _ = await asyncio.gather(supervisor.decide(prefer="wait=5"), supervisor.gate_takes_note(1))
        assert (200, AT, "wait=5") == (answer.status_code, answer.json()["in_force_at"], answer.headers["preference-applied"])
        assert [AT] == await supervisor.listed()

    async def test_is_over_when_the_time_is_up(self, supervisor: Supervisor) -> None:
        answer = await supervisor.decide(prefer="wait=0")
        assert (202, None, "wait=0") == (
            answer.status_code,
            answer.json()["in_force_at"],
            answer.headers["preference-applied"],
        )
        assert [None] == await supervisor.listed()

    async def test_is_measured_and_so_is_the_oldest_ban_that_no_gate_knows(self, running: Running, supervisor: Supervisor) -> None:
        waited = risen("gatehouse_ban_in_force_wait_seconds_count")
        answer = await supervisor.decide(prefer="wait=0")
        assert (202, 0) == (answer.status_code, waited()), "it did not wait"

        async def known_to_health() -> bool:
            await look_for_unknown_bans(running.parts.pool)
            return bool(measured("gatehouse_ban_oldest_not_in_force_seconds"))

        await eventually(known_to_health)
        await asyncio.gather(
            supervisor.decide(prefer="wait=5", isolation_until="2020-03-01"), supervisor.gate_takes_note(2, waiting=1)
        )
        assert 1 == waited()
        others = await running.parts.pool.fetchval("SELECT count(*) FROM ban_v3 WHERE person_id <> $1", supervisor.person_id)
        await look_for_unknown_bans(running.parts.pool)
        assert others or 0 == measured("gatehouse_ban_oldest_not_in_force_seconds")

    async def test_is_not_asked_for_by_everybody(self, supervisor: Supervisor) -> None:
        answer = await supervisor.decide()
        assert (201, None) == (answer.status_code, answer.json()["in_force_at"])
        assert "preference-applied" not in answer.headers

    async def test_can_be_had_later(self, supervisor: Supervisor) -> None:
        await supervisor.decide(prefer="wait=0")
        seen = await supervisor.gate_takes_note(1)
        assert [AT] == await supervisor.listed(seen=seen)

    async def test_of_a_repeat_is_for_the_decision_that_stands(self, supervisor: Supervisor) -> None:
        first = await supervisor.decide(prefer="wait=0", key="one")
        await supervisor.gate_takes_note(1)
        same_key, same_content = await supervisor.decide(prefer="wait=5", key="one"), await supervisor.decide(prefer="wait=5")
        assert [(200, AT)] * 2 == [(each.status_code, each.json()["in_force_at"]) for each in (same_key, same_content)]
        assert first.headers["consistency-token"] == same_key.headers["consistency-token"]

    async def test_of_a_later_decision_does_not_take_the_earlier_ones_answer(self, supervisor: Supervisor) -> None:
        await supervisor.decide(prefer="wait=0")
        await supervisor.gate_takes_note(1)
        assert 202 == (await supervisor.decide(prefer="wait=0", isolation_until="2020-03-01")).status_code
        answer, _ = await asyncio.gather(
            supervisor.decide(prefer="wait=5", isolation_until="2020-03-02"), supervisor.gate_takes_note(3)
        )
        assert 200 == answer.status_code
        assert [AT, None, AT] == await supervisor.listed()


class TestInForce:
    async def test_is_silent_about_what_was_caused_by_anything_else(self, running: Running, person_id: UUID) -> None:
        other, decision = uuid4(), uuid4()
        facts = [
            fact(clearance_changed(person_id, other, rests_on=None)),
            fact(clearance_changed(person_id, decision, rests_on=decision), pos=2),
        ]
        for _ in range(2):
            async with running.parts.pool.acquire() as connection, connection.transaction():
                await IN_FORCE.project(connection, facts, partition=0)
        assert {decision: RECORDED_AT} == await in_force_since(running.parts.pool, [other, decision])


class TestWatch:
    async def test_looks_once_for_all_who_wait(self, running: Running, person_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
        watch, ids, looks = InForceWatch(running.parts.pool), [uuid4() for _ in range(200)], 0

        async def look(pool: Any, asked: Sequence[UUID]) -> dict[UUID, Any]:
            nonlocal looks
            looks += len(asked) > 1
            return await in_force_since(pool, asked)  # type: ignore[return-value]

        monkeypatch.setattr("health.read_models.in_force.in_force_since", look)
        looking = asyncio.create_task(watch.run())
        waiting = [asyncio.create_task(watch.since(each, within_s=20)) for each in ids]
        await eventually(lambda: looks > 1)
        facts = [fact(clearance_changed(person_id, each, rests_on=each), pos=n) for n, each in enumerate(ids, 1)]
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await IN_FORCE.project(connection, facts, partition=0)
        assert [RECORDED_AT] * len(ids) == await asyncio.gather(*waiting)
        seen = looks
        assert await watch.since(uuid4()) is None
        looking.cancel()
        assert seen == looks, "it looked although nobody waited"

    async def test_tells_at_once_whoever_comes_when_too_many_wait(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("health.read_models.in_force.WAITERS_MAX", 1)
        watch = InForceWatch(running.parts.pool)
        first = asyncio.create_task(watch.since(uuid4(), within_s=60))
        await eventually(lambda: watch.waiting == 1)
        assert await watch.since(uuid4(), within_s=60) is None
        first.cancel()
        await eventually(lambda: watch.waiting == 0)
