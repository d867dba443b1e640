"""What goes wrong while a block runs, one thing each, and is put right at its end as the runbook of its alerts says."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import asyncpg
import httpx2
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chassis.kafka import provision
from chassis.testing.wait import eventually
from contracts.topics import EVENT_TOPICS
from devstack import children
from devstack.backups import Backups
from tests.compose import unreadable
from tests.faults.checker import caught_up
from tests.faults.stack import START_S_MAX, FaultStack
from tests.faults.test_crash_points import operate
from tests.faults.test_disk_full import fill
from tests.faults.traffic import Caller, Town, somebody
from tests.faults.watching import volume_of

Wrong = Callable[[FaultStack, Town], AbstractAsyncContextManager[None]]

COMMAND_S_MAX = 60.0
CAUGHT_UP_S_MAX = 60.0
ASK_S_MAX = 5.0
WRITERS = 3
"""Of each of three processes, on one stream."""
ALL_IS_PUBLISHED = """
SELECT count(*) = 0 FROM shard_head AS h LEFT JOIN published AS p USING (shard) WHERE h.last_pos > coalesce(p.last_pos, 0)
"""
SMALL_BYTES = 1_000_000
"""Smaller than any database is when it is empty."""


# --- People ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def banned_on_site(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Somebody entered, and is banned since. docs/runbooks/banned-on-site.md, 3."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    assert "admitted" == (await here.enter(person_id, site))["outcome"]
    await here.ban(person_id, site)
    yield
    await here.leave(person_id, site)


@asynccontextmanager
async def event_parked(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """An event of registration cannot be read, and its own list of supplies parks it. docs/runbooks/parked.md, 4."""
    await children.run(
        "an unreadable event",
        [sys.executable, unreadable.__file__],
        log=stack.stack.state.log("unreadable"),
        environment=stack.environment("registration"),
        deadline_s=COMMAND_S_MAX,
    )
    yield
    await operate(stack, "registration", "parked", "list")
    said = stack.stack.state.log("registration-parked").read_text()
    [place] = re.findall(r"^\S+/registration/\d+:\d+", said, re.MULTILINE)
    words = ("--reason", "never written by registration", "--by", "the tests")
    assert 0 == await operate(stack, "registration", "parked", "discard", place, *words)


# --- Brokers and logs --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def kafka_away_when_somebody_is_banned(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """docs/runbooks/relay-stuck.md, 1."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    await stack.kafka.stop()
    await here.ban(person_id, site)
    yield
    await stack.kafka.start()


@asynccontextmanager
async def restored_without_kafka(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """PostgreSQL comes back from its backup, and nobody says how far the topics reach. docs/runbooks/log-closed.md: Kafka does."""
    backups = Backups(stack.postgres, kept_days=1, log=stack.stack.state.log("backups"))
    await backups.make()
    await stack.kafka.stop()
    await stack.postgres.stop()
    await backups.put_back()
    await stack.postgres.start()
    yield
    await stack.kafka.start()


@asynccontextmanager
async def topic_deleted(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """And made again: docs/runbooks/topic-lost.md, 2."""
    topic = EVENT_TOPICS["gatekeeper"]
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})
    for deleted in admin.delete_topics([topic.full_name(stack.stack.topic_prefix)]).values():
        await asyncio.to_thread(deleted.result)
    await asyncio.to_thread(provision, stack.kafka.bootstrap, [topic], prefix=stack.stack.topic_prefix)
    yield


@asynccontextmanager
async def foreign_record(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """By the operator's door, where whoever comes may do everything. docs/runbooks/foreign-records.md, 1: `verify` names it, and
    nothing else; it is over by itself."""
    producer = Producer({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})
    producer.produce(EVENT_TOPICS["registration"].full_name(stack.stack.topic_prefix), b"written by nobody", key=b"of nobody")
    assert 0 == await asyncio.to_thread(producer.flush, COMMAND_S_MAX)
    yield
    with suppress(children.ChildEnded):  # It ends with 1, for there is a difference.
        await operate(stack, "registration", "verify")
    said = stack.stack.state.log("registration-verify").read_text()
    assert re.search(r"^Partition \d+, offset \d+: no event of ours\.\nregistration: 1 differences\.$", said, re.MULTILINE), said


@asynccontextmanager
async def hole_in_a_topic(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """The topic has lost what a reader, which was away, has not read. docs/runbooks/halted.md, `hole`."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    await eventually(lambda: caught_up(stack), within_s=CAUGHT_UP_S_MAX)
    reader = stack["reporting-worker"]
    await reader.stop()
    await here.measure(person_id, site, 36.5)
    await eventually(partial(_is_published, stack, "health"), within_s=CAUGHT_UP_S_MAX)
    await asyncio.to_thread(_empty, stack, "health")
    await here.measure(person_id, site, 36.6)
    reader.start()
    yield
    assert 0 == await operate(stack, "health", "republish")
    await reader.ready(START_S_MAX)


async def _is_published(stack: FaultStack, package: str) -> bool:
    async with stack.database(package) as database:
        query = (
            "SELECT count(*) FROM shard_head AS h LEFT JOIN published AS p USING (shard) WHERE h.last_pos > coalesce(p.last_pos, 0)"
        )
        return bool(await database.fetchval(query) == 0)


def _empty(stack: FaultStack, service: str) -> None:
    """All records that there are, of a topic that stays."""
    topic = EVENT_TOPICS[service]
    name = topic.full_name(stack.stack.topic_prefix)
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap, "log_level": 0})
    ends = [TopicPartition(name, n, OFFSET_END) for n in range(topic.partitions)]
    for emptied in admin.delete_records(ends).values():
        emptied.result()


# --- Processes and others ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def process_down(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """docs/runbooks/process-down.md, 3."""
    process = stack["healthcloud_bridge-worker"]
    await process.stop()
    yield
    await process.started()


@asynccontextmanager
async def healthcloud_away(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """While somebody wants to know something of it. docs/runbooks/healthcloud-away.md, 2: it comes back."""
    upstream = stack["healthcloud_simulator-api"]
    lookup = {"document": somebody().document, "name": "测试", "purpose": "pre_registration"}

    async def ask() -> None:
        with suppress(httpx2.TransportError):
            await here.operator.try_once("POST", "healthcloud-bridge", "/v1/declaration-lookups", lookup, within_s=ASK_S_MAX)

    await upstream.stop()
    async with _again_and_again(ask):
        yield
        await upstream.started()


@asynccontextmanager
async def police_silent(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Somebody has arrived, and nobody acknowledges it. docs/runbooks/police-behind.md, 4: they do."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    assert "admitted" == (await here.enter(person_id, site))["outcome"]
    yield
    told = (await here.police.get("police-bridge", "/v1/arrivals")).body
    assert told, "the police was told of nobody"
    await here.police.post("police-bridge", "/v1/receipts", {"message_ids": [message["id"] for message in told]})


@asynccontextmanager
async def commands_in_each_others_way(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """A program sends many at once about one person, through several processes. docs/runbooks/append-conflicts.md, 2: it ends."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    body = {"contract_no": site.contract_no, "reading_celsius": 36.5, "method": "axillary", "symptoms": ["none"]}

    async def report(caller: Caller) -> None:
        read_at = datetime.now(UTC).isoformat()
        await caller.post("health", f"/v1/people/{person_id}/health-reports", {**body, "read_at": read_at})

    async with stack.second_api("health") as second, stack.second_api("health") as third:
        callers = [here.operator, *(replace(here.operator, elsewhere={"health": url}) for url in (second, third))]
        async with _again_and_again(*(partial(report, caller) for caller in callers for _ in range(WRITERS))):
            yield


@asynccontextmanager
async def _again_and_again(*acts: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Each is done over and over until the block ends. Raises what one of them raises."""
    is_over = asyncio.Event()

    async def go_on(act: Callable[[], Awaitable[object]]) -> None:
        while not is_over.is_set():
            await act()

    doing = [asyncio.create_task(go_on(act)) for act in acts]
    try:
        yield
    finally:
        is_over.set()
        await asyncio.gather(*doing)


# --- What runs out -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def backup_too_old(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Of both servers, which were backed up once. docs/runbooks/backup-old.md, 5."""
    servers = [
        Backups(server, kept_days=1, log=stack.stack.state.log("backups")) for server in (stack.postgres, stack.keys_postgres)
    ]
    for each in servers:
        await each.make()
        two_days_ago = (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="seconds")
        connection = await asyncpg.connect(each.server.dsn)
        try:
            await connection.execute(f"SET gatehouse.base_backup_at = '{two_days_ago}'")
            await connection.execute(f"ALTER SYSTEM SET gatehouse.base_backup_at = '{two_days_ago}'")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()
    yield
    for each in servers:
        await each.make()


@asynccontextmanager
async def archive_without_rights(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Once there is a backup. docs/runbooks/backup-old.md, `ArchiveFails`, 1."""
    archive = stack.postgres.backups / "wal"
    archive.chmod(0o500)
    async with stack.database("health") as database:
        await database.execute("SELECT pg_switch_wal()")
    yield
    archive.chmod(0o700)


@asynccontextmanager
async def disk_full(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """A volume's that is on a disk of its own. docs/runbooks/disk-fills-up.md, 1."""
    filler = fill(volume_of(stack))
    yield
    filler.unlink()


@asynccontextmanager
async def database_at_its_limit(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """docs/runbooks/disk-fills-up.md, 2: another disk, and another limit."""
    process = stack["health-worker"]
    await process.stop()
    process.start(GATEHOUSE_DATABASE_BYTES_MAX=str(SMALL_BYTES))
    yield
    await process.restart()


@asynccontextmanager
async def key_and_certificate_old(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Both are the portal's. docs/runbooks/keys-and-certificates.md."""
    portal, key = stack["portal-api"], stack.stack.state.key
    certificate = stack.stack.state.folder("certificate") / "portal.pem"
    _certify(certificate, days=1)
    async with stack.database("portal") as database:
        await database.execute("UPDATE signing_key SET first_used_at = first_used_at - interval '91 days'")
    await portal.stop()
    portal.start(GATEHOUSE_CERTIFICATE=str(certificate))
    yield
    _certify(certificate, days=90)
    await portal.stop()
    portal.start(
        GATEHOUSE_CERTIFICATE=str(certificate),
        GATEHOUSE_SIGNING_KEY=key("signing-key-2"),
        GATEHOUSE_RETIRING_SIGNING_KEY=key("signing-key"),
    )
    await portal.ready()


def _certify(file: Path, *, days: int) -> None:
    """One that signs itself."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gatehouse.example")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=days))
    file.write_bytes(builder.sign(key, None).public_bytes(Encoding.PEM))
