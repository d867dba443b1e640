"""Kafka burns: every topic is deleted and made again under traffic. Nobody does anything else about it."""

from __future__ import annotations

import asyncio

from confluent_kafka.admin import AdminClient

from chassis.broker import Broker
from chassis.kafka import provision
from chassis.testing.wait import eventually
from contracts.topics import TOPICS
from tests.faults.checker import WITH_LOG, check, package
from tests.faults.stack import FaultStack
from tests.faults.traffic import flowing, town

LIVES_BEFORE = 8
"""Lived through before the topics are lost: they hold something."""
RECOVERED_S_MAX = 60.0


class TestTopicsLost:
    async def test_are_filled_again_and_everybody_ends_equal(self, stack: FaultStack) -> None:
        pids = stack.pids()
        async with town(stack) as here:
            async with flowing(here) as traffic:
                await eventually(lambda: traffic.finished >= LIVES_BEFORE, within_s=60)
                await asyncio.to_thread(_burn, stack)
                lived = traffic.finished + LIVES_BEFORE
                await eventually(lambda: traffic.finished >= lived, within_s=60)
            # A partition of which there is no news looks only every few seconds.
            await eventually(lambda: _all_noticed(stack), within_s=RECOVERED_S_MAX)
            assert [] == (await check(stack, here.diary, within_s=RECOVERED_S_MAX)).wrong
        assert pids == stack.pids(), "somebody had to be started again"


async def _all_noticed(stack: FaultStack) -> bool:
    """Whether every partition of every relay speaks of the topics that there are now."""
    known: set[tuple[str, str]] = set()
    for service in WITH_LOG:
        async with stack.database(package(service)) as connection:
            known |= {tuple(row) for row in await connection.fetch("SELECT DISTINCT topic, topic_id FROM relayed_topic")}
    names = [topic.full_name(stack.stack.topic_prefix) for topic in TOPICS]
    now = await Broker(stack.kafka.bootstrap, kept_s=0.0).topics(names)
    return known == {(name, topic.topic_id) for name, topic in now.items()}


def _burn(stack: FaultStack) -> None:
    stack.topics_were_lost = True
    prefix = stack.stack.topic_prefix
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})
    for deleted in admin.delete_topics([topic.full_name(prefix) for topic in TOPICS]).values():
        deleted.result()
    provision(stack.kafka.bootstrap, TOPICS, prefix=prefix)
