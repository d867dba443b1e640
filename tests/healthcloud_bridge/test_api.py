"""获取健康云信息 on the real app with real PostgreSQL and key server, against the real simulator over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.command_handling import EVENTS_MAX
from chassis.faults import TooManyRequests
from chassis.key_server import Purpose
from contracts.access import Role
from contracts.event import shard_of
from contracts.healthcloud_bridge import DeclarationLookedUp, DeclarationReceived, LookUpOutcome
from contracts.identity import Document, DocumentType
from healthcloud_bridge.quota import Quota
from tests.health.service import Running
from tests.healthcloud_bridge.conftest import LOOKUPS_PER_HOUR_MAX
from tests.healthcloud_bridge.upstream import Upstream, form
from tests.in_process import Caller

LOOKUPS = "/v1/declaration-lookups"
NO_DECLARATION = "请先去“健康云 APP”进行登记后再进行预进场登记"
SEALED = ("report_place", "health_text", "travel", "stopover_place", "stay_address", "mobile")


def asked(number: str, name: str = "张小三") -> dict[str, Any]:
    return {"document": {"type": "citizen_id", "number": number}, "name": name, "purpose": "pre_registration"}


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    return response.status_code, response.json()["code"]


@pytest.fixture
def registrar(running: Running) -> Caller:
    return running.caller(Role.SITE_OPERATOR, "W2019010100011")


async def stored(running: Running, response: httpx2.Response) -> list[DeclarationReceived]:
    facts = await running.facts(UUID(response.json()["person_id"]))
    return [each for each in facts if isinstance(each, DeclarationReceived)]


async def on_record(running: Running, number: str) -> list[DeclarationLookedUp]:
    """Every look-up of the person with this number."""
    (person_id,) = await running.parts.identities.identify([Document(type=DocumentType.CITIZEN_ID, number=number)])
    facts = await running.facts(person_id)
    assert len(facts) == sum(isinstance(each, DeclarationLookedUp | DeclarationReceived) for each in facts)
    return [each for each in facts if isinstance(each, DeclarationLookedUp)]


def told(response: httpx2.Response) -> tuple[int, dict[str, str], dict[str, str]]:
    """All that a client can tell two refusals apart by, save what names the request."""
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "traceparent")}
    return response.status_code, headers, {**response.json(), "trace_id": ""}


async def events(running: Running) -> int:
    count: int = await running.parts.pool.fetchval("SELECT count(*) FROM event")
    return count


class TestLookUpDeclaration:
    async def test_shows_what_the_form_shows(self, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number, 是否经停="是", 停留地点="合肥"))
        response = await registrar.post(LOOKUPS, asked(number))
        assert 200 == response.status_code
        person_id = response.json().pop("person_id")
        assert person_id == str(UUID(person_id))
        assert response.json() == {
            "person_id": person_id,
            "declaration_version": 1,
            "reported_on": "2020-02-03",
            "report_place": "101 上海浦东国际机场T1",
            "temperature_celsius": 38.0,
            "health_text": "无异常症状",
            "departed_on": "2020-02-03",
            "travel": "火车G13333",
            "from_hubei": False,
            "from_wuhan": False,
            "stopover": True,
            "stopover_place": "合肥",
            "stopover_code": "340100",
            "stay_address": "上海市黄浦区五里桥街道测试地址",
            "mobile": "13800000011",
            "contradictions": ["temperature_against_health_text", "report_place_against_travel"],
            "channel": "app",
            "relation": "self",
        }

    async def test_stores_it_sealed(self, running: Running, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number, 是否经停="是", 停留地点="合肥"))
        response = await registrar.post(LOOKUPS, asked(number))
        (received,) = await stored(running, response)
        assert (1, 38.0, "340100") == (received.declaration_version, received.temperature_celsius, received.stopover_code)
        unsealer = await running.parts.sealing.unwrap([received.person_id], actor="test", purpose=Purpose.PROCESS)
        opened = {field: unsealer.unseal(received.person_id, field, getattr(received, field)) for field in SEALED}
        assert {field: response.json()[field] for field in SEALED} == opened
        data = received.encode().decode()
        assert not any(text in data for text in (number, "张小三", "13800000011", "浦东", "G13333", "黄浦"))
        sealer = await running.parts.sealing.sealer_for([received.person_id])
        assert received.name_fingerprint == sealer.fingerprint(received.person_id, "张小三")

    async def test_stores_it_once(self, running: Running, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number))
        first, again = [await registrar.post(LOOKUPS, asked(number)) for _ in range(2)]
        assert first.json() == again.json()
        assert 1 == len(await stored(running, first))

    async def test_by_many_at_once_stores_it_once(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        await upstream.declare(form(number))
        answers = await asyncio.gather(*(registrar.post(LOOKUPS, asked(number)) for _ in range(8)))
        assert [200] * 8 == [answer.status_code for answer in answers]
        assert 1 == len(await stored(running, answers[0]))

    async def test_keeps_every_version_and_shows_the_latest(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        await upstream.declare(form(number))
        first = await registrar.post(LOOKUPS, asked(number))
        await upstream.declare(form(number, 体温="36.5"))
        await upstream.declare(form(number))  # The same words again, after others: a version of its own.
        latest = await registrar.post(LOOKUPS, asked(number))
        assert (1, 3) == (first.json()["declaration_version"], latest.json()["declaration_version"])
        assert [(1, 38.0), (2, 36.5), (3, 38.0)] == [
            (each.declaration_version, each.temperature_celsius) for each in await stored(running, latest)
        ]

    async def test_of_whoever_declared_very_often_keeps_every_version(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        """More than one command makes facts."""
        for n in range(EVENTS_MAX + 6):
            await upstream.declare(form(number, 居住地址=f"川沙路{n}号"))
        response = await registrar.post(LOOKUPS, asked(number))
        assert (200, EVENTS_MAX + 6) == (response.status_code, response.json()["declaration_version"])
        assert EVENTS_MAX + 6 == len(await stored(running, response))

    async def test_says_where_its_fact_stands(self, running: Running, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number))
        response = await registrar.post(LOOKUPS, asked(number))
        shard = shard_of(UUID(response.json()["person_id"]))
        assert running.parts.store is not None
        head = (await running.parts.store.reach()).heads[shard].pos
        assert f"healthcloud-bridge/1/{shard}:{head}" == response.headers["consistency-token"]

    async def test_stands_where_it_stood_when_it_is_looked_up_again(
        self, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        """The record of the look-up comes behind it, and nobody needs to have seen that."""
        await upstream.declare(form(number))
        first, again = [await registrar.post(LOOKUPS, asked(number)) for _ in range(2)]
        assert first.headers["consistency-token"] == again.headers["consistency-token"]
        assert first.headers["etag"] != again.headers["etag"]

    async def test_finds_the_same_person_by_the_same_document(self, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number, 姓名="阿依古丽·买买提"))
        one = await registrar.post(LOOKUPS, asked(number, "阿依古丽·买买提"))
        other = await registrar.post(LOOKUPS, asked(number.lower(), "阿依古丽•买买提"))  # Another dot is the same name.
        assert one.json()["person_id"] == other.json()["person_id"]


class TestRecord:
    async def test_says_who_looked_up_whom_and_what_for(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        await registrar.post(LOOKUPS, asked(number))
        await upstream.declare(form(number))
        other = running.caller(Role.PROJECT_LEAD)
        await other.post(LOOKUPS, asked(number) | {"purpose": "family"})
        one, two = registrar.principal.subject, other.principal.subject
        assert [(one, "pre_registration", "not_declared"), (two, "family", "shown")] == [
            (each.account, each.purpose, each.outcome) for each in await on_record(running, number)
        ]

    async def test_is_not_kept_of_what_nobody_answered(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        await upstream.misbehave(down=True)
        before = await events(running)
        assert 503 == (await registrar.post(LOOKUPS, asked(number))).status_code
        assert before == await events(running)

    @pytest.mark.parametrize("changes", [{"purpose": "curiosity"}, {"purpose": None}])
    async def test_needs_a_purpose(self, registrar: Caller, number: str, changes: dict[str, Any]) -> None:
        assert (422, "invalid-request") == problem(await registrar.post(LOOKUPS, asked(number) | changes))


@dataclass
class SetClock:
    """It is when the test says."""

    time: datetime

    def now(self) -> datetime:
        return self.time


class TestQuota:
    async def test_turns_an_account_away_and_no_other(self, running: Running, registrar: Caller, number: str) -> None:
        quota = Quota(running.parts.pool, running.parts.clock, lookups_per_hour_max=LOOKUPS_PER_HOUR_MAX)
        await asyncio.gather(*(quota.take(registrar.principal.subject) for _ in range(LOOKUPS_PER_HOUR_MAX)))
        before = await events(running)
        refused = await registrar.post(LOOKUPS, asked(number))
        assert (429, "too-many-requests") == problem(refused)
        assert 0 < int(refused.headers["retry-after"]) <= 3_600
        assert before == await events(running)
        assert 404 == (await running.caller(Role.SITE_OPERATOR).post(LOOKUPS, asked(number))).status_code

    async def test_begins_anew_with_the_hour(self, running: Running) -> None:
        clock = SetClock(datetime(2020, 2, 18, 1, 59, 58, tzinfo=UTC))
        quota, account = Quota(running.parts.pool, clock, lookups_per_hour_max=1), str(uuid4())
        await quota.take(account)
        with pytest.raises(TooManyRequests) as refused:
            await quota.take(account)
        assert 2 == refused.value.retry_after_s
        clock.time = datetime(2020, 2, 18, 2, 0, tzinfo=UTC)
        await quota.take(account)


class TestRefusal:
    async def test_says_where_to_declare(self, running: Running, registrar: Caller, number: str) -> None:
        response = await registrar.post(LOOKUPS, asked(number))
        assert (404, "declaration-missing") == problem(response)
        assert NO_DECLARATION == response.json()["title"]
        assert all(step in response.json()["detail"] for step in ("所在地区", "抗击新型冠状病毒防控服务专栏", "来沪人员健康登记"))

    async def test_is_told_in_english_too(self, registrar: Caller, number: str) -> None:
        response = await registrar.post(LOOKUPS, asked(number), **{"Accept-Language": "en"})
        assert ("en", "Declare in the Health Cloud app first, then pre-register") == (
            response.headers["content-language"],
            response.json()["title"],
        )

    async def test_is_the_same_whether_nobody_declared_or_somebody_of_another_name(
        self, upstream: Upstream, registrar: Caller, number: str, other_number: str
    ) -> None:
        await upstream.declare(form(number))
        differs, missing = [await registrar.post(LOOKUPS, asked(each, "李四")) for each in (number, other_number)]
        assert told(missing) == told(differs)

    async def test_of_another_name_keeps_no_declaration(
        self, running: Running, upstream: Upstream, registrar: Caller, number: str
    ) -> None:
        await upstream.declare(form(number))
        await registrar.post(LOOKUPS, asked(number, "李四"))
        assert [LookUpOutcome.NAME_DIFFERS] == [each.outcome for each in await on_record(running, number)]

    @pytest.mark.parametrize("role", [Role.SUPERVISION_LEAD, Role.GATE_DEVICE, Role.CITY_SUPERVISOR, Role.OPS])
    async def test_of_whoever_does_not_register_people(self, running: Running, number: str, role: Role) -> None:
        assert (403, "forbidden") == problem(await running.caller(role).post(LOOKUPS, asked(number)))


class TestUpstreamFails:
    @pytest.mark.parametrize("faults", [{"error_rate": 1}, {"down": True}, {"delay_ms": 2_500}], ids=["500", "down", "time-out"])
    async def test_answers_503_and_is_well_again_afterwards(
        self, upstream: Upstream, registrar: Caller, number: str, faults: dict[str, Any]
    ) -> None:
        await upstream.declare(form(number))
        await upstream.misbehave(**faults)
        response = await registrar.post(LOOKUPS, asked(number))
        assert (503, "unavailable") == problem(response)
        assert 0 < int(response.headers["retry-after"])
        await upstream.misbehave()
        assert 200 == (await registrar.post(LOOKUPS, asked(number))).status_code

    async def test_is_not_noticed_where_a_retry_helps(self, upstream: Upstream, registrar: Caller, number: str) -> None:
        await upstream.declare(form(number))
        await upstream.misbehave(error_rate=0.3)
        statuses = [(await registrar.post(LOOKUPS, asked(number))).status_code for _ in range(20)]
        assert set(statuses) <= {200, 503}
        assert statuses.count(200) > 15

    @pytest.mark.parametrize("changes", [{"上报时间": "昨天"}, {"姓名": "张\u200b三"}])
    async def test_answers_503_where_nobody_understands_what_it_says(
        self, upstream: Upstream, registrar: Caller, number: str, changes: dict[str, str]
    ) -> None:
        await upstream.declare(form(number, **changes))
        assert (503, "unavailable") == problem(await registrar.post(LOOKUPS, asked(number)))
