"""The feed on the real app, with real PostgreSQL and key server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from cloudevents.core.formats.json import JSONFormat

from chassis import waiting
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.districts import DISTRICTS
from contracts.event import SHARDS
from contracts.police import PoliceArrivalCorrected, PoliceArrivalShared, PoliceArrivalWithdrawn
from contracts.times import shanghai_date
from devstack.databases import Database
from police_bridge import query_api
from police_bridge.cursor import Cursor
from police_bridge.read_models.arrivals import BEGINNING
from police_bridge.receipts import Receipts
from police_bridge.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.measured import measured
from tests.police_bridge.facts import (
    ELSEWHERE,
    HERE,
    HONGKOU,
    PLAIN,
    PUDONG,
    later,
    no_longer_expected,
    pre_registered,
    share,
)
from tests.police_bridge.service import Police, Running, police_bridge, projecting


@pytest.fixture
async def own_database(database: MakeDatabase) -> Database:
    return await database("police_bridge", SERVICE.migrations)


@pytest.fixture
async def running(own_database: Database, keys_databases: dict[str, Database]) -> AsyncIterator[Running]:
    async with police_bridge(own_database, keys_databases) as running, projecting(running):
        yield running


@pytest.fixture
async def owner(own_database: Database) -> AsyncIterator[asyncpg.Connection]:
    """May change what the service may not."""
    connection = await asyncpg.connect(own_database.owner_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def access(keys_databases: dict[str, Database]) -> AsyncIterator[asyncpg.Connection]:
    """The key server, with its record of who read what."""
    connection = await asyncpg.connect(keys_databases["police_bridge"].owner_dsn)
    yield connection
    await connection.close()


async def arrive(running: Running, person_id: UUID, *, district: str = HONGKOU, contract_no: str = HERE, **changes: Any) -> Any:
    """Registration tells that the person is expected. Answers the consistency token."""
    seal = await running.sealer(person_id)
    return running.registration.tell(pre_registered(person_id, seal=seal, district=district, contract_no=contract_no, **changes))


def messages(response: httpx2.Response) -> list[dict[str, Any]]:
    assert 200 == response.status_code, response.text
    assert "application/cloudevents-batch+json" == response.headers["content-type"]
    found: list[dict[str, Any]] = response.json()
    return found


def following(response: httpx2.Response) -> dict[str, str]:
    """The query of the next page."""
    link = response.headers["link"]
    assert link.startswith("</v1/arrivals?after=")
    assert link.endswith('>; rel="next"')
    return dict(httpx2.URL(link[1 : link.index(">")]).params)


async def all_pages(police: Police, *, limit: int) -> list[dict[str, Any]]:
    """Everything, page by page."""
    query: dict[str, Any] = {"limit": limit}
    found: list[dict[str, Any]] = []
    while True:
        response = await police.read(**query)
        page = messages(response)
        assert len(page) <= limit
        found += page
        if len(page) < limit:
            return found
        query = following(response)


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Type and contract of each message."""
    return [(message["type"], message["data"]["contract_no"]) for message in found]


SHARED, CORRECTED, WITHDRAWN = PoliceArrivalShared.TYPE, PoliceArrivalCorrected.TYPE, PoliceArrivalWithdrawn.TYPE


async def is_projected(running: Running, count: int) -> bool:
    """Whether the log has so many facts, and the read model each of them once (or its key would refuse it)."""
    counted = await running.parts.pool.fetch("SELECT count(*) FROM event UNION ALL SELECT count(*) FROM arrival_v1")
    return [count, count] == [row["count"] for row in counted]


async def arrive_at_once(running: Running, count: int) -> None:
    """So many more people, all of them in the read model."""
    before = await running.parts.pool.fetchval("SELECT count(*) FROM event")

    async def arrives(person_id: UUID) -> None:
        await running.tell(share(person_id, seal=await running.sealer(person_id)))

    await asyncio.gather(*(arrives(uuid4()) for _ in range(count)))
    await eventually(lambda: is_projected(running, before + count))


class TestReadArrivals:
    async def test_tells_the_police_of_the_district_in_plain_words(self, running: Running) -> None:
        person_id = uuid4()
        seen = await arrive(running, person_id)
        (message,) = messages(await running.police(HONGKOU).read(seen=seen))
        assert (SHARED, str(person_id)) == (message["type"], message["subject"])
        assert PLAIN == {field: message["data"][field] for field in PLAIN}
        (fact,) = await running.log()
        assert (str(fact.event_id), f"{fact.pos:020}") == (message["id"], message["sequence"])

    async def test_gives_cloud_events_to_the_official_sdk(self, running: Running) -> None:
        seen = await arrive(running, uuid4())
        (message,) = messages(await running.police(HONGKOU).read(seen=seen))
        event = JSONFormat().read(None, json.dumps(message))
        assert (SHARED, message["data"]) == (event.get_type(), event.get_data())

    async def test_tells_nothing_of_other_districts(self, running: Running) -> None:
        person_id = uuid4()
        await arrive(running, person_id)
        seen = await arrive(running, person_id, district=PUDONG, contract_no=ELSEWHERE)
        here, elsewhere = running.police(HONGKOU), running.police(PUDONG)
        assert [(SHARED, HERE)] == told(messages(await here.read(seen=seen)))
        assert [(SHARED, ELSEWHERE)] == told(messages(await elsewhere.read(seen=seen)))
        assert [] == messages(await running.police("310151").read(seen=seen))
        assert [] == messages(await running.police().read(seen=seen))

    async def test_tells_the_police_of_the_city_everything_in_the_order_of_each_person(self, running: Running) -> None:
        people = [uuid4() for _ in range(7)]
        for person_id in people:
            for n in range(3):
                await arrive(running, person_id, pre_registered_at=later(n))
                await arrive(running, person_id, contract_no=ELSEWHERE, district=PUDONG, pre_registered_at=later(n))
            running.registration.tell(no_longer_expected(person_id, withdrawn_at=later(9)))
        await eventually(lambda: is_projected(running, 7 * 7))
        found = await all_pages(running.police(*DISTRICTS), limit=4)
        for person_id in people:
            of_person = [message for message in found if message["subject"] == str(person_id)]
            assert list(range(1, 8)) == [int(message["streamversion"]) for message in of_person]
            assert [SHARED, CORRECTED, CORRECTED, WITHDRAWN] == [
                kind for kind, contract_no in told(of_person) if contract_no == HERE
            ]
        assert 7 * 7 == len(found)

    async def test_goes_on_where_the_page_before_ended_whatever_comes_in_between(self, running: Running) -> None:
        police = running.police(HONGKOU)
        query: dict[str, Any] = {"limit": 2}
        found: list[dict[str, Any]] = []
        for _ in range(6):
            await arrive_at_once(running, 3)
            response = await police.read(**query)
            found += messages(response)
            query = following(response)
        while page := messages(response := await police.read(**query)):
            found += page
            query = following(response)
        assert 18 == len(found) == len({message["id"] for message in found})
        assert query == following(response), "at the end the cursor stands still"

    async def test_gives_the_same_bytes_again(self, running: Running) -> None:
        await arrive_at_once(running, 5)
        police = running.police(HONGKOU)
        first = await police.read(limit=3)
        again = await police.read(limit=3)
        assert (first.content, following(first)) == (again.content, following(again))
        next_first, next_again = await police.read(**following(first)), await police.read(**following(first))
        assert 2 == len(messages(next_first))
        assert next_first.content == next_again.content

    async def test_keeps_each_persons_order_when_a_clock_was_set_back(self, running: Running, owner: asyncpg.Connection) -> None:
        person_id = uuid4()
        seal = await running.sealer(person_id)
        await running.tell(*(share(person_id, at=later(n), seal=seal) for n in range(5)))
        await eventually(lambda: is_projected(running, 5))
        await owner.execute("UPDATE arrival_v1 SET recorded_at = recorded_at - pos * interval '1 hour'")
        found = await all_pages(running.police(HONGKOU), limit=2)
        assert list(range(1, 6)) == [int(message["streamversion"]) for message in found]

    async def test_names_nobody_who_was_erased(self, running: Running) -> None:
        gone, other = uuid4(), uuid4()
        await arrive(running, gone)
        await arrive(running, other)
        await eventually(lambda: is_projected(running, 2))
        police = running.police(HONGKOU)
        assert [SHARED, SHARED] == [message["type"] for message in messages(await police.read())]
        await running.erase(gone)
        response = await police.read()
        by_person = {message["subject"]: message for message in messages(response)}
        assert WITHDRAWN == by_person[str(gone)]["type"]
        assert {"person_id", "contract_no", "district", "withdrawn_at"} == set(by_person[str(gone)]["data"])
        assert PLAIN["name"] == by_person[str(other)]["data"]["name"]

    async def test_records_who_read_and_why(self, running: Running, access: asyncpg.Connection) -> None:
        person_id = uuid4()
        police = running.police(HONGKOU)
        await police.read(seen=await arrive(running, person_id))
        rows = await access.fetch("SELECT service, actor, purpose, stream_ids FROM access WHERE purpose <> 'seal'")
        assert [("police_bridge", police.principal.subject, "share", [person_id])] == [tuple(row) for row in rows]

    async def test_answers_503_while_the_key_server_is_away(self, running: Running) -> None:
        seen = await arrive(running, uuid4())
        assert running.parts.key_server is not None
        await running.parts.key_server.close()
        response = await running.police(HONGKOU).read(seen=seen)
        assert (503, "unavailable") == (response.status_code, response.json()["code"])
        assert "retry-after" in response.headers

    async def test_puts_nothing_of_anybody_into_headers(self, running: Running) -> None:
        seen = await arrive(running, uuid4())
        response = await running.police(HONGKOU).read(seen=seen)
        cursor = following(response)["after"]
        told_in_headers = str(response.headers) + base64.urlsafe_b64decode(cursor + "==").decode()
        assert [] == [text for text in PLAIN.values() if text in told_in_headers]


class TestWaiting:
    async def test_answers_as_soon_as_there_is_news(self, running: Running) -> None:
        police = running.police(HONGKOU)
        waiting_reader = asyncio.ensure_future(police.read(prefer="wait=5"))
        await arrive(running, uuid4())
        response = await waiting_reader
        assert ([(SHARED, HERE)], "wait=5") == (told(messages(response)), response.headers["Preference-Applied"])

    async def test_ends_without_news_and_stands_where_it_stood(self, running: Running) -> None:
        response = await running.police(HONGKOU).read(prefer="wait=1")
        assert [] == messages(response)
        assert str(Cursor((HONGKOU,), BEGINNING)) == following(response)["after"]

    async def test_is_for_so_many_at_a_time(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(query_api, "_waiting", asyncio.Semaphore(0))
        response = await asyncio.wait_for(running.police(HONGKOU).read(prefer="wait=5"), timeout=4)
        assert [] == messages(response)


class TestGiveReceipts:
    async def test_counts_each_message_of_the_districts_once(self, running: Running) -> None:
        police = running.police(HONGKOU)
        (ours,) = [message["id"] for message in messages(await police.read(seen=await arrive(running, uuid4())))]
        seen = await arrive(running, uuid4(), district=PUDONG, contract_no=ELSEWHERE)
        (foreign,) = [message["id"] for message in messages(await running.police(PUDONG).read(seen=seen))]
        absent = str(uuid4())
        for _ in range(2):
            answer = (await police.post("/v1/receipts", {"message_ids": [ours, foreign, absent, ours]})).json()
            assert {"received": 1, "unknown": sorted([foreign, absent])} == answer
        assert [(HONGKOU, 1, 1)] == await counted(police)
        assert [(PUDONG, 1, 0)] == await counted(running.police(PUDONG))

    async def test_tells_as_a_metric_how_far_the_police_is_behind(self, running: Running) -> None:
        police, receipts = running.police(PUDONG), Receipts(running.parts.pool)
        told = messages(await police.read(seen=await arrive(running, uuid4(), district=PUDONG, contract_no=ELSEWHERE)))

        async def behind() -> tuple[float | None, bool]:
            await receipts.look()
            age_s = measured("gatehouse_police_oldest_unreceipted_age_seconds", district=PUDONG)
            return measured("gatehouse_police_unreceipted_messages", district=PUDONG), bool(age_s)

        assert (len(told), True) == await behind()
        await police.post("/v1/receipts", {"message_ids": [message["id"] for message in told]})
        assert (0, False) == await behind()

    async def test_refuses_what_is_no_list_of_ids(self, running: Running) -> None:
        for ids in ([], ["x"], [str(uuid4())] * 1_001, None):
            answer = await running.police(HONGKOU).post("/v1/receipts", {"message_ids": ids})
            assert 422 == answer.status_code, ids


async def counted(police: Police) -> list[tuple[str, int, int]]:
    """Of today and the day before, if midnight in Shanghai was passed: district, messages and receipts where there are any."""
    today = shanghai_date(datetime.now(UTC))
    days = [(await police.get(f"/v1/reconciliations/{day}")).json() for day in (today - timedelta(days=1), today)]
    rows = [(each["district"], each["messages"], each["receipts"]) for day in days for each in day["districts"]]
    return [row for row in rows if row[1]]


class TestReconcileDay:
    async def test_gives_a_digest_that_anybody_can_compute(self, running: Running) -> None:
        await arrive_at_once(running, 7)
        police = running.police(HONGKOU)
        ids = sorted(message["id"] for message in messages(await police.read()))
        expected = hashlib.sha256("".join(f"{each}\n" for each in ids).encode()).hexdigest()
        today = shanghai_date(datetime.now(UTC))
        digests = [(await police.get(f"/v1/reconciliations/{day}")).text for day in (today - timedelta(days=1), today)]
        assert expected in "".join(digests)

    async def test_says_of_a_day_without_messages_that_there_are_none(self, running: Running) -> None:
        answer = (await running.police(HONGKOU, PUDONG).get("/v1/reconciliations/2020-02-18")).json()
        nothing = {"messages": 0, "receipts": 0, "digest": hashlib.sha256(b"").hexdigest()}
        districts = [{"district": district} | nothing for district in (HONGKOU, PUDONG)]
        assert {"date": "2020-02-18", "districts": districts} == answer

    async def test_counts_by_the_day_in_shanghai(self, running: Running, owner: asyncpg.Connection) -> None:
        await arrive_at_once(running, 2)
        for pos, time in enumerate(("2020-02-17T15:59:59.999999Z", "2020-02-17T16:00:00Z")):
            told_at = datetime.fromisoformat(time)
            await owner.execute(
                "UPDATE arrival_v1 SET recorded_at = $1 WHERE (shard, pos) ="
                " (SELECT shard, pos FROM arrival_v1 ORDER BY shard, pos OFFSET $2 LIMIT 1)",
                told_at,
                pos,
            )
        for day in ("2020-02-17", "2020-02-18"):
            answer = (await running.police(HONGKOU).get(f"/v1/reconciliations/{day}")).json()
            assert [1] == [each["messages"] for each in answer["districts"]], day

    async def test_refuses_what_is_no_day(self, running: Running) -> None:
        for day in ("2020-02-30", "today", "0001-01-01"):
            assert 400 <= (await running.police(HONGKOU).get(f"/v1/reconciliations/{day}")).status_code < 500, day


class TestConsistencyToken:
    async def test_is_waited_for_until_the_feed_has_it(
        self, own_database: Database, keys_databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with police_bridge(own_database, keys_databases) as running:
            seen = await arrive(running, uuid4())
            police = running.police(HONGKOU)
            monkeypatch.setattr(waiting, "WAIT_S_MAX", 0.1)
            assert 503 == (await police.read(seen=seen)).status_code, "nobody has read registration"
            async with projecting(running, read_model=False):
                await eventually(running.log)
                assert 503 == (await police.read(seen=seen)).status_code, "it is in the log, but not in the feed"
            monkeypatch.undo()
            async with projecting(running):
                assert 1 == len(messages(await police.read(seen=seen)))


class TestCursor:
    async def test_is_refused_unless_it_is_ours(self, running: Running) -> None:
        ours = str(Cursor((HONGKOU,), BEGINNING))
        negative, too_large = (Cursor((HONGKOU,), (pos, *BEGINNING[1:])) for pos in (-1, 2**63))
        too_short = Cursor((HONGKOU,), BEGINNING[1:])
        for after in ("", "x", "null", "!", "ä", ours[:-4], str(negative), str(too_large), str(too_short), "A" * 5_000):
            response = await running.police(HONGKOU).read(after=after)
            assert 422 == response.status_code, after
            assert [("query", "/after")] == [(error["in"], error["pointer"]) for error in response.json()["errors"]]

    async def test_beyond_the_log_finds_nothing(self, running: Running) -> None:
        seen = await arrive(running, uuid4())
        after = str(Cursor((HONGKOU,), (2**63 - 1,) * 64))
        assert [] == messages(await running.police(HONGKOU).read(seen=seen, after=after))

    async def test_begins_anew_where_a_restored_log_is_another(self, running: Running, owner: asyncpg.Connection) -> None:
        kept = uuid4()
        lost = UUID(int=kept.int ^ 1)  # In another shard.
        police = running.police(HONGKOU)
        first = Cursor.parse(following(await police.read(seen=await arrive(running, kept)))["after"])
        shards = {kept.int % SHARDS, lost.int % SHARDS}
        had_both = replace(first, positions=tuple(int(shard in shards) for shard in range(SHARDS)))
        await owner.execute("SELECT end_restoration(0, NULL)")
        again = await police.read(seen=await arrive(running, lost), after=str(had_both))
        assert [str(lost)] == [message["subject"] for message in messages(again)]
        assert [] == messages(await police.read(**following(again)))

    @pytest.mark.parametrize("had", [1, 2])
    async def test_of_a_later_epoch_begins_anew(self, running: Running, had: int) -> None:
        """An older copy of the log was put back, and goes on: what stands where he has read may have been made since."""
        person_id = uuid4()
        seen = await arrive(running, person_id)
        ahead = tuple(had * (shard == person_id.int % SHARDS) for shard in range(SHARDS))
        page = await running.police(HONGKOU).read(seen=seen, after=str(Cursor((HONGKOU,), ahead, epoch=2)))
        assert [str(person_id)] == [message["subject"] for message in messages(page)]

    async def test_serves_fewer_districts_but_no_others(self, running: Running) -> None:
        person_id = uuid4()
        await arrive(running, person_id)
        seen = await arrive(running, person_id, district=PUDONG, contract_no=ELSEWHERE)
        of_both = Cursor((HONGKOU, PUDONG), BEGINNING)
        fewer = await running.police(HONGKOU).read(seen=seen, after=str(of_both))
        assert [(SHARED, HERE)] == told(messages(fewer))
        more = await running.police(HONGKOU, PUDONG).read(**following(fewer))
        assert (409, "cursor-is-of-other-districts") == (more.status_code, more.json()["code"])


class TestLimit:
    async def test_is_between_1_and_100(self, running: Running) -> None:
        for limit in ("0", "101", "-1", "x", ""):
            response = await running.police(HONGKOU).read(limit=limit)
            assert (422, "/limit") == (response.status_code, response.json()["errors"][0]["pointer"]), limit

    async def test_is_100_unless_told(self, running: Running) -> None:
        await arrive_at_once(running, 101)
        response = await running.police(HONGKOU).read()
        assert 100 == len(messages(response))
        assert 1 == len(messages(await running.police(HONGKOU).read(**following(response))))


class TestWhoMayRead:
    async def test_is_the_police_and_nobody_else(self, running: Running) -> None:
        answers = {role: (await running.police(HONGKOU, role=role).read()).status_code for role in Role}
        assert dict.fromkeys(Role, 403) | {Role.POLICE_SUBSCRIBER: 200} == answers
        assert 401 == (await running.client.get("/v1/arrivals")).status_code
