"""Asks again for those who had not declared, until they have: whoever declares late is taken up without anybody's act.

One worker holds the lease `poll`. It needs no fence: one that was frozen and goes on beside its successor asks Health Cloud
twice, and the decider takes each declaration once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog
from pydantic import ValidationError

from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable, VersionConflict
from chassis.leases import Lease
from chassis.sealing import Purpose, SealBroken, Sealing, StreamIsErased, Unsealer
from contracts.identity import Document, DocumentType
from healthcloud_bridge.client import AnswerNotUnderstood
from healthcloud_bridge.receiving import Receiving

BATCH_PEOPLE_MAX = 50
"""Rows that one round takes."""
AT_ONCE_MAX = 4
"""Queries under way at the same time: registrars who wait for an answer come first."""
PAUSE_SHARE = 0.05
"""Who has waited for a time is asked for again after this share of it: often at first, then ever more rarely."""
PAUSE_S_MAX = 600.0
AWAITED_DAYS_MAX = 30
"""Who has not declared by then is found by the next look-up only."""
ACTOR = "healthcloud-bridge"
"""Who opened document and name, in the record of the key server."""

# Rows that the projector is about to remove are left alone, so neither waits for the other. What was asked for in the future was
# asked for before the clock was set back.
CLAIM = """
UPDATE awaited_v1 AS a SET polled_at = clock_timestamp()
FROM (
    SELECT person_id, contract_no FROM awaited_v1
    WHERE asked_at > clock_timestamp() - make_interval(days => $2)
      AND (polled_at > clock_timestamp() OR polled_at < clock_timestamp()
          - greatest(make_interval(secs => $3), least((clock_timestamp() - asked_at) * $4, make_interval(secs => $5))))
    ORDER BY polled_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE a.person_id = due.person_id AND a.contract_no = due.contract_no
RETURNING a.person_id, a.document, a.document_type, a.name
"""

log = structlog.get_logger()


@dataclass(frozen=True)
class Poller:
    """The work of the lease `poll`."""

    pool: asyncpg.Pool
    sealing: Sealing
    receiving: Receiving
    interval_s: float

    async def run(self, _lease: Lease) -> None:
        """Ask until cancelled. Whatever is away delays and loses nothing: the rows stay."""
        while True:
            try:
                if received := await self.round():
                    log.info("poller.received", count=received)
            except (Unavailable, *DATABASE_ERRORS) as error:
                log.warning("poller.delayed", error_type=type(error).__name__)
            await asyncio.sleep(self.interval_s)

    async def round(self) -> int:
        """Ask for those who are due; for how many something was declared. Raises: Unavailable and what the database raises."""
        rows = await self.pool.fetch(CLAIM, BATCH_PEOPLE_MAX, AWAITED_DAYS_MAX, self.interval_s, PAUSE_SHARE, PAUSE_S_MAX)
        people = list({row["person_id"]: row for row in rows}.values())  # One query for a person whom several sites expect.
        if not people:
            return 0
        unsealer = await self.sealing.unwrap([row["person_id"] for row in people], actor=ACTOR, purpose=Purpose.PROCESS)
        received = 0
        for first in range(0, len(people), AT_ONCE_MAX):
            received += await self._together([_opened(row, unsealer) for row in people[first : first + AT_ONCE_MAX]])
        return received

    async def _together(self, people: Sequence[tuple[UUID, Document, str] | None]) -> int:
        asked = await asyncio.gather(*(self._ask(*person) for person in people if person is not None), return_exceptions=True)
        for each in asked:
            if isinstance(each, BaseException):
                raise each  # Health Cloud is down for all of them: the rest is asked in a later round.
        return sum(each is True for each in asked)

    async def _ask(self, person_id: UUID, document: Document, name: str) -> bool:
        """Whether something was declared. Raises: HealthCloudUnavailable, Unavailable."""
        try:
            declared = await self.receiving.ask(document, name=name)
        except AnswerNotUnderstood:
            return False  # Logged where it was read. The others are asked all the same.
        if not declared:
            return False
        try:
            await self.receiving.receive(person_id, declared)
        except (StreamIsErased, VersionConflict):
            return False  # Erased meanwhile; or too much at once: it is still there in the next round.
        return True


def _opened(row: asyncpg.Record, unsealer: Unsealer) -> tuple[UUID, Document, str] | None:
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
