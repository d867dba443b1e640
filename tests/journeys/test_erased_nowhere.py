"""Whoever was erased is unreadable even for somebody who has all that is left: every database, every topic, every key."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

import asyncpg
import pytest

from chassis.key_server import WrappedKey
from chassis.sealing import DataKey, KeyEncryption, SealBroken
from contracts.registry import EVENTS
from tests.journeys.sites import WITHIN_S, Arrived, Site
from tests.journeys.stack import JourneyStack
from tests.journeys.test_erasure import erase
from tests.journeys.test_no_personal_data import records, rows

ENVELOPE = re.compile(rb"g1\.[0-9]+\.[A-Za-z0-9_-]{38,}")
HEXADECIMAL = re.compile(rb"\\x([0-9a-f]{40,})")
"""How PostgreSQL writes bytes, such as those of an event."""
FIELDS = sorted({name for event in EVENTS.values() for name in event.model_fields})
LOGS = ("registration", "health", "gatekeeper", "healthcloud_bridge", "police_bridge")


async def everything(stack: JourneyStack) -> Mapping[str, bytes]:
    """All tables of all databases, and all topics, by name."""
    databases = {**stack.databases, "keys": stack.keys["registration"]}
    found = {
        f"{package} {table}": content + b"\n".join(bytes.fromhex(each.decode()) for each in HEXADECIMAL.findall(content))
        for package, database in databases.items()
        for table, content in (await rows(database.owner_dsn)).items()
    }
    return found | {topic: b"\n".join(each) for topic, each in (await records(stack)).items()}


async def keys(stack: JourneyStack) -> Mapping[UUID, DataKey | None]:
    """Every key of the key server, opened; None where it is destroyed."""
    key_encryption = KeyEncryption(base64.b64decode(stack.state.key("key-encryption-key")))
    connection = await asyncpg.connect(stack.keys["registration"].owner_dsn, timeout=WITHIN_S)
    try:
        found = await connection.fetch("SELECT stream_id, key_version, wrapped_key FROM key")
        return {row["stream_id"]: key_encryption.open(WrappedKey(*row)) for row in found}
    finally:
        await connection.close()


async def documents_of(stack: JourneyStack, person: Arrived) -> int:
    """How many lead to the person."""
    connection = await asyncpg.connect(stack.keys["registration"].owner_dsn, timeout=WITHIN_S)
    try:
        found: int = await connection.fetchval("SELECT count(*) FROM identity WHERE person_id = $1", UUID(person.person_id))
        return found
    finally:
        await connection.close()


def envelopes_in(kept: Mapping[str, bytes]) -> set[str]:
    return {each.decode() for content in kept.values() for each in ENVELOPE.findall(content)}


def opened(key: DataKey, envelopes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Whatever the key opens, whatever field it was sealed for."""
    for envelope in envelopes:
        for field in FIELDS:
            try:
                yield envelope, key.unseal(field, envelope)
            except SealBroken:
                continue


async def fold_anew(stack: JourneyStack, person: Arrived) -> None:
    """The services have forgotten what the person's facts come to, and read them all again."""
    for package in LOGS:
        connection = await asyncpg.connect(stack.databases[package].owner_dsn, timeout=WITHIN_S)
        try:
            await connection.execute("UPDATE stream SET state = NULL WHERE stream_id = $1", UUID(person.person_id))
        finally:
            await connection.close()


@pytest.fixture
async def gone(site: Site) -> Arrived:
    """Somebody of whom much is known: entered, measured, banned."""
    person = await site.arrives()
    assert "admitted" == (await site.enters(person))["outcome"]
    await site.is_measured(person)
    await site.is_banned(person)
    return person


class TestErased:
    async def test_is_unreadable_with_all_databases_topics_and_keys(
        self, installation: JourneyStack, site: Site, gone: Arrived
    ) -> None:
        key = (await keys(installation))[UUID(gone.person_id)]
        assert key is not None
        his = dict(opened(key, envelopes_in(await everything(installation))))
        assert {gone.person.number, gone.person.name, gone.person.mobile, "电话通知"} <= {*his.values()}, "all of it is there"

        await erase(site, gone)

        after = await everything(installation)
        assert his.keys() <= envelopes_in(after), "nothing was rewritten"
        left = await keys(installation)
        assert (None, 0) == (left[UUID(gone.person_id)], await documents_of(installation, gone))
        assert [] == [text for each in left.values() if each is not None for _, text in opened(each, his)]
        cleared_within_hours = {name for name in after if name.startswith("police.arrivals.")}
        plain = gone.person.number.encode()
        assert [] == [name for name, content in after.items() if plain in content and name not in cleared_within_hours]

    async def test_still_folds(self, installation: JourneyStack, site: Site, gone: Arrived) -> None:
        await erase(site, gone)
        before = await site.reasons(gone)
        await fold_anew(installation, gone)
        assert before == await site.reasons(gone)
        await site.is_measured(gone)
        await erase(site, gone)
        await site.post("site_operator", "gatekeeper", "exits", {"person_id": gone.person_id})
        assert "not_pre_registered" in await site.reasons(gone)
