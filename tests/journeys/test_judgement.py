"""What health makes of an arrival, and how it is put right; over HTTP only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody

EVIDENCE = "车票、居住证明"


async def stands_against(site: Site, arrived: Arrived, *reasons: str) -> None:
    """The gate comes to say exactly this."""

    async def says_so() -> bool:
        return [*reasons] == await site.reasons(arrived)

    await eventually(says_so, within_s=WITHIN_S)


class TestUnknownStopover:
    async def arrives(self, site: Site) -> Arrived:
        person = somebody()
        await site.declares(person, days_ago=3, 是否经停="是", 停留地点="不记得了")
        return await site.pre_registers(person)

    async def answered(self, site: Site, arrived: Arrived, stopover_code: str | None) -> None:
        path = f"/v1/people/{arrived.person_id}/assessments/1/answers"
        body = {"contract_no": site.contract_no, "stopover_code": stopover_code, "evidence": EVIDENCE}
        await site.ask("site_operator", "POST", "health", path, body)

    async def test_keeps_out_until_somebody_has_answered(self, site: Site) -> None:
        worker = await self.arrives(site)
        assert ["travel_unclear"] == await site.reasons(worker)
        await self.answered(site, worker, "340100")
        await stands_against(site, worker)
        assert "admitted" == (await site.enters(worker))["outcome"]

    async def test_is_an_isolation_where_it_was_in_a_key_area(self, site: Site) -> None:
        worker = await self.arrives(site)
        await self.answered(site, worker, "420100")
        await stands_against(site, worker, "isolation_not_completed")
        day = (shanghai_date(datetime.now(UTC)) + timedelta(days=11)).isoformat()
        assert day == (await site.enters(worker))["earliest"]


async def test_an_order_that_was_made_from_a_wrong_fact_is_withdrawn_and_binds_no_more(site: Site) -> None:
    worker = await site.arrives(days_ago=4, from_hubei=True)
    assert ["isolation_not_completed"] == await site.reasons(worker)
    path = f"/v1/people/{worker.person_id}/isolation-orders"
    [order] = (await site.ask("supervision_operator", "GET", "health", path)).json()["items"]
    assert (4, False) == (order["day"], order["withdrawn"])
    body = {"contract_no": site.contract_no, "reason_code": "wrong_origin", "evidence": EVIDENCE}
    await site.ask("supervision_operator", "POST", "health", f"{path}/{order['order_id']}/withdrawal", body)
    await stands_against(site, worker)
    [order] = (await site.ask("supervision_operator", "GET", "health", path)).json()["items"]
    assert order["withdrawn"]
    assert "admitted" == (await site.enters(worker))["outcome"]


class TestIsolationEnd:
    async def test_is_on_the_list_of_site_and_station_on_day_fourteen(self, site: Site) -> None:
        free, bound = [await site.arrives(days_ago=days, from_hubei=True) for days in (14, 13)]

        async def is_listed() -> bool:
            listed = (await site.get("site_operator", "health", "isolation-ends"))["items"]
            return [free.person_id] == [each["person_id"] for each in listed]

        await eventually(is_listed, within_s=WITHIN_S)
        [told] = (await site.ask("station_officer", "GET", "health", "/v1/isolation-ends")).json()["items"]
        assert (free.person_id, [site.contract_no]) == (told["person_id"], told["contracts"])
        assert [] == await site.reasons(free)
        assert ["isolation_not_completed"] == await site.reasons(bound)
