"""Files of rosters and forms: every row gets its verdict, once, whatever happens meanwhile. Real app, PostgreSQL and key server."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from contracts.access import Role
from registration import import_api
from registration.imports.files import CSV, XLSX, cells_of
from registration.imports.ledger import KEPT, Ledger, Verdict
from registration.imports.running import ROWS_AT_ONCE
from tests.in_process import Caller
from tests.measured import measured, risen
from tests.registration.asking import citizen, declare, number, path, report
from tests.registration.facts import EMPLOYER, OTHER_EMPLOYER
from tests.registration.importing import finished, forms, rosters, worked_on
from tests.registration.service import Running
from tests.registration.sheets import CONTRACTS, FORMS, as_csv, as_xlsx, filled_form, member, reported


@pytest.fixture
async def running(service: Running) -> Running:
    await finished(service)  # Nothing of another test is left.
    return await service.for_one_test()


CONTRACT_IMPORTS = "/v1/contract-imports"


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    return response.status_code, response.json()["code"]


async def verdicts(operator: Caller, import_id: str, **query: Any) -> list[tuple[int, str, str | None]]:
    rows = (await operator.get(f"/v1/imports/{import_id}/rows", **query)).json()["items"]
    return [(row["row_no"], row["outcome"], row["code"]) for row in rows]


class TestRoster:
    @pytest.mark.parametrize("media_type", [XLSX, CSV])
    async def test_is_imported_row_by_row(self, running: Running, contract_no: str, operator: Caller, media_type: str) -> None:
        rows = [member(1), member(2, 在场="是"), member(3, 用人单位=OTHER_EMPLOYER), member(4, 姓名=""), member(1)]
        content = as_xlsx(rows) if media_type == XLSX else as_csv(rows)
        applied, refused = (risen("gatehouse_import_rows_total", kind="roster", outcome=each) for each in ("applied", "refused"))
        done = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, media_type))
        assert (5, 2, 3) == (done["rows"], done["applied"], done["refused"])
        expected = [
            (2, "applied", None),
            (3, "applied", None),
            (4, "refused", "employer-is-missing"),
            (5, "refused", "row-is-wrong"),
            (6, "refused", "person-stands-twice"),
        ]
        assert expected == await verdicts(operator, done["import_id"])
        assert 2 == (await running.facts()).count("roster-member-imported")
        assert (2, 2) == (applied(), refused()), "one of the refused ones was refused when it was handed in"

    async def test_is_told_as_a_metric_until_it_is_finished(self, running: Running, contract_no: str, operator: Caller) -> None:
        ledger = running.wired.imports.ledger
        handed_in = await operator.upload(rosters(contract_no), as_csv([member(1)]), CSV)
        names = "gatehouse_imports_unfinished", "gatehouse_import_oldest_unfinished_age_seconds"
        await ledger.look()
        assert (1, True) == (measured(names[0]), bool(measured(names[1])))
        await worked_on(running, operator, handed_in)
        await ledger.look()
        assert [0, 0] == [measured(name) for name in names]

    async def test_counts_rows_as_a_spreadsheet_does(self, running: Running, contract_no: str, operator: Caller) -> None:
        content = as_xlsx([member(1), dict.fromkeys(member(1), ""), member(2)])
        done = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, XLSX))
        assert [2, 4] == [row_no for row_no, *_ in await verdicts(operator, done["import_id"])]

    async def test_with_a_number_for_a_document_is_refused_there(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        content = as_xlsx([member(1), member(2, 身份证号=int(citizen(2)["number"][:17] + "0"))])
        done = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, XLSX))
        refused = (await operator.get(f"/v1/imports/{done['import_id']}/rows", outcome="refused")).json()["items"]
        assert [(3, "row-is-wrong", ["身份证号"])] == [(row["row_no"], row["code"], row["wrong_columns"]) for row in refused]

    async def test_handed_in_twice_at_once_is_one_import(self, running: Running, contract_no: str, operator: Caller) -> None:
        content = as_csv([member(n) for n in range(20)])
        answers = await asyncio.gather(*(operator.upload(rosters(contract_no), content, CSV) for _ in range(5)))
        assert 1 == len({answer.json()["import_id"] for answer in answers})
        assert 20 == (await worked_on(running, operator, answers[0]))["applied"]

    async def test_handed_in_again_changes_nothing(self, running: Running, contract_no: str, operator: Caller) -> None:
        content = as_csv([member(1), member(2), member(3, 用人单位=OTHER_EMPLOYER)])
        first = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV))
        again = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV))
        assert first["import_id"] != again["import_id"]
        assert (0, 2, 1) == (again["applied"], again["unchanged"], again["refused"])
        assert 2 == (await running.facts()).count("roster-member-imported")

    async def test_as_a_dry_run_says_the_same_and_does_nothing(self, running: Running, contract_no: str, operator: Caller) -> None:
        before = await running.facts()
        content = as_csv([member(1), member(2, 用人单位=OTHER_EMPLOYER), member(3, 在场="?")])
        dry = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV, dry_run=True))
        assert dry["dry_run"]
        assert before == await running.facts()
        real = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV))
        assert await verdicts(operator, dry["import_id"]) == await verdicts(operator, real["import_id"])
        assert 1 == (await running.facts()).count("roster-member-imported")


class TestForms:
    async def test_obey_what_a_single_one_obeys(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running)  # Number 0, and nobody else.
        await operator.get(path(contract_no), seen=seen)
        rows = [filled_form(0), filled_form(1), filled_form(2, 用人单位=OTHER_EMPLOYER)]
        content = as_xlsx(rows, FORMS)
        dry = await worked_on(running, operator, await operator.upload(forms(contract_no), content, XLSX, dry_run=True))
        done = await worked_on(running, operator, await operator.upload(forms(contract_no), content, XLSX))
        expected = [(2, "applied", None), (3, "awaiting", None), (4, "refused", "employer-is-missing")]
        assert expected == await verdicts(operator, done["import_id"]) == await verdicts(operator, dry["import_id"])
        assert {"person-pre-registered", "declaration-awaited"} <= {*(facts := await running.facts())}
        assert 2 == sum(fact in ("person-pre-registered", "declaration-awaited") for fact in facts)

    async def test_of_another_firm_are_not_its_registrar_s(self, running: Running, contract_no: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        handed_in = await registrar.upload(forms(contract_no), as_csv([filled_form(1)], FORMS), CSV)
        done = await worked_on(running, registrar, handed_in)
        assert [(2, "refused", "employer-is-missing")] == await verdicts(registrar, done["import_id"])


class TestContracts:
    async def test_are_reported_with_their_employers(self, running: Running, contract_no: str) -> None:
        system, one, other = running.caller(Role.CONTRACT_SYSTEM), number(), number()
        second = {"用人单位统一社会信用代码": OTHER_EMPLOYER, "用人单位": "南通测试劳务有限公司", "分包合同编号": "F001"}
        nobody = dict.fromkeys(second, "")
        rows = [reported(one), reported(one, **second), reported(other, **nobody), reported(number(), 所在区="天上")]
        content = as_xlsx([*rows, reported(number(), 所在监督站="虹口", 所在区="浦东新区")], CONTRACTS)
        dry = await worked_on(running, system, await system.upload(CONTRACT_IMPORTS, content, XLSX, dry_run=True))
        done = await worked_on(running, system, await system.upload(CONTRACT_IMPORTS, content, XLSX))
        assert (3, 2) == (done["applied"], done["refused"])
        refused = [(5, "refused", "row-is-wrong"), (6, "refused", "station-works-elsewhere")]
        assert refused == (await verdicts(system, done["import_id"]))[3:]
        assert await verdicts(system, dry["import_id"]) == await verdicts(system, done["import_id"])
        lead = running.caller(Role.PROJECT_LEAD, one, other)
        assert 2 == len((await lead.get(f"/v1/contracts/{one}/employers")).json()["items"])
        assert [] == (await lead.get(f"/v1/contracts/{other}/employers")).json()["items"]
        again = await worked_on(running, system, await system.upload(CONTRACT_IMPORTS, content, XLSX))
        assert (0, 3, 2) == (again["applied"], again["unchanged"], again["refused"])

    async def test_are_the_contract_system_s_alone(self, running: Running, contract_no: str, operator: Caller) -> None:
        content = as_csv([reported(number())], CONTRACTS)
        assert (403, "forbidden") == problem(await operator.upload(CONTRACT_IMPORTS, content, CSV))
        handed_in = await running.caller(Role.CONTRACT_SYSTEM).upload(CONTRACT_IMPORTS, content, CSV)
        import_id = handed_in.json()["import_id"]
        assert handed_in.json()["contract_no"] is None
        assert (404, "not-found") == problem(await operator.get(f"/v1/imports/{import_id}"))

    async def test_have_a_template(self, running: Running) -> None:
        got = await running.caller(Role.CONTRACT_SYSTEM).get("/v1/import-templates/contract")
        assert list(CONTRACTS) == [cell.text for cell in (await cells_of(got.content, XLSX))[0]]


class TestCutShort:
    async def test_goes_on_where_it_was_and_does_nothing_twice(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed each time after the rows were decided and before their verdicts were recorded."""
        count = ROWS_AT_ONCE + 50
        rows = [member(n) for n in range(count)]
        handed_in = await operator.upload(rosters(contract_no), as_csv(rows), CSV)
        died = Counter[int]()
        record = Ledger.record

        async def record_or_die(ledger: Ledger, import_id: UUID, decided: list[Verdict]) -> None:
            first = decided[0].row_no
            died[first] += 1
            if died[first] <= 2:
                raise ConnectionResetError
            await record(ledger, import_id, decided)

        monkeypatch.setattr(Ledger, "record", record_or_die)
        for _ in range(4):
            with pytest.raises(ConnectionResetError):
                await finished(running)
        done = await worked_on(running, operator, handed_in)
        assert {2: 3, 2 + ROWS_AT_ONCE: 3} == died
        assert (count, 0, 0) == (done["applied"], done["unchanged"], done["refused"])
        assert count == (await running.facts()).count("roster-member-imported")

    async def test_by_two_workers_at_once_does_nothing_twice(self, running: Running, contract_no: str, operator: Caller) -> None:
        handed_in = await operator.upload(rosters(contract_no), as_csv([member(n) for n in range(150)]), CSV)
        await asyncio.gather(*(running.wired.imports.step() for _ in range(3)))
        assert 150 == (await worked_on(running, operator, handed_in))["applied"]
        assert 150 == (await running.facts()).count("roster-member-imported")

    async def test_takes_turns(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.upload(rosters(contract_no), as_csv([member(n) for n in range(ROWS_AT_ONCE * 2)]), CSV)
        small = await operator.upload(rosters(contract_no), as_csv([member(ROWS_AT_ONCE * 2)]), CSV)
        for _ in range(2):
            await running.wired.imports.step()
        assert "finished" == (await operator.get(f"/v1/imports/{small.json()['import_id']}")).json()["state"]


class TestRefusedRows:
    async def test_can_be_corrected_and_handed_in_again(self, running: Running, contract_no: str, operator: Caller) -> None:
        content = as_csv([member(1), member(2, 在场="="), member(3, 姓名="=1+1", 用人单位=OTHER_EMPLOYER)])
        done = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV))
        got = await operator.get(f"/v1/imports/{done['import_id']}/refused-rows")
        assert XLSX == got.headers["content-type"]
        header, second, third = [[cell.text for cell in row] for row in await cells_of(got.content, XLSX)]
        assert ["原因", "有误的列"] == header[-2:]
        assert (["row-is-wrong", "在场"], ["employer-is-missing", ""]) == (second[-2:], third[-2:])
        corrected = [dict(zip(header, row, strict=True)) | {"在场": "是", "用人单位": EMPLOYER} for row in (second, third)]
        again = await worked_on(running, operator, await operator.upload(rosters(contract_no), as_xlsx(corrected, header), XLSX))
        assert (2, 0) == (again["applied"], again["refused"])

    async def test_are_kept_sealed_and_not_for_ever(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = as_csv([member(1), member(2, 姓名="")])
        done = await worked_on(running, operator, await operator.upload(rosters(contract_no), content, CSV))
        kept = await running.wired.pool.fetch("SELECT content FROM import_row WHERE import_id = $1", UUID(done["import_id"]))
        assert {None, "g1.1."} == {row["content"] and row["content"][:5] for row in kept}
        clock = running.wired.imports.clock
        later = clock.now() + KEPT + timedelta(seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)
        await running.wired.imports.forget()
        [header] = await cells_of((await operator.get(f"/v1/imports/{done['import_id']}/refused-rows")).content, XLSX)
        assert "原因" == header[-2].text
        assert [(3, "refused", "row-is-wrong")] == await verdicts(operator, done["import_id"], outcome="refused")


class TestFile:
    @pytest.mark.parametrize(
        ("content", "media_type", "code"),
        [
            (b"PK\x03\x04", XLSX, "file-is-not-readable"),
            (as_csv([]), CSV, "file-has-no-rows"),
            (b"", CSV, "columns-are-wrong"),
            (b"a,b\r\n1,2\r\n", CSV, "columns-are-wrong"),
            (b"x" * 2_000, CSV, "file-is-too-large"),
        ],
    )
    async def test_that_is_none_of_ours_is_refused(
        self, running: Running, contract_no: str, operator: Caller, content: bytes, media_type: str, code: str
    ) -> None:
        assert (422, code) == problem(await operator.upload(rosters(contract_no), content, media_type))
        assert [] == await running.wired.pool.fetch("SELECT FROM import_file WHERE contract_no = $1", contract_no)

    async def test_of_another_kind_is_refused(self, contract_no: str, operator: Caller) -> None:
        assert (415, "unsupported-media-type") == problem(await operator.upload(rosters(contract_no), b"{}", "application/json"))

    async def test_is_seen_by_whoever_may_see_the_contract_only(self, running: Running, contract_no: str, operator: Caller) -> None:
        handed_in = await operator.upload(forms(contract_no), as_csv([filled_form(1)], FORMS), CSV)
        import_id = handed_in.json()["import_id"]
        other = running.caller(Role.SITE_OPERATOR, await report(running))
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        for what in ("", "/rows", "/progress", "/refused-rows"):
            for stranger in (other, registrar):
                assert (404, "not-found") == problem(await stranger.get(f"/v1/imports/{import_id}{what}"))
        assert (404, "not-found") == problem(await operator.get(f"/v1/imports/{uuid4()}"))


class TestProgress:
    async def test_is_told_until_the_end(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [member(n) for n in range(ROWS_AT_ONCE * 2)]
        handed_in = await operator.upload(rosters(contract_no), as_csv(rows), CSV)

        monkeypatch.setattr(import_api, "PROGRESS_EVERY_S", 0.01)
        worker = asyncio.create_task(finished(running))
        told = await operator.get(f"/v1/imports/{handed_in.json()['import_id']}/progress")
        await worker
        assert "text/event-stream" == told.headers["content-type"].partition(";")[0]
        events = [line.removeprefix("data: ") for line in told.text.splitlines() if line.startswith("data: ")]
        states = [httpx2.Response(200, content=event.encode()).json() for event in events]
        assert len(states) >= 2
        assert sorted(each["waiting"] for each in states)[::-1] == [each["waiting"] for each in states]
        assert ("finished", ROWS_AT_ONCE * 2) == (states[-1]["state"], states[-1]["applied"])


class TestTemplate:
    async def test_offers_the_contract_s_employers(self, contract_no: str, operator: Caller) -> None:
        for kind in ("roster", "pre-registration"):
            got = await operator.get(f"/v1/contracts/{contract_no}/import-templates/{kind}")
            assert "attachment" in got.headers["content-disposition"]
            assert "证件类型" == (await cells_of(got.content, XLSX))[0][0].text
        assert (404, "not-found") == problem(await operator.get(f"/v1/contracts/{contract_no}/import-templates/other"))
