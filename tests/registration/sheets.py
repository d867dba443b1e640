"""Files as people hand them in, with what does not matter filled in."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xlsxwriter

from tests.registration.asking import citizen
from tests.registration.facts import EMPLOYER

ROSTER = ("证件类型", "身份证号", "姓名", "人员类别", "工种", "用人单位", "在场")
FORMS = ("证件类型", "身份证号", "姓名", "人员类别", "工种", "用人单位", "出发地代码", "出发地", "到沪日期", "手机号")
CONTRACTS = (
    *("合同报送编号", "报建编号", "项目名称", "总包单位统一社会信用代码", "总包单位", "总包单位类型", "所在监督站", "所在区"),
    *("用人单位统一社会信用代码", "用人单位", "分包合同编号"),
)
Row = Mapping[str, Any]


def member(n: int, **changes: Any) -> Row:
    """Somebody on the old roster, by column."""
    return {
        "证件类型": "居民身份证",
        "身份证号": citizen(n)["number"],
        "姓名": "张小三",
        "人员类别": "作业人员",
        "工种": "020 钢筋工",
        "用人单位": f"{EMPLOYER} 上海测试劳务有限公司",
        "在场": "否",
    } | changes


def reported(contract_no: str, **changes: Any) -> Row:
    """A contract with its first employer, by column."""
    return {
        "合同报送编号": contract_no,
        "报建编号": "1902HK0001",
        "项目名称": "测试4444",
        "总包单位统一社会信用代码": "91310000000000029R",
        "总包单位": "上海建工集团股份有限公司",
        "总包单位类型": "施工企业",
        "所在监督站": "虹口",
        "所在区": "虹口",
        "用人单位统一社会信用代码": EMPLOYER,
        "用人单位": "上海测试劳务有限公司",
    } | changes


def filled_form(n: int, **changes: Any) -> Row:
    """A form 进场预登记, by column."""
    return {
        **member(n),
        "出发地代码": "320600",
        "出发地": "江苏省南通市",
        "到沪日期": "2020-02-17",
        "手机号": "13800000011",
    } | changes


def as_csv(rows: Sequence[Row], header: Sequence[str] = ROSTER, *, encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([str(row.get(name, "")) for name in header] for row in rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: Sequence[Row], header: Sequence[str] = ROSTER) -> bytes:
    """Numbers stay numbers, as where somebody types them into a cell."""
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = workbook.add_worksheet()
    for line, row in enumerate([dict(zip(header, header, strict=True)), *rows]):
        for column, name in enumerate(header):
            value = row.get(name, "")
            write = sheet.write_string if isinstance(value, str) else sheet.write
            write(line, column, value)
    workbook.close()
    return content.getvalue()


def repacked(content: bytes, change: Callable[[str, bytes], bytes], *, more: Mapping[str, bytes] = {}) -> bytes:
    """The same workbook with its parts changed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)))
        for name, part in more.items():
            after.writestr(name, part)
    return packed.getvalue()
