"""Who was shown somebody: the key server's record of one person, with the reasons that stand beside the reveals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from chassis.key_server import Access
from chassis.sealing import Sealing

REASON_AGE_MAX = timedelta(minutes=1)
"""A reveal is recorded here first and at the key server at once, or not at all."""

# A reveal's reason stands in a row of the same account and person, the last one before the key was given out.
REASONS = """
SELECT asked.access_id, told.reason_code, told.reference, told.contract_no
FROM unnest($2::bigint[], $3::text[], $4::timestamptz[]) AS asked (access_id, actor, at)
CROSS JOIN LATERAL (
    SELECT reason_code, reference, contract_no FROM reveal
    WHERE person_id = $1 AND actor = asked.actor AND reveal.at BETWEEN asked.at - $5::interval AND asked.at + $5::interval
    ORDER BY abs(extract(epoch FROM reveal.at - asked.at)) LIMIT 1
) AS told
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why somebody was shown unmasked."""

    reason_code: str
    reference: str | None
    contract_no: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the record."""

    access: Access
    reason: Reason | None


async def access_log(pool: asyncpg.Pool, sealing: Sealing, person_id: UUID, *, before: int, limit: int) -> Sequence[Line]:
    """Newest first. Raises: KeyServerUnavailable."""
    found = await sealing.accesses(person_id, before=before, limit=limit)
    keys = [each.access_id for each in found], [each.actor for each in found], [each.at for each in found]
    rows = await pool.fetch(REASONS, person_id, *keys, REASON_AGE_MAX)
    reasons = {row["access_id"]: Reason(row["reason_code"], row["reference"], row["contract_no"]) for row in rows}
    return [Line(each, reasons.get(each.access_id) if each.is_reveal else None) for each in found]
