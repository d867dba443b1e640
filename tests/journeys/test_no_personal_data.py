"""Personal data is nowhere but where it belongs: sealed, on the key server's terms, and with the police.

Three people go through everything that the system does, and turn up in bad input besides. Afterwards their names,
numbers, mobiles, addresses and whatever was written about them are looked for in all logs, metrics, topics, tables, error
answers and headers. The police topics do hold them, which shows that the search finds what is there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient

from chassis.kafka import make_consumer
from contracts.identity import masked_mobile, masked_name, masked_number
from contracts.topics import POLICE_TOPICS
from devstack.parts import Parts
from devstack.processes import Process
from devstack.state import State
from devstack.tokens import Account, token
from tests.collector import Collector, collecting
from tests.journeys.canary import DECLARED, LATE, found_in
from tests.journeys.lives import DISTRICT, PROJECT, WITHIN_S, Exchange, Lives
from tests.journeys.stack import JourneyStack, journey_stack

BASE64 = (base64.b64encode, base64.urlsafe_b64encode)
SHOWS_PEOPLE = re.compile(r"POST \S+/v1/(declaration-lookups|reveals)|GET \S+/v1/arrivals\S*|POST \S+/declarations")
"""What answers with somebody's data in plain words, to whom it may: and Health Cloud's own API, which is not ours."""


@dataclass(frozen=True)
class Played:
    """The stack after everything has happened."""

    stack: JourneyStack
    processes: list[Process]
    exchanges: list[Exchange]
    collector: Collector


@pytest.fixture(scope="module")
async def played(real_parts: Parts, state: State) -> AsyncIterator[Played]:
    with collecting() as collector:
        async with (
            journey_stack(real_parts, state, **collector.variables) as (stack, processes),
            httpx2.AsyncClient(timeout=30, trust_env=False) as client,
        ):
            story = Lives(stack, client)
            await story.play()
            yield Played(stack, processes, story.exchanges, collector)


async def records(stack: JourneyStack) -> dict[str, list[bytes]]:
    """Every record of every topic of this installation: key, headers and value in one."""
    admin = AdminClient({"bootstrap.servers": stack.parts.kafka.bootstrap})
    topics = await asyncio.to_thread(lambda: admin.list_topics(timeout=10).topics)
    ours = {name: topic for name, topic in topics.items() if name.startswith(stack.topic_prefix)}
    partitions = [TopicPartition(name, partition) for name, topic in ours.items() for partition in topic.partitions]
    found: dict[str, list[bytes]] = {name.removeprefix(stack.topic_prefix): [] for name in ours}
    consumer = make_consumer(stack.parts.kafka.bootstrap)
    await consumer.start()
    try:
        consumer.assign(partitions)
        async with aclosing(_to_the_end(consumer, partitions)) as read:
            async for record in read:
                headers = b"\n".join(name.encode() + b": " + value for name, value in record.headers)
                found[record.topic.removeprefix(stack.topic_prefix)].append(b"\n".join((record.key, headers, record.value)))
    finally:
        await consumer.stop()
    return found


async def _to_the_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> AsyncGenerator[Any, None]:
    ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
    unread = {partition for partition, end in ends.items() if end > 0}
    async with asyncio.timeout(WITHIN_S):
        while unread:
            for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                for record in batch:
                    yield record
                if batch[-1].offset + 1 >= ends[partition]:
                    unread.discard(partition)


async def rows(dsn: str) -> dict[str, bytes]:
    """Every table of a database, row by row as text. PostgreSQL writes bytes in hexadecimal, which the search knows."""
    connection = await asyncpg.connect(dsn, timeout=WITHIN_S)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        found = {}
        for (table,) in tables:
            lines = await connection.fetch(f"SELECT t::text FROM {table} AS t")
            found[table] = "\n".join(line[0] for line in lines).encode()
        return found
    finally:
        await connection.close()


class TestSearch:
    @pytest.mark.parametrize("text", [DECLARED.name, DECLARED.number, LATE.address])
    def test_knows_a_text_in_every_form(self, text: str) -> None:
        plain = text.encode()
        hidden = [
            plain,
            json.dumps({"x": text}).encode(),
            quote(text).encode(),
            plain.hex().encode(),
            b"\\x" + plain.hex().encode(),
        ]
        hidden += [encode(before + plain + b"}") for before in (b"", b"{", b"12", b"123") for encode in BASE64]
        assert [] == [each for each in hidden if not found_in("", b"before " + each + b" after")]

    def test_knows_nothing_else(self) -> None:
        others = [
            masked_name(DECLARED.name),
            masked_number(DECLARED.number),
            masked_mobile(DECLARED.mobile),
            "虹口",
            "g1.1." + "A" * 60,
        ]
        assert [] == found_in("", "\n".join(others).encode())

    async def test_finds_people_where_they_may_be(self, played: Played) -> None:
        told = b"".join((await records(played.stack))[POLICE_TOPICS[DISTRICT].name])
        found = found_in("", told)
        for each in (DECLARED, LATE):
            assert {f": {each.name}: {what}" for what in ("name", "number", "mobile", "address", "travel", "origin")} <= set(found)
        assert [] != found_in("", played.stack.declarations.read_bytes())
        assert [] != found_in("", b"".join(each.body for each in played.exchanges))

    async def test_reads_what_is_stored(self, played: Played) -> None:
        known = await rows(played.stack.databases["registration"].owner_dsn)
        assert PROJECT.encode().hex().encode() in known["public.event"]
        told = await rows(played.stack.databases["reporting"].owner_dsn)
        assert any(PROJECT.encode() in table for table in told.values())

    async def test_reads_what_is_published(self, played: Played) -> None:
        published = await records(played.stack)
        assert any(PROJECT.encode() in record for record in published["registration.events.v1"])
        logs = {"registration", "healthcloud-bridge", "health", "gatekeeper"}
        assert logs == {name.removesuffix(".events.v1") for name, all_of_it in published.items() if all_of_it and "events" in name}


class TestNobodyIsFound:
    async def test_in_a_log(self, played: Played) -> None:
        files = sorted(played.stack.state.folder("logs").iterdir())
        assert {process.log for process in played.processes} <= set(files)
        assert any(b"healthcloud.not_answered" in process.log.read_bytes() for process in played.processes)
        assert [] == [each for file in files for each in found_in(file.name, file.read_bytes())]

    async def test_in_a_span(self, played: Played) -> None:
        told = {(span.service, span.name) for span in played.collector.spans}
        assert {("gatekeeper", "POST /v1/contracts/{contract_no}/entries"), ("police-bridge", "project registration")} <= told
        assert [] == [leak for request in played.collector.requests for leak in found_in("span", request)]

    async def test_in_metrics_and_other_pages(self, played: Played) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            for package in played.stack.databases:
                for path in ("/metrics", "/readyz", "/livez", "/docs", "/openapi.json"):
                    answer = await client.get(played.stack.url(package) + path)
                    assert 200 == answer.status_code
                    assert [] == found_in(f"{package}{path}", answer.content)

    async def test_in_what_operators_are_told(self, played: Played) -> None:
        access_token, _ = await token(played.stack.portal, played.stack.state, Account("ops"))
        headers = {"Authorization": f"Bearer {access_token}"}
        async with httpx2.AsyncClient(trust_env=False, headers=headers) as client:
            for package in played.stack.databases.keys() - {"portal"}:
                told = await client.get(played.stack.url(package) + "/v1/ops/status")
                assert 200 == told.status_code
                assert told.json()["followed"], f"nothing is told of {package}"
                assert [] == found_in(package, told.content)

    async def test_on_a_topic_that_is_not_the_police_s(self, played: Played) -> None:
        published = await records(played.stack)
        others = {name: each for name, each in published.items() if not name.startswith("police.arrivals.")}
        assert [] == [leak for name, all_of_it in others.items() for leak in found_in(name, b"\n".join(all_of_it))]

    async def test_in_a_key_or_header_of_a_police_record(self, played: Played) -> None:
        published = await records(played.stack)
        keyed = [record.rpartition(b"\n")[0] for name, each in published.items() if name.startswith("police.") for record in each]
        assert keyed
        assert [] == found_in("police", b"\n".join(keyed))

    async def test_in_a_table(self, played: Played) -> None:
        databases = {**played.stack.databases, "keys": played.stack.keys["registration"]}
        for package, database in databases.items():
            tables = await rows(database.owner_dsn)
            assert tables
            assert [] == [leak for table, content in tables.items() for leak in found_in(f"{package} {table}", content)]

    async def test_in_an_answer_that_refuses(self, played: Played) -> None:
        refusals = [each for each in played.exchanges if each.status >= 400]
        assert len(refusals) > 60
        assert [] == [leak for each in refusals for leak in found_in(str(each.status), each.body)]

    async def test_in_a_header_of_any_answer(self, played: Played) -> None:
        assert [] == [leak for each in played.exchanges for leak in found_in(str(each.status), each.headers)]

    async def test_unmasked_in_an_answer_that_need_not_show_him(self, played: Played) -> None:
        masked = [each for each in played.exchanges if not SHOWS_PEOPLE.match(each.request)]
        assert [] == [leak for each in masked for leak in found_in(each.request.partition("?")[0], each.body)]
