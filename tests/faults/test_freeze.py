"""Two workers; one is frozen with work in flight for longer than its lease, and goes on when the other has long taken over.
Nothing is applied twice, because the database refuses what the frozen one still wanted to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from signal import SIGCONT, SIGSTOP
from typing import cast
from uuid import UUID

import asyncpg
import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import PARTITIONS, caught_up, check
from tests.faults.stack import FaultStack, LogTail
from tests.faults.traffic import Town, people, town

BALANCED_S_MAX = 15.0
TAKEN_OVER_S_MAX = 15.0
REFUSED_S_MAX = 1.9
"""Shorter than `lock_timeout`: while heartbeats are held back, nobody may give up waiting."""
PEOPLE = 24


class TestFrozenWorker:
    async def test_is_fenced_with_the_batch_that_it_had_decided_on(self, stack: FaultStack) -> None:
        """The gate's policy has asked for the streams of its batch; the answer finds it frozen."""
        async with two_workers(stack, "gatekeeper") as first, town(stack) as here:
            person_id = await _on_site(here, await _partitions_of(stack, "gatekeeper", first))
            await eventually(lambda: caught_up(stack))
            partition = UUID(person_id).int % PARTITIONS
            async with stack.database("gatekeeper") as database:
                held_before = await _token(database, partition)
                async with held(database, "LOCK TABLE stream IN ACCESS EXCLUSIVE MODE"):
                    await here.measure(person_id, here.sites[0], 38.5)
                    await eventually(lambda: _waits(database, "gatekeeper"))
                    stack["gatekeeper-worker"].send(SIGSTOP)
                token = await _taken_over(database, partition, first)
                await eventually(lambda: _knows_of_fever(here, person_id), within_s=TAKEN_OVER_S_MAX)
                log = LogTail(stack.log_of("gatekeeper-worker"))
                # Its heartbeat would tell it that it lost everything. It shall learn that from the refusal.
                async with held(database, "LOCK TABLE worker IN EXCLUSIVE MODE"):
                    stack["gatekeeper-worker"].send(SIGCONT)
                    await eventually(lambda: f"project/{partition:02}" in _lost(log), within_s=REFUSED_S_MAX)
                assert token > held_before
            assert [] == (await check(stack, here.diary)).wrong

    @pytest.mark.long
    async def test_is_cut_off_inside_its_transaction(self, stack: FaultStack) -> None:
        """Reporting has passed the fence and holds it; while frozen its session is ended, and all it wrote is undone."""
        async with two_workers(stack, "reporting") as first, town(stack) as here:
            person_id = await _on_site(here, await _partitions_of(stack, "reporting", first))
            await eventually(lambda: caught_up(stack))
            partition = UUID(person_id).int % PARTITIONS
            async with stack.database("reporting") as database:
                held_before = await _token(database, partition)
                async with held(database, "LOCK TABLE people_count_v1 IN EXCLUSIVE MODE"):
                    await here.leave(person_id, here.sites[0])
                    await eventually(lambda: _waits(database, "reporting"))
                    stack["reporting-worker"].send(SIGSTOP)
                token = await _taken_over(database, partition, first)
                await eventually(lambda: _has_left(database, person_id), within_s=TAKEN_OVER_S_MAX)
                log = LogTail(stack.log_of("reporting-worker"))
                stack["reporting-worker"].send(SIGCONT)
                await eventually(lambda: f"project/{partition:02}" in _failed(log), within_s=TAKEN_OVER_S_MAX)
                assert token > held_before
            assert [] == (await check(stack, here.diary)).wrong


@asynccontextmanager
async def two_workers(stack: FaultStack, package: str) -> AsyncIterator[UUID]:
    """A second worker beside the first, each with its half of the leases. Who the first is."""
    async with stack.database(package) as database:
        first = await eventually(lambda: _sole_owner(database), within_s=BALANCED_S_MAX)
        second = f"{package}-worker-2"
        await stack.add(package, "worker", name=second).started()
        try:
            await eventually(lambda: _is_balanced(database), within_s=BALANCED_S_MAX)
            yield cast(UUID, first)
        finally:
            await stack.remove(second)


@asynccontextmanager
async def held(database: asyncpg.Connection, lock: str) -> AsyncIterator[None]:
    """A lock, for the time of the block."""
    async with database.transaction():
        await database.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await database.execute(lock)
        yield


async def _owners(database: asyncpg.Connection) -> Mapping[str, UUID]:
    """Lease → owner, where that one is alive."""
    rows = await database.fetch("SELECT name, owner FROM lease JOIN worker USING (owner) WHERE expires_at > clock_timestamp()")
    return {row["name"]: row["owner"] for row in rows}


async def _sole_owner(database: asyncpg.Connection) -> UUID | None:
    """Whoever holds every lease, if one does."""
    owners = list((await _owners(database)).values())
    names = await database.fetchval("SELECT count(*) FROM lease")
    return owners[0] if len(owners) == names and len(set(owners)) == 1 else None


async def _is_balanced(database: asyncpg.Connection) -> bool:
    """Two have all of them, each as many as the other, or one more where they are odd."""
    held = Counter((await _owners(database)).values())
    names = await database.fetchval("SELECT count(*) FROM lease")
    return len(held) == 2 and held.total() == names and max(held.values()) - min(held.values()) == names % 2


async def _partitions_of(stack: FaultStack, package: str, owner: UUID) -> set[int]:
    async with stack.database(package) as database:
        owners = await _owners(database)
    return {int(name.removeprefix("project/")) for name in owners if name.startswith("project/") and owners[name] == owner}


async def _on_site(here: Town, partitions: set[int]) -> str:
    """Somebody on site, of one of these partitions."""
    person_ids = await here.import_roster(here.sites[0], people(PEOPLE), on_site=[True] * PEOPLE)
    person_id = next(each for each in person_ids if UUID(each).int % PARTITIONS in partitions)
    await eventually(lambda: here.is_known(person_id, here.sites[0]))
    await here.measure(person_id, here.sites[0], 36.6)
    return person_id


async def _waits(database: asyncpg.Connection, package: str) -> bool:
    """Whether somebody waits for what this session holds. Nobody asks an api meanwhile: it is the worker of that partition."""
    waits: bool = await database.fetchval(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE starts_with(application_name, $1) AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))",
        package,
    )
    return waits


async def _token(database: asyncpg.Connection, partition: int) -> int:
    token: int = await database.fetchval("SELECT token FROM lease WHERE name = $1", f"project/{partition:02}")
    return token


async def _taken_over(database: asyncpg.Connection, partition: int, first: UUID) -> int:
    """Wait until the other worker holds the partition; the token under which it does."""

    async def is_taken_over() -> bool:
        return (await _owners(database)).get(f"project/{partition:02}", first) != first

    await eventually(is_taken_over, within_s=TAKEN_OVER_S_MAX)
    return await _token(database, partition)


async def _knows_of_fever(here: Town, person_id: str) -> bool:
    return "fever" in (await here.reasons(person_id, here.sites[0]) or ())


async def _has_left(database: asyncpg.Connection, person_id: str) -> bool:
    left: bool = await database.fetchval("SELECT left_at IS NOT NULL FROM membership_v1 WHERE person_id = $1", UUID(person_id))
    return left


def _lost(log: LogTail) -> set[str]:
    """Leases whose work the database refused by their token."""
    return {line["lease"] for line in log.events("leases.lost")}


def _failed(log: LogTail) -> set[str]:
    """Leases whose work ended with an error."""
    return {line["lease"] for line in log.events("leases.work_failed")}
