"""Dispositions about many people: proposed by one account, carried out when another one has approved them.

A proposal is no fact about anybody, and so a plain row. What it leads to are `DispositionChanged`, one a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg

from contracts.health import Disposition, IsolationMethod
from contracts.rejection import Rejection
from contracts.times import shanghai_date
from health.domain.commands import ChangeDisposition

ALONE_PEOPLE_MAX = 20
"""People about whom one person alone may decide at once."""
WAITS_HOURS_MAX = 72
"""How long a proposal waits for its second person: the facts that it rests on grow old."""


class SecondPersonIsTheFirst(Rejection):
    """Four eyes: officials have used health codes to stop people who were not ill."""

    code = "second-person-is-the-first"
    title_zh = "批量处置须由另一人审核"
    title_en = "Another person than the one who proposed it must approve this"


class ProposalHasLapsed(Rejection):
    """What was proposed days ago rests on facts of then. It is proposed again."""

    code = "proposal-has-lapsed"
    title_zh = "批量处置申请已超过审核期限，请重新提交"
    title_en = "The proposal has waited too long and must be made again"


@dataclass(frozen=True, slots=True)
class Batch:
    """Fields are the table's columns."""

    batch_id: UUID
    contract_no: str
    person_ids: Sequence[UUID]
    disposition: Disposition
    isolation_from: date | None
    isolation_until: date | None
    method: IsolationMethod | None
    reason_code: str
    evidence: Sequence[str] | None
    """Sealed, in the order of the people."""
    release_documents: Sequence[str] | None
    """Likewise."""
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    review_on: date | None = None

    @property
    def needs_second_person(self) -> bool:
        return len(self.person_ids) > ALONE_PEOPLE_MAX

    @property
    def waits(self) -> bool:
        return self.needs_second_person and self.approved_by is None

    @property
    def decided_by(self) -> tuple[str, ...]:
        """Who answers for it, as far as it has come."""
        return (self.proposed_by,) if self.approved_by is None else (self.proposed_by, self.approved_by)

    def commands(self, at: datetime) -> dict[UUID, ChangeDisposition]:
        """What it leads to, of each person."""
        return {
            person_id: ChangeDisposition(
                person_id=person_id,
                contract_no=self.contract_no,
                disposition=self.disposition,
                isolation_from=self.isolation_from,
                isolation_until=self.isolation_until,
                method=self.method,
                reason_code=self.reason_code,
                evidence=self.evidence[n] if self.evidence else None,
                release_document=self.release_documents[n] if self.release_documents else None,
                decided_by=self.decided_by,
                at=at,
                review_on=self._review_on(at),
            )
            for n, person_id in enumerate(self.person_ids)
        }

    def _review_on(self, at: datetime) -> date | None:
        """A day that came and went while the proposal waited means today: a date must not keep a ban from being one."""
        proposed_on, today = shanghai_date(self.proposed_at), shanghai_date(at)
        has_passed = self.review_on is not None and proposed_on <= self.review_on < today
        return today if has_passed else self.review_on


COLUMNS = ", ".join(each.name for each in fields(Batch))
VALUES = ", ".join(f"${n}" for n in range(1, len(fields(Batch)) + 1))


async def propose(pool: asyncpg.Pool, batch: Batch) -> Batch:
    """The proposal as it is stored: once, however often it is sent."""
    await pool.execute(
        f"INSERT INTO disposition_batch ({COLUMNS}) VALUES ({VALUES}) ON CONFLICT (batch_id) DO NOTHING",  # noqa: S608 - constants
        *asdict(batch).values(),
    )
    stored = await batch_of(pool, batch.batch_id)
    if stored is None:
        raise AssertionError("nobody removes a proposal")
    return stored


async def batch_of(pool: asyncpg.Pool, batch_id: UUID) -> Batch | None:
    row = await pool.fetchrow(f"SELECT {COLUMNS} FROM disposition_batch WHERE batch_id = $1", batch_id)  # noqa: S608 - constants
    if row is None:
        return None
    stored = Batch(**row)
    method = None if stored.method is None else IsolationMethod(stored.method)
    return replace(stored, disposition=Disposition(stored.disposition), method=method)


async def approve(pool: asyncpg.Pool, batch: Batch, *, account: str, at: datetime) -> Batch:
    """The proposal, approved; whoever came first stays the one who did. Raises: SecondPersonIsTheFirst, ProposalHasLapsed."""
    if account == batch.proposed_by:
        raise SecondPersonIsTheFirst
    if not batch.waits:
        return batch
    if at - batch.proposed_at > timedelta(hours=WAITS_HOURS_MAX):
        raise ProposalHasLapsed
    await pool.execute(
        "UPDATE disposition_batch SET approved_by = $2, approved_at = $3 WHERE batch_id = $1 AND approved_by IS NULL",
        batch.batch_id,
        account,
        at,
    )
    return await batch_of(pool, batch.batch_id) or batch
