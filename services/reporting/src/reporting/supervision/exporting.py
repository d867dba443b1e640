"""The tables as workbooks: masked like the screen, every cell a text, marked with who took it and recorded before it is given."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID, uuid4

import asyncpg
import xlsxwriter

from chassis.auth import Principal
from chassis.sealing import Sealing
from contracts.rejection import Rejection
from contracts.times import SHANGHAI
from reporting.supervision.contracts import Row, supervision_table
from reporting.supervision.filters import ContractFilter
from reporting.supervision.people import EmploymentFilter, People, PeopleSet, PersonRow, employments, people
from reporting.supervision.unmasking import Identity, masked

EXPORT_ROWS_MAX = 10_000
"""Rows of one workbook. Whoever needs more narrows the filter."""
COLUMN_WIDTH_CHARS = 18
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when the text is saved as CSV and opened again."""

CONTRACT_HEADER = (
    *("序号", "合同报送编号", "报建编号", "项目名称", "总包单位", "总包单位类型", "所在监督站"),
    *("用人单位(数量)", "预登记人(数量)", "在场数", "总数"),
)
PERSON_HEADER = (
    *("姓名", "证件号码", "合同报送编号", "项目名称", "用人单位", "人员类型", "工种"),
    *("预登记时间", "进场时间", "退场时间", "在场", "处置方式"),
)
COUNTED: Mapping[PeopleSet, str] = MappingProxyType(
    {PeopleSet.PRE_REGISTERED: "预登记人", PeopleSet.REGISTERED: "总登记人数", PeopleSet.ON_SITE: "在场人数"}
)
KINDS: Mapping[str | None, str] = MappingProxyType({"worker": "作业人员", "manager": "现场管理人员"})
DISPOSITIONS: Mapping[str, str] = MappingProxyType(
    {"admissible": "可进场", "quarantine_required": "需隔离", "suspected": "疑似", "confirmed": "确诊"}
)
RECORD = """
INSERT INTO export (export_id, actor, role, exported, rows, as_of, sha256) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


class ExportIsTooLarge(Rejection):
    """A workbook is for people to read, and nobody takes the whole city home."""

    code = "export-is-too-large"
    title_zh = "导出的记录过多,请缩小查询范围"
    title_en = "Too many rows to export: narrow the filter"


@dataclass(frozen=True, slots=True)
class Export:
    """A workbook, and what is recorded of it."""

    export_id: UUID
    content: bytes


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    as_of: datetime
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


async def export_contracts(pool: asyncpg.Pool, wanted: ContractFilter, *, by: Principal) -> Export:
    """合同查询, all rows of the filter. Raises: ExportIsTooLarge."""
    table = await supervision_table(pool, wanted, page=1, rows_max=EXPORT_ROWS_MAX)
    _require_room(table.header.contracts)
    return await _export(pool, _Sheet("合同查询", table.as_of, CONTRACT_HEADER, [_contract(row) for row in table.rows]), by)


async def export_employments(
    pool: asyncpg.Pool, sealing: Sealing, wanted: ContractFilter, of: EmploymentFilter, *, by: Principal
) -> Export:
    """用工查询, all rows of the filter, masked. Raises: ExportIsTooLarge."""
    found = await employments(pool, wanted, of, page=1, rows_max=EXPORT_ROWS_MAX)
    return await _export_of_people(pool, sealing, "用工查询", found, by)


async def export_people(
    pool: asyncpg.Pool, sealing: Sealing, counted: PeopleSet, wanted: ContractFilter, *, by: Principal
) -> Export:
    """Exactly whom the number counts, masked. Raises: ExportIsTooLarge."""
    found = await people(pool, counted, wanted, page=1, rows_max=EXPORT_ROWS_MAX)
    return await _export_of_people(pool, sealing, COUNTED[counted], found, by)


async def _export_of_people(pool: asyncpg.Pool, sealing: Sealing, name: str, found: People, by: Principal) -> Export:
    _require_room(found.total)
    shown = await masked(sealing, found.rows, actor=by.subject)
    rows = [_person(row, identity) for row, identity in zip(found.rows, shown, strict=True)]
    return await _export(pool, _Sheet(name, found.as_of, PERSON_HEADER, rows), by)


def _require_room(rows: int) -> None:
    if rows > EXPORT_ROWS_MAX:
        raise ExportIsTooLarge


async def _export(pool: asyncpg.Pool, sheet: _Sheet, by: Principal) -> Export:
    export_id = uuid4()
    watermark = f"{by.subject} {_shanghai(sheet.as_of)} {export_id}"
    content = await asyncio.to_thread(_workbook, sheet, watermark)
    digest = hashlib.sha256(content).digest()
    await pool.execute(RECORD, export_id, by.subject, by.role, sheet.name, len(sheet.rows), sheet.as_of, digest)
    return Export(export_id, content)


def _workbook(sheet: _Sheet, watermark: str) -> bytes:
    """The watermark stands in the first line, on every printed page, and in the properties."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, _OPTIONS) as workbook:
        text, bold = workbook.add_format({"num_format": "@"}), workbook.add_format({"bold": True, "num_format": "@"})
        page = workbook.add_worksheet(sheet.name)
        page.set_column(0, len(sheet.header) - 1, COLUMN_WIDTH_CHARS, text)
        page.freeze_panes(2, 0)
        page.set_header(f"&C{watermark}")
        page.set_footer(f"&C{watermark}")
        workbook.set_properties({"comments": watermark})
        page.write_string(0, 0, watermark, text)
        for column, name in enumerate(sheet.header):
            page.write_string(1, column, name, bold)
        for line, row in enumerate(sheet.rows, 2):
            for column, value in enumerate(row):
                page.write_string(line, column, _neutralised(value), text)
    return content.getvalue()


def _neutralised(value: str) -> str:
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value


def _contract(row: Row) -> Sequence[str]:
    names = (row.construction_no, row.project_name, row.general_contractor, row.general_contractor_kind, row.station)
    numbers = (row.employers, row.pre_registered, row.on_site, row.registered)
    return [str(row.number), row.contract_no, *names, *map(str, numbers)]


def _person(row: PersonRow, shown: Identity) -> Sequence[str]:
    return [
        shown.name or "",
        shown.document_number or "",
        row.contract_no,
        row.project_name,
        row.employer or row.employer_credit_code or "",
        KINDS.get(row.person_kind, ""),
        row.trade or "",
        *(_shanghai(at) if at else "" for at in (row.pre_registered_at, row.entered_at, row.left_at)),
        "是" if row.on_site else "否",
        DISPOSITIONS.get(row.disposition, row.disposition),
    ]


def _shanghai(time: datetime) -> str:
    return f"{time.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
