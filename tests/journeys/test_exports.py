"""What a station takes away as a file: what its screen shows, masked, marked, and on the record of whom it shows; HTTP only."""

from __future__ import annotations

from typing import Any

from registration.imports.files import XLSX, cells_of
from tests.journeys.sites import Site
from tests.journeys.test_supervision import OFFICER, ask, table

HEADER = "合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(1) 在场人数(1)"


async def taken(site: Site, **asked: Any) -> tuple[str, list[dict[str, str]]]:
    """The mark of a workbook, and its rows by column."""
    answer = await site.ask(OFFICER, "POST", "reporting", "/v1/exports", asked)
    [watermark, *_], header, *rows = [[cell.text for cell in row] for row in await cells_of(answer.content, XLSX)]
    return watermark, [dict(zip(header, row, strict=True)) for row in rows]


class TestExport:
    async def test_shows_what_the_screen_shows_and_no_more_of_anybody(self, site: Site) -> None:
        worker = await site.arrives()
        assert "admitted" == (await site.enters(worker))["outcome"]
        [on_screen] = (await table(site, HEADER))["rows"]

        _, [contract] = await taken(site, table="contracts")
        shown = (contract["合同报送编号"], contract["在场数"], contract["总数"])
        assert (site.contract_no, str(on_screen["on_site"]), str(on_screen["registered"])) == shown

        watermark, [person] = await taken(site, table="employments")
        [row] = (await ask(site, "employments"))["rows"]
        assert ("陈*平", row["document_number"], "是") == (person["姓名"], person["证件号码"], person["在场"])
        assert worker.person.number not in str(person)
        await self.is_on_his_record(site, worker.person_id, account=watermark.split(" ")[0])

    async def is_on_his_record(self, site: Site, person_id: str, *, account: str) -> None:
        record = (await site.ask(OFFICER, "GET", "reporting", f"/v1/people/{person_id}/access-log")).json()["items"]
        assert ("reporting", account, "masked_page") in [(each["service"], each["actor"], each["purpose"]) for each in record]
