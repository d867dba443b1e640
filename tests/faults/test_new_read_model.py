"""The next release brings a read model to a long log, under load, as docs/runbooks/upgrade.md says (ADR 51): it reads beside the
others until it is near. They go on meanwhile, and in the end its rows are those of a rebuild."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import create_pool
from chassis.event_store import Append, NewEvent, append_group
from chassis.migrations import migrate
from chassis.ops import AGES
from chassis.projector import NEAR_EVENTS
from chassis.testing.wait import eventually
from contracts.event import SHARDS, Envelope
from contracts.site_information import CountedSupply, SuppliesCounted
from contracts.streams import site_stream
from devstack.services import Service
from tests.faults.balancer import Balancer
from tests.faults.checker import PARTITIONS, Stored, caught_up, check, package
from tests.faults.checker.verdict import READS
from tests.faults.next_release.told import FACTS, MIGRATIONS, TOLD, ToldRow
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, QuickStack, running_stack
from tests.faults.test_crash_points import rebuild
from tests.faults.test_rolling_restart import LIVES_AT_ONCE, balanced
from tests.faults.test_upgrade import LIVES_MAX, exchange
from tests.faults.traffic import Caller, Site, Town, flowing, town

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "faults" / "next_release"
SERVICES = ("gatekeeper", "reporting")
"""The one whose worker proves, too, that the gate is fresh; and the one that reads nothing but topics."""
LONG = (3, 11)
"""Partitions in which registration has told so much that whoever begins is behind for a while."""
LONG_SHARDS = [shard for shard in range(SHARDS) if shard % PARTITIONS in LONG]
STREAMS, TOLD_EACH, STREAMS_AT_ONCE = 320, 150, 8
NEAR = len(LONG) * (NEAR_EVENTS + 1_500)
"""Events left. With more, and a batch at hand, the new one has not joined the others in all of these partitions."""
ON_THEIR_WAY = 10
"""Events that somebody is always about to take in."""
LOOK_S = 0.25
LOOKS_MIN = 5
"""So often the new one was seen behind, and others beside it, or nothing was shown."""
AGE_S_MAX = 10.0
"""Of what any of the others has not taken in: far less than what a pass over the whole log would make of it, on a busy machine."""
SOON_S = 5.0
CAUGHT_UP_S_MAX = 240.0


class NextRelease(QuickStack):
    """Whatever is started from now on is of it."""

    def environment(self, program: Service, *, worker_port: int | None = None) -> dict[str, str]:
        return {**super().environment(program, worker_port=worker_port), "PYTHONPATH": f"{FOLDER}:{ROOT}"}


@dataclass(frozen=True)
class Look:
    """How the subscribers of a service stood at a moment."""

    since_s: float
    """After its exchange began, as all times here."""
    taken: int
    """Events of the long partitions that the new one had taken in, and that were left."""
    left: int
    age_s: float
    """Of the oldest event that any of the others had not taken in."""


@dataclass
class Watched:
    """What was seen of a service from the beginning of its exchange."""

    began: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)
    answers: list[tuple[float, int]] = field(default_factory=list)
    """Without a token: when it was asked, and the status."""
    answers_to_token: list[tuple[float, int]] = field(default_factory=list)
    """To the token of what was told just before, in one of the long partitions."""
    level_s: float | None = None
    """When the new one had taken in all but what is on its way."""

    @property
    def since_s(self) -> float:
        return time.monotonic() - self.began

    def is_level(self) -> bool:
        [*_, last] = self.looks
        if last.left <= ON_THEIR_WAY:
            self.level_s = last.since_s
        return self.level_s is not None

    @property
    def beside(self) -> list[Look]:
        """While the new one read beside the others."""
        return [look for look in self.looks if look.taken > 0 and look.left > NEAR]


@pytest.mark.long
class TestNewReadModel:
    async def test_reads_beside_the_others_and_comes_to_what_a_rebuild_makes(self) -> None:
        async with running_stack() as stack, town(stack, sites=2) as here:
            await _fill(stack)
            await eventually(lambda: caught_up(stack), within_s=CAUGHT_UP_S_MAX)
            async with (
                balanced(stack, here, SERVICES) as balancers,
                flowing(here, lives_at_once=LIVES_AT_ONCE, lives_max=LIVES_MAX) as traffic,
            ):
                await traffic.goes_on(within_s=CAUGHT_UP_S_MAX)
                stack.stack = NextRelease(**vars(stack.stack))
                for service in SERVICES:
                    await migrate(stack.stack.databases[package(service)].owner_dsn, [MIGRATIONS])
                    async with _watching(here, service, balancers[service]) as watched:
                        await exchange(stack, service, balancers[service])
                        await eventually(watched.is_level, within_s=CAUGHT_UP_S_MAX)
                        await traffic.goes_on(within_s=CAUGHT_UP_S_MAX)
                    _held_up_nobody(service, watched)
            verdict = await check(stack, here.diary, within_s=CAUGHT_UP_S_MAX)
            assert [] == verdict.wrong
            for service in SERVICES:
                expected = _folded(event for source in READS[service] for event in verdict.logs[source].events)
                assert expected == await _rows(stack, service)
                assert 0 == await rebuild(stack, service, TOLD.name), "the rebuild finds that it differs"
                assert expected == await _rows(stack, service)


def _held_up_nobody(service: str, watched: Watched) -> None:
    beside, level_s = watched.beside, watched.level_s
    assert level_s is not None
    age_s = max(look.age_s for look in beside)
    told = f"{len(beside)} looks while it was behind, others at most {age_s:.1f} s old, level after {level_s:.0f} s"
    REPORT.note(f"a new read model in {service}", told)
    assert len(beside) >= LOOKS_MIN, f"invalid: {told}"
    assert age_s < AGE_S_MAX, told
    assert beside[-1].age_s < beside[-1].since_s / 2, "the others took in nothing while it read"
    assert {200} == {status for _, status in watched.answers}, "whoever has no token waits for nobody"
    late = [at_s for at_s, status in watched.answers_to_token if status != 200 and at_s > level_s + SOON_S]
    assert [] == late, "whoever has one waits until it is level, and no longer"
    if service == "gatekeeper":
        ends_s = beside[-1].since_s
        answers = {status for at_s, status in watched.answers_to_token if beside[0].since_s < at_s < ends_s}
        assert 200 in answers, "nothing that the gate answers rests on it"


# --- A long log ---------------------------------------------------------------------------------------------------------


async def _fill(stack: FaultStack) -> None:
    """As if sites had counted their masks for years."""
    numbers = (f"W20199{n:08}" for n in itertools.count())
    sites = itertools.islice((each for each in numbers if site_stream(each).int % PARTITIONS in LONG), STREAMS)
    async with await create_pool(stack.stack.databases["registration"].app_dsn, application_name="tests") as pool:
        while at_once := list(itertools.islice(sites, STREAMS_AT_ONCE)):
            async with pool.acquire() as connection, connection.transaction():
                await append_group(connection, [_counts(each) for each in at_once], epoch=1)


def _counts(contract_no: str) -> Append:
    events = [_count(contract_no, version) for version in range(1, TOLD_EACH + 1)]
    return Append(site_stream(contract_no), "site", expected_version=0, events=events, state=None, state_version=None)


def _count(contract_no: str, version: int) -> NewEvent:
    event_id, at = uuid4(), datetime.now(UTC)
    counted = CountedSupply(item="口罩", unit="只", quantity=version)
    fact = SuppliesCounted(contract_no=contract_no, supplies=(counted,), counted_at=at)
    envelope = Envelope(
        event_id=event_id,
        type=fact.TYPE,
        service="registration",
        stream_id=site_stream(contract_no),
        version=version,
        epoch=1,
        time=at,
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    )
    return NewEvent(event_id, fact.TYPE, fact.encode(), envelope.encode())


# --- What is seen of a service -------------------------------------------------------------------------------------------


@asynccontextmanager
async def _watching(here: Town, service: str, balancer: Balancer) -> AsyncIterator[Watched]:
    watched = Watched()
    watching = [
        asyncio.create_task(_look(here.stack, service, watched)),
        asyncio.create_task(_ask(here, service, balancer.url, watched)),
    ]
    try:
        yield watched
    finally:
        for each in watching:
            if not each.cancel():
                each.result()


async def _look(stack: FaultStack, service: str, watched: Watched) -> None:
    async with AsyncExitStack() as opened:
        own = await opened.enter_async_context(stack.database(package(service)))
        logs = {each: await opened.enter_async_context(stack.database(package(each))) for each in READS[service] if each != service}
        while True:
            since_s = watched.since_s
            reached: dict[tuple[str, str], list[int]] = {}
            for name, source, shard, pos in await own.fetch("SELECT subscriber, source, shard, last_pos FROM position"):
                reached.setdefault((name, source), [0] * SHARDS)[shard] = pos
            new = reached.pop((TOLD.name, "registration"), [0] * SHARDS)
            ages = [
                await _age_s(logs.get(source, own), positions) for (name, source), positions in reached.items() if name != TOLD.name
            ]
            heads = {
                row["shard"]: row["last_pos"] for row in await logs["registration"].fetch("SELECT shard, last_pos FROM shard_head")
            }
            taken = sum(new[shard] for shard in LONG_SHARDS)
            left = sum(heads[shard] - new[shard] for shard in LONG_SHARDS)
            watched.looks.append(Look(since_s, taken, left, max(ages)))
            await asyncio.sleep(LOOK_S)


async def _age_s(log: asyncpg.Connection, positions: list[int]) -> float:
    """Of the oldest event behind these."""
    rows = await log.fetch(AGES, [0] * SHARDS, list(range(SHARDS)), positions)
    return max((row["age_s"] for row in rows), default=0.0)


async def _ask(here: Town, service: str, url: str, watched: Watched) -> None:
    """By whoever has told something, and by somebody else."""
    caller, path = _question(here, service)
    for n in itertools.count():
        told = await here.report(Site.new(partition=LONG[n % len(LONG)]))
        assert told.token is not None
        for seen, answers in (({}, watched.answers), ({"Consistency-Token": told.token}, watched.answers_to_token)):
            at_s = watched.since_s
            headers = {"Authorization": f"Bearer {await caller.access_token()}", **seen}
            answers.append((at_s, (await here.client.get(f"{url}{path}", headers=headers)).status_code))


def _question(here: Town, service: str) -> tuple[Caller, str]:
    """Whom to ask it as."""
    if service == "reporting":
        return here.city, "/v1/supervision/contracts"
    return here.operator, f"/v1/contracts/{here.sites[0].contract_no}/roster"


# --- What it comes to ----------------------------------------------------------------------------------------------------

Rows = dict[tuple[str, UUID], tuple[object, ...]]


def _folded(events: Iterable[Stored]) -> Rows:
    """Each log's events in the order of its streams."""
    wanted = {fact.TYPE for fact in FACTS}
    rows: dict[tuple[str, UUID], ToldRow] = {}
    for event in events:
        if event.type in wanted:
            rows.setdefault((event.service, event.stream_id), ToldRow(event.service, event.stream_id)).add(event.event_id)
    return {key: astuple(row) for key, row in rows.items()}


async def _rows(stack: FaultStack, service: str) -> Rows:
    async with stack.database(package(service)) as database:
        found = await database.fetch("SELECT source, stream_id, facts, digest FROM told_v1")
    return {(row["source"], row["stream_id"]): tuple(row) for row in found}
