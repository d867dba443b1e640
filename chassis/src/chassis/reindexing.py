"""Changing the index key: every index is hashed once more, on the key server, as the owner of its tables (ADR 52).

Documents are found and new ones entered meanwhile, by whoever knows the new key and by whoever does not yet; people are erased.
Cut short, it goes on when it is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from chassis.database import Connection
from chassis.index_keys import IndexKeys

AT_ONCE = 1_000
"""Indexes in one statement."""
TRIES_MAX = 60
PAUSE_S = 1.0
"""Between two tries to be alone."""

ALONE = "SET LOCAL lock_timeout = '1s'; SELECT pg_advisory_xact_lock(1195918153)"
"""As in `identify`: nobody enters a new document until the transaction ends, and whoever was about to has."""
LEFT = "SELECT blind_index FROM identity WHERE generation < $1 AND NOT is_carried"
PAGE_LEFT = f"{LEFT} AND blind_index > $2 ORDER BY blind_index LIMIT $3"
ANY_LEFT = f"{LEFT} LIMIT $2"
CARRY = """
WITH taken AS (
    SELECT i.blind_index, i.person_id, i.document_type, i.created_at, c.newest
    FROM unnest($2::bytea[], $3::bytea[]) AS c (former, newest) JOIN identity AS i ON i.blind_index = c.former
    WHERE NOT i.is_carried
    -- Somebody is erased just now: he is not carried, or next time.
    FOR UPDATE OF i SKIP LOCKED
), marked AS (
    UPDATE identity AS i SET is_carried = true FROM taken WHERE i.blind_index = taken.blind_index
)
INSERT INTO identity (blind_index, person_id, document_type, created_at, generation)
SELECT newest, person_id, document_type, created_at, $1 FROM taken
ON CONFLICT (blind_index) DO NOTHING
RETURNING 1
"""
DROP = """
DELETE FROM identity WHERE blind_index IN (
    SELECT blind_index FROM identity WHERE blind_index > $2 AND generation < $1 AND is_carried ORDER BY blind_index LIMIT $3
) RETURNING blind_index
"""


class IndexKeyIsAnother(Exception):
    """The keys are not those that the services have, or not one more than count."""


class NeverAlone(Exception):
    """Somebody is always in the way. Nothing of what was done is lost; it goes on when it is repeated."""


class Reindexed(NamedTuple):
    """What came of it."""

    carried: int
    """Documents that are found under the new key since."""
    dropped: int
    """Indexes without it that were taken away."""


async def reindex(connection: Connection, keys: IndexKeys) -> Reindexed:
    """Have every document found by the last of `keys`, and nothing but that. Every process must have been told of it before.

    Raises: IndexKeyIsAnother, NeverAlone.
    """
    try:
        await connection.execute("SELECT insist_on_index_key($1::smallint, $2)", keys.generation, keys.marks)
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise IndexKeyIsAnother from error
    carried = 0
    if keys.generation > await connection.fetchval("SELECT index_generation()"):
        carried = await _carry_all(connection, keys)
        for _ in range(TRIES_MAX):
            left = await _switched(connection, keys)
            if left is not None:
                carried += left
                break
            carried += await _carry_all(connection, keys)
            await asyncio.sleep(PAUSE_S)
        else:
            raise NeverAlone
    return Reindexed(carried, await _drop(connection, keys.generation))


async def _carry_all(connection: Connection, keys: IndexKeys) -> int:
    """A pass over whatever is not carried yet. Meanwhile more may come."""
    carried, after = 0, b""
    while rows := await connection.fetch(PAGE_LEFT, keys.generation, after, AT_ONCE):
        former = [row[0] for row in rows]
        carried += await _carry(connection, keys, former)
        after = former[-1]
    return carried


async def _carry(connection: Connection, keys: IndexKeys, former: Sequence[bytes]) -> int:
    return len(await connection.fetch(CARRY, keys.generation, former, [keys.on_top(index) for index in former]))


async def _switched(connection: Connection, keys: IndexKeys) -> int | None:
    """From now on indexes under the last key count, and none but these are entered. How many had to be carried before that.

    None: more are left than can be waited for, or somebody is in the way.
    """
    try:
        async with connection.transaction():
            await connection.execute(ALONE)
            left = await connection.fetch(ANY_LEFT, keys.generation, AT_ONCE)
            carried = await _carry(connection, keys, [row[0] for row in left])
            if await connection.fetch(ANY_LEFT, keys.generation, 1):
                return None
            await connection.execute(
                "INSERT INTO index_key (generation, mark, counts_since) VALUES ($1, $2, now())"
                " ON CONFLICT (generation) DO UPDATE SET counts_since = now()",
                keys.generation,
                keys.marks[1],
            )
            return carried
    except asyncpg.LockNotAvailableError:
        return None


async def _drop(connection: Connection, generation: int) -> int:
    dropped, after = 0, b""
    while rows := await connection.fetch(DROP, generation, after, AT_ONCE):
        dropped += len(rows)
        after = max(row[0] for row in rows)
    return dropped
