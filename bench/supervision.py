"""The manual's table over HTTP, with a million people on 2,000 contracts, who came as events: nothing is put into its rows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import httpx2

from bench.load import Answers, steadily
from bench.place import Place
from bench.projector import PARTITIONS, batched, publish
from bench.table import Row
from contracts.event import Envelope, Event, Recorded, recorded_from_meta, shard_of
from contracts.firms import Firm, credit_code_check_character
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import ContractReported, EmployerAdded, RosterMemberImported
from contracts.streams import contract_stream
from contracts.topics import EVENT_TOPICS
from devstack.ports import free_port
from devstack.run import running_stack
from devstack.services import PROGRAMS, Stack
from devstack.settings import Settings
from devstack.story.callers import Caller
from devstack.suite import throwaway_state
from devstack.tokens import Account, token

PEOPLE, CONTRACTS, FIRMS, STATIONS = 1_000_000, 2_000, 300, 20
PEOPLE_AT_ONCE = 50_000
"""Prepared in memory for publishing."""
LOADED_S_MAX = 900.0
PER_SECOND, SECONDS = 20.0, 20.0
AT = datetime(2020, 2, 18, tzinfo=UTC)
SEALED = "g1.1." + "A" * 60
CITY = Account("city_supervisor")


async def measure(place: Place) -> Sequence[Row]:
    """On a stack of its own: `place` is not touched meanwhile."""
    with throwaway_state() as state:
        ports = {program.package: free_port() for program in PROGRAMS}
        async with running_stack(state, Settings().elsewhere(), lambda line: None, ports=ports) as (stack, supervisor):
            for process in supervisor.processes:
                if process.name not in ("portal-all", "reporting-all"):
                    await process.stop()
            loaded_s = await _load(stack)
            pages = await _drive(stack, [f"page={n + 1}" for n in range(CONTRACTS // 15)])
            stations = await _drive(stack, [f"station={quote(station_of(n))}" for n in range(STATIONS)])
    return [
        Row(f"supervision: events → rows of {PEOPLE:,} people, all read models", PEOPLE / loaded_s, "/s", None, "–"),
        Row("supervision table, any page of 2,000 contracts, p99", pages.percentile_ms(99), "ms", None, "< 50 ms"),
        Row("supervision table of one station, p99", stations.percentile_ms(99), "ms", None, "< 50 ms"),
    ]


async def _load(stack: Stack) -> float:
    """Publish where registration would, and wait until the table counts everybody. Seconds in all."""
    topic = EVENT_TOPICS["registration"]
    topic = replace(topic, name=topic.full_name(stack.topic_prefix), partitions=PARTITIONS)
    heads: dict[int, int] = defaultdict(int)
    began = time.perf_counter()
    for events in _batches():
        await publish(stack.parts.kafka.bootstrap, topic, batched([recorded(*each, heads) for each in events]))
    deadline = time.monotonic() + LOADED_S_MAX
    async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
        city = Caller(client, lambda: token(stack.portal, stack.state, CITY), {"reporting": stack.url("reporting")})
        while (await city.get("reporting", "/v1/supervision/contracts")).body["header"]["registered"] < PEOPLE:
            if time.monotonic() > deadline:
                raise TimeoutError("the table does not count everybody")
    return time.perf_counter() - began


def _batches() -> Iterator[list[tuple[UUID, Event]]]:
    yield [each for n in range(CONTRACTS) for each in contract_of(n)]
    for first in range(0, PEOPLE, PEOPLE_AT_ONCE):
        people = ((uuid4(), n) for n in range(first, first + PEOPLE_AT_ONCE))
        yield [(person_id, _imported(person_id, n)) for person_id, n in people]


def contract_of(n: int) -> Sequence[tuple[UUID, Event]]:
    stream, contractor = contract_stream(contract_number(n)), _firm("91310000", n % FIRMS)
    reported = ContractReported(
        contract_no=contract_number(n),
        construction_no="1902HK0001",
        project_name=f"第{n}期工程",
        general_contractor=contractor,
        station_name=station_of(n % STATIONS),
        district="310109",
        reported_at=AT,
    )
    employers = [employer_of(n), _firm("91310109", n * 2 + 1)]
    added = [
        EmployerAdded(contract_no=contract_number(n), credit_code=firm.credit_code, name=firm.name, added_at=AT)
        for firm in employers
    ]
    return [(stream, event) for event in (reported, *added)]


def _imported(person_id: UUID, n: int) -> Event:
    return RosterMemberImported(
        person_id=person_id,
        contract_no=contract_number(n % CONTRACTS),
        employer_credit_code=employer_of(n % CONTRACTS).credit_code,
        person_kind=PersonKind.WORKER,
        trade="390",
        on_site=n % 3 == 0,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        imported_at=AT,
    )


def contract_number(n: int) -> str:
    return f"W20190101{n:05}"


def station_of(n: int) -> str:
    return f"第{n}监督站"


def employer_of(n: int) -> Firm:
    """The one that employs everybody on the contract."""
    return _firm("91310109", n * 2)


def _firm(begins: str, n: int) -> Firm:
    first_seventeen = f"{begins}{n:09}"
    return Firm(credit_code=first_seventeen + credit_code_check_character(first_seventeen), name=f"第{n}建筑公司", kind="施工企业")


def recorded(stream_id: UUID, event: Event, heads: dict[int, int]) -> Recorded:
    shard = shard_of(stream_id)
    heads[shard] += 1
    event_id = uuid4()
    envelope = Envelope(
        event_id=event_id,
        type=event.TYPE,
        service="registration",
        stream_id=stream_id,
        version=1,
        epoch=1,
        time=AT,
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return recorded_from_meta(envelope.encode(), heads[shard], event.encode())


async def _drive(stack: Stack, queries: Sequence[str]) -> Answers:
    access_token, _ = await token(stack.portal, stack.state, CITY)
    url = stack.url("reporting")
    asked = [_get(url, f"/v1/supervision/contracts?{query}", access_token) for query in queries]
    answers = await steadily(url, asked, per_second=PER_SECOND, seconds=SECONDS)
    if set(answers.statuses) != {200}:
        raise RuntimeError(f"{queries[0]}: {answers.statuses}")
    return answers


def _get(url: str, path: str, access_token: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", f"Authorization: Bearer {access_token}", "", "")
    return "\r\n".join(lines).encode()
