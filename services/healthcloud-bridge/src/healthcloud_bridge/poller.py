"""Asks Health Cloud again, without anybody's act: for those who had not declared, until they have; and for everybody on whose
declaration a site relies, because he may declare again.

Health Cloud answers about one person at a time. Each row says when its person is due; that is the cursor, and it is stored, so
a poller that dies is continued by another. Any number of workers share the rows, `POLLERS` leases of them: a row that one has
claimed is not due for the others. None needs a fence: one that was frozen and goes on beside its successor asks twice, and the
decider takes each declaration once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter
from pydantic import ValidationError

from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable, VersionConflict
from chassis.leases import Lease
from chassis.sealing import Purpose, SealBroken, Sealing, StreamIsErased, Unsealer
from chassis.telemetry import on_behalf_of
from contracts.identity import Document, DocumentType
from healthcloud_bridge.client import AnswerNotUnderstood
from healthcloud_bridge.receiving import Receiving

POLLERS = 4
"""Leases, and so processes that can share the rows."""
BATCH_PEOPLE_MAX = 50
"""Rows of a list that one round takes."""
AT_ONCE_MAX = 4
"""Queries of a poller under way at the same time: registrars who wait for an answer come first."""
CLAIM_S = 60.0
"""Whoever was claimed by a poller that died is due again after this time."""
BACKOFF_S_MAX = 30.0
"""Between two rounds while something is away."""
ACTOR = "healthcloud-bridge"
"""Who opened document and name, in the record of the key server."""


@dataclass(frozen=True)
class Followed:
    """A table of people to be asked for, and how often."""

    table: str
    since: str
    """Its column that says since when."""
    pause_share: float
    """Who is on the list for a time is asked for again after this share of it: often at first, then ever more rarely."""
    pause_s_max: float
    days_max: int
    """Whose row is older is found by the next look-up only."""


AWAITED = Followed("awaited_v1", "asked_at", pause_share=0.05, pause_s_max=600.0, days_max=30)
"""Somebody stands at the gate."""
FOLLOWED = Followed("followed_v1", "followed_since", pause_share=0.5, pause_s_max=6 * 3_600.0, days_max=180)
"""He has declared, and may again. A million of them are some 50 queries a second, in batches between which others are asked."""
LISTS = (AWAITED, FOLLOWED)
"""Whoever is awaited comes first."""

JITTER_SHARE = 0.1
"""A pause is longer or shorter by as much, so that a team that was registered together is not asked for together for ever."""

# Rows that somebody else holds are left alone, so nobody waits for the projector nor it for us. What is due later than any pause
# can make it was settled before the clock was set back.
CLAIM = """
UPDATE {table} AS t SET due_at = CASE
    WHEN t.{since} < clock_timestamp() - make_interval(days => $2) THEN 'infinity'
    ELSE clock_timestamp() + make_interval(secs => $3) END
FROM (
    SELECT * FROM (
        SELECT person_id, contract_no FROM {table} WHERE due_at <= clock_timestamp()
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS due_now
    UNION
    SELECT * FROM (
        SELECT person_id, contract_no FROM {table}
        WHERE due_at > clock_timestamp() + make_interval(secs => $4) AND due_at < 'infinity'
        ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS due_before
) AS due
WHERE t.person_id = due.person_id AND t.contract_no = due.contract_no
RETURNING t.person_id, t.contract_no, t.document, t.document_type, t.name, t.due_at = 'infinity' AS is_over
"""
SETTLE = """
UPDATE {table} AS t SET due_at = clock_timestamp() + greatest(
    make_interval(secs => $3),
    least((clock_timestamp() - t.{since}) * $4, make_interval(secs => $5)) * (1 + $6 * (2 * random() - 1)))
FROM (
    SELECT f.person_id, f.contract_no FROM {table} AS f
    JOIN unnest($1::uuid[], $2::text[]) AS asked (person_id, contract_no)
        ON f.person_id = asked.person_id AND f.contract_no = asked.contract_no
    FOR UPDATE OF f SKIP LOCKED
) AS asked
WHERE t.person_id = asked.person_id AND t.contract_no = asked.contract_no
"""

ASKED = Counter("gatehouse_healthcloud_polled_people_total", "People whom the poller asked for, by list.", ["list"])

log = structlog.get_logger()


@dataclass(frozen=True)
class Poller:
    """The work of each lease `poll/…`."""

    pool: asyncpg.Pool
    sealing: Sealing
    receiving: Receiving
    interval_s: float

    async def run(self, _lease: Lease) -> None:
        """Ask until cancelled. Whatever is away delays and loses nothing: the rows stay."""
        failures = 0
        while True:
            try:
                if received := await self.round():
                    log.info("poller.received", count=received)
                failures = 0
            except (Unavailable, *DATABASE_ERRORS) as error:
                failures += 1
                log.warning("poller.delayed", error_type=type(error).__name__)
            await asyncio.sleep(_pause_s(self.interval_s, failures))

    async def round(self) -> int:
        """Ask for those who are due; how many had declared anew. Raises: Unavailable and what the database raises."""
        return sum([await self._round_of(each) for each in LISTS])

    async def _round_of(self, people: Followed) -> int:
        claim = CLAIM.format(table=people.table, since=people.since)
        latest_s = CLAIM_S + max(people.pause_s_max, self.interval_s) * (1 + JITTER_SHARE)
        rows = await self.pool.fetch(claim, BATCH_PEOPLE_MAX, people.days_max, CLAIM_S, latest_s)
        due = [row for row in rows if not row["is_over"]]
        received = asked = 0
        try:
            unsealer = await self._opened(due)
            for asked in range(0, len(due), AT_ONCE_MAX):
                received += await self._together([_person(row, unsealer) for row in due[asked : asked + AT_ONCE_MAX]])
            asked = len(due)
        finally:
            await self._settle(people, due[:asked], pause_s_max=people.pause_s_max)
            await self._settle(people, due[asked:], pause_s_max=0.0)  # Not their turn that was missed: soon again.
            ASKED.labels(people.table).inc(asked)
        return received

    async def _opened(self, rows: Sequence[asyncpg.Record]) -> Unsealer:
        people = sorted({row["person_id"] for row in rows})
        return await self.sealing.unwrap(people, actor=ACTOR, purpose=Purpose.PROCESS)

    async def _settle(self, people: Followed, rows: Sequence[asyncpg.Record], *, pause_s_max: float) -> None:
        """Say when they are due next."""
        if rows:
            settle = SETTLE.format(table=people.table, since=people.since)
            keys = [row["person_id"] for row in rows], [row["contract_no"] for row in rows]
            await self.pool.execute(settle, *keys, self.interval_s, people.pause_share, pause_s_max, JITTER_SHARE)

    async def _together(self, people: Sequence[tuple[UUID, Document, str] | None]) -> int:
        asked = await asyncio.gather(*(self._ask(*person) for person in people if person is not None), return_exceptions=True)
        for each in asked:
            if isinstance(each, BaseException):
                raise each  # Health Cloud is down for all of them: the rest is asked in a later round.
        return sum(each is True for each in asked)

    async def _ask(self, person_id: UUID, document: Document, name: str) -> bool:
        """Whether something new was declared. Raises: HealthCloudUnavailable, Unavailable."""
        try:
            declared = await self.receiving.ask(document, name=name)
        except AnswerNotUnderstood:
            return False  # Logged where it was read. The others are asked all the same.
        if not declared:
            return False
        try:
            with on_behalf_of(None, doing="poll Health Cloud"):
                return (await self.receiving.receive(person_id, declared)).is_new
        except (StreamIsErased, VersionConflict):
            return False  # Erased meanwhile; or too much at once: it is still there in the next round.


def _pause_s(interval_s: float, failures: int) -> float:
    """Until the next round: the longer the more of them failed, and never the same for two pollers."""
    if not failures:
        return interval_s
    longest_s = min(interval_s * 2 ** min(failures, 16), BACKOFF_S_MAX)
    return random.uniform(longest_s / 2, longest_s)  # noqa: S311 - jitter


def _person(row: asyncpg.Record, unsealer: Unsealer) -> tuple[UUID, Document, str] | None:
    """Person, document and name. None where they cannot be read any more."""
    person_id: UUID = row["person_id"]
    try:
        number = unsealer.unseal(person_id, "document", row["document"])
        name = unsealer.unseal(person_id, "name", row["name"])
        if isinstance(number, str) and isinstance(name, str):
            return person_id, Document(type=DocumentType(row["document_type"]), number=number), name
    except (SealBroken, ValidationError) as error:
        log.error("poller.row_unreadable", error_type=type(error).__name__)
    return None
