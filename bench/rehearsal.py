"""A draft policy over a million people, over HTTP. They came as events: registration's topic, health's worker, health's log.

python -m bench rehearsal                                # a million: about a quarter of an hour, nearly all of it to load them
GATEHOUSE_BENCH_PEOPLE=20000 python -m bench rehearsal   # a first look; its time grows with the number of people
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2

from bench.place import Place
from bench.projector import PARTITIONS, batched, publish
from bench.supervision import CONTRACTS, SEALED, contract_number, recorded
from bench.table import Row
from contracts.event import Event
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.policy import SHIPPED
from contracts.registration import PersonPreRegistered, PinnedDeclaration
from contracts.times import shanghai_date
from contracts.topics import EVENT_TOPICS
from devstack.ports import free_port
from devstack.run import running_stack
from devstack.services import PROGRAMS, Stack
from devstack.settings import Settings
from devstack.story.callers import Caller
from devstack.suite import throwaway_state
from devstack.tokens import Account, token

PEOPLE = int(os.environ.get("GATEHOUSE_BENCH_PEOPLE", "1000000"))
"""A multiple of the number of origins, so that exactly a tenth would change."""
PEOPLE_AT_ONCE = 50_000
"""Prepared in memory for publishing."""
BATCH = 100
"""Pre-registrations in one batch for the broker."""
LOADED_S_MAX = 7_200.0
COUNTED_EVERY_S = 5.0
"""Counting takes a processor a while: it must not take it from what is waited for."""
ORIGINS = ("320600", "340100", "420100", "330300", "510100", "410100", "360100", "350100", "430100", "370100")
"""A tenth of the people came from each; of one of them the draft thinks otherwise."""
NOW = datetime.now(UTC)
TODAY = shanghai_date(NOW)
DRAFT: Mapping[str, Any] = SHIPPED.model_dump(mode="json", exclude_none=True) | {
    "valid_from": TODAY.isoformat(),
    "key_areas": [
        *(area.model_dump(mode="json", exclude_none=True) for area in SHIPPED.key_areas),
        {"code_prefix": "3303", "name": "温州市", "since": "2020-02-01"},
    ],
}
CITY = Account("city_supervisor")
OPERATOR = Account("ops")
ITEMS = 1_000


async def measure(place: Place) -> Sequence[Row]:
    """On a stack of its own: `place` is not touched meanwhile."""
    with throwaway_state() as state:
        ports = {program.package: free_port() for program in PROGRAMS}
        async with running_stack(state, Settings().elsewhere(), lambda line: None, ports=ports) as (stack, supervisor):
            for process in supervisor.processes:
                if process.name not in ("portal-all", "health-all"):
                    await process.stop()
            loaded_s = await _load(stack)
            await _settle(stack)
            began = time.perf_counter()
            changed = await _rehearse(stack)
            took_s = time.perf_counter() - began
    if changed != PEOPLE // len(ORIGINS):
        raise RuntimeError(f"{changed} people would change")
    return [
        Row(f"pre-registrations → judged, of {PEOPLE:,} people, one process", PEOPLE / loaded_s, "/s", None, "–"),
        Row(f"rehearsal of a draft over {PEOPLE:,} people, of whom a tenth would change", took_s, "s", None, "< 60 s"),
    ]


async def _load(stack: Stack) -> float:
    """Publish where registration would, and wait until health has judged everybody. Seconds in all."""
    topic = EVENT_TOPICS["registration"]
    topic = replace(topic, name=topic.full_name(stack.topic_prefix), partitions=PARTITIONS)
    heads: dict[int, int] = defaultdict(int)
    began = time.perf_counter()
    for people in _batches():
        await publish(stack.parts.kafka.bootstrap, topic, batched([recorded(*each, heads) for each in people], events_max=BATCH))
    connection = await asyncpg.connect(stack.databases["health"].owner_dsn)
    try:
        while await connection.fetchval("SELECT count(*) FROM stream") < PEOPLE:
            if time.perf_counter() > began + LOADED_S_MAX:
                raise TimeoutError("health has not judged everybody")
            await asyncio.sleep(COUNTED_EVERY_S)
    finally:
        await connection.close()
    return time.perf_counter() - began


async def _settle(stack: Stack) -> None:
    """Wait until the process has nothing else to do: its own log is told and taken in. On a working day it is, too."""
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        operator = Caller(client, lambda: token(stack.portal, stack.state, OPERATOR), {"health": stack.url("health")})
        while True:
            status = (await operator.get("health", "/v1/ops/status")).body
            heads, own = status["log"]["heads"], [each for each in status["followed"] if each["source"] == "health"]
            if status["log"]["unpublished_age_s"] == 0 and all(each["positions"] == heads for each in own):
                return
            await asyncio.sleep(COUNTED_EVERY_S)


async def _rehearse(stack: Stack) -> int:
    """How many would change, from the first request to the last one's answer."""
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        officer = Caller(client, lambda: token(stack.portal, stack.state, CITY), {"health": stack.url("health")})
        draft = (await officer.post("health", "/v1/policies/drafts", {"terms": DRAFT}, key=uuid4().hex)).body["draft_id"]
        changed, looked_at, after = 0, 0, str(UUID(int=0))
        while after:
            path = f"/v1/policies/drafts/{draft}/rehearsal?after={after}&limit={ITEMS}"
            answer = (await officer.post("health", path, {}, key=uuid4().hex)).body
            changed, looked_at, after = changed + len(answer["items"]), looked_at + answer["looked_at"], answer["next"]
    if looked_at != PEOPLE:
        raise RuntimeError(f"{looked_at} people were looked at")
    return changed


def _batches() -> Iterator[list[tuple[UUID, Event]]]:
    for first in range(0, PEOPLE, PEOPLE_AT_ONCE):
        people = ((uuid4(), n) for n in range(first, min(first + PEOPLE_AT_ONCE, PEOPLE)))
        yield [(person_id, _pre_registered(person_id, n)) for person_id, n in people]


def _pre_registered(person_id: UUID, n: int) -> Event:
    return PersonPreRegistered(
        person_id=person_id,
        contract_no=contract_number(n % CONTRACTS),
        district="310109",
        person_kind=PersonKind.WORKER,
        trade="390",
        employer_credit_code="91310109MA1A00002C",
        origin_code=ORIGINS[n % len(ORIGINS)],
        origin=SEALED,
        arrival_date=TODAY - timedelta(days=n % 10),
        declaration=PinnedDeclaration(
            version=1,
            reported_on=TODAY - timedelta(days=n % 10),
            temperature_celsius=36.5,
            from_hubei=False,
            from_wuhan=False,
            stopover=False,
        ),
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        mobile=SEALED,
        taken_up=False,
        pre_registered_at=NOW,
    )
