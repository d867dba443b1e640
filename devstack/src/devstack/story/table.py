"""The supervision table of the manual: what it must say, and how it is printed on a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = {
    "contract_no": "合同报送编号",
    "construction_no": "报建编号",
    "project_name": "项目名称",
    "general_contractor": "总包单位",
    "general_contractor_kind": "总包单位类型",
    "employers": "用人单位(数量)",
    "pre_registered": "预登记人(数量)",
    "present": "用人员(在场数/总数)",
}


@dataclass(frozen=True)
class Table:
    header: str
    rows: Sequence[Sequence[object]]


PUDONG_ROW = ("W2017050130174", "16ZJPD0067", "浦东新区御桥社区02单元", "江苏南通三建集团股份有限公司", "施工企业", 1, 0, "0/987")
HONGKOU_ROW = ("W2019010100011", "1902HK0001", "测试4444", "上海建工集团股份有限公司", "施工企业", 1, 3, "2/13")

EXPECTED = Table("合同(2)个 总包单位(2)个 用工单位(2)个 总登记人数(1000) 在场人数(2)", (PUDONG_ROW, HONGKOU_ROW))
PUDONG_ONLY = Table("合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(987) 在场人数(0)", (PUDONG_ROW,))


def differences(header: str, rows: Sequence[Mapping[str, Any]], *, expected: Table = EXPECTED) -> list[str]:
    """What is not as the manual has it, a sentence each."""
    found = [] if header == expected.header else [f"header: expected {expected.header}, got {header}"]
    shown = [tuple(_cells(row)) for row in rows]
    if len(shown) != len(expected.rows):
        found.append(f"expected {len(expected.rows)} rows, got {len(shown)}")
    found += [f"expected {wanted}, got {got}" for wanted, got in zip(expected.rows, shown, strict=False) if tuple(wanted) != got]
    return found


def printed(header: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table, a line each, columns aligned for a terminal."""
    lines = [["", *COLUMNS.values()], *([str(n), *map(str, _cells(row))] for n, row in enumerate(rows, 1))]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        f"统计信息：{header}",
        *("  ".join(_padded(cell, width) for cell, width in zip(line, widths, strict=True)) for line in lines),
    ]


def _cells(row: Mapping[str, Any]) -> list[object]:
    present = f"{row['on_site']}/{row['registered']}"
    return [present if column == "present" else row[column] for column in COLUMNS]


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
