"""The key server's functions, as seen from a service.

The key server is a PostgreSQL server of its own (`migrations/keys/`): the WAL and the backups of an event log must never
hold a key, and a key must not outlive its destruction in the backups of a log. Each service logs in with its own role,
which may call some of the functions and read no table. Keys arrive wrapped; the key-encryption key never goes there.

Every call here may be repeated: the first answer holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
import structlog

from chassis.database import ACQUIRE_TIMEOUT_S, Connection
from chassis.faults import Unavailable
from chassis.index_keys import BlindIndex, IndexKeys

RETRY_AFTER_S = 1

log = structlog.get_logger()


class KeyServerUnavailable(Unavailable):
    """The key server cannot be reached, is shutting down, or does not answer in time. Until it is back nothing new is read."""


class Purpose(StrEnum):
    """Why keys are asked for. Stored with every reading."""

    MASKED_PAGE = "masked_page"
    """A list in which everybody is masked: one row in the record for the whole page."""
    REVEAL = "reveal"
    """Somebody asked to see a person unmasked: one row in the record for each person."""
    PROCESS = "process"
    """A service needs the text for its own rule or answer."""
    SHARE = "share"
    """Rendered for an authority that is entitled to it."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A stream's data key as the key server knows it."""

    stream_id: UUID
    key_version: int
    wrapped: bytes | None
    """None: destroyed."""


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody was given a stream's key."""

    access_id: int
    """Orders them."""
    at: datetime
    service: str
    actor: str
    purpose: Purpose

    @property
    def is_reveal(self) -> bool:
        return self.purpose is Purpose.REVEAL


async def identify(pool: asyncpg.Pool, indexes: Sequence[BlindIndex], document_types: Sequence[str], keys: IndexKeys) -> list[UUID]:
    """The person of each document, in order; an unknown document becomes a new person. Raises: KeyServerUnavailable."""
    newest = [index.newest for index in indexes]
    former = None if keys.generation == 1 else [index.former for index in indexes]
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            query = "SELECT identify($1, $2, $3, $4::smallint, $5)"
            person_ids: list[UUID] = await connection.fetchval(query, newest, former, document_types, keys.generation, keys.marks)
    return person_ids


async def find(pool: asyncpg.Pool, index: BlindIndex, keys: IndexKeys) -> UUID | None:
    """The person of a document; None: nobody's, as far as is known. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            query = "SELECT find_person($1, $2, $3::smallint, $4)"
            person_id: UUID | None = await connection.fetchval(query, index.newest, index.former, keys.generation, keys.marks)
    return person_id


async def people_after(pool: asyncpg.Pool, after: UUID, limit: int) -> list[UUID]:
    """Whoever a document leads to, in order of their ids. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch("SELECT * FROM people_after($1, $2)", after, limit)
    return [row[0] for row in rows]


async def other_keys_after(pool: asyncpg.Pool, after: UUID, limit: int) -> list[UUID]:
    """Streams that have a key and are nobody's whom a document leads to, in order of their ids. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch("SELECT * FROM other_keys_after($1, $2)", after, limit)
    return [row[0] for row in rows]


async def create_keys(pool: asyncpg.Pool, stream_ids: Sequence[UUID], proposed: Sequence[bytes]) -> dict[UUID, WrappedKey]:
    """The keys that hold: the proposed ones where there were none, else the first ever made. Raises: KeyServerUnavailable."""
    return await _fetch_keys(pool, "SELECT stream_id, key_version, wrapped_key FROM create_keys($1, $2)", stream_ids, proposed)


async def unwrap(pool: asyncpg.Pool, stream_ids: Sequence[UUID], actor: str, purpose: Purpose) -> dict[UUID, WrappedKey]:
    """The keys of these streams, as far as there are any. That `actor` got them is recorded. Raises: KeyServerUnavailable."""
    return await _fetch_keys(
        pool, "SELECT stream_id, key_version, wrapped_key FROM unwrap($1, $2, $3)", stream_ids, actor, purpose.value
    )


async def accesses(pool: asyncpg.Pool, stream_id: UUID, *, before: int, limit: int) -> list[Access]:
    """Who was given the stream's key, newest first, from before that `access_id`. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        connection: Connection
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch("SELECT * FROM access_of($1, $2, $3)", stream_id, before, limit)
    return [Access(row["access_id"], row["at"], row["service"], row["actor"], Purpose(row["purpose"])) for row in rows]


async def destroy_key(pool: asyncpg.Pool, stream_id: UUID) -> None:
    """Destroy the stream's key for ever, and what leads from documents to this person. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            await connection.execute("SELECT destroy_key($1)", stream_id)


async def is_erasable(pool: asyncpg.Pool, person_id: UUID) -> bool:
    """Whether anything was sealed for the person, also if the key was destroyed since. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return bool(await connection.fetchval("SELECT is_erasable($1)", person_id))


async def destroyed_among(pool: asyncpg.Pool, stream_ids: Sequence[UUID]) -> set[UUID]:
    """Those whose key was destroyed. Raises: KeyServerUnavailable."""
    with _unavailable_if_silent():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch("SELECT * FROM destroyed_among($1)", stream_ids)
    return {row[0] for row in rows}


async def _fetch_keys(pool: asyncpg.Pool, query: str, *arguments: object) -> dict[UUID, WrappedKey]:
    with _unavailable_if_silent():
        connection: Connection
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch(query, *arguments)
    return {row[0]: WrappedKey(row[0], row[1], row[2]) for row in rows}


@contextmanager
def _unavailable_if_silent() -> Iterator[None]:
    """A server that is away or too slow is a missing dependency (503), whatever form the driver gives it."""
    try:
        yield
    except (
        OSError,  # refused, reset, timed out
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,  # shutting down, starting up, statement time-out
        asyncpg.InsufficientResourcesError,  # too many connections, disk full
        asyncpg.LockNotAvailableError,
        asyncpg.InterfaceError,  # the pool is closing, the connection broke while in use
        asyncpg.InternalClientError,  # the server ended the session, and a query was sent before that was noticed
    ) as error:
        if isinstance(error, ValueError):
            raise  # The driver could not encode an argument: our mistake, not the server's.
        raise KeyServerUnavailable(retry_after_s=RETRY_AFTER_S) from error
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        log.error("key_server.index_key_is_another")  # To make a new person of somebody who is known would be worse.
        raise KeyServerUnavailable(retry_after_s=RETRY_AFTER_S) from error
