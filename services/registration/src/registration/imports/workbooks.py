"""Workbooks that we write: templates with lists to choose from, and refused rows to be corrected and handed in again.

Every cell is a text: nothing becomes a formula, a link or a number, whatever it begins with.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xlsxwriter

from registration.imports.columns import CHOICES_OF_TRADES, COLUMNS, EMPLOYER, REFUSED_COLUMNS, REFUSED_FOR, TRADE, ImportKind
from registration.imports.files import ROWS_MAX

CHOICES_SHEET = "选项"
COLUMN_WIDTH_CHARS = 20
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row as it was handed in, and what is wrong with it."""

    cells: Sequence[str]
    reason: str
    wrong_columns: Sequence[str]


def template(kind: ImportKind, employers: Sequence[str]) -> bytes:
    """An empty workbook to fill in. `employers`: `<credit code> <name>`, those that the contract names."""
    columns = COLUMNS[kind]
    choices: dict[str, Sequence[str]] = {column.header: list(column.choices) for column in columns if column.choices}
    if EMPLOYER in columns:
        choices |= {TRADE.header: CHOICES_OF_TRADES, EMPLOYER.header: employers}
    return _workbook([column.header for column in columns], [], choices, watermark=None)


def refused_rows(header: Sequence[str], rows: Sequence[RefusedRow], *, watermark: str) -> bytes:
    """The rows, with the reason of each in two further columns. `watermark` says who took them, and when."""
    width = len(header)
    cells = [[*_padded(row.cells, width), row.reason, "、".join(row.wrong_columns)] for row in rows]
    return _workbook([*header, REFUSED_FOR, REFUSED_COLUMNS], cells, {}, watermark=watermark)


def _padded(cells: Sequence[str], width: int) -> list[str]:
    return [*cells[:width], *[""] * (width - len(cells))]


def _workbook(
    header: Sequence[str], rows: Sequence[Sequence[str]], choices: Mapping[str, Sequence[str]], *, watermark: str | None
) -> bytes:
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, _OPTIONS)
    text, bold = workbook.add_format({"num_format": "@"}), workbook.add_format({"bold": True, "num_format": "@"})
    sheet = workbook.add_worksheet("导入")
    sheet.set_column(0, len(header) - 1, COLUMN_WIDTH_CHARS, text)
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(header):
        sheet.write_string(0, column, name, bold)
    for line, row in enumerate(rows, 1):
        for column, value in enumerate(row):
            sheet.write_string(line, column, value, text)
    if watermark is not None:
        sheet.set_header(f"&C{watermark}")
        sheet.set_footer(f"&C{watermark}")
        workbook.set_properties({"comments": watermark})
    listed = workbook.add_worksheet(CHOICES_SHEET)
    listed.hide()
    for place, (name, values) in enumerate(choices.items()):
        for line, value in enumerate(values):
            listed.write_string(line, place, value)
        if values and name in header:
            letter = chr(ord("A") + place)
            source = f"={CHOICES_SHEET}!${letter}$1:${letter}${len(values)}"
            at = header.index(name)
            sheet.data_validation(1, at, ROWS_MAX, at, {"validate": "list", "source": source})
    workbook.close()
    return content.getvalue()
