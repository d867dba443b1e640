"""From an uploaded file to rows of cells. Nothing of it is believed: every size is bounded before and while it is read.

An XLSX file is a zip of XML. A few kilobytes of it can unpack to gigabytes, and one cell in the last row of the last column
makes its reader ask for as much memory as the whole sheet has cells, which ends the process. So what it says of its sizes is
looked at first, and it is read in a process of its own, which may take so much memory and time and knows no secret.
"""

from __future__ import annotations

import asyncio
import csv
import io
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from chassis.faults import Unavailable
from contracts.rejection import Rejection
from registration.imports import xlsx_reader

ROWS_MAX = 20_000
"""Without the header."""
COLUMNS_MAX = 40
CELL_CHARS_MAX = 1_000
UNPACKED_BYTES_MAX = 64 * 1024 * 1024
RATIO_MAX = 100
"""Of unpacked to packed size. Real sheets reach twenty."""
SMALL_BYTES_MAX = 1024 * 1024
"""What unpacks to less may be packed as well as it can be."""
PARTS_MAX = 500
READ_S_MAX = 20.0
READERS_MAX = 2
"""Files that a process reads at once."""

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV: Final = "text/csv"
MediaType = Literal["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv"]


class FileIsNotReadable(Rejection):
    """Not what its content type says, damaged, encrypted, or in a character set that is neither UTF-8 nor GB 18030."""

    code = "file-is-not-readable"
    status = 422
    title_zh = "文件无法读取,请使用 XLSX 或 CSV(UTF-8、GB 18030)格式"
    title_en = "The file cannot be read: XLSX, or CSV in UTF-8 or GB 18030"


class FileIsTooLarge(Rejection):
    """More rows, columns, text or unpacked bytes than one import takes."""

    code = "file-is-too-large"
    status = 422
    title_zh = "文件内容过大,请分成几个文件"
    title_en = "The file holds too much: split it"


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell, as a person would read it."""

    text: str
    is_number: bool = False
    """Excel keeps fifteen digits of a number: whatever identifies somebody must be a text."""


_readers = asyncio.Semaphore(READERS_MAX)


async def cells_of(content: bytes, media_type: MediaType) -> Sequence[Sequence[Cell]]:
    """All rows, the header first, each as wide as it is. Raises: FileIsNotReadable, FileIsTooLarge, Unavailable."""
    async with _readers:
        if media_type == CSV:
            return await asyncio.to_thread(_csv_rows, content)
        _require_modest(content)
        return await _xlsx_rows(content)


def _csv_rows(content: bytes) -> list[list[Cell]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise FileIsNotReadable from None
    if "\0" in text:
        raise FileIsNotReadable
    rows: list[list[Cell]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            rows.append([Cell(value.strip()) for value in row])
            _require_bounded(len(rows), max(map(len, row), default=0), len(row))
    except csv.Error:
        raise FileIsNotReadable from None
    return rows


def _require_modest(content: bytes) -> None:
    """What the archive says of itself. That it lies is found by whoever unpacks it."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise FileIsNotReadable from None
    names = [part.filename for part in parts]
    if any(part.flag_bits & 1 for part in parts) or len(set(names)) < len(names) or "xl/workbook.xml" not in names:
        raise FileIsNotReadable
    unpacked, packed = (sum(getattr(part, size) for part in parts) for size in ("file_size", "compress_size"))
    if len(parts) > PARTS_MAX or unpacked > UNPACKED_BYTES_MAX or (unpacked > SMALL_BYTES_MAX and unpacked > packed * RATIO_MAX):
        raise FileIsTooLarge


async def _xlsx_rows(content: bytes) -> list[list[Cell]]:
    command = [sys.executable, "-I", xlsx_reader.__file__, str(ROWS_MAX + 1), str(COLUMNS_MAX)]
    reader = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={}
    )
    try:
        async with asyncio.timeout(READ_S_MAX):
            told, _ = await reader.communicate(content)
    except TimeoutError:
        raise FileIsTooLarge from None
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    if reader.returncode == xlsx_reader.TOO_LARGE or (reader.returncode or 0) < 0:
        raise FileIsTooLarge  # A signal ended it: out of memory or of time.
    if reader.returncode == xlsx_reader.NOT_READABLE:
        raise FileIsNotReadable
    if reader.returncode:
        raise Unavailable(retry_after_s=5)
    rows = [[Cell(text, is_number) for text, is_number in row] for row in orjson.loads(told)]
    for row in rows:
        _require_bounded(len(rows), max((len(cell.text) for cell in row), default=0), len(row))
    return rows


def _require_bounded(rows: int, chars: int, columns: int) -> None:
    if rows > ROWS_MAX + 1 or chars > CELL_CHARS_MAX or columns > COLUMNS_MAX:
        raise FileIsTooLarge
