"""Kafka burns: every topic is deleted and made again under traffic. Nobody does anything else about it."""

from __future__ import annotations

import asyncio

from confluent_kafka.admin import AdminClient

from chassis.kafka import provision
from chassis.testing.wait import eventually
from contracts.topics import TOPICS
from tests.faults.checker import PARTITIONS, WITH_LOG, check, package
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
    relays = [f"{package(service)}-worker" for service in WITH_LOG]
    lost = [await stack.metric(name, "gatehouse_relay_topics_lost_total") for name in relays]
    return all(partitions >= PARTITIONS for partitions in lost)


def _burn(stack: FaultStack) -> None:
    stack.topics_were_lost = True
    prefix = stack.stack.topic_prefix
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})
    for deleted in admin.delete_topics([topic.full_name(prefix) for topic in TOPICS]).values():
        deleted.result()
    provision(stack.kafka.bootstrap, TOPICS, prefix=prefix)
