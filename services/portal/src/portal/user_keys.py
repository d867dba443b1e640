"""Which keys of the digests count, as the database knows; and how another one on top of them comes to (ADR 53).

A process is told the keys that count, or one more: it finds by either, and writes by those that count. `python -m portal
rehash-users` then hashes every digest once more, in one transaction. From then on whoever was not told the new key is refused: he
would know nobody, and say so.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any, NamedTuple

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag

from chassis.database import Connection
from chassis.faults import Unavailable
from chassis.service import Operation, Service
from chassis.settings import keys_bytes
from portal.digests import Digests, UserKeys
from portal.settings import Settings

RETRY_AFTER_S = 10
STAYS = "SELECT pg_advisory_xact_lock_shared(1195922763)"
ALONE = """
SET LOCAL lock_timeout = '3s';
SELECT pg_advisory_xact_lock(1195922763);
LOCK TABLE site_user, login_code, session, supervisor IN SHARE ROW EXCLUSIVE MODE
"""
COUNTS = "SELECT generation, mark FROM user_key ORDER BY generation DESC LIMIT 1"
NOTE = "INSERT INTO user_key (generation, mark) VALUES ($1, $2) ON CONFLICT DO NOTHING"
DIGESTS = {
    "site_user": ("document_digest", "mobile_digest"),
    "login_code": ("challenge_digest", "document_digest", "mobile_digest", "code_digest"),
    "session": ("session_digest",),
}

log = structlog.get_logger()


class UserKeyIsAnother(Unavailable):
    """The keys are not those that count, nor these and one more."""

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


class Rehashed(NamedTuple):
    """What came of it."""

    rows: int = 0
    """Users, codes and sessions that are found under the new key since."""
    seeds: int = 0
    """Supervisors' that open with the new key."""
    closed: int = 0
    """… that open with none: whose they are cannot sign in, nor could he before."""


async def counting(connection: Connection, digests: Digests) -> Digests:
    """By which is written, until the transaction ends. Raises: UserKeyIsAnother."""
    await connection.execute(STAYS)
    return await insist(connection, digests)


async def insist(connection: Connection | asyncpg.Pool, digests: Digests) -> Digests:
    """Those that count just now. To be called before anybody is told that he is not known. Raises: UserKeyIsAnother."""
    known = await connection.fetch(COUNTS)
    if not known:
        first = digests.before or digests
        await connection.execute(NOTE, first.keys.generation, first.keys.mark)
        known = await connection.fetch(COUNTS)
    for each in (digests, digests.before):
        if each is not None and (each.keys.generation, each.keys.mark) == tuple(known[0]):
            return each
    log.error("portal.user_key_is_another")
    raise UserKeyIsAnother


async def rehash(connection: asyncpg.Connection, digests: Digests) -> Rehashed:
    """Have the last key count, and everything be found by it. All or nothing; repeated, nothing. Who comes meanwhile waits.

    Every process must have been told of it before. Raises: UserKeyIsAnother; asyncpg.LockNotAvailableError: somebody is in the way.
    """
    async with connection.transaction():
        await connection.execute(ALONE)
        if await insist(connection, digests) is digests:
            return Rehashed()
        rows = 0
        for table, columns in DIGESTS.items():
            for column in columns:
                await _carry(connection, digests, table, column)
            rows += await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a constant
        seeds, closed = await _lock_anew(connection, digests)
        await connection.execute(NOTE, digests.keys.generation, digests.keys.mark)
    return Rehashed(rows, seeds, closed)


async def _carry(connection: Connection, digests: Digests, table: str, column: str) -> None:
    former = [row[0] for row in await connection.fetch(f"SELECT DISTINCT {column} FROM {table}")]  # noqa: S608 - constants
    newest = [digests.keys.on_top(each) for each in former]
    given = "unnest($1::bytea[], $2::bytea[]) AS given (former, newest)"
    await connection.execute(f"UPDATE {table} SET {column} = newest FROM {given} WHERE {column} = former", former, newest)  # noqa: S608


async def _lock_anew(connection: Connection, digests: Digests) -> tuple[int, int]:
    """How many seeds open since, and how many with no key."""
    locked_anew, closed = [], 0
    for account, locked in await connection.fetch("SELECT account, totp_secret FROM supervisor"):
        try:
            locked_anew.append((account, digests.locked_away(digests.opened(locked, owner=account), owner=account)))
        except InvalidTag:
            closed += 1
    await connection.executemany("UPDATE supervisor SET totp_secret = $2 WHERE account = $1", locked_anew)
    return len(locked_anew), closed


async def rehash_users(service: Service[Any], settings: Settings, given: Namespace) -> int:
    """Have the last user key count, which every process was told. 1: nothing was changed."""
    connection = await asyncpg.connect(settings.database_dsn.get_secret_value())
    try:
        rehashed = await rehash(connection, Digests(UserKeys(*keys_bytes(settings.user_key))))
    except UserKeyIsAnother:
        return 1  # And said so.
    except asyncpg.LockNotAvailableError:
        log.error("portal.somebody_is_in_the_way")
        return 1
    finally:
        await connection.close()
    log.info("portal.users_rehashed", rows_count=rehashed.rows, seeds_count=rehashed.seeds, closed_seeds_count=rehashed.closed)
    return 0


REHASH_USERS = Operation("rehash-users", rehash_users)
