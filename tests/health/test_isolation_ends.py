"""Whose isolation is over on a day: facts, then rows and answers, for a site and for who supervises it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.auth import Principal
from contracts.access import Role
from contracts.health import IsolationOrdered, IsolationOrderWithdrawn, IsolationReason
from contracts.registration import ContractReported
from health.read_models.isolation_ends import ISOLATION_ENDS, Whose, page_of_isolation_ends
from tests.health.facts import EMPLOYER, NOW, OTHER_EMPLOYER, SEALED, TODAY, pre_registered
from tests.health.service import Running
from tests.journeys.worlds import example_of
from tests.told import fact

NOBODY = UUID(int=0)
DAY = timedelta(days=1)


def ordered(person_id: UUID, ends: date) -> IsolationOrdered:
    return IsolationOrdered(
        person_id=person_id,
        order_id=uuid4(),
        reason=IsolationReason.KEY_AREA_ORIGIN,
        anchor_date=ends - 14 * DAY,
        days=14,
        admissible_on=ends,
        policy_version=1,
        declaration_version=1,
        ordered_at=NOW,
    )


def order_withdrawn(order: IsolationOrdered) -> IsolationOrderWithdrawn:
    return IsolationOrderWithdrawn(
        person_id=order.person_id, order_id=order.order_id, reason_code="wrong_origin", evidence=SEALED, withdrawn_at=NOW
    )


async def told(running: Running, *events: Any) -> None:
    """As one batch after the other, so that rows are read again."""
    for event in events:
        async with running.parts.pool.acquire() as connection, connection.transaction():
            stream_id = getattr(event, "person_id", None) or uuid4()
            await ISOLATION_ENDS.project(connection, [fact(event, stream_id=stream_id)], partition=0)


async def ends(running: Running, contract_no: str, day: date = TODAY) -> list[UUID]:
    found = await page_of_isolation_ends(running.parts.pool, day, Whose(contract_no=contract_no), after=NOBODY, limit=10)
    return [each.person_id for each in found]


@pytest.fixture
async def known(running: Running, person_id: UUID, contract_no: str) -> None:
    """The person is expected, and nothing that was declared leads to an order."""
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    assert 200 == (await caller.get(f"/v1/contracts/{contract_no}/isolation-ends", seen=seen)).status_code


@pytest.mark.usefixtures("known")
class TestIsolationEnds:
    async def test_are_on_the_first_free_day_and_on_no_other(self, running: Running, person_id: UUID, contract_no: str) -> None:
        order = ordered(person_id, TODAY)
        await told(running, order, order)
        assert [[], [person_id], []] == [await ends(running, contract_no, TODAY + n * DAY) for n in (-1, 0, 1)]

    async def test_are_the_latest_of_several_orders(self, running: Running, person_id: UUID, contract_no: str) -> None:
        longer = ordered(person_id, TODAY + DAY)
        await told(running, ordered(person_id, TODAY), ordered(person_id, TODAY), longer)
        assert [[], [person_id]] == [await ends(running, contract_no, TODAY + n * DAY) for n in (0, 1)]
        await told(running, order_withdrawn(longer))
        assert [[person_id], []] == [await ends(running, contract_no, TODAY + n * DAY) for n in (0, 1)]


class TestListIsolationEnds:
    @pytest.mark.usefixtures("known")
    async def test_shows_a_site_and_each_firm_its_own_people(self, running: Running, person_id: UUID, contract_no: str) -> None:
        path = f"/v1/contracts/{contract_no}/isolation-ends"
        site = running.caller(Role.SITE_OPERATOR, contract_no)
        own, other = (running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=each) for each in (EMPLOYER, OTHER_EMPLOYER))
        await told(running, ordered(person_id, TODAY))
        answers = [(await each.get(path, date=TODAY.isoformat())).json()["items"] for each in (site, own, other)]
        item = {
            "person_id": str(person_id),
            "contracts": [contract_no],
            "anchor_date": (TODAY - 14 * DAY).isoformat(),
            "admissible_on": TODAY.isoformat(),
        }
        assert [[item], [item], []] == answers
        assert 404 == (await running.caller(Role.SITE_OPERATOR, "W-elsewhere").get(path)).status_code

    async def test_shows_authorities_what_they_supervise_a_page_at_a_time(self, running: Running, contract_no: str) -> None:
        people, station = sorted((uuid4() for _ in range(3)), key=str), f"测试{contract_no}"
        reported = example_of(ContractReported, contract_no=contract_no, station_name=station, district="310151")
        seen = running.registration.tell(*(pre_registered(each, contract_no=contract_no) for each in people))
        site = running.caller(Role.SITE_OPERATOR, contract_no)
        assert 200 == (await site.get(f"/v1/contracts/{contract_no}/isolation-ends", seen=seen)).status_code
        await told(running, reported, *(ordered(each, TODAY) for each in people))

        async def shown(role: Role, after: str = str(NOBODY), **granted: Any) -> Any:
            caller = running.service.caller(Principal(f"{role}-{uuid4()}", role, **granted))
            return (await caller.get("/v1/isolation-ends", date=TODAY.isoformat(), limit=2, after=after)).json()

        first = await shown(Role.STATION_OFFICER, stations=frozenset({station}))
        rest = await shown(Role.STATION_OFFICER, after=first["next"], stations=frozenset({station}))
        assert [str(each) for each in people] == [each["person_id"] for each in first["items"] + rest["items"]]
        assert rest["next"] is None
        assert 2 == len((await shown(Role.DISTRICT_SUPERVISOR, districts=frozenset({"310151"})))["items"])
        assert 2 == len((await shown(Role.CITY_SUPERVISOR))["items"])
        assert [] == (await shown(Role.STATION_OFFICER, stations=frozenset({"浦东"})))["items"]
        assert 403 == (await site.get("/v1/isolation-ends")).status_code
