"""Files of rosters and forms, handed in and worked on row by row by registration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls, Download, File
from portal.upstream.registration import SERVICE

ROWS = 100


class Import(BaseModel):
    import_id: UUID
    kind: str
    contract_no: str | None
    dry_run: bool
    state: str
    rows: int
    waiting: int
    applied: int
    unchanged: int
    awaiting: int
    refused: int
    handed_in_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        return self.state == "finished"


class Row(BaseModel):
    row_no: int
    outcome: str
    code: str | None
    wrong_columns: list[str]


class Rows(BaseModel):
    items: list[Row]
    next: int | None


@dataclass(frozen=True)
class Imports:
    calls: Calls
    caller: Caller

    async def template(self, contract_no: str, kind: str) -> Download:
        return await self.calls.download(self.caller, SERVICE, f"/v1/contracts/{contract_no}/import-templates/{kind}")

    async def hand_in(self, contract_no: str, kind: str, file: File, *, is_dry_run: bool, key: str) -> Import:
        """Handed in again while it is worked on, it is the same import."""
        path = f"/v1/contracts/{contract_no}/{kind}-imports?dry_run={str(is_dry_run).lower()}"
        return await self.calls.upload(self.caller, SERVICE, path, file, Import, key=key)

    async def read(self, import_id: UUID) -> Import:
        return await self.calls.get(self.caller, SERVICE, f"/v1/imports/{import_id}", Import)

    async def rows(self, import_id: UUID, *, outcome: str | None, after: int) -> Rows:
        """What became of each row."""
        path = f"/v1/imports/{import_id}/rows"
        return await self.calls.get(self.caller, SERVICE, path, Rows, outcome=outcome, after=after or None, limit=ROWS)

    async def refused_rows(self, import_id: UUID) -> Download:
        """A workbook to be corrected. That it was taken is recorded."""
        return await self.calls.download(self.caller, SERVICE, f"/v1/imports/{import_id}/refused-rows")
