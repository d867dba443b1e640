"""The manual's table over HTTP, on the real app with real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import httpx2
import pytest

from chassis.auth import Principal
from chassis.consistency import ConsistencyToken
from chassis.migrations import KEYS
from chassis.settings import ServiceSettings
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.firms import Firm, credit_code_check_character
from contracts.streams import contract_stream
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from reporting.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.health.service import settings_of
from tests.in_process import Caller, InProcess, in_process
from tests.reporting.facts import (
    EMPLOYER,
    HONGKOU,
    NANTONG,
    OTHER_EMPLOYER,
    PUDONG,
    attempted,
    employer,
    imported,
    left,
    pre_registered,
    reported,
    withdrawn,
)

CONTRACTS = "/v1/supervision/contracts"
CHANGES_OF_NOBODY = "/v1/people/00000000-0000-0000-0000-000000000000/change-log"
FIRMS = "/v1/supervision/firms"
Service = InProcess[ServiceSettings]


@pytest.fixture
async def service(database: MakeDatabase, keys_databases: dict[str, Database]) -> AsyncIterator[Service]:
    made = await database("reporting", SERVICE.migrations)
    async with in_process(SERVICE, settings_of(SERVICE, made, keys_databases["reporting"], {})) as service:
        yield service


@pytest.fixture(scope="module")
async def played(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[Service]:
    """After the manual's example. Tests of it only read."""
    made = await fresh_databases.make("reporting", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    async with in_process(SERVICE, settings_of(SERVICE, made, keys["reporting"], {})) as service:
        told = play(service)

        async def is_known() -> bool:
            return (await city_of(service).get(CONTRACTS, seen=told)).status_code == 200

        await eventually(is_known)
        yield service


def city_of(service: Service) -> Caller:
    return service.caller(Principal("city", Role.CITY_SUPERVISOR))


@pytest.fixture
def city(service: Service) -> Caller:
    """Asks a service that knows nothing yet."""
    return city_of(service)


@pytest.fixture
def reader(played: Service) -> Caller:
    """Asks the service that knows the manual's example."""
    return city_of(played)


def registration(service: Service, *events: Any) -> ConsistencyToken:
    """Registration tells these. Answers where they stand."""
    tokens = [
        service.told["registration"].tell(
            event, stream_id=None if hasattr(event, "person_id") else contract_stream(event.contract_no)
        )
        for event in events
    ]
    return ConsistencyToken("registration", 1, {shard: pos for token in tokens for shard, pos in token.positions.items()})


def gate(service: Service, *events: Any) -> ConsistencyToken:
    return service.told["gatekeeper"].tell(*events)


def play(service: Service) -> str:
    """The manual's example, as facts. Answers the tokens of both logs, as a client sends them."""
    told = registration(
        service,
        reported(PUDONG, contractor=NANTONG, station="浦东", project_name="浦东新区御桥社区02单元", construction_no="16ZJPD0067"),
        reported(HONGKOU),
        employer(PUDONG, OTHER_EMPLOYER),
        employer(HONGKOU, EMPLOYER),
        *(imported(n, PUDONG) for n in range(987)),
        *(imported(n, HONGKOU) for n in range(1_000, 1_011)),
        *(pre_registered(n, HONGKOU) for n in (2_001, 2_002, 2_003)),
        pre_registered(2_001, PUDONG),
        withdrawn(2_001, PUDONG),
    )
    return f"{told} {gate(service, attempted(2_001), attempted(2_002))}"


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


class TestManualsExample:
    async def test_is_the_manual_s_table(self, reader: Caller) -> None:
        table = (await reader.get(CONTRACTS)).json()
        assert "合同(2)个 总包单位(2)个 用工单位(2)个 总登记人数(1000) 在场人数(2)" == table["header_text"]
        assert {
            "contracts": 2,
            "general_contractors": 2,
            "employers": 2,
            "registered": 1000,
            "on_site": 2,
            "banned_on_site": 0,
        } == table["header"]
        assert "共1页 显示1到2,共2记录" == table["page_text"]
        first = (1, PUDONG, "16ZJPD0067", "浦东新区御桥社区02单元", "江苏南通三建集团股份有限公司", "施工企业", 1, 0, 0, 987)
        second = (2, HONGKOU, "1902HK0001", "测试4444", "上海建工集团股份有限公司", "施工企业", 1, 3, 2, 13)
        assert [first, second] == [_cells(row) for row in table["rows"]]
        assert datetime.fromisoformat(table["as_of"]).tzinfo is not None

    async def test_filters_by_station(self, reader: Caller) -> None:
        table = (await reader.get(CONTRACTS, station="浦东")).json()
        assert "合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(987) 在场人数(0)" == table["header_text"]
        assert [PUDONG] == [row["contract_no"] for row in table["rows"]]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"contract_no": "W2019"}, [HONGKOU]),
            ({"contract_no": "0"}, [PUDONG, HONGKOU]),
            ({"project_name": "御桥"}, [PUDONG]),
            ({"general_contractor": "上海建工"}, [HONGKOU]),
            ({"general_contractor": "集团股份", "station": "虹口"}, [HONGKOU]),
            ({"project_name": "%"}, []),
            ({"station": "浦"}, []),
        ],
    )
    async def test_filters_by_what_the_manual_filters_by(self, reader: Caller, query: dict[str, str], found: Sequence[str]) -> None:
        table = (await reader.get(CONTRACTS, **query)).json()
        assert found == [row["contract_no"] for row in table["rows"]]
        assert len(found) == table["header"]["contracts"]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, [PUDONG, HONGKOU]),
            ({"descending": True}, [HONGKOU, PUDONG]),
            ({"order_by": "project_name"}, [HONGKOU, PUDONG]),  # cèshì before pǔdōng
            ({"order_by": "general_contractor"}, [PUDONG, HONGKOU]),  # jiāngsū before shànghǎi
            ({"order_by": "station", "descending": True}, [PUDONG, HONGKOU]),  # hóngkǒu before pǔdōng
        ],
    )
    async def test_is_ordered_as_in_chinese(self, reader: Caller, query: dict[str, Any], found: Sequence[str]) -> None:
        rows = (await reader.get(CONTRACTS, **query)).json()["rows"]
        assert [(1, found[0]), (2, found[1])] == [(row["number"], row["contract_no"]) for row in rows]

    async def test_shows_one_contract(self, reader: Caller) -> None:
        one = (await reader.get(f"{CONTRACTS}/{HONGKOU}")).json()
        assert (3, 2, 13, "虹口") == (one["pre_registered"], one["on_site"], one["registered"], one["station"])
        assert [EMPLOYER] == [each["credit_code"] for each in one["employed_by"]]
        assert (404, "not-found") == problem(await reader.get(f"{CONTRACTS}/W2019"))

    async def test_follows_an_exit(self, service: Service, city: Caller) -> None:
        registration_token, _ = play(service).split()
        table = (await city.get(CONTRACTS, seen=f"{registration_token} {gate(service, left(2_001))}")).json()
        assert (1000, 1) == (table["header"]["registered"], table["header"]["on_site"])


class TestReach:
    @pytest.mark.parametrize(
        ("principal", "found"),
        [
            (Principal("a", Role.STATION_OFFICER, stations=frozenset({"浦东"})), [PUDONG]),
            (Principal("b", Role.STATION_OFFICER, stations=frozenset({"浦东", "虹口"})), [PUDONG, HONGKOU]),
            (Principal("c", Role.STATION_OFFICER), []),
            (Principal("d", Role.DISTRICT_SUPERVISOR, districts=frozenset({"310109"})), [HONGKOU]),
            (Principal("e", Role.DISTRICT_SUPERVISOR, stations=frozenset({"浦东"})), []),
            (Principal("f", Role.CITY_SUPERVISOR), [PUDONG, HONGKOU]),
        ],
    )
    async def test_is_drawn_by_role_and_grants(self, played: Service, principal: Principal, found: Sequence[str]) -> None:
        caller = played.caller(principal)
        table = (await caller.get(CONTRACTS)).json()
        assert found == [row["contract_no"] for row in table["rows"]]
        assert (len(found), len(found)) == (table["header"]["contracts"], table["header"]["employers"])
        for contract_no in (PUDONG, HONGKOU):
            expected = 200 if contract_no in found else 404
            assert expected == (await caller.get(f"{CONTRACTS}/{contract_no}")).status_code

    @pytest.mark.parametrize(
        ("principal", "found"),
        [
            (Principal("city", Role.CITY_SUPERVISOR), ["虹口", "浦东"]),
            (Principal("pudong", Role.DISTRICT_SUPERVISOR, districts=frozenset({"310115"})), ["浦东"]),
            (Principal("nowhere", Role.STATION_OFFICER), []),
        ],
        ids=lambda value: getattr(value, "subject", ""),
    )
    async def test_draws_the_stations_to_choose_from(self, played: Service, principal: Principal, found: Sequence[str]) -> None:
        stations = (await played.caller(principal).get("/v1/supervision/stations")).json()["stations"]
        assert found == stations

    async def test_is_nothing_for_sites_and_strangers(self, played: Service) -> None:
        operator = played.caller(Principal("g", Role.SITE_OPERATOR, contracts=frozenset({HONGKOU})))
        assert (403, "forbidden") == problem(await operator.get(CONTRACTS))
        assert (401, "unauthenticated") == problem(await played.client.get(CONTRACTS))


class TestPages:
    async def test_have_fifteen_rows_and_exact_totals(self, service: Service, city: Caller) -> None:
        numbers = [f"W{n:04}" for n in range(32)]
        seen = registration(service, *(reported(number) for number in numbers), *(imported(n, numbers[n]) for n in range(32)))
        pages = [(await city.get(CONTRACTS, page=page, seen=seen)).json() for page in (1, 2, 3, 4)]
        texts = ["共3页 显示1到15,共32记录", "共3页 显示16到30,共32记录", "共3页 显示31到32,共32记录", "共3页 显示0到0,共32记录"]
        assert texts == [page["page_text"] for page in pages]
        rows = [row for page in pages for row in page["rows"]]
        assert numbers == [row["contract_no"] for row in rows]
        assert list(range(1, 33)) == [row["number"] for row in rows]
        assert all({"contracts": 32, "registered": 32} == _some(page["header"], "contracts", "registered") for page in pages)
        # One firm for all of them: it is counted once.
        assert 1 == pages[0]["header"]["general_contractors"]

    async def test_of_nothing_is_a_page_too(self, city: Caller) -> None:
        table = (await city.get(CONTRACTS)).json()
        assert ("共0页 显示0到0,共0记录", []) == (table["page_text"], table["rows"])
        assert "合同(0)个 总包单位(0)个 用工单位(0)个 总登记人数(0) 在场人数(0)" == table["header_text"]

    @pytest.mark.parametrize("query", [{"page": 0}, {"page": "x"}, {"page": 10**9}, {"statio": "浦东"}, {"station": ""}])
    async def test_refuse_a_query_that_they_do_not_know(self, reader: Caller, query: dict[str, Any]) -> None:
        assert (422, "invalid-request") == problem(await reader.get(CONTRACTS, **query))


class TestConsistency:
    async def test_waits_for_the_facts_that_the_client_has_seen(self, service: Service, city: Caller) -> None:
        first = registration(service, reported())
        await city.get(CONTRACTS, seen=first)
        ((shard, pos),) = first.positions.items()
        asked = asyncio.create_task(city.get(CONTRACTS, seen=ConsistencyToken("registration", 1, {shard: pos + 1})))
        registration(service, employer())
        assert 1 == (await asked).json()["header"]["employers"]

    @pytest.mark.parametrize("service_name", ["registration", "gatekeeper", "health"])
    async def test_says_so_when_they_do_not_come(self, reader: Caller, service_name: str) -> None:
        response = await reader.get(CONTRACTS, seen=f"{service_name}/1/0:999999")
        assert (503, "unavailable", "1") == (*problem(response), response.headers["retry-after"])

    async def test_asks_nothing_of_a_log_that_shows_nothing_here(self, reader: Caller) -> None:
        assert 200 == (await reader.get(CONTRACTS, seen="police-bridge/1/0:999999")).status_code

    async def test_asks_of_a_log_that_shows_something_elsewhere_only_there(self, reader: Caller) -> None:
        asked = [await reader.get(path, seen="healthcloud-bridge/1/0:999999") for path in (CONTRACTS, CHANGES_OF_NOBODY)]
        assert [200, 503] == [each.status_code for each in asked]

    @pytest.mark.parametrize("token", ["nonsense", "registration/1/0:1,gatekeeper/1/0:1", " ".join(["health/1/0:1"] * 5)])
    async def test_refuses_what_is_no_token(self, reader: Caller, token: str) -> None:
        assert (400, "consistency-token-malformed") == problem(await reader.get(CONTRACTS, seen=token))


class TestHeader:
    async def test_always_agrees_with_the_rows_under_the_same_filter(self, service: Service, city: Caller) -> None:
        chance = random.Random(5)
        firms = [firm(n) for n in range(3)]
        numbers = [f"W{n:03}" for n in range(14)]
        registration(
            service,
            *(reported(number, contractor=chance.choice(firms), station=chance.choice(["浦东", "虹口"])) for number in numbers),
            *(employer(number, chance.choice([EMPLOYER, OTHER_EMPLOYER])) for number in numbers),
        )

        seen_registered = set()
        for n in range(120):
            number = chance.choice(numbers)
            registration(service, imported(n, number, on_site=chance.random() < 0.5), pre_registered(n, number))
            gate(service, attempted(n + 1_000, number))
            query = chance.choice([{}, {"station": "浦东"}, {"contract_no": "1"}, {"general_contractor": "0"}])
            table = (await city.get(CONTRACTS, **query)).json()
            for total in ("registered", "on_site"):
                assert sum(row[total] for row in table["rows"]) == table["header"][total]
            assert len(table["rows"]) == table["header"]["contracts"]
            seen_registered.add(table["header"]["registered"])
        assert len(seen_registered) > 3, "nothing moved while it was looked at"


class TestFirms:
    @pytest.mark.parametrize(("kind", "of"), [("general_contractor", "of_contractor"), ("employer", "of_employer")])
    async def test_open_exactly_the_contracts_that_they_are_counted_on(
        self, service: Service, city: Caller, kind: str, of: str
    ) -> None:
        numbers = [f"W{n:03}" for n in range(7)]
        told = registration(
            service,
            *(reported(number, contractor=firm(n % 2), station="浦东") for n, number in enumerate(numbers)),
            *(employer(number, EMPLOYER) for number in numbers[:3]),
            *(employer(number, OTHER_EMPLOYER) for number in numbers[2:]),
        )

        async def is_known() -> bool:
            return (await city.get(CONTRACTS, seen=str(told))).status_code == 200

        await eventually(is_known)
        rows = (await city.get(FIRMS, kind=kind, contract_no="00")).json()["rows"]
        assert 2 == len(rows)
        for row in rows:
            wanted = {of: row["credit_code"], "contract_no": "00"}
            assert row["contracts"] == (await city.get(CONTRACTS, **wanted)).json()["header"]["contracts"]
            assert 200 == (await city.get("/v1/supervision/people", set="registered", **wanted)).status_code
            assert row in (await city.get(FIRMS, kind=kind, **wanted)).json()["rows"]
        assert 422 == (await city.get(CONTRACTS, **{of: "91310000000000000X"})).status_code


def firm(n: int) -> Firm:
    first_seventeen = f"9131000000000{n:04}"
    return Firm(credit_code=first_seventeen + credit_code_check_character(first_seventeen), name=f"第{n}公司", kind="施工企业")


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("number", "contract_no", "construction_no", "project_name", "general_contractor", "general_contractor_kind")
    return tuple(row[name] for name in (*names, "employers", "pre_registered", "on_site", "registered"))


def _some(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
