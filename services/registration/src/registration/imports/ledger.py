"""What was handed in, row by row, and what became of it: two plain tables, so that an import goes on where it was cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import asyncpg
from prometheus_client import Counter, Gauge

from chassis.auth import Principal
from chassis.faults import Unavailable
from contracts.access import Role
from registration.imports.columns import ImportKind

KEPT = timedelta(days=7)
"""How long refused rows can be fetched for correction."""

LOOK_EVERY_S = 10.0
ROWS_DECIDED = Counter("gatehouse_import_rows_total", "Rows of imports that were decided, dry runs left out.", ["kind", "outcome"])
UNFINISHED = Gauge("gatehouse_imports_unfinished", "Files being worked on. The same of every worker: take the greatest.")
UNFINISHED_AGE_S = Gauge(
    "gatehouse_import_oldest_unfinished_age_seconds", "Since the oldest of them was handed in; 0: there is none. Likewise."
)

HAND_IN = """
INSERT INTO import_file (import_id, kind, contract_no, account, role, employer_credit_code, is_dry_run, digest, header,
                         handed_in_at, turn_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
ON CONFLICT (kind, contract_no, account, is_dry_run, digest) WHERE finished_at IS NULL DO NOTHING
RETURNING import_id
"""
AT_WORK = """
SELECT import_id FROM import_file
WHERE kind = $1 AND contract_no = $2 AND account = $3 AND is_dry_run = $4 AND digest = $5 AND finished_at IS NULL
"""
ADD_ROWS = """
INSERT INTO import_row (import_id, row_no, outcome, code, content)
SELECT $1, r.* FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) AS r (row_no, outcome, code, content)
"""
FILE = "SELECT * FROM import_file WHERE import_id = $1"
COUNTS = "SELECT coalesce(outcome, 'waiting') AS outcome, count(*) AS rows FROM import_row WHERE import_id = $1 GROUP BY 1"
TAKE_TURN = """
WITH next AS (SELECT import_id FROM import_file WHERE finished_at IS NULL ORDER BY turn_at LIMIT 1)
UPDATE import_file SET turn_at = $1 WHERE import_id = (SELECT import_id FROM next) RETURNING *
"""
WAITING = "SELECT row_no, content FROM import_row WHERE import_id = $1 AND outcome IS NULL ORDER BY row_no LIMIT $2"
# A refused row is kept for correction; of any other nothing need be kept.
RECORD = """
UPDATE import_row AS r
SET outcome = v.outcome, code = v.code, wrong_columns = coalesce(string_to_array(v.wrong_columns, E'\\n'), '{}'),
    content = CASE WHEN v.outcome = 'refused' THEN r.content END
FROM unnest($2::int[], $3::text[], $4::text[], $5::text[]) AS v (row_no, outcome, code, wrong_columns)
WHERE r.import_id = $1 AND r.row_no = v.row_no AND r.outcome IS NULL
"""
FINISH = """
UPDATE import_file AS f SET finished_at = $2
WHERE import_id = $1 AND finished_at IS NULL
  AND NOT EXISTS (SELECT FROM import_row AS r WHERE r.import_id = f.import_id AND r.outcome IS NULL)
"""
ROWS = """
SELECT row_no, outcome, code, wrong_columns FROM import_row
WHERE import_id = $1 AND row_no > $2 AND outcome IS NOT NULL AND ($3::text IS NULL OR outcome = $3)
ORDER BY row_no LIMIT $4
"""
REFUSED = """
SELECT row_no, code, wrong_columns, content FROM import_row
WHERE import_id = $1 AND outcome = 'refused' AND content IS NOT NULL ORDER BY row_no
"""
AT_WORK_NOW = """
SELECT count(*) AS files, coalesce(extract(epoch FROM clock_timestamp() - min(handed_in_at)), 0)::float8 AS oldest_age_s
FROM import_file WHERE finished_at IS NULL
"""
TO_FORGET = """
SELECT import_id FROM import_file AS f
WHERE forgotten_at IS NULL AND finished_at IS NOT NULL
  AND (finished_at < $1 OR NOT EXISTS (SELECT FROM import_row AS r WHERE r.import_id = f.import_id AND r.content IS NOT NULL))
ORDER BY finished_at LIMIT 100
"""
FORGET_ROWS = "UPDATE import_row SET content = NULL WHERE import_id = $1 AND content IS NOT NULL"
FORGET_FILE = "UPDATE import_file SET forgotten_at = $2 WHERE import_id = $1"


class Outcome(StrEnum):
    """What became of a row. In a dry run: what would have."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # it was so before
    AWAITING = "awaiting"  # the form is kept until the person has declared in Health Cloud
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A file, as far as it may be kept."""

    import_id: UUID
    kind: ImportKind
    contract_no: str
    """Empty where the rows are contracts."""
    account: str
    """Who handed it in."""
    role: Role | None
    """As what. None: before that was kept."""
    employer_credit_code: str | None
    """The firm whose people alone that account may register. None: anybody's."""
    is_dry_run: bool
    header: Sequence[str]
    handed_in_at: datetime
    finished_at: datetime | None = None
    forgotten_at: datetime | None = None
    """When what was refused became unreadable."""

    @property
    def principal(self) -> Principal | None:
        """In whose name its rows become facts."""
        return Principal(self.account, self.role) if self.role else None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was handed in."""

    row_no: int
    """As a spreadsheet counts: the header is row 1."""
    content: str
    """The cells, sealed."""
    code: str | None = None
    """Why it is refused at once. None: its turn will come."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a row."""

    row_no: int
    outcome: Outcome
    code: str | None = None
    wrong_columns: Sequence[str] = ()
    """The headers of the cells that cannot be read."""


class Ledger:
    """The tables `import_file` and `import_row`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def hand_in(self, file: HandedIn, digest: bytes, rows: Sequence[Row]) -> UUID:
        """Keep it. The id of the import, which is another one's where the same file is being worked on already."""
        key = (file.kind, file.contract_no, file.account, file.is_dry_run, digest)
        async with self._pool.acquire() as connection, connection.transaction():
            made: UUID | None = await connection.fetchval(
                HAND_IN,
                file.import_id,
                file.kind,
                file.contract_no,
                file.account,
                file.role,
                file.employer_credit_code,
                file.is_dry_run,
                digest,
                file.header,
                file.handed_in_at,
            )
            if made is None:
                at_work: UUID | None = await connection.fetchval(AT_WORK, *key)
                if at_work is not None:
                    return at_work
                raise Unavailable(retry_after_s=1)  # It was finished in this moment.
            await connection.execute(
                ADD_ROWS,
                made,
                [row.row_no for row in rows],
                [Outcome.REFUSED.value if row.code else None for row in rows],
                [row.code for row in rows],
                [row.content for row in rows],
            )
        return made

    async def file(self, import_id: UUID) -> HandedIn | None:
        row = await self._pool.fetchrow(FILE, import_id)
        return None if row is None else _file(row)

    async def counts(self, import_id: UUID) -> dict[str, int]:
        """Rows by outcome; `waiting` for those whose turn has not come."""
        return {row["outcome"]: row["rows"] for row in await self._pool.fetch(COUNTS, import_id)}

    async def take_turn(self, now: datetime) -> HandedIn | None:
        """The file that has waited longest for its turn. None: all are finished."""
        row = await self._pool.fetchrow(TAKE_TURN, now)
        return None if row is None else _file(row)

    async def waiting(self, import_id: UUID, limit: int) -> list[tuple[int, str]]:
        """The next rows to be decided: number and sealed cells."""
        return [(row["row_no"], row["content"]) for row in await self._pool.fetch(WAITING, import_id, limit)]

    async def record(self, import_id: UUID, verdicts: Sequence[Verdict]) -> None:
        outcomes, codes = [each.outcome.value for each in verdicts], [each.code for each in verdicts]
        wrong = ["\n".join(each.wrong_columns) or None for each in verdicts]
        await self._pool.execute(RECORD, import_id, [each.row_no for each in verdicts], outcomes, codes, wrong)

    async def finish(self, import_id: UUID, now: datetime) -> None:
        """Unless a row still waits."""
        await self._pool.execute(FINISH, import_id, now)

    async def rows(self, import_id: UUID, *, after: int, outcome: Outcome | None, limit: int) -> list[asyncpg.Record]:
        """`row_no`, `outcome`, `code` and `wrong_columns` of decided rows."""
        return await self._pool.fetch(ROWS, import_id, after, outcome, limit)

    async def refused(self, import_id: UUID) -> list[asyncpg.Record]:
        """`row_no`, `code`, `wrong_columns` and sealed `content` of the rows that can be corrected."""
        return await self._pool.fetch(REFUSED, import_id)

    async def look(self) -> None:
        """Tell as metrics what is being worked on."""
        (row,) = await self._pool.fetch(AT_WORK_NOW)
        UNFINISHED.set(row["files"])
        UNFINISHED_AGE_S.set(row["oldest_age_s"])

    async def to_forget(self, finished_before: datetime) -> list[UUID]:
        """Some finished imports of which nothing is kept, or was since before then."""
        return [row["import_id"] for row in await self._pool.fetch(TO_FORGET, finished_before)]

    async def forget(self, import_id: UUID, now: datetime) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(FORGET_ROWS, import_id)
            await connection.execute(FORGET_FILE, import_id, now)


def _file(row: asyncpg.Record) -> HandedIn:
    known = {each.name: row[each.name] for each in fields(HandedIn)}
    return HandedIn(**known | {"kind": ImportKind(row["kind"]), "role": row["role"] and Role(row["role"])})
