"""From a file to rows: what is read, what is refused, and what a hostile one can do."""

from __future__ import annotations

import io
import time
from datetime import date

import pytest
import xlsxwriter

from contracts.rejection import Rejection
from registration.bodies import PreRegistrationBody, RosterRowBody
from registration.imports.columns import (
    COLUMNS,
    REFUSED_COLUMNS,
    REFUSED_FOR,
    ColumnsAreWrong,
    ImportKind,
    RowIsWrong,
    read_row,
    require_columns,
)
from registration.imports.files import COLUMNS_MAX, CSV, ROWS_MAX, XLSX, Cell, FileIsNotReadable, FileIsTooLarge, cells_of
from registration.imports.workbooks import RefusedRow, refused_rows, template
from tests.registration.sheets import FORMS, ROSTER, as_csv, as_xlsx, filled_form, member, repacked

FORMULAS = ("=1+1", "+86", "-1", "@SUM(A1)", "\t=1+1", "https://example.org", "=HYPERLINK(1)")


def texts(row: object) -> list[str]:
    return [cell.text for cell in row]  # type: ignore[attr-defined]


class TestXlsx:
    async def test_is_read_as_people_see_it(self) -> None:
        row = member(1, 姓名=" 张小三 ", 在场=True, 工种="")
        header, first = await cells_of(as_xlsx([row]), XLSX)
        assert list(ROSTER) == texts(header)
        assert ["张小三", "", "是"] == [texts(first)[ROSTER.index(name)] for name in ("姓名", "工种", "在场")]

    async def test_tells_numbers_from_texts(self) -> None:
        _, row = await cells_of(as_xlsx([member(1, 身份证号=310109199001011234, 姓名="1")]), XLSX)
        assert {"身份证号"} == {name for name, cell in zip(ROSTER, row, strict=True) if cell.is_number}

    async def test_tells_a_date_as_a_day(self) -> None:
        content = io.BytesIO()
        workbook = xlsxwriter.Workbook(content, {"in_memory": True})
        workbook.add_worksheet().write_datetime(0, 0, date(2020, 2, 3), workbook.add_format({"num_format": "yyyy-mm-dd"}))
        workbook.close()
        assert [["2020-02-03"]] == [texts(row) for row in await cells_of(content.getvalue(), XLSX)]

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b\r\n1,2\r\n", b"\xd0\xcf\x11\xe0" + b"\0" * 512])
    async def test_is_refused_where_it_is_none(self, content: bytes) -> None:
        with pytest.raises(FileIsNotReadable):
            await cells_of(content, XLSX)

    async def test_is_refused_where_it_is_damaged(self) -> None:
        whole = as_xlsx([member(1)])
        with pytest.raises(FileIsNotReadable):
            await cells_of(whole[: len(whole) // 2], XLSX)
        with pytest.raises(FileIsNotReadable):
            await cells_of(repacked(whole, lambda name, part: part[:-30] if "sheet1" in name else part), XLSX)


class TestBomb:
    """Each small, each too much for whoever believes it."""

    async def refused_soon(self, content: bytes) -> type[Rejection]:
        began = time.monotonic()
        with pytest.raises((FileIsTooLarge, FileIsNotReadable)) as refused:
            await cells_of(content, XLSX)
        assert time.monotonic() - began < 30
        return refused.type

    async def test_that_unpacks_to_a_gigabyte(self) -> None:
        zeros = b" " * (80 * 1024 * 1024)
        content = repacked(as_xlsx([member(1)]), lambda name, part: part, more={"xl/media/a.bin": zeros})
        assert len(content) < 200_000
        assert FileIsTooLarge is await self.refused_soon(content)

    async def test_that_packs_too_well(self) -> None:
        content = repacked(as_xlsx([member(1)]), lambda _, part: part, more={"xl/a.bin": b" " * (8 * 1024 * 1024)})
        assert FileIsTooLarge is await self.refused_soon(content)

    async def test_with_one_cell_at_the_end_of_the_sheet(self) -> None:
        """The reader asks for the whole rectangle at once, cannot have it, and aborts: not this process."""
        far = repacked(
            as_xlsx([member(1)]),
            lambda name, part: part.replace(b'<row r="2"', b'<row r="1048576"').replace(b'r="G2"', b'r="XFD1048576"'),
        )
        assert FileIsTooLarge is await self.refused_soon(far)

    async def test_of_one_long_text_in_every_cell(self) -> None:
        long = repacked(
            as_xlsx([member(n) for n in range(1_000)]),
            lambda name, part: part.replace("张小三".encode(), b"x" * 900_000) if name.endswith("sharedStrings.xml") else part,
        )
        assert FileIsTooLarge is await self.refused_soon(long)

    async def test_of_entities_that_expand(self) -> None:
        entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
            b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
        )
        expanding = repacked(
            as_xlsx([member(1)]),
            lambda name, part: (
                part.replace(b"<sst", entities + b"]><sst").replace("张小三".encode(), b"&j;") if "sharedStrings" in name else part
            ),
        )
        try:
            rows = await cells_of(expanding, XLSX)
        except (FileIsNotReadable, FileIsTooLarge):
            return
        assert max(len(text) for row in rows for text in texts(row)) < 100, "nothing was expanded"

    async def test_of_more_rows_or_columns_than_are_taken(self) -> None:
        wide = as_xlsx([], [f"c{n}" for n in range(COLUMNS_MAX + 1)])
        assert FileIsTooLarge is await self.refused_soon(wide)
        tall = as_xlsx([{"a": "1"}] * (ROWS_MAX + 1), ["a"])
        assert FileIsTooLarge is await self.refused_soon(tall)


class TestCsv:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    async def test_is_read_as_excel_writes_it_here(self, encoding: str) -> None:
        rows = await cells_of(as_csv([member(1, 姓名='张,"小"三')], encoding=encoding), CSV)
        assert ['张,"小"三'] == [texts(row)[2] for row in rows[1:]]

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a\0b", b'a,"b'])
    async def test_is_refused_where_it_is_none(self, content: bytes) -> None:
        with pytest.raises(FileIsNotReadable):
            await cells_of(content, CSV)

    @pytest.mark.parametrize("content", [b"a\n" * (ROWS_MAX + 2), b"," * COLUMNS_MAX, b"x" * 1_001])
    async def test_is_bounded(self, content: bytes) -> None:
        with pytest.raises(FileIsTooLarge):
            await cells_of(content, CSV)


class TestColumns:
    def test_stand_in_any_order_and_may_lack_what_need_not_be_filled_in(self) -> None:
        require_columns(ImportKind.ROSTER, [name for name in reversed(ROSTER) if name != "工种"])
        require_columns(ImportKind.PRE_REGISTRATION, FORMS)

    @pytest.mark.parametrize("header", [ROSTER[1:], (*ROSTER, "备注"), (*ROSTER, "姓名"), ()])
    def test_are_the_template_s(self, header: tuple[str, ...]) -> None:
        with pytest.raises(ColumnsAreWrong):
            require_columns(ImportKind.ROSTER, header)


class TestRow:
    def cells(self, row: object, header: tuple[str, ...] = ROSTER) -> list[Cell]:
        return [Cell(str(row[name])) for name in header]  # type: ignore[index]

    def test_says_what_a_request_would(self) -> None:
        read = read_row(ImportKind.ROSTER, ROSTER, self.cells(member(1, 在场="是")))
        assert isinstance(read, RosterRowBody)
        assert ("020", True, "worker") == (read.trade, read.on_site, read.person_kind)
        form = read_row(ImportKind.PRE_REGISTRATION, FORMS, self.cells(filled_form(1), FORMS))
        assert isinstance(form, PreRegistrationBody)
        assert (date(2020, 2, 17), "320600") == (form.arrival_date, form.origin.code)

    @pytest.mark.parametrize(
        ("changes", "wrong"),
        [
            ({"身份证号": "310109199001011234"}, ["身份证号"]),
            ({"身份证号": ""}, ["身份证号"]),
            ({"证件类型": "身份证"}, ["证件类型"]),
            ({"姓名": "张\u200b三", "在场": "也许"}, ["姓名", "在场"]),
            ({"人员类别": "现场管理人员"}, ["工种"]),
            ({"工种": "20"}, ["工种"]),
            ({"用人单位": "上海测试劳务有限公司"}, ["用人单位"]),
        ],
    )
    def test_is_refused_by_the_columns_that_are_wrong(self, changes: dict[str, str], wrong: list[str]) -> None:
        with pytest.raises(RowIsWrong) as refused:
            read_row(ImportKind.ROSTER, ROSTER, self.cells(member(1, **changes)))
        assert set(wrong) == set(refused.value.columns)

    @pytest.mark.parametrize("name", ["身份证号", "工种", "用人单位"])
    def test_has_no_number_where_digits_get_lost(self, name: str) -> None:
        cells = [Cell(cell.text, is_number=header == name) for header, cell in zip(ROSTER, self.cells(member(1)), strict=True)]
        with pytest.raises(RowIsWrong) as refused:
            read_row(ImportKind.ROSTER, ROSTER, cells)
        assert [name] == refused.value.columns


class TestWorkbook:
    @pytest.mark.parametrize("kind", list(ImportKind))
    async def test_template_has_the_columns_and_lists_to_choose_from(self, kind: ImportKind) -> None:
        content = template(kind, ["91310109MA1A00002C 上海测试劳务有限公司"])
        [header] = await cells_of(content, XLSX)
        assert [column.header for column in COLUMNS[kind]] == texts(header)
        require_columns(kind, texts(header))
        lists = [b"dataValidation " in part for part in parts(content)]
        assert any(lists)

    async def test_of_refused_rows_holds_texts_only(self) -> None:
        rows = [RefusedRow([text] * 2, "row-is-wrong", ["姓名"]) for text in FORMULAS]
        content = refused_rows(["身份证号", "姓名"], rows, watermark="account 2020-02-18 09:00")
        header, *read = await cells_of(content, XLSX)
        assert ["身份证号", "姓名", REFUSED_FOR, REFUSED_COLUMNS] == texts(header)
        assert [text.strip() for text in FORMULAS] == [texts(row)[0] for row in read]
        assert not any(cell.is_number for row in read for cell in row)
        assert not any(b"<f>" in part or b"<hyperlink" in part for part in parts(content))
        assert any(b"account 2020-02-18 09:00" in part for part in parts(content))


def parts(content: bytes) -> list[bytes]:
    found: list[bytes] = []

    def keep(_: str, part: bytes) -> bytes:
        found.append(part)
        return part

    repacked(content, keep)
    return found
