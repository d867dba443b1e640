"""What is taken away: the rows of the screen, every cell a text, marked and recorded."""

from __future__ import annotations

import io
from typing import Any

import asyncpg
import pytest
from python_calamine import CalamineWorkbook

from contracts.access import Role
from contracts.health import Disposition
from reporting.supervision import exporting
from tests.in_process import Caller
from tests.reporting import facts
from tests.reporting.city import City, named, on_new_site
from tests.reporting.facts import EMPLOYER, HONGKOU

EXPORTS = "/v1/exports"


async def taken(caller: Caller, **body: Any) -> list[list[Any]]:
    """All lines of the workbook."""
    answered = await caller.post(EXPORTS, body)
    assert 200 == answered.status_code, answered.text
    assert answered.headers["content-disposition"].startswith("attachment")
    return CalamineWorkbook.from_filelike(io.BytesIO(answered.content)).get_sheet_by_index(0).to_python()


class TestExport:
    async def test_of_people_has_the_rows_of_the_screen_masked(self, city: City) -> None:
        site, person = await on_new_site(city), named("张小三")
        entry = facts.attempted(contract_no=site).model_copy(update={"employer_credit_code": EMPLOYER})
        await city.knows(person, facts.pre_registered(contract_no=site), entry, facts.disposed(disposition=Disposition.SUSPECTED))
        await city.knows(named("李四"), facts.imported(contract_no=site))
        _, header, *rows = await taken(city.caller(), table="employments", of_contract=site, on_site=True)
        [row] = rows
        told = dict(zip(header, row, strict=True))
        assert ("张*三", "作业人员", "020", "是", "疑似") == tuple(
            told[name] for name in ("姓名", "人员类型", "工种", "在场", "处置方式")
        )
        assert person.number not in str(rows)
        assert "2020-02-18 09:00:00" == told["进场时间"], "in Shanghai"
        assert 2 == len((await taken(city.caller(), table="employments", of_contract=site))[2:])

    @pytest.mark.parametrize(
        ("counted", "names"), [("registered", ["张*三", "李*"]), ("on_site", ["张*三"]), ("pre_registered", ["王*"])]
    )
    async def test_of_a_number_has_whom_it_counts_masked(self, city: City, counted: str, names: list[str]) -> None:
        site = await on_new_site(city)
        await city.knows(named("张小三"), facts.imported(contract_no=site, on_site=True))
        await city.knows(named("李四"), facts.imported(contract_no=site))
        await city.knows(named("王五"), facts.pre_registered(contract_no=site))
        _, header, *rows = await taken(city.caller(), table="people", set=counted, of_contract=site)
        assert sorted(names) == sorted(dict(zip(header, row, strict=True))["姓名"] for row in rows)

    async def test_of_contracts_has_the_numbers_of_the_screen_as_texts(self, city: City) -> None:
        site = await on_new_site(city)
        await city.knows(named("李四"), facts.imported(contract_no=site, on_site=True))
        _, header, row = await taken(city.caller(), table="contracts", of_contract=site)
        assert {"序号": "1", "合同报送编号": site, "在场数": "1", "总数": "1"}.items() <= dict(
            zip(header, row, strict=True)
        ).items()
        assert all(isinstance(cell, str) for cell in row)

    async def test_holds_no_formula_whatever_a_text_begins_with(self, city: City) -> None:
        name = '=HYPERLINK("http://evil")'
        number = "W-formula"
        await city.tell(facts.reported(number, project_name=name))
        _, header, row = await taken(city.caller(), table="contracts", of_contract=number)
        assert "'" + name == dict(zip(header, row, strict=True))["项目名称"]

    async def test_is_marked_and_recorded_before_it_is_given(self, city: City) -> None:
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        [watermark, *_], *_ = await taken(officer, table="contracts", of_contract=HONGKOU)
        subject, *_, export_id = watermark.split(" ")
        connection = await asyncpg.connect(city.database.owner_dsn)
        [row] = await connection.fetch("SELECT * FROM export WHERE export_id = $1::text::uuid", export_id)
        await connection.close()
        assert (subject, "station_officer", "合同查询", 1) == (row["actor"], row["role"], row["exported"], row["rows"])
        assert officer.principal.subject == subject

    async def test_lies_within_reach(self, city: City) -> None:
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        assert [] == (await taken(officer, table="contracts", of_contract=HONGKOU))[2:]
        assert [] == (await taken(officer, table="employments", of_contract=HONGKOU))[2:]

    async def test_is_refused_where_it_is_too_large(self, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exporting, "EXPORT_ROWS_MAX", 1)
        refused = await city.caller().post(EXPORTS, {"table": "contracts"})
        assert (409, "export-is-too-large") == (refused.status_code, refused.json()["code"])

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"table": "people"},
            {"table": "people", "set": "on_site", "trade": "020"},
            {"table": "employments", "set": "on_site"},
            {"table": "contracts", "on_site": True},
            {"table": "contracts", "x": 1},
        ],
    )
    async def test_is_of_a_table_with_its_own_filters(self, city: City, body: dict[str, Any]) -> None:
        assert 422 == (await city.caller().post(EXPORTS, body)).status_code
