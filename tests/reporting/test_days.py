"""What happened on each day: facts in order, then rows, summed over whatever the caller reaches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.access import Role
from contracts.gatekeeper import EntryKind, Outcome
from contracts.times import shanghai_date
from reporting.supervision import days
from reporting.supervision.days import count_today
from reporting.supervision.filters import PAGE_ROWS
from tests.measured import measured
from tests.reporting import facts
from tests.reporting.city import City, on_new_site

DAYS = "/v1/supervision/days"
NOW = datetime.now(UTC)
NOTHING = {"pre_registered": 0, "entered": 0, "refused": 0, "exited": 0}


async def days_of(city: City, **query: Any) -> dict[str, dict[str, int]]:
    """Day → what happened, of the last three."""
    answer = (await city.caller().get(DAYS, days=3, **query)).json()
    return {each.pop("day"): each for each in answer["days"]}


def entry(contract_no: str, *, at: datetime, **more: Any) -> Any:
    return facts.attempted(contract_no=contract_no, **more).model_copy(
        update={"attempted_at": at, "person_id": uuid4(), "attempt_id": uuid4()}
    )


async def of_new_station(city: City, contracts: int) -> tuple[str, list[str]]:
    """A station that no other test has, and the numbers of its contracts, in order."""
    station, numbers = f"测试{uuid4().hex[:8]}", sorted(f"W{uuid4().hex[:12]}" for _ in range(contracts))
    for each in numbers:
        await city.tell(facts.reported(each).model_copy(update={"station_name": station}))
    return station, numbers


class TestDays:
    async def test_count_each_fact_once_on_its_day_in_shanghai(self, city: City) -> None:
        site, yesterday = await on_new_site(city), NOW - timedelta(days=1)
        for event in (
            entry(site, at=yesterday, outcome=Outcome.REFUSED),
            entry(site, at=yesterday, outcome=Outcome.REFUSED),
            entry(site, at=NOW),
            entry(site, at=NOW, kind=EntryKind.GATE_PASS),
            facts.on_paper(contract_no=site, at=yesterday),
            facts.left(contract_no=site, at=NOW),
            facts.pre_registered(contract_no=site).model_copy(update={"pre_registered_at": NOW}),
        ):
            await city.tell(event)
        days = [shanghai_date(NOW - timedelta(days=n)).isoformat() for n in (2, 1, 0)]
        expected = [
            NOTHING,
            {**NOTHING, "entered": 1, "refused": 2},
            {"pre_registered": 1, "entered": 1, "refused": 0, "exited": 1},
        ]
        assert dict(zip(days, expected, strict=True)) == await days_of(city, of_contract=site)

    async def test_of_the_whole_city_are_those_of_all_contracts(self, city: City) -> None:
        before = await days_of(city)
        sites = [await on_new_site(city), await on_new_site(city, station="浦东")]
        for site in sites:
            for event in (
                entry(site, at=NOW, outcome=Outcome.REFUSED),
                facts.on_paper(contract_no=site, at=NOW - timedelta(days=1)),
                facts.left(contract_no=site, at=NOW),
            ):
                await city.tell(event)
        after, here = await days_of(city), [await days_of(city, of_contract=site) for site in sites]
        grown = {day: {each: after[day][each] - before[day][each] for each in NOTHING} for day in after}
        assert {day: {each: sum(site[day][each] for site in here) for each in NOTHING} for day in after} == grown
        assert 4 == sum(each["refused"] + each["exited"] for each in grown.values())

    async def test_of_today_are_told_by_station_as_metrics(self, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
        station = f"测试{uuid4().hex[:8]}"
        site = await on_new_site(city)
        for contract_no in (site, f"W{uuid4().hex[:12]}"):
            await city.tell(facts.reported(contract_no).model_copy(update={"station_name": station}))
        await city.tell(entry(site, at=NOW))
        await city.tell(entry(site, at=NOW - timedelta(days=1)))
        pool = city.service.parts.pool
        await count_today(pool)
        of = {"district": await pool.fetchval("SELECT district FROM supervision_contract_v1 WHERE contract_no = $1", site)}
        assert [1, 0] == [measured(f"gatehouse_{each}_today", **of, station=station) for each in ("entries", "refusals")]
        monkeypatch.setattr(days, "STATIONS_TOLD_MAX", 0)
        await count_today(pool)
        assert measured("gatehouse_entries_today", **of, station=station) is None
        assert 1 <= (measured("gatehouse_entries_today", **of, station="其他") or 0)

    async def test_are_told_within_reach_only(self, city: City) -> None:
        site = await on_new_site(city, station="浦东")
        await city.tell(entry(site, at=NOW))
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        answer = (await officer.get(DAYS, of_contract=site, days=1)).json()
        assert [0] == [each["entered"] for each in answer["days"]]
        of_nobody_else = [
            city.caller(Role.STATION_OFFICER, stations=frozenset({f"测试{uuid4().hex[:8]}"})),
            city.caller(Role.DISTRICT_SUPERVISOR, districts=frozenset({"310151"})),
        ]
        for caller in of_nobody_else:
            assert {**NOTHING, "day": shanghai_date(NOW).isoformat()} == (await caller.get(DAYS, days=1)).json()["days"][0]

    async def test_open_the_contracts_on_which_it_happened_as_often_as_the_number_says(self, city: City) -> None:
        station, sites = await of_new_station(city, 3)
        for site, times in zip(sites, (1, 0, 2), strict=True):
            for _ in range(times):
                await city.tell(entry(site, at=NOW, outcome=Outcome.REFUSED))
            await city.tell(entry(site, at=NOW - timedelta(days=1), outcome=Outcome.REFUSED))
            await city.tell(entry(site, at=NOW))
        today = shanghai_date(NOW).isoformat()
        number = (await days_of(city, station=station))[today]["refused"]
        answer = (await city.caller().get(f"{DAYS}/{today}", station=station, counted="refused")).json()
        assert [(sites[2], 2), (sites[0], 1)] == [(each["contract_no"], each["times"]) for each in answer["rows"]]
        assert (3, number, 2, today) == (number, answer["times"], answer["total"], answer["day"])

    async def test_open_page_by_page_with_the_whole_number_on_each(self, city: City) -> None:
        station, sites = await of_new_station(city, PAGE_ROWS + 1)
        for site in (*sites, sites[-1]):
            await city.tell(facts.left(contract_no=site, at=NOW))
        path = f"{DAYS}/{shanghai_date(NOW)}"
        pages = [(await city.caller().get(path, station=station, counted="exited", page=n)).json() for n in (1, 2, 3)]
        assert [sites[-1], *sites[:-1]] == [row["contract_no"] for page in pages for row in page["rows"]]
        assert [(PAGE_ROWS + 2, PAGE_ROWS + 1, 2)] * 3 == [(page["times"], page["total"], page["pages"]) for page in pages]

    async def test_open_nothing_beyond_reach_and_no_number_that_is_none(self, city: City) -> None:
        site = await on_new_site(city, station="浦东")
        await city.tell(entry(site, at=NOW))
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        path = f"{DAYS}/{shanghai_date(NOW)}"
        answer = (await officer.get(path, of_contract=site, counted="entered")).json()
        assert ([], 0, 0) == (answer["rows"], answer["times"], answer["total"])
        assert 422 == (await city.caller().get(path, counted="banned")).status_code

    @pytest.mark.parametrize("days", [0, 91])
    async def test_are_so_many_at_most(self, city: City, days: int) -> None:
        assert 422 == (await city.caller().get(DAYS, days=days)).status_code
