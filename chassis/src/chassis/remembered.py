"""Idempotency keys of requests that are many commands, such as an import.

A single command's key is stored in the transaction that appends its events (`chassis.event_store`). A request of many
commands has no such transaction, so its key is kept in two phases: reserved before the first command, which settles that
another body is a reuse, and completed with the answer after the last. A request that died in between is done again when it
is sent again: its commands must each be a repeat that makes nothing new.

The log's migration lets nobody write the table but the append function. A service that needs this says so in a migration of
its own: GRANT INSERT (principal, key, body_hash), UPDATE (answer) ON remembered_answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg
import structlog

from chassis.database import DATABASE_ERRORS
from chassis.event_store import CommandKey
from chassis.faults import IdempotencyKeyReused

FORGET_ANSWERS_MAX = 1_000
"""Answers that one statement forgets at most: none holds its locks for long."""
FORGET_EVERY_S = 600.0

log = structlog.get_logger()

# The update changes nothing; it makes the row that is there already come back.
RESERVE = """
INSERT INTO remembered_answer AS known (principal, key, body_hash) VALUES ($1, $2, $3)
ON CONFLICT (principal, key) DO UPDATE SET answer = known.answer
RETURNING body_hash, answer
"""
COMPLETE = """
UPDATE remembered_answer SET answer = coalesce(answer, $3) WHERE principal = $1 AND key = $2 RETURNING answer
"""


@dataclass(frozen=True)
class RememberedAnswers:
    """Answers by key, in the database of a service with a log. They hold ids and codes, never personal data."""

    pool: asyncpg.Pool

    async def reserve(self, key: CommandKey) -> bytes | None:
        """The first answer, if there was one. None: do the request, from the beginning, and `complete` it.

        Raises: IdempotencyKeyReused.
        """
        known = await self.pool.fetch(RESERVE, key.principal, key.stored, key.body_hash)
        if known[0]["body_hash"] != key.body_hash:
            raise IdempotencyKeyReused
        answer: bytes | None = known[0]["answer"]
        return answer

    async def complete(self, key: CommandKey, answer: bytes) -> bytes:
        """Keep the answer. If the same request was done twice at once, the answer that was kept first is the answer."""
        kept: bytes = await self.pool.fetchval(COMPLETE, key.principal, key.stored, answer)
        return kept


async def forget_old_answers(pool: asyncpg.Pool) -> None:
    """Keep the table to the days that the migration names, until cancelled. Several processes may do it at once."""
    while True:
        try:
            while await pool.fetchval("SELECT forget_answers($1)", FORGET_ANSWERS_MAX) == FORGET_ANSWERS_MAX:
                pass  # There are more.
        except DATABASE_ERRORS as error:
            log.warning("remembered.not_forgotten", error_type=type(error).__name__)
        await asyncio.sleep(FORGET_EVERY_S)
