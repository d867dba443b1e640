"""A whole team as a file, from the template to the corrected rest; over HTTP only."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from chassis.testing.wait import eventually
from devstack.story.cast import Person
from registration.imports.files import XLSX, cells_of
from tests.journeys.sites import EMPLOYER, WITHIN_S, Site, somebody
from tests.registration.sheets import CONTRACTS, as_csv, as_xlsx, reported

CSV = "text/csv"


def row(person: Person, **more: str) -> dict[str, str]:
    """The person as a row of the template."""
    usual = {"证件类型": "居民身份证", "身份证号": person.number, "姓名": person.name, "人员类别": "作业人员"}
    return {**usual, "工种": "020 钢筋工", "用人单位": f"{EMPLOYER['credit_code']} {EMPLOYER['name']}", **more}


async def columns(site: Site, kind: str) -> list[str]:
    """The header of the template that the site downloads."""
    response = await site.ask("site_operator", "GET", "registration", f"/v1/contracts/{site.contract_no}/import-templates/{kind}")
    return [cell.text for cell in (await cells_of(response.content, XLSX))[0]]


async def hand_in(site: Site, what: str, content: bytes, media_type: str, **query: Any) -> dict[str, Any]:
    """The import, when it is finished, as its progress tells."""
    return await followed(site, "site_operator", f"/v1/contracts/{site.contract_no}/{what}", content, media_type, **query)


async def followed(site: Site, role: str, path: str, content: bytes, media_type: str, **query: Any) -> dict[str, Any]:
    handed_in = await site.upload(role, "registration", path, content, media_type, **query)
    assert 202 == handed_in.status_code, handed_in.text
    progress = f"/v1/imports/{handed_in.json()['import_id']}/progress"
    told = await site.ask(role, "GET", "registration", progress)
    last: dict[str, Any] = json.loads([line for line in told.text.splitlines() if line.startswith("data: ")][-1][6:])
    assert ("finished", 0) == (last["state"], last["waiting"])
    return last


def counts(done: dict[str, Any]) -> dict[str, int]:
    return {name: done[name] for name in ("applied", "unchanged", "awaiting", "refused") if done[name]}


class TestRoster:
    async def test_is_on_site_after_its_import(self, site: Site) -> None:
        header = await columns(site, "roster")
        present, away, mistyped = somebody(), somebody(), somebody()
        rows = [row(present, 在场="是"), row(away, 在场="否"), row(mistyped, 在场="是", 身份证号=mistyped.number[:-2])]
        content = as_xlsx(rows, header)
        tried = await hand_in(site, "roster-imports", content, XLSX, dry_run="true")
        assert {"applied": 2, "refused": 1} == counts(tried)
        assert [] == (await site.get("site_operator", "gatekeeper", "roster"))["items"]

        done = await hand_in(site, "roster-imports", content, XLSX)
        assert {"applied": 2, "refused": 1} == counts(done)
        await self.has_on_site(site, 1)

        path = f"/v1/imports/{done['import_id']}/refused-rows"
        refused = await cells_of((await site.ask("site_operator", "GET", "registration", path)).content, XLSX)
        wrong = dict(zip([cell.text for cell in refused[0]], [cell.text for cell in refused[1]], strict=True))
        assert ("身份证号", mistyped.number[:-2]) == (wrong["有误的列"], wrong["身份证号"])
        await self.with_a_number_for_a_document_is_refused(site, header)
        corrected = as_csv([wrong | {"身份证号": mistyped.number}], header)
        assert {"applied": 1} == counts(await hand_in(site, "roster-imports", corrected, CSV))
        await self.has_on_site(site, 2)
        assert {"unchanged": 2, "refused": 1} == counts(await hand_in(site, "roster-imports", content, XLSX))

    async def with_a_number_for_a_document_is_refused(self, site: Site, header: list[str]) -> None:
        """Digits beyond the fifteenth are lost in such a cell, and nobody can see it."""
        typed: dict[str, Any] = {**row(somebody(), 在场="是"), "身份证号": 310109199001011234}
        assert {"refused": 1} == counts(await hand_in(site, "roster-imports", as_xlsx([typed], header), XLSX))

    async def has_on_site(self, site: Site, count: int) -> None:
        async def are_there() -> bool:
            return count == len((await site.get("site_operator", "gatekeeper", "roster", on_site=True))["items"])

        await eventually(are_there, within_s=WITHIN_S)


class TestForms:
    async def test_of_whoever_has_not_declared_wait_for_that(self, site: Site) -> None:
        header = await columns(site, "pre-registration")
        people = [somebody() for _ in range(3)]
        rows = [row(person, 出发地代码="320600", 出发地="江苏省南通市", 手机号=person.mobile) for person in people]
        done = await hand_in(site, "pre-registration-imports", as_csv(rows, header), CSV)
        assert {"awaiting": 3} == counts(done)
        await site.declares(people[0])

        async def is_taken_up() -> bool:
            return 1 == len((await site.get("site_operator", "registration", "pre-registrations", state="open"))["items"])

        await eventually(is_taken_up, within_s=WITHIN_S)


class TestContracts:
    async def test_are_there_for_whoever_works_on_them(self, site: Site) -> None:
        path, own = "/v1/contract-imports", {"所在监督站": site.station, "所在区": "虹口"}
        second = {"用人单位统一社会信用代码": "91320600MA1A000015", "用人单位": "南通测试劳务有限公司"}
        further = reported(site.contract_no, **own, **second)
        content = as_csv([further, reported("", **own)], CONTRACTS)
        tried = await followed(site, "contract_system", path, content, CSV, dry_run="true")
        done = await followed(site, "contract_system", path, content, CSV)
        assert {"applied": 1, "refused": 1} == counts(tried) == counts(done)
        employers = (await site.get("project_lead", "registration", "employers"))["items"]
        assert [EMPLOYER["credit_code"], "91320600MA1A000015"] == [each["credit_code"] for each in employers]
        assert {"unchanged": 1, "refused": 1} == counts(await followed(site, "contract_system", path, content, CSV))


class TestFile:
    async def test_of_another_site_is_not_found(self, site: Site) -> None:
        path = f"/v1/contracts/W{uuid4().hex[:10]}/roster-imports"
        refused = await site.upload("site_operator", "registration", path, b"PK\x03\x04", XLSX)
        assert (404, "not-found") == (refused.status_code, refused.json()["code"])
