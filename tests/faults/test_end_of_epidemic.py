"""The epidemic is over, on a whole installation, as docs/runbooks/end-of-epidemic.md says: the counts stand, everybody is erased,
the certificate can be checked, and no file says who anybody was. Neither does a backup from before that is put back."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.record.memory_records import MemoryRecords
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not in its stubs
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from chassis.testing.wait import eventually
from contracts.topics import POLICE_TOPICS
from devstack.backups import Backups
from devstack.children import ChildEnded
from devstack.databases import with_database
from devstack.postgres import EmbeddedPostgres
from devstack.settings import REPOSITORY
from devstack.story.cast import Person
from devstack.tokens import Account
from police_bridge.clearing import SETTLED_S
from tests.compose.runbooks import command
from tests.devstack.test_backups import Notebook
from tests.faults.checker import WITH_LOG, caught_up, package
from tests.faults.report import REPORT
from tests.faults.stack import START_S_MAX, FaultStack, LogTail, running_stack
from tests.faults.test_crash_points import operate
from tests.faults.traffic import Site, Town, town
from tests.journeys.canary import DECLARED, LATE, ROSTERED, forms
from tests.journeys.stack import JourneyStack
from tests.journeys.test_no_personal_data import records
from tests.journeys.test_site_information import CONTROL
from tests.registration.test_erasing_everybody import certified

RUNBOOK = REPOSITORY / "docs" / "runbooks" / "end-of-epidemic.md"
SCANS = "/var/lib/gatehouse/checklists"
"""Where they are in a container."""
SCAN = b"%PDF-1.4 of a checklist %%EOF"
ENDED = {"GATEHOUSE_EPIDEMIC_ENDED_ON": "2020-06-17", "GATEHOUSE_CLEAR_AFTER_S": str(SETTLED_S)}
"""The day, and an hour made shorter."""
DECIDED_BY = "上海市测试指挥部,决定书第1号"
FOLLOWED_S_MAX = 120.0
CLEARED_S_MAX = 4 * SETTLED_S + 120.0
SEGMENTS_S_MAX = 150.0
"""A broker begins to look for what is too old half a minute after its start."""
POLICE = "police.arrivals."
KINDS = "SELECT type, count(*) FROM event WHERE type NOT LIKE '%-erased.v1' GROUP BY type ORDER BY type"
HEADS = """
SELECT h.shard, h.last_pos, e.event_id FROM shard_head AS h JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos ORDER BY 1
"""
MAY_SIGN_IN = "SELECT (SELECT count(*) FROM site_user), (SELECT count(*) FROM site_grant), (SELECT count(*) FROM supervisor)"
BYTES_OF_KEYS = "SELECT wrapped_key FROM key WHERE wrapped_key IS NOT NULL UNION ALL SELECT blind_index FROM identity"

PEOPLE = [Person(each.name, each.number, each.mobile) for each in (DECLARED, LATE, ROSTERED)]
NEEDLES = [form for each in PEOPLE for text in (each.name, each.number, each.mobile) for form in {*forms(text)}]


@pytest.mark.long
class TestEndOfEpidemic:
    async def test_leaves_every_count_and_nobody_whatever_backup_is_put_back(self) -> None:
        async with running_stack() as stack, town(stack, sites=2) as here:
            await _live(here)
            before = await _counts(stack, here)
            kept = [_backups(stack, server) for server in (stack.postgres, stack.keys_postgres)]
            for each in kept:
                await each.back_up()
            until = datetime.now(UTC)
            assert {name for name in await _topics_with(stack) if name.startswith(POLICE)}, "what is looked for is there before"
            assert {POLICE} == _files_with(stack), "in plain words for the police, and nowhere else"
            destroyed = await _bytes_of_keys(stack)
            await _planner_looks(stack)

            with pytest.raises(ChildEnded):  # Exit code 2: it is before the day.
                await operate(stack, "registration", "erase-everybody", "--decided-by", DECIDED_BY)
            _are_same(before, await _counts(stack, here))
            await _restart(stack)
            await _erase_everybody(stack)
            _are_same(before, await _counts(stack, here))
            await _police_are_told_again(stack)
            await _keys_are_written_anew(stack, destroyed)
            assert {POLICE} == _files_with(stack), "until the segments go"
            _are_same(before, await _counts(stack, here))
            await _what_is_not_sealed_is_deleted(stack, here)
            await _logs_are_put_away(stack, before)

            for restored in reversed(kept):
                await restored.archive()
                async with _stopped(stack):
                    await restored.lose_disk()
                    await restored.backups.put_back(until)
                    await restored.server.start()
                    if restored.server is stack.keys_postgres:
                        assert [] != await _bytes_of_keys(stack), "a backup from before brings everybody back"
                        await _erase_everybody(stack)
                assert 0 == await operate(stack, "registration", "link-again", **ENDED)
                await _erase_everybody(stack)
                _are_same(before, await _counts(stack, here))
                assert set() == await _topics_with(stack)
                REPORT.note("a backup from before the end of the epidemic", f"{restored.server.name} brought nobody back")
            await _segments_go(stack)


async def _live(here: Town) -> None:
    """Somebody is expected, measured and banned on site; somebody's form waits, somebody stands in the old roster only."""
    [site, other] = here.sites
    banned, late, rostered = PEOPLE
    expected = await here.expect(banned, site)
    person_id = expected.body["person_id"]
    await here.measure(person_id, site, 36.5, seen=expected.token)
    await here.judged(person_id, site)
    await here.enter(person_id, site)
    await here.ban(person_id, site)
    await here.pass_gate(person_id, site)
    await here.operator.post(
        "registration", f"/v1/contracts/{other.contract_no}/pre-registrations", here.form(late, other), expect=(409,)
    )
    await here.import_roster(other, [rostered], on_site=[True])
    await _hand_in_scan(here, site)
    await _let_sign_in(here.stack, site, banned)


async def _hand_in_scan(here: Town, site: Site) -> None:
    lead = here.caller(Account("project_lead", contracts=(site.contract_no,)))
    url = f"{here.stack.urls['registration']}/v1/contracts/{site.contract_no}"
    headers = {"Authorization": f"Bearer {await lead.access_token()}", "If-Match": '"0"'}
    (await here.client.put(f"{url}/epidemic-control", json=CONTROL, headers=headers)).raise_for_status()
    headers = {"Authorization": f"Bearer {await here.operator.access_token()}", "Idempotency-Key": uuid4().hex}
    headers |= {"Content-Type": "application/pdf"}
    (await here.client.post(f"{url}/resumption-checklists", content=SCAN, headers=headers)).raise_for_status()


async def _let_sign_in(stack: FaultStack, site: Site, person: Person) -> None:
    """One of the site, and one of the city."""
    by_number = {"GATEHOUSE_DOCUMENT_NUMBER": person.number, "GATEHOUSE_MOBILE": person.mobile}
    await operate(stack, "portal", "site-user-put", "--role", "site_operator", "--contract", site.contract_no, **by_number)
    by_password = {"GATEHOUSE_PASSWORD": uuid4().hex, "GATEHOUSE_TOTP_SECRET": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
    await operate(stack, "portal", "supervisor-put", "--id", "city", "--role", "city_supervisor", **by_password)


def _backups(stack: FaultStack, server: EmbeddedPostgres) -> Notebook:
    return Notebook(Backups(server, kept_days=1, log=stack.stack.state.log(f"backups-{server.name}")))


# --- The steps of the runbook -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """What is printed before and after, and how many facts of each kind every log holds but for who was erased."""

    contracts: Any
    facts: Mapping[str, Sequence[tuple[str, int]]]


async def _counts(stack: FaultStack, here: Town) -> Counts:
    """Step 1 and 7, once everybody has caught up."""
    await eventually(lambda: caught_up(stack), within_s=FOLLOWED_S_MAX)
    facts = {}
    for service in WITH_LOG:
        assert 0 == await operate(stack, service, "verify", **ENDED), service
        async with stack.database(package(service)) as database:
            facts[service] = [(row[0], row[1]) for row in await database.fetch(KINDS)]
    shown = (await here.city.get("reporting", "/v1/supervision/contracts")).body
    assert shown["rows"]
    return Counts({name: told for name, told in shown.items() if name != "as_of"}, facts)


def _are_same(before: Counts, after: Counts) -> None:
    assert before.contracts == after.contracts
    for service, told in before.facts.items():
        assert told == after.facts[service], service


async def _restart(stack: FaultStack) -> None:
    """Step 3."""
    async with _stopped(stack):
        pass


@asynccontextmanager
async def _stopped(stack: FaultStack) -> AsyncIterator[None]:
    """Every process of ours. Afterwards all run, and know the day."""
    for process in stack.processes.values():
        await process.stop()
    yield
    for process in stack.processes.values():
        process.start(**ENDED)
    for process in stack.processes.values():
        await process.ready(START_S_MAX)


async def _erase_everybody(stack: FaultStack) -> None:
    """Step 4, and what the certificate says is so."""
    said = stack.stack.state.log("registration-erase-everybody")
    since = said.stat().st_size if said.exists() else 0
    assert 0 == await operate(stack, "registration", "erase-everybody", "--decided-by", DECIDED_BY, **ENDED)
    certificate = said.read_bytes()[since:].decode().partition("个人信息删除证明")[2]
    told = certified(certificate)
    async with stack.database("registration") as database:
        people = await database.fetchval("SELECT count(*) FROM stream WHERE kind = 'person'")
        events = await database.fetchval("SELECT count(*) FROM event")
        ends = "\n".join(f"{row[0]} {row[1]} {row[2]}" for row in await database.fetch(HEADS))
    assert {
        "epidemic over since": ENDED["GATEHOUSE_EPIDEMIC_ENDED_ON"],
        "records, with who only declared": str(people),
        "erased, of these": str(people),
        "facts in the log, now": str(events),
        "people whom a document leads to": "0",
        "other things that can be opened": "0",
        "SHA-256 of the log's ends": hashlib.sha256(ends.encode()).hexdigest(),
    }.items() <= told.items()
    assert DECIDED_BY in certificate
    assert [] == await _bytes_of_keys(stack)


async def _police_are_told_again(stack: FaultStack) -> None:
    """Step 5."""
    log = LogTail(stack.log_of("police_bridge-worker"), since_byte=0)
    await eventually(lambda: log.events("clearing.done"), within_s=CLEARED_S_MAX)

    async def nobody() -> bool:
        return set() == await _topics_with(stack)

    await eventually(nobody, within_s=CLEARED_S_MAX)


async def _segments_go(stack: FaultStack) -> None:
    """As by their age, with a second in place of the days for which the police's topics are kept."""
    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap})
    at_once = [
        ConfigEntry(name, "1000", incremental_operation=AlterConfigOpType.SET) for name in ("retention.ms", "file.delete.delay.ms")
    ]
    topics = [topic.full_name(stack.stack.topic_prefix) for topic in POLICE_TOPICS.values()]
    changed = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=at_once) for topic in topics]
    for future in admin.incremental_alter_configs(changed).values():
        await asyncio.to_thread(future.result)
    await stack.kafka.stop()
    await stack.kafka.start()
    await eventually(lambda: set() == _files_with(stack), within_s=SEGMENTS_S_MAX)


async def _keys_are_written_anew(stack: FaultStack, destroyed: Sequence[bytes]) -> None:
    """Step 6, with what is typed there. Before it the bytes are there still."""
    [typed] = re.findall(r'<<<"([^"]*VACUUM[^"]*)"', RUNBOOK.read_text())
    assert _in_tables(stack, destroyed), "what is looked for is there before"
    async with _key_server(stack) as keys:
        for statement in filter(str.strip, typed.split(";")):
            await keys.execute(statement)
        await keys.execute("CHECKPOINT")
    assert not _in_tables(stack, destroyed)


async def _what_is_not_sealed_is_deleted(stack: FaultStack, here: Town) -> None:
    """Step 8, with what is typed there."""
    scan = f"/v1/contracts/{here.sites[0].contract_no}/resumption-checklists/1"
    assert SCAN == (await here.supervision.try_once("GET", "registration", scan, within_s=FOLLOWED_S_MAX)).content
    scans = stack.stack.state.folder("checklists")
    deletes = command(RUNBOOK.name, SCANS).partition(" registration-api ")[2].split()
    await asyncio.to_thread(subprocess.run, [str(scans) if each == SCANS else each for each in deletes], check=True)
    [typed] = re.findall(r'<<<"([^"]*TRUNCATE[^"]*)"', RUNBOOK.read_text())
    async with stack.database("portal") as accounts:
        assert [(1, 1, 1)] == list(map(tuple, await accounts.fetch(MAY_SIGN_IN))), "who is looked for is there before"
        await accounts.execute(typed)
        assert [(0, 0, 0)] == list(map(tuple, await accounts.fetch(MAY_SIGN_IN)))
    assert [] == list(scans.iterdir())
    assert 503 == (await here.supervision.try_once("GET", "registration", scan, within_s=FOLLOWED_S_MAX)).status_code


async def _logs_are_put_away(stack: FaultStack, before: Counts) -> None:
    """Step 9, with what is typed there: each log is read back on another server, which knows nobody of ours."""
    [typed] = re.findall(r"(pg_dump [^']*) registration'", command(RUNBOOK.name, ">registration.sql"))
    for service in WITH_LOG:
        kept = await _said(stack.postgres, *typed.split(), package(service))
        assert not [needle for needle in NEEDLES if needle in kept or needle.hex().encode() in kept]
        async with _key_server(stack) as keys:
            await keys.execute("CREATE DATABASE read_back TEMPLATE template0")
            await _said(stack.keys_postgres, "psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "read_back", told=kept)
            read_back = await asyncpg.connect(with_database(stack.keys_postgres.dsn, name="read_back"))
            async with stack.database(package(service)) as live:
                assert await live.fetch(HEADS) == await read_back.fetch(HEADS)
            assert list(before.facts[service]) == [(row[0], row[1]) for row in await read_back.fetch(KINDS)]
            await read_back.close()
            await keys.execute("DROP DATABASE read_back")


async def _said(server: EmbeddedPostgres, program: str, *arguments: str, told: bytes = b"") -> bytes:
    """By one of PostgreSQL's own programs, at a server."""
    address = urlsplit(server.dsn)
    environment = {**os.environ, "PGHOST": str(address.hostname), "PGPORT": str(address.port), "PGPASSWORD": str(address.password)}

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [server.programs / program, *arguments], input=told, capture_output=True, check=False, env=environment
        )

    ended = await asyncio.to_thread(run)
    assert 0 == ended.returncode, ended.stderr
    return ended.stdout


# --- What is left -------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _key_server(stack: FaultStack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(with_database(stack.keys_postgres.dsn, name=stack.stack.keys["registration"].name))
    try:
        yield connection
    finally:
        await connection.close()


async def _bytes_of_keys(stack: FaultStack) -> list[bytes]:
    """Of every key that can be opened, and of whatever leads from a document to somebody."""
    async with _key_server(stack) as keys:
        return [row[0] for row in await keys.fetch(BYTES_OF_KEYS)]


async def _planner_looks(stack: FaultStack) -> None:
    """As autovacuum does, once there are more people than here: statistics hold samples of what is in the tables."""
    async with _key_server(stack) as keys:
        await keys.execute("ANALYZE key, identity")
        await keys.execute("CHECKPOINT")


def _in_tables(stack: FaultStack, destroyed: Sequence[bytes]) -> bool:
    return any(_any_of(destroyed, file) for file in _files(stack.keys_postgres.data / "base"))


async def _topics_with(stack: FaultStack) -> set[str]:
    """Topics from which somebody's name or number can be read."""
    published = await records(cast(JourneyStack, stack.stack))
    return {name for name, told in published.items() if any(needle in record for record in told for needle in NEEDLES)}


def _files_with(stack: FaultStack) -> set[str]:
    """Where somebody's name or number stands on a disk, whether a server shows it or not: server, topic or log of a process."""
    found = {server.name for server in (stack.postgres, stack.keys_postgres) if _anybody_in(_files(server.data))}
    found |= {"log" for file in _files(stack.stack.state.folder("logs")) if _any_of(NEEDLES, file)}
    for file in _files(stack.stack.state.folder("kafka")):
        if _any_of(NEEDLES, file) or (file.suffix == ".log" and any(needle in each for each in _told(file) for needle in NEEDLES)):
            found.add(POLICE if file.parent.name.startswith(POLICE) else f"{file.parent.name}/{file.name}")
    return found


def _told(file: Path) -> Iterator[bytes]:
    """What the records of a segment say, whatever is deleted of them."""
    segment = MemoryRecords(_content(file))
    while segment.has_next():
        for record in segment.next_batch():
            yield b"\n".join((record.key or b"", record.value or b"", *(value or b"" for _, value in record.headers)))


def _anybody_in(files: Iterable[Path]) -> bool:
    return any(_any_of(NEEDLES, file) for file in files)


def _any_of(needles: Sequence[bytes], file: Path) -> bool:
    content = _content(file)
    return any(needle in content for needle in needles)


def _content(file: Path) -> bytes:
    """Nothing, where it went away meanwhile."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
