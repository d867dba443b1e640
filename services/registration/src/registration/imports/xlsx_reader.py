"""Reads the first sheet of an XLSX file: `python xlsx_reader.py ROWS_MAX COLUMNS_MAX < file > rows.json`.

A process of its own, because a hostile file can end the one that reads it (see `files.py`). Imports nothing of ours. Writes
`[[[text, is_number], …], …]`, or ends with one of the codes below.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from datetime import date, datetime, time, timedelta

NOT_READABLE, TOO_LARGE = 3, 4
MEMORY_BYTES_MAX = 768 * 1024 * 1024
CPU_S_MAX = 15


def read(content: bytes, *, rows_max: int, columns_max: int) -> list[list[tuple[str, bool]]]:
    """Raises: SystemExit with `NOT_READABLE` or `TOO_LARGE`."""
    import python_calamine

    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = workbook.get_sheet_by_index(0)
    except (python_calamine.CalamineError, ValueError, OSError, IndexError):
        sys.exit(NOT_READABLE)
    if sheet.total_height > rows_max or sheet.total_width > columns_max:
        sys.exit(TOO_LARGE)
    return [[_cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]


def _cell(value: object) -> tuple[str, bool]:
    match value:
        case bool():
            return ("是" if value else "否", False)
        case int() | float():
            return (str(int(value)) if value == int(value) else repr(value), True)
        case datetime():
            return (value.date().isoformat() if value.time() == time() else value.isoformat(), False)
        case date() | time() | timedelta():
            return (str(value), False)
        case _:
            return (str(value).strip(), False)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        rows = read(sys.stdin.buffer.read(), rows_max=int(sys.argv[1]), columns_max=int(sys.argv[2]))
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (MemoryError, OverflowError):
        sys.exit(TOO_LARGE)
    sys.stdout.buffer.write(text.encode(errors="replace"))


if __name__ == "__main__":
    main()
