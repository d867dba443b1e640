"""`docs/police/subscriber.py` on a real broker as the police of a district, and both sides' count of a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from chassis.kafka import Brokers, admit
from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from contracts.topics import POLICE_TOPICS, police_user
from devstack.databases import Database
from devstack.services import kafka_password
from devstack.state import State
from police_bridge.publishing import PolicePublisher
from police_bridge.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.police_bridge.facts import HONGKOU, PUDONG, later, share, withdraw
from tests.police_bridge.foreign import did
from tests.police_bridge.service import Running, police_bridge, projecting
from tests.police_bridge.test_publishing import publish_all
from tests.police_bridge.topics import make_topics

PEOPLE = 20


@pytest.fixture
async def running(
    database: MakeDatabase, keys_databases: dict[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Running]:
    made = await database("police_bridge", SERVICE.migrations)
    async with police_bridge(made, keys_databases, kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix) as running:
        await make_topics(kafka_bootstrap, topic_prefix, POLICE_TOPICS[HONGKOU], POLICE_TOPICS[PUDONG])
        yield running


async def arrive(running: Running) -> None:
    """They are shared here and withdrawn, and one of them is shared elsewhere."""
    for n in range(PEOPLE):
        person_id = uuid4()
        seal = await running.sealer(person_id)
        await running.tell(share(person_id, seal=seal), withdraw(person_id, at=later(1)))
        if n == 0:
            await running.tell(share(person_id, contract_no="elsewhere", district=PUDONG, seal=seal))


async def test_has_everything_once_and_counts_what_we_count(
    running: Running, kafka_bootstrap: str, kafka_clients: str, topic_prefix: str, state: State, tmp_path: Path
) -> None:
    publisher = running.application.publisher
    assert isinstance(publisher, PolicePublisher)
    store, topic = tmp_path / "arrivals.sqlite", POLICE_TOPICS[HONGKOU].full_name(topic_prefix)

    user = police_user(HONGKOU)
    password = SecretStr(kafka_password(state, user))
    admit(kafka_bootstrap, list(POLICE_TOPICS.values()), prefix=topic_prefix, passwords={user: password})
    settings = {**Brokers(kafka_clients, user, password).for_librdkafka()}
    login = ["--group", user] + [f"--property={name}={value}" for name, value in settings.items()]

    async def run(*more: str) -> dict[str, int]:
        return await did(bootstrap=kafka_clients, topic=topic, store=store, more=(*login, *more))

    begun = datetime.now(UTC)
    await arrive(running)
    await publish_all(running, publisher)
    assert {"read": 2 * PEOPLE, "kept": 2 * PEOPLE, "repeated": 0, "deleted": 0} == await run()

    await arrive(running)
    await publish_all(running, publisher)  # all of it, as after the loss of a mark
    assert {"read": 6 * PEOPLE - 2 * PEOPLE, "kept": 2 * PEOPLE, "repeated": 2 * PEOPLE, "deleted": 0} == await run()
    assert {"read": 6 * PEOPLE, "kept": 0, "repeated": 6 * PEOPLE, "deleted": 0} == await run("--since", begun.isoformat())
    assert 0 == (await run("--since", (begun + timedelta(days=1)).isoformat()))["read"]

    async with projecting(running):

        async def is_counted_alike() -> bool:
            days = {shanghai_date(begun), shanghai_date(datetime.now(UTC))}  # Two, if midnight passed meanwhile.
            told = {day: await running.police(HONGKOU).get(f"/v1/reconciliations/{day}") for day in days}
            ours = [{key: told[day].json()["districts"][0][key] for key in ("messages", "digest")} for day in days]
            return ours == await asyncio.gather(*(run("--day", day.isoformat()) for day in days))

        await eventually(is_counted_alike, within_s=30)
