"""Is everything that was acknowledged there, exactly once, everywhere?

This reads logs, topics and projections itself, with SQL, a plain consumer and folds of its own over the stored JSON, and
shares no code with what it checks. Every check gives a list of sentences: what is wrong. Read in this order: the logs, the
topics, the projections, the acknowledged facts, and `check`, which does all of it once everybody has caught up.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from chassis.testing.wait import eventually
from tests.faults.stack import FRESHNESS_BOUND_S, FaultStack
from tests.faults.traffic import Acknowledged, Ban, Diary

SHARDS = 64
PARTITIONS = 16
WITH_LOG = ("registration", "healthcloud-bridge", "health", "gatekeeper", "police-bridge")
PUBLISHED_AS_STORED = WITH_LOG[:-1]
READS: Mapping[str, Sequence[str]] = {
    "registration": ("registration", "healthcloud-bridge", "gatekeeper"),
    "healthcloud-bridge": ("registration", "healthcloud-bridge"),
    "health": ("registration", "gatekeeper"),
    "gatekeeper": ("registration", "health", "gatekeeper"),
    "police-bridge": ("registration", "police-bridge"),
    "reporting": ("registration", "gatekeeper", "health"),
}
"""Service → the logs that it takes in."""
ATTRIBUTES = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_subject",
    "ce_partitionkey",
    "ce_streamversion",
    "ce_epoch",
    "ce_correlationid",
    "ce_causationid",
    "ce_traceparent",
    "content-type",
)
"""Kafka headers, in the order of the lines of `meta`."""
PINNED = (
    "reported_on",
    "departed_on",
    "from_hubei",
    "from_wuhan",
    "stopover",
    "stopover_code",
    "temperature_celsius",
    "travel",
    "stay_address",
)
"""What a pre-registration keeps of a declaration, besides its version."""
FRESHNESS_MAX = timedelta(seconds=FRESHNESS_BOUND_S + 0.5)
"""The bound is checked a moment before the event gets its time."""
SHANGHAI = timedelta(hours=8)
CAUGHT_UP_S_MAX = 60.0
READ_TOPIC_S_MAX = 20.0
SENTENCES_MAX = 20


def package(service: str) -> str:
    return service.replace("-", "_")


# --- Logs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `event`."""

    service: str
    shard: int
    pos: int
    stream_id: UUID
    version: int
    event_id: UUID
    type: str
    raw: bytes
    meta: tuple[bytes, ...]
    recorded_at: datetime
    """By the database's clock."""

    @property
    def fact(self) -> str:
        """`person-pre-registered` of `gatehouse.registration.person-pre-registered.v1`."""
        return self.type.split(".")[2]

    @property
    def data(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.raw)
        return decoded


@dataclass
class Log:
    """All events of a service, and what its counters say."""

    service: str
    events: Sequence[Stored]
    """By shard and position."""
    heads: Mapping[int, int]
    versions: Mapping[UUID, int]
    """Stream → version, as its row says."""
    states: Mapping[UUID, Any]
    """Stream → cached fold."""

    def of(self, *facts: str) -> Iterator[tuple[Stored, dict[str, Any]]]:
        """Events of these kinds with their content; each stream's in order."""
        return ((event, event.data) for event in self.events if event.fact in facts)


async def read_log(stack: FaultStack, service: str) -> Log:
    async with stack.database(package(service)) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(
            "SELECT shard, pos, stream_id, version, event_id, type, data, meta, recorded_at FROM event ORDER BY shard, pos"
        )
        heads = {row["shard"]: row["last_pos"] for row in await connection.fetch("SELECT shard, last_pos FROM shard_head")}
        streams = await connection.fetch("SELECT stream_id, version, state FROM stream WHERE version > 0")
    events = [_stored(service, row) for row in rows]
    versions = {row["stream_id"]: row["version"] for row in streams}
    states = {row["stream_id"]: row["state"] and json.loads(row["state"]) for row in streams}
    return Log(service, events, heads, versions, states)


def _stored(service: str, row: asyncpg.Record) -> Stored:
    shard, pos, stream_id, version, event_id, event_type, data, meta, recorded_at = row
    return Stored(service, shard, pos, stream_id, version, event_id, event_type, data, tuple(meta.split(b"\n")), recorded_at)


async def read_logs(stack: FaultStack) -> dict[str, Log]:
    """By service."""
    return {service: await read_log(stack, service) for service in WITH_LOG}


def check_log(log: Log) -> Iterator[str]:
    """Positions 1..n in every shard, versions 1..n in every stream, and rows that agree with their envelope."""
    positions, versions = defaultdict(list), defaultdict(list)
    for event in log.events:
        positions[event.shard].append(event.pos)
        versions[event.stream_id].append((event.version, event.pos))
        yield from _check_row(event)
    for shard in range(SHARDS):
        if positions[shard] != list(range(1, log.heads[shard] + 1)):
            yield f"{log.service}: shard {shard} ends at {log.heads[shard]}, but holds {positions[shard]}"
    for stream_id, found in versions.items():
        if [version for version, _ in found] != list(range(1, len(found) + 1)):
            yield f"{log.service}: stream {stream_id} has versions {found}"
    if {stream_id: len(found) for stream_id, found in versions.items()} != dict(log.versions):
        yield f"{log.service}: the rows of streams do not say how many events there are"


def _check_row(event: Stored) -> Iterator[str]:
    told = (str(event.event_id), event.type, str(event.stream_id), str(event.version), f"/{event.service}/{event.shard}")
    meta = [value.decode() for value in event.meta]
    if told != (meta[1], meta[3], meta[5], meta[7], meta[2]) or len(meta) != len(ATTRIBUTES):
        yield f"{event.service}: {event.shard}:{event.pos} has the envelope of another event: {meta}"
    if event.stream_id.int % SHARDS != event.shard:
        yield f"{event.service}: {event.shard}:{event.pos} belongs into another shard"


# --- Topics ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """As it lies in Kafka."""

    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def place(self) -> tuple[int, int]:
        """Shard and position in the log that it says it comes from."""
        said = dict(self.headers)
        return int(said["ce_source"].rpartition(b"/")[2]), int(said["ce_sequence"])


async def read_topic(stack: FaultStack, topic: str) -> list[Record]:
    """All of it, each partition in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka.bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(READ_TOPIC_S_MAX):
            partitions = [TopicPartition(topic, n) for n in sorted(await _partitions(consumer, topic))]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Record] = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                    records += [Record(partition.partition, each.key, each.value, tuple(each.headers)) for each in batch]
            return records
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    # A consumer that is assigned nothing yet knows no topic: asking makes it learn of this one.
    await consumer._client.add_topic(topic)
    found: set[int] = consumer.partitions_for_topic(topic) or set()
    return found


def distinct(records: Sequence[Record], *, burnt: bool = False) -> tuple[dict[tuple[int, int], Record], list[str]]:
    """The records without those that came twice, by place in the log; and what is wrong with their order or copies.

    In a topic that was lost and filled again, what was on its way then may stand before the beginning. It comes again where it
    belongs: there the last copies count, elsewhere the first.
    """
    found: dict[tuple[int, int], Record] = {}
    last: Counter[int] = Counter()
    wrong = []
    if burnt:
        final = {record.place: n for n, record in enumerate(records)}
        wrong += [f"{each.place} was published twice, not the same bytes" for each in records if each != records[final[each.place]]]
        records = [record for n, record in enumerate(records) if final[record.place] == n]
    for record in records:
        shard, pos = record.place
        if record.place not in found:
            found[record.place] = record
            if pos <= last[shard]:
                wrong.append(f"{record.place} came after {last[shard]}")
        elif found[record.place] != record:
            wrong.append(f"{record.place} was published twice, not the same bytes")
        last[shard] = max(last[shard], pos)
    return found, wrong


async def check_topic(stack: FaultStack, log: Log) -> tuple[list[str], int]:
    """Is the topic the log, byte for byte and header for header? And how many records lie there more than once?"""
    records = await read_topic(stack, f"{stack.stack.topic_prefix}{log.service}.events.v1")
    found, wrong = distinct(records, burnt=stack.topics_were_lost)
    stored = {(event.shard, event.pos): event for event in log.events}
    if found.keys() != stored.keys():
        wrong.append(f"missing {sorted(stored.keys() - found.keys())}, unknown {sorted(found.keys() - stored.keys())}")
    for place in found.keys() & stored.keys():
        event = stored[place]
        headers = (*zip(ATTRIBUTES, event.meta, strict=True), ("ce_sequence", b"%020d" % event.pos))
        expected = Record(event.shard % PARTITIONS, str(event.stream_id).encode(), event.raw, headers)
        if found[place] != expected:
            wrong.append(f"{place} was published as {found[place].headers}, stored as {headers}")
    last: Counter[int] = Counter()
    for shard, pos in found:
        if pos != last[shard] + 1:
            wrong.append(f"{shard}:{pos} follows {last[shard]}")
        last[shard] = pos
    return [f"topic of {log.service}: {sentence}" for sentence in wrong], len(records) - len(found)


async def check_police_topics(stack: FaultStack, log: Log) -> tuple[list[str], int]:
    """Did every fact reach its district, and no other, in order? And how many came more than once?"""
    wrong, repeated = [], 0
    by_district: defaultdict[str, dict[tuple[int, int], Stored]] = defaultdict(dict)
    for event, data in log.of("arrival-shared", "arrival-corrected", "arrival-withdrawn"):
        by_district[data["district"]][event.shard, event.pos] = event
    for district, stored in by_district.items():
        records = await read_topic(stack, f"{stack.stack.topic_prefix}police.arrivals.{district}.v1")
        found, problems = distinct(records, burnt=stack.topics_were_lost)
        wrong += [f"police topic {district}: {sentence}" for sentence in problems]
        repeated += len(records) - len(found)
        told = {place: (dict(record.headers)["ce_id"], _said(json.loads(record.value))) for place, record in found.items()}
        expected = {place: (str(event.event_id).encode(), _said(event.data)) for place, event in stored.items()}
        if told != expected:
            wrong.append(f"police topic {district}: {set(told.items()) ^ set(expected.items())}")
    return wrong, repeated


def _said(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["person_id"], data["contract_no"]


# --- Projections -------------------------------------------------------------------------------------------------------

Key = tuple[str, str]
"""Contract and person."""


def _key(data: Mapping[str, Any]) -> Key:
    return data["contract_no"], data["person_id"]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@dataclass
class People:
    """What registration and the gate tell of people on contracts. Within a stream the order is the log's."""

    expected: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """Open pre-registrations."""
    withdrawn: dict[Key, dict[str, Any]] = field(default_factory=dict)
    awaited: dict[Key, dict[str, Any]] = field(default_factory=dict)
    latest: dict[Key, tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """State (awaiting, open, withdrawn), the last form, and the event that brought the state."""
    rostered: dict[Key, dict[str, Any]] = field(default_factory=dict)
    entered: set[Key] = field(default_factory=set)
    """Ever admitted."""
    inside: set[Key] = field(default_factory=set)
    """Admitted, and not left since."""
    left: dict[Key, str] = field(default_factory=dict)
    """When, last."""
    exited_in_all: Counter[Key] = field(default_factory=Counter)


def people_of(logs: Mapping[str, Log]) -> People:
    people = People()
    for event, data in logs["registration"].of(
        "declaration-awaited", "person-pre-registered", "pre-registration-withdrawn", "roster-member-imported"
    ):
        key = _key(data)
        match event.fact:
            case "declaration-awaited":
                people.awaited[key] = data
                people.latest[key] = ("awaiting", data, data)
            case "person-pre-registered":
                people.awaited.pop(key, None)
                people.withdrawn.pop(key, None)
                people.expected[key] = data
                people.latest[key] = ("open", data, data)
            case "pre-registration-withdrawn":
                people.withdrawn[key] = data
                people.expected.pop(key, None)
                people.latest[key] = ("withdrawn", people.latest[key][1], data)
            case "roster-member-imported":
                people.rostered[key] = data
    for event, data in logs["gatekeeper"].of("entry-attempted", "exit-registered"):
        key = _key(data)
        if event.fact == "exit-registered":
            people.inside.discard(key)
            people.left[key] = data["exited_at"]
            people.exited_in_all[key] += 1
        elif (data["kind"], data["outcome"]) == ("entry", "admitted"):
            people.entered.add(key)
            people.inside.add(key)
    return people


async def _rows(stack: FaultStack, service: str, query: str) -> list[tuple[Any, ...]]:
    """With every UUID as text."""
    async with stack.database(package(service)) as connection:
        found = await connection.fetch(query)
    return [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in found]


def _differ(what: str, expected: Iterable[tuple[Any, ...]], actual: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Both as multisets."""
    wanted, found = Counter(expected), Counter(actual)
    if wanted != found:
        yield f"{what}: missing {list((wanted - found).elements())[:5]}, too much {list((found - wanted).elements())[:5]}"


async def check_reporting(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Supervision: contracts, employers, members, and how many they are."""
    contracts = {}
    employers = {}
    for event, data in logs["registration"].of("contract-reported", "employer-added"):
        if event.fact == "contract-reported":
            firm = data["general_contractor"]
            told = (data["construction_no"], data["project_name"], firm["credit_code"], firm["name"], firm["kind"])
            contracts[data["contract_no"]] = (data["contract_no"], *told, data["station_name"], data["district"])
        else:
            employers[data["contract_no"], data["credit_code"]] = data["name"]
    members, counts = [], Counter[tuple[str, int, str]]()
    for key in {*people.expected, *people.withdrawn, *people.rostered, *people.entered, *people.left}:
        member = _member(key, people)
        members.append(member)
        partition = UUID(key[1]).int % PARTITIONS
        contract_no, _, pre_registered, registered, inside, left_at, imported_at = member
        on_site = inside or (imported_at is not None and (left_at is None or imported_at > left_at))
        for name, is_counted in (("pre_registered", pre_registered), ("registered", registered), ("on_site", on_site)):
            counts[contract_no, partition, name] += is_counted
    counted = await _rows(
        stack, "reporting", "SELECT contract_no, partition, pre_registered, registered, on_site FROM people_count_v1"
    )
    shown = Counter(
        {(row[0], row[1], name): row[n] for row in counted for n, name in enumerate(("pre_registered", "registered", "on_site"), 2)}
    )
    table = "SELECT contract_no, construction_no, project_name, general_contractor_credit_code, general_contractor,"
    table += " general_contractor_kind, station_name, district FROM supervision_contract_v1"
    stored = "SELECT contract_no, person_id, pre_registered, registered, inside, left_at, imported_on_site_at FROM membership_v1"
    named = [(contract_no, code, name) for (contract_no, code), name in employers.items()]
    return [
        *_differ("supervision_contract_v1", contracts.values(), await _rows(stack, "reporting", table)),
        *_differ("supervision_employer_v1", named, await _rows(stack, "reporting", "TABLE supervision_employer_v1")),
        *_differ("membership_v1", members, await _rows(stack, "reporting", stored)),
        *_differ("people_count_v1", (+counts).items(), (+shown).items()),
    ]


def _member(key: Key, people: People) -> tuple[Any, ...]:
    roster = people.rostered.get(key)
    imported_at = _time(roster["imported_at"]) if roster and roster["on_site"] else None
    registered = roster is not None or key in people.entered
    return (*key, key in people.expected, registered, key in people.inside, _time(people.left.get(key)), imported_at)


async def check_lists(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """What the gate lists, and whom supervision can show."""
    asked = logs["gatekeeper"].of("entry-attempted")
    attempts = [(data["contract_no"], event.shard, event.pos, data["kind"], data["outcome"]) for event, data in asked]
    roster = []
    for key in {*people.rostered, *people.entered}:
        is_imported = people.rostered.get(key, {}).get("on_site", False) and not people.exited_in_all[key]
        roster.append((*key, key in people.inside or is_imported))
    decided = {data["person_id"]: data["disposition"] for _, data in logs["health"].of("disposition-changed")}
    entries = logs["gatekeeper"].of("entry-attempted")
    entered = {_employment(data) for _, data in entries if (data["kind"], data["outcome"]) == ("entry", "admitted")}
    told = logs["registration"].of("person-pre-registered", "roster-member-imported")
    employed = entered | {_employment(data) for _, data in told}
    shown = entered | {_employment(data) for data in (*people.expected.values(), *people.rostered.values())}
    return [
        *_differ(
            "attempt_v1",
            attempts,
            await _rows(stack, "gatekeeper", "SELECT contract_no, shard, pos, kind, outcome FROM attempt_v1"),
        ),
        *_differ("roster_v1", roster, await _rows(stack, "gatekeeper", "SELECT contract_no, person_id, on_site FROM roster_v1")),
        *_differ(
            "banned_v1",
            [(person_id, disposition) for person_id, disposition in decided.items() if disposition != "admissible"],
            await _rows(stack, "gatekeeper", "SELECT person_id, disposition FROM banned_v1"),
        ),
        *_differ("disposition_v1", decided.items(), await _rows(stack, "reporting", "TABLE disposition_v1")),
        *_differ(
            "employment_v1",
            employed,
            await _rows(stack, "reporting", "SELECT contract_no, person_id, employer_credit_code FROM employment_v1"),
        ),
        *_differ(
            "employment_count_v2",
            Counter(contract_no for contract_no, _, _ in shown).items(),
            await _rows(
                stack,
                "reporting",
                "SELECT contract_no, sum(employments)::bigint FROM employment_count_v2 GROUP BY 1 HAVING sum(employments) <> 0",
            ),
        ),
    ]


def _employment(data: Mapping[str, Any]) -> tuple[str, str, str]:
    return (*_key(data), data.get("employer_credit_code", ""))


async def check_registration(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Declarations, entries, pre-registrations; and that nobody waits who has declared."""
    declared = {}
    for _, data in logs["healthcloud-bridge"].of("declaration-received"):
        declared[data["person_id"]] = data
    declarations = []
    for person_id, data in declared.items():
        pinned = {name: data[name] for name in PINNED if name in data} | {"version": data["declaration_version"]}
        told = (data["declaration_version"], data["name_fingerprint"], data.get("mobile"))
        declarations.append((person_id, *told, json.dumps(pinned, sort_keys=True)))
    stored = [
        (*row[:-1], json.dumps(json.loads(row[-1]), sort_keys=True))
        for row in await _rows(
            stack, "registration", "SELECT person_id, version, name_fingerprint, mobile, pinned FROM declaration_v1"
        )
    ]
    listed = "SELECT contract_no, person_id, state, declaration_version, document, name, mobile, taken_up, changed_at"
    listed += " FROM pre_registration_v1"
    waiting = [key for key in people.awaited if key[1] in declared]
    return [
        *_differ("declaration_v1", declarations, stored),
        *_differ("entry_v1", people.entered, await _rows(stack, "registration", "SELECT contract_no, person_id FROM entry_v1")),
        *_differ("pre_registration_v1", map(_listed, people.latest.items()), await _rows(stack, "registration", listed)),
        *[f"{key} still waits for a declaration that is there" for key in waiting],
    ]


def _listed(item: tuple[Key, tuple[str, dict[str, Any], dict[str, Any]]]) -> tuple[Any, ...]:
    key, (state, form, by) = item
    version = form.get("declaration", {}).get("version")
    changed_at = next(by[name] for name in ("asked_at", "pre_registered_at", "withdrawn_at") if name in by)
    sealed = (form["document"], form["name"], form.get("mobile"))
    return (*key, state, version, *sealed, form.get("taken_up", False), _time(changed_at))


async def check_health(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Who is known where; that every pre-registration was judged once; and which decisions are in force since when."""
    known = []
    for key in {*people.expected, *people.rostered}:
        by_form, by_roster = people.expected.get(key, {}), people.rostered.get(key, {})
        known.append((*key, by_form.get("employer_credit_code"), by_roster.get("employer_credit_code")))
    stored = "SELECT contract_no, person_id, pre_registered_for, rostered_for FROM known_person_v1"
    opened = logs["registration"].of("person-pre-registered")
    pinned = [(str(event.event_id), *_key(data), data["declaration"]["version"]) for event, data in opened]
    judged = [data for _, data in logs["health"].of("arrival-assessed")]
    assessed = [(data["pre_registration_id"], *_key(data), data["declaration_version"]) for data in judged]
    noted = [
        (data["caused_by"]["event_id"], datetime.fromisoformat(event.meta[4].decode()))
        for event, data in logs["gatekeeper"].of("clearance-changed")
        if data["caused_by"]["type"] == "gatehouse.health.disposition-changed.v1"
    ]
    decided = [str(event.event_id) for event, _ in logs["health"].of("disposition-changed")]
    return [
        *_differ("known_person_v1", known, await _rows(stack, "health", stored)),
        *_differ("arrival-assessed", pinned, assessed),
        *_differ("in_force_v1", noted, await _rows(stack, "health", "TABLE in_force_v1")),
        *_differ("decisions that the gate took note of", [(each,) for each in decided], [(each,) for each, _ in noted]),
    ]


async def check_bridge(stack: FaultStack, people: People) -> list[str]:
    """Whose declaration is waited for."""
    rows = await _rows(stack, "healthcloud-bridge", "SELECT contract_no, person_id FROM awaited_v1")
    return list(_differ("awaited_v1", people.awaited, rows))


async def check_police(stack: FaultStack, logs: Mapping[str, Log]) -> list[str]:
    """What was told to whom: a fact of the log for every fact of registration, and a row for every fact of the log."""
    told = Counter((event.fact, *_key(data)) for event, data in logs["police-bridge"].of("arrival-shared", "arrival-withdrawn"))
    twins = {"person-pre-registered": "arrival-shared", "pre-registration-withdrawn": "arrival-withdrawn"}
    expected = Counter((twins[event.fact], *_key(data)) for event, data in logs["registration"].of(*twins))
    rows = [(data["district"], event.shard, event.pos) for event, data in logs["police-bridge"].of(*twins.values())]
    return [
        *_differ("arrival-shared", expected.elements(), told.elements()),
        *_differ("arrival_v1", rows, await _rows(stack, "police-bridge", "SELECT district, shard, pos FROM arrival_v1")),
    ]


@dataclass
class Gated:
    """What the gate must know of a person, in comparable form."""

    pre_registrations: set[tuple[str, int]] = field(default_factory=set)
    rostered: set[str] = field(default_factory=set)
    assessed: set[tuple[str, int, tuple[str, ...]]] = field(default_factory=set)
    disposition: str = "admissible"
    disposition_id: str | None = None
    orders: set[tuple[str, str]] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    last_report_at: datetime | None = None
    on_site: set[str] = field(default_factory=set)


def check_gate(logs: Mapping[str, Log], people: People) -> Iterator[str]:
    """The gate's fold of each person, against a fold of registration's and health's facts; and what grants rested on."""
    gate = logs["gatekeeper"]
    expected = _gated(logs, people)
    for person_id in expected.keys() | {str(stream_id) for stream_id in gate.states}:
        state = gate.states.get(UUID(person_id))
        actual = Gated() if state is None else _that_matters(_as_stored(state))
        if expected.get(person_id, Gated()) != actual:
            yield f"the gate knows of {person_id}: {actual}, and should: {expected.get(person_id)}"
    yield from _check_causes(gate, logs)
    yield from _check_grants(gate)


TOLD_BY_HEALTH = (
    "arrival-assessed",
    "isolation-ordered",
    "health-reported",
    "health-hold-placed",
    "health-hold-withdrawn",
    "disposition-changed",
)


def _gated(logs: Mapping[str, Log], people: People) -> dict[str, Gated]:
    found: defaultdict[str, Gated] = defaultdict(Gated)
    for (contract_no, person_id), data in people.expected.items():
        if not people.exited_in_all[contract_no, person_id]:
            found[person_id].pre_registrations.add((contract_no, data["declaration"]["version"]))
    for (contract_no, person_id), data in people.rostered.items():
        if data["on_site"] and not people.exited_in_all[contract_no, person_id]:
            found[person_id].rostered.add(contract_no)
            found[person_id].on_site.add(contract_no)
    for contract_no, person_id in people.inside:
        found[person_id].on_site.add(contract_no)
    latest: dict[Key, dict[str, Any]] = {}
    for event, data in logs["health"].of(
        "arrival-assessed",
        "isolation-ordered",
        "health-reported",
        "health-hold-placed",
        "health-hold-withdrawn",
        "disposition-changed",
    ):
        person = found[data["person_id"]]
        match event.fact:
            case "arrival-assessed":
                latest[_key(data)] = data
            case "isolation-ordered":
                person.orders.add((data["order_id"], data["admissible_on"]))
            case "health-reported":
                read_at = datetime.fromisoformat(data["read_at"])
                person.last_report_at = max(read_at, person.last_report_at or read_at)
            case "health-hold-placed":
                person.holds.add(data["hold"])
            case "health-hold-withdrawn":
                person.holds.discard(data["hold"])
            case "disposition-changed":
                person.disposition = data["disposition"]
                person.disposition_id = str(event.event_id)
    for (contract_no, person_id), data in latest.items():
        found[person_id].assessed.add((contract_no, data["declaration_version"], tuple(data.get("questions", ()))))
    return {person_id: _that_matters(person) for person_id, person in found.items()}


def _that_matters(person: Gated) -> Gated:
    """Without judgements of what is no longer open: whether one came before or after the end of it is nobody's business."""
    expected_on = {contract_no for contract_no, _ in person.pre_registrations}
    return replace(person, assessed={each for each in person.assessed if each[0] in expected_on})


def _as_stored(state: Mapping[str, Any]) -> Gated:
    clearance = state["clearance"]
    return Gated(
        pre_registrations={(each["contract_no"], each["declaration_version"]) for each in clearance["pre_registrations"]},
        rostered={each["contract_no"] for each in clearance["rostered"] if each["on_site"]},
        assessed={(each["contract_no"], each["declaration_version"], tuple(each["questions"])) for each in clearance["assessed"]},
        disposition=clearance["disposition"],
        disposition_id=clearance.get("disposition_id"),
        orders={(each["order_id"], each["admissible_on"]) for each in clearance["orders"]},
        holds=set(clearance["holds"]),
        last_report_at=_time(clearance["last_report_at"]),
        on_site=set(state["on_site"]),
    )


def _check_causes(gate: Log, logs: Mapping[str, Log]) -> Iterator[str]:
    """No fact was taken note of twice or out of order, and every cause is the fact that it says it is."""
    places = {(log.service, event.shard, event.pos): event for log in logs.values() for event in log.events}
    last: Counter[tuple[UUID, str]] = Counter()
    for event, data in gate.of("clearance-changed"):
        cause = data["caused_by"]
        if cause["pos"] <= last[event.stream_id, cause["service"]]:
            yield f"the gate took note of {cause} of {event.stream_id} after {last[event.stream_id, cause['service']]}"
        last[event.stream_id, cause["service"]] = cause["pos"]
        said = places.get((cause["service"], cause["shard"], cause["pos"]))
        if said is None or (str(said.event_id), said.type) != (cause["event_id"], cause["type"]):
            yield f"the gate took note of {cause}, which is not there"


def _check_grants(gate: Log) -> Iterator[str]:
    """Every grant rested on the version before it, on a clearance that bans nobody, and on a view that was fresh enough."""
    clearances: dict[UUID, dict[str, Any]] = {}
    for event, data in gate.of("clearance-changed", "entry-attempted", "exit-registered"):
        if event.fact == "clearance-changed":
            clearances[event.stream_id] = data["clearance"]
            continue
        if event.fact == "exit-registered":
            _close(clearances[event.stream_id], data["contract_no"])
            continue
        yield from _check_reasons(event, data, clearances.get(event.stream_id, {}))
        if data["clearance_version"] != event.version - 1:
            yield f"{event.stream_id}/{event.version} rested on version {data['clearance_version']}"
        elif data["outcome"] == "admitted":
            clearance = clearances.get(event.stream_id, {})
            if clearance.get("disposition") != "admissible" or clearance.get("holds"):
                yield f"{event.stream_id}/{event.version} is a grant on {clearance}"
            fresh_as_of = _time(data.get("fresh_as_of"))
            if fresh_as_of is None or event.recorded_at - fresh_as_of > FRESHNESS_MAX:
                yield f"{event.stream_id}/{event.version} is a grant of {event.recorded_at} on a view of {fresh_as_of}"


def _close(clearance: dict[str, Any], contract_no: str) -> None:
    """Whoever has left a site for good is expected there no more."""
    for name in ("pre_registrations", "rostered"):
        clearance[name] = [each for each in clearance[name] if each["contract_no"] != contract_no]


def _check_reasons(event: Stored, data: Mapping[str, Any], clearance: Mapping[str, Any]) -> Iterator[str]:
    """A refusal says why, and what it says of the clearance is so; what the clearance forbids, it says."""
    told = {reason["code"] for reason in data.get("reasons", ()) if reason["effect"] == "forbid"}
    if bool(told) == (data["outcome"] == "admitted"):
        yield f"{event.stream_id}/{event.version} is {data['outcome']} for {told}"
    if "disposition" not in clearance:
        return  # Nothing is known of him: then he is not pre-registered, and more need not be said.
    contract_no, day = data["contract_no"], (datetime.fromisoformat(data["attempted_at"]) + SHANGHAI).date().isoformat()
    disposition = clearance["disposition"]
    expected = {each["pre_registration_id"] for each in clearance["pre_registrations"] if each["contract_no"] == contract_no}
    exempt = any(each["contract_no"] == contract_no and each["on_site"] for each in clearance["rostered"])
    holds = {"not_pre_registered": not expected and not exempt}
    holds |= {ban: disposition == ban for ban in ("quarantine_required", "suspected", "confirmed")}
    judged = [each for each in clearance["assessed"] if each["pre_registration_id"] in expected]
    holds["arrival_not_assessed"] = bool(expected) and not judged
    holds["travel_unclear"] = any(each.get("questions") for each in judged)
    holds["isolation_not_completed"] = any(each["admissible_on"] > day for each in clearance["orders"])
    holds |= {hold: hold in clearance["holds"] for hold in ("fever", "symptoms")}
    holds["state_stale"] = "fresh_as_of" not in data
    holds["history_unreadable"] = clearance["unreadable"]
    wrong = {code for code, is_so in holds.items() if (code in told) != is_so}
    if wrong:
        yield f"{event.stream_id}/{event.version} says {sorted(told)}; not so of the clearance: {sorted(wrong)}"


# --- Acknowledged facts ------------------------------------------------------------------------------------------------


def check_acknowledged(acknowledged: Sequence[Acknowledged], logs: Mapping[str, Log]) -> Iterator[str]:
    """Each is stored exactly once. The same fact may have been acknowledged more than once: to a repeat."""
    streams: defaultdict[tuple[str, UUID, str], list[dict[str, Any]]] = defaultdict(list)
    for log in logs.values():
        for event in log.events:
            streams[log.service, event.stream_id, event.fact].append(event.data)
    for each in acknowledged:
        found = [data for data in streams[each.service, each.stream_id, each.fact] if each.fields.items() <= data.items()]
        if len(found) != 1:
            yield f"acknowledged, and stored {len(found)} times: {each}"


def check_unasked(diary: Diary, logs: Mapping[str, Log]) -> Iterator[str]:
    """What the test's contracts hold and nobody was told of: a request that was answered with no, or done twice."""
    told = Counter((each.service, each.fact) for each in set(_comparable(diary.acknowledged)))
    for service, fact in _ASKED_FOR:
        stored = sum(data.get("contract_no") in diary.contracts for _, data in logs[service].of(fact))
        lost = _overtaken(diary, logs["gatekeeper"]) if fact == "entry-attempted" else 0
        if not told[service, fact] <= stored <= told[service, fact] + lost:
            yield f"{stored} times {fact} are stored, and {told[service, fact]} were acknowledged"


def _overtaken(diary: Diary, gate: Log) -> int:
    """How many grants may be stored that nobody was told of: the answer was lost, or a refusal came before it was given."""
    repeated = [each for each in diary.requests if each.service == gate.service and len(each.tries) > 1]
    attempts = [data for _, data in gate.of("entry-attempted") if data["contract_no"] in diary.contracts]
    return len(repeated) + len([data for data in attempts if data["outcome"] == "refused"])


_ASKED_FOR = (
    ("registration", "contract-reported"),
    ("registration", "employer-added"),
    ("registration", "person-pre-registered"),
    ("registration", "pre-registration-withdrawn"),
    ("registration", "roster-member-imported"),
    ("registration", "declaration-awaited"),
    ("health", "health-reported"),
    ("gatekeeper", "exit-registered"),
    ("gatekeeper", "entry-attempted"),
)


def check_bans(diary: Diary) -> Iterator[str]:
    """Nobody who asked after a ban was said to be in force was let in, however he asked."""
    bans: defaultdict[str, list[Ban]] = defaultdict(list)
    for ban in diary.bans:
        bans[ban.person_id].append(ban)
    for answer in diary.gate_answers:
        if answer.outcome == "admitted":
            for ban in bans[answer.person_id]:
                if ban.known_at_s < answer.began_s < ban.lifted_at_s:
                    yield f"{answer.person_id} asked at {answer.began_s} and was let in; banned, as was said at {ban.known_at_s}"


@dataclass(frozen=True)
class _Comparable:
    service: str
    fact: str
    stream_id: UUID
    fields: tuple[tuple[str, Any], ...]


def _comparable(acknowledged: Iterable[Acknowledged]) -> Iterator[_Comparable]:
    return (_Comparable(each.service, each.fact, each.stream_id, tuple(sorted(each.fields.items()))) for each in acknowledged)


# --- All of it ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Behind:
    """Who has not taken in what; true once nobody is behind."""

    sentences: Sequence[str]

    def __bool__(self) -> bool:
        return not self.sentences

    def __repr__(self) -> str:
        return f"behind: {list(self.sentences)[:SENTENCES_MAX]}"


async def caught_up(stack: FaultStack) -> Behind:
    """Relays and readers stand where the logs end, and the logs have not moved meanwhile."""
    before = await _heads(stack)
    sentences = [sentence for service in READS for sentence in await _behind(stack, service, before)]
    if not sentences and before != await _heads(stack):
        sentences.append("the logs are still growing")
    return Behind(sentences)


async def _heads(stack: FaultStack) -> dict[str, dict[int, int]]:
    found = {}
    for service in WITH_LOG:
        async with stack.database(package(service)) as connection:
            rows = await connection.fetch("SELECT shard, last_pos FROM shard_head WHERE last_pos > 0")
        found[service] = {row["shard"]: row["last_pos"] for row in rows}
    return found


async def _behind(stack: FaultStack, service: str, heads: Mapping[str, Mapping[int, int]]) -> list[str]:
    async with stack.database(package(service)) as connection:
        rows = await connection.fetch("SELECT subscriber, source, shard, last_pos FROM position")
        published = await connection.fetch("SELECT shard, last_pos FROM published WHERE last_pos > 0")
    reached: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for row in rows:
        reached[row["source"], row["subscriber"]][row["shard"]] = row["last_pos"]
    sentences = []
    for source in READS[service]:
        readers = [subscriber for where, subscriber in reached if where == source] or ["nobody"]
        late = [reader for reader in readers if reached.get((source, reader), {}) != heads[source]]
        sentences += [f"{service}'s {reader} of {source}" for reader in late]
    if service in heads and {row["shard"]: row["last_pos"] for row in published} != heads[service]:
        sentences.append(f"the relay of {service}")
    return sentences


@dataclass(frozen=True)
class Verdict:
    """What is wrong, in sentences; and what was found on the way."""

    wrong: Sequence[str]
    logs: Mapping[str, Log]
    repeated: Mapping[str, int]
    """Service → records that lie in its topics more than once."""


async def check(stack: FaultStack, diary: Diary, *, within_s: float = CAUGHT_UP_S_MAX) -> Verdict:
    """Wait until everybody has caught up, then check everything.

    Raises: TimeoutError, which says who is behind.
    """
    await eventually(lambda: caught_up(stack), within_s=within_s)
    logs = await read_logs(stack)
    people = people_of(logs)
    wrong = [sentence for log in logs.values() for sentence in check_log(log)]
    repeated = {}
    for service in PUBLISHED_AS_STORED:
        sentences, repeated[service] = await check_topic(stack, logs[service])
        wrong += sentences
    sentences, repeated["police-bridge"] = await check_police_topics(stack, logs["police-bridge"])
    wrong += sentences
    wrong += await check_reporting(stack, logs, people)
    wrong += await check_lists(stack, logs, people)
    wrong += await check_registration(stack, logs, people)
    wrong += await check_health(stack, logs, people)
    wrong += await check_bridge(stack, people)
    wrong += await check_police(stack, logs)
    wrong += check_gate(logs, people)
    wrong += check_acknowledged(diary.acknowledged, logs)
    wrong += check_unasked(diary, logs)
    wrong += check_bans(diary)
    return Verdict(wrong[:SENTENCES_MAX], logs, repeated)
