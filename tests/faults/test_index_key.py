"""The index key is changed under load, as SECURITY.md says: processes are exchanged one by one, every document is indexed anew, and
whoever shows one is the person that he was."""

from __future__ import annotations

import asyncio
import base64
import secrets
import sys
from collections.abc import Sequence

import asyncpg
import pytest

from devstack import children
from devstack.services import PROGRAMS
from devstack.story.cast import Person
from tests.faults.checker import check
from tests.faults.report import REPORT
from tests.faults.stack import START_S_MAX, FaultStack, running_stack
from tests.faults.test_rolling_restart import LIVES_AT_ONCE, stop
from tests.faults.test_upgrade import LIVES_MAX
from tests.faults.traffic import Town, flowing, somebody, town

COMMAND_S_MAX = 60.0
LIVED_S_MAX = 240.0
CAUGHT_UP_S_MAX = 60.0
KNOWN = 10


class TestIndexKey:
    @pytest.mark.long
    async def test_is_changed_while_people_come_and_go(self) -> None:
        async with running_stack() as stack, town(stack, sites=2) as here:
            async with flowing(here, lives_at_once=LIVES_AT_ONCE, lives_max=LIVES_MAX) as traffic:
                known = [somebody() for _ in range(KNOWN)]
                people = await _led_to(here, known)
                await traffic.goes_on(within_s=LIVED_S_MAX)
                index_key = f"{_told(stack)} {base64.b64encode(secrets.token_bytes(32)).decode()}"
                for package in (program.package for program in PROGRAMS if program.identifies):
                    for name in (f"{package}-worker", f"{package}-api"):
                        await stop(stack[name])
                        stack[name].start(GATEHOUSE_INDEX_KEY=index_key)
                        await stack[name].ready(START_S_MAX)
                    assert people == await _led_to(here, known), package
                await traffic.goes_on(within_s=LIVED_S_MAX)
                await _reindex(stack, index_key)
                assert people == await _led_to(here, known)
                await traffic.goes_on(within_s=LIVED_S_MAX)
            assert [2] == await _generations(stack)
            assert [] == (await check(stack, here.diary, within_s=CAUGHT_UP_S_MAX)).wrong
            REPORT.note("index key", "changed under load")


def _told(stack: FaultStack) -> str:
    return stack.environment("registration")["GATEHOUSE_INDEX_KEY"]


async def _led_to(here: Town, people: Sequence[Person]) -> list[str]:
    """Whom their documents lead to."""
    asked = [here.operator.post("registration", "/v1/person-lookups", {"document": each.document}) for each in people]
    return [found.body["person_id"] for found in await asyncio.gather(*asked)]


async def _reindex(stack: FaultStack, index_key: str) -> None:
    await children.run(
        "reindex-documents",
        [sys.executable, "-m", "chassis", "reindex-documents"],
        log=stack.stack.state.log("reindex-documents"),
        environment=children.environment(GATEHOUSE_KEYS_DSN=_keys(stack), GATEHOUSE_INDEX_KEY=index_key),
        deadline_s=COMMAND_S_MAX,
    )


async def _generations(stack: FaultStack) -> list[int]:
    connection = await asyncpg.connect(_keys(stack))
    try:
        return [row[0] for row in await connection.fetch("SELECT DISTINCT generation FROM identity ORDER BY 1")]
    finally:
        await connection.close()


def _keys(stack: FaultStack) -> str:
    """The key server, as the owner of its tables."""
    return stack.stack.keys["registration"].owner_dsn
