"""Every api and every worker is killed once while traffic runs. Nothing that was acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from signal import SIGKILL

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, but not in its stubs

from chassis.testing.wait import eventually
from tests.faults.checker import WITH_LOG, check, package
from tests.faults.stack import FaultStack
from tests.faults.traffic import Town, flowing, town

IN_SHORT = ("registration", "gatekeeper")
"""Services of the short form."""
IN_THE_ACT_S_MAX = 20.0
"""How long the traffic may take to give a process the work in which it is killed."""
GONE_S_MAX = 10.0
TAKEN_OVER_S_MAX = 15.0


class TestKill:
    @pytest.mark.parametrize(
        ("services", "cut_off_min"),
        [pytest.param(IN_SHORT, 1, id="some"), pytest.param(None, 3, id="all", marks=pytest.mark.long)],
    )
    async def test_leaves_every_fact_in_log_topic_and_projections_exactly_once(
        self, stack: FaultStack, services: Sequence[str] | None, cut_off_min: int
    ) -> None:
        apis = [name for name in stack.apis() if services is None or name.removesuffix("-api") in services]
        workers = [name for name in stack.workers() if services is None or name.removesuffix("-worker") in services]
        async with town(stack, sites=3) as here:
            async with flowing(here):
                before = await _tokens(stack, workers)
                await asyncio.gather(_kill_apis(stack, here, apis), _kill_workers(stack, workers))
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong
            counts = here.diary.count()
            assert counts["broken"] >= cut_off_min, f"nobody was cut off: {counts}"
            assert counts["retried"] >= cut_off_min, f"nothing was sent again: {counts}"
            await eventually(lambda: _are_taken_over(stack, before), within_s=TAKEN_OVER_S_MAX)
            published = [service for service in WITH_LOG if f"{package(service)}-worker" in workers]
            assert all(verdict.repeated[service] for service in published), f"nothing was published twice: {verdict.repeated}"


async def _kill_apis(stack: FaultStack, here: Town, names: Sequence[str]) -> None:
    """Each while it answers somebody; the portal, which is asked every half minute, at any time."""
    for name in names:
        service = name.removesuffix("-api").replace("_", "-")
        if service != "portal":
            await eventually(partial(here.diary.under_way.__getitem__, service), within_s=IN_THE_ACT_S_MAX)
        await stack[name].kill()
        await stack[name].started()


async def _kill_workers(stack: FaultStack, names: Sequence[str]) -> None:
    """Each between the broker's acknowledgement and its own mark, where it has a log to publish."""
    for name in names:
        service = name.removesuffix("-worker").replace("_", "-")
        if service in WITH_LOG:
            await _kill_in_the_act(stack, service, name)
        else:
            await stack[name].kill()
        await stack[name].started()


async def _kill_in_the_act(stack: FaultStack, service: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap})
    topics = [topic for topic in admin.list_topics(timeout=5).topics if topic.startswith(_topics_of(service))]
    async with _marks_held(stack, service):
        marked = await _ends(admin, topics)

        async def is_published() -> bool:
            return await _ends(admin, topics) > marked

        await eventually(is_published, within_s=IN_THE_ACT_S_MAX)
        stack[name].send(SIGKILL)
        await stack[name].child.ended(GONE_S_MAX)


def _topics_of(service: str) -> str:
    return "police.arrivals." if service == "police-bridge" else f"{service}.events."


@asynccontextmanager
async def _marks_held(stack: FaultStack, service: str) -> AsyncIterator[None]:
    """Whatever is published meanwhile cannot be marked as published."""
    async with stack.database(package(service)) as connection, connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute("SELECT FROM lease WHERE name LIKE 'relay/%' ORDER BY name FOR UPDATE")
        yield
        # PostgreSQL would not notice that who asked is dead, and carry out what waits here. It shall not have been asked.
        await connection.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )


async def _ends(admin: AdminClient, topics: Sequence[str]) -> int:
    """Records in these topics."""
    known = admin.list_topics(timeout=5).topics
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = {TopicPartition(topic, n): latest for topic in topics for n in known[topic].partitions}
    futures = admin.list_offsets(asked).values()
    return sum([(await asyncio.wrap_future(future)).offset for future in futures])


async def _are_taken_over(stack: FaultStack, before: Mapping[tuple[str, str], int]) -> bool:
    """Every lease of every worker, since then."""
    after = await _tokens(stack, {f"{service}-worker" for service, _ in before})
    return all(after[name] > token for name, token in before.items())


async def _tokens(stack: FaultStack, workers: Iterable[str]) -> Mapping[tuple[str, str], int]:
    """(service, lease) → token."""
    found: dict[tuple[str, str], int] = {}
    for service in {name.removesuffix("-worker") for name in workers}:
        async with stack.database(service) as connection:
            rows = await connection.fetch("SELECT name, token FROM lease")
        found |= {(service, row["name"]): row["token"] for row in rows}
    return found
