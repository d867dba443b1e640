"""The tables of the release before become those of this one: with what stands in them, by two at once, and to the last grant as
if they had never been others."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import create_pool
from chassis.event_store import Append, Appended, EventStore, NewEvent
from chassis.migrations import KEYS, LOG, migrate
from contracts.event import Envelope, shard_of
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from devstack.settings import REPOSITORY
from tests.conftest import MakeDatabase
from tests.release import NoRelease, Release

FIRST = "1207ae7"
"""Since then what runs is expected to get to the next commit without being stopped (ADR 43)."""
EXAMPLES = REPOSITORY / "contracts" / "examples"
FOLDERS: Mapping[str, Sequence[Path]] = {
    each.package: importlib.import_module(f"{each.package}.wiring").SERVICE.migrations for each in SERVICES
}
"""By package."""


def _granted(column: str) -> str:
    """Whatever the order in which it was."""
    return f"(SELECT string_agg(one::text, ' ' ORDER BY one::text) FROM unnest({column}) AS one)"


CATALOGUE = f"""
SELECT 'table ' || relname,
       concat_ws(' ', relkind, relpersistence, reloptions, CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END, {_granted("relacl")})
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'
UNION ALL
SELECT format('column %s.%s', attrelid::regclass, attname),
       concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid), {_granted("attacl")})
FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i' AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT format('constraint %s.%s', conrelid::regclass, conname), pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT format('trigger %s.%s', tgrelid::regclass, tgname), pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT format('function %s', oid::regprocedure), concat_ws(' ', pg_get_functiondef(oid), {_granted("proacl")})
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
UNION ALL
SELECT 'setting', unnest(setconfig)
FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = current_database()
"""
"""All that migrations make: what it is, and how it is and who may do what with it."""

LOGGED = "SELECT shard, pos, stream_id, version, event_id, type, data, meta, recorded_at FROM event ORDER BY shard, pos"
"""Its columns, as they have been since the first release."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the release before keeps its migrations, as this one does below its root."""
    folder = tmp_path_factory.mktemp("release")
    try:
        Release.before(first=FIRST).put_into(folder, "*.sql")
    except NoRelease as lack:
        pytest.skip(str(lack))
    return folder


def of_release(before: Path, folders: Sequence[Path]) -> Sequence[Path]:
    """The same folders in the release before, as far as it had them."""
    return [there for folder in folders if (there := before / folder.relative_to(REPOSITORY)).exists()]


async def catalogue(dsn: str) -> set[tuple[str, str]]:
    connection = await asyncpg.connect(dsn)
    try:
        return {(row[0], row[1]) for row in await connection.fetch(CATALOGUE)}
    finally:
        await connection.close()


async def change(dsn: str, folders: Sequence[Path]) -> None:
    """To this release's tables, by two at once."""
    await asyncio.gather(*(migrate(dsn, folders) for _ in range(2)))


class TestUpgradedTables:
    @pytest.mark.parametrize("package", FOLDERS)
    async def test_of_a_service_are_those_of_a_new_installation(self, before: Path, database: MakeDatabase, package: str) -> None:
        upgraded = await database(package, of_release(before, FOLDERS[package]))
        new = await database(package, FOLDERS[package])
        await change(upgraded.owner_dsn, FOLDERS[package])
        assert set() == await catalogue(new.owner_dsn) ^ await catalogue(upgraded.owner_dsn)

    async def test_of_the_key_server_are_those_of_a_new_installation(
        self, before: Path, fresh_keys_databases: FreshDatabases
    ) -> None:
        upgraded, new = [
            next(iter((await fresh_keys_databases.make_keys(FOLDERS, folders)).values()))
            for folders in (of_release(before, [KEYS]), [KEYS])
        ]
        await change(upgraded.owner_dsn, [KEYS])
        assert set() == await catalogue(new.owner_dsn) ^ await catalogue(upgraded.owner_dsn)
        for each in (upgraded, new):
            await fresh_keys_databases.drop(each)

    @pytest.mark.parametrize("package", [package for package in FOLDERS if LOG in FOLDERS[package]])
    async def test_keep_every_event_and_the_log_goes_on_behind_them(
        self, before: Path, database: MakeDatabase, package: str
    ) -> None:
        made = await database(package, of_release(before, FOLDERS[package]))
        service, stream_id = package.replace("_", "-"), uuid4()
        connection = await asyncpg.connect(made.owner_dsn)
        count = await _fill(connection, service, stream_id)
        told = await connection.fetch(LOGGED)
        await change(made.owner_dsn, FOLDERS[package])
        assert told == await connection.fetch(LOGGED)
        await connection.close()

        async with await create_pool(made.app_dsn, application_name="tests") as pool:
            store = await EventStore.open(pool)
            [last] = _events(service, stream_id, [(told[-1]["type"], told[-1]["data"])], after=count)
            outcome = await store.append(Append(stream_id, "person", count, [last], state=b"{}", state_version=1))
            await store.close()
        assert Appended(count + 1, shard_of(stream_id), count + 1) == outcome


async def _fill(connection: asyncpg.Connection, service: str, stream_id: UUID) -> int:
    """The log, with an example of everything that this service ever told, in one stream. How many."""
    files = sorted(EXAMPLES.glob(f"gatehouse.{service}.*/*.json"))
    assert files
    events = _events(service, stream_id, [(file.parent.name, file.read_bytes()) for file in files], after=0)
    shard = shard_of(stream_id)
    await connection.execute("INSERT INTO stream (stream_id, kind, version) VALUES ($1, 'person', $2)", stream_id, len(events))
    await connection.executemany(
        "INSERT INTO event (shard, pos, stream_id, version, event_id, type, data, meta) VALUES ($1, $2, $3, $2, $4, $5, $6, $7)",
        [(shard, n, stream_id, each.event_id, each.type, each.data, each.meta) for n, each in enumerate(events, 1)],
    )
    await connection.execute("UPDATE shard_head SET last_pos = $2 WHERE shard = $1", shard, len(events))
    return len(events)


def _events(service: str, stream_id: UUID, told: Sequence[tuple[str, bytes]], *, after: int) -> Sequence[NewEvent]:
    """Types and data, with envelopes, behind this version of the stream."""
    return [
        NewEvent(event_id := uuid4(), type_name, data, _envelope(service, stream_id, event_id, type_name, version))
        for version, (type_name, data) in enumerate(told, after + 1)
    ]


def _envelope(service: str, stream_id: UUID, event_id: UUID, type_name: str, version: int) -> bytes:
    return Envelope(
        event_id=event_id,
        type=type_name,
        service=service,
        stream_id=stream_id,
        version=version,
        epoch=1,
        time=datetime.now(UTC),
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    ).encode()
