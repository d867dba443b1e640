"""Who changed what is known of somebody, and whose people's record an authority may read at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from contracts.access import Reach
from contracts.gatekeeper import EntryAttempted, PaperEntryRecorded
from contracts.registration import FamilyMemberPreRegistered, PersonPreRegistered, RosterMemberImported
from reporting.read_models.changes import Change

MAKES_KNOWN = [
    each.fact()
    for each in (PersonPreRegistered, FamilyMemberPreRegistered, RosterMemberImported, EntryAttempted, PaperEntryRecorded)
]
"""What makes somebody one of a contract's people. A form that waits for a declaration does not: anybody's number can be typed."""

PAGE = """
SELECT person_id, service, version, at, kind, account, role, proposed_by, contract_no FROM change_v1
WHERE person_id = $1 AND ($2::timestamptz IS NULL OR (at, service, version) < ($2, $3::text, $4::bigint))
ORDER BY at DESC, service DESC, version DESC
LIMIT $5
"""
IS_WITHIN_REACH = """
SELECT EXISTS (
    SELECT FROM change_v1 AS told JOIN supervision_contract_v1 AS c USING (contract_no)
    WHERE told.person_id = $1 AND told.kind = ANY ($2)
      AND ($3::text[] IS NULL OR c.station_name = ANY ($3)) AND ($4::text[] IS NULL OR c.district = ANY ($4)))
"""


class Place(NamedTuple):
    """Where a page may end."""

    at: datetime
    service: str
    version: int


async def is_within_reach(pool: asyncpg.Pool, person_id: UUID, reach: Reach) -> bool:
    """Whether the person is or was on any contract of these, to work or as family."""
    found: bool = await pool.fetchval(IS_WITHIN_REACH, person_id, MAKES_KNOWN, *reach.bounds)
    return found


async def page_of_changes(pool: asyncpg.Pool, person_id: UUID, *, after: Place | None, limit: int) -> Sequence[Change]:
    """The latest first, by when they were recorded."""
    rows = await pool.fetch(PAGE, person_id, *(after or (None, None, None)), limit)
    return [Change(*row) for row in rows]
