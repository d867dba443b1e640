"""Whoever was erased leaves the topics: on a real broker, with the relay at work."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis.broker import Broker
from chassis.relay import unpublished
from chassis.service import worker
from chassis.testing.wait import eventually
from contracts.event import SHARDS
from contracts.police import PoliceArrivalErased, PoliceArrivalShared, PoliceArrivalWithdrawn
from contracts.topics import POLICE_TOPICS
from devstack.databases import Database
from police_bridge.clearing import Clearing
from police_bridge.read_models.erasures import pending
from police_bridge.wiring import SERVICE
from tests.at_work import at_work
from tests.conftest import MakeDatabase
from tests.police_bridge.facts import HONGKOU, PLAIN, PUDONG, erase, share
from tests.police_bridge.service import PARTITIONS, Running, police_bridge, projecting
from tests.police_bridge.topics import make_topics, read_topic

WITHIN_S = 30.0


@pytest.fixture
async def running(
    database: MakeDatabase, keys_databases: dict[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Running]:
    made = await database("police_bridge", SERVICE.migrations)
    async with police_bridge(made, keys_databases, kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix) as running:
        yield running


def neighbours() -> tuple[UUID, UUID]:
    """Two people of the same shard."""
    one, other = uuid4(), uuid4()
    return one, UUID(int=other.int & ~(SHARDS - 1) | one.int & (SHARDS - 1))


async def test_tells_all_again_and_deletes_what_stood_before(running: Running, kafka_bootstrap: str, topic_prefix: str) -> None:
    await make_topics(kafka_bootstrap, topic_prefix, *POLICE_TOPICS.values())
    gone, other = neighbours()
    for person_id in (gone, other):
        await running.tell(share(person_id, seal=await running.sealer(person_id)))
    await running.tell(share(gone, contract_no="elsewhere", district=PUDONG, seal=await running.sealer(gone)))
    running.application.works = Clearing(
        running.parts.pool,
        Broker(kafka_bootstrap, kept_s=0.0),
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
        after_s=0.0,
        settled_s=0.0,
        look_s=0.05,
    ).works()

    async def is_published() -> bool:
        async with running.parts.pool.acquire() as connection:
            return not await unpublished(connection)

    async def is_cleared() -> bool:
        return bool(await running.parts.pool.fetchval("SELECT count(*) FROM topic_cleared"))

    async with worker(SERVICE, running.parts, running.application) as at:
        assert at.heads is not None
        async with at_work(at.leases.run(), at.heads.run()):
            await eventually(is_published, within_s=WITHIN_S)
            before = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
            assert 2 == sum(PLAIN["name"] == json.loads(each.value).get("name") for each in before)

            await running.erase(gone)
            await running.tell(erase(gone))
            await eventually(is_cleared, within_s=WITHIN_S)
            await eventually(is_published, within_s=WITHIN_S)

    here = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
    elsewhere = await read_topic(kafka_bootstrap, topic_prefix, PUDONG)
    of_other = [each for each in here if each.key == str(other).encode()]
    of_gone = [each for each in here if each.key == str(gone).encode()]
    assert [PoliceArrivalShared.TYPE.encode()] == [dict(each.headers)["ce_type"] for each in of_other]
    assert [dict(each.headers)["ce_id"] for each in before] == [dict(each.headers)["ce_id"] for each in (of_gone[0], of_other[0])]
    ended = [PoliceArrivalWithdrawn.TYPE.encode(), PoliceArrivalErased.TYPE.encode()]
    assert [ended, ended] == [[dict(each.headers)["ce_type"] for each in told] for told in (of_gone, elsewhere)]
    for record in (*of_gone, *elsewhere):
        assert not [text for text in PLAIN.values() if text in record.value.decode()]


class TestPending:
    async def test_gathers_for_a_while_and_leaves_what_may_still_be_on_its_way(self, running: Running) -> None:
        person_id = uuid4()
        place = person_id.int % 4
        await running.tell(share(person_id), erase(person_id))
        async with projecting(running):

            async def found(settled_s: float, after_s: float) -> bool:
                return bool(await pending(running.parts.pool, place, settled_s=settled_s, after_s=after_s))

            await eventually(lambda: found(0.0, 0.0), within_s=WITHIN_S)
            assert not await found(0.0, 3_600.0)
            assert not await found(3_600.0, 0.0)
