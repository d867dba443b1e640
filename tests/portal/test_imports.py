"""批量导入 as pages: tried first, followed, a verdict for each row, and what was refused to be corrected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import CONTRACT, IMPORT, SITE, StandIns, app_of, refusal, registrar

PATH = f"{SITE}/imports"
FILES = f"/v1/contracts/{CONTRACT}/pre-registration-imports"
HERE, THERE = f"{PATH}/{IMPORT['import_id']}", f"/v1/imports/{IMPORT['import_id']}"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILLED: dict[str, Any] = {"kind": "pre-registration", "mode": "dry"}


class TestHandIn:
    @pytest.mark.parametrize(
        ("content", "media_type"), [(b"PK\x03\x04 invented", XLSX), ("姓名\r\n".encode(), "text/csv")], ids=["xlsx", "csv"]
    )
    async def test_tells_by_its_content_what_the_file_is(
        self, services: StandIns, browser: Browser, content: bytes, media_type: str
    ) -> None:
        await browser.open(PATH)
        page = await browser.upload(PATH, ("people", content, "application/vnd.ms-excel"), **FILLED)
        (sent,) = services.sent("POST", FILES)
        assert (content, media_type) == (sent.content, sent.headers["Content-Type"])
        assert HERE == page.url.path

    @pytest.mark.parametrize(("mode", "is_dry_run"), [("dry", "true"), ("real", "false"), ("", "true")])
    async def test_is_a_dry_run_unless_it_is_meant(self, services: StandIns, browser: Browser, mode: str, is_dry_run: str) -> None:
        await browser.open(PATH)
        await browser.upload(PATH, ("people.csv", b"x", "text/csv"), **{**FILLED, "mode": mode})
        (sent,) = services.sent("POST", FILES)
        assert is_dry_run == sent.url.params["dry_run"]

    @pytest.mark.parametrize(
        ("content", "kind", "words"),
        [(b"", "pre-registration", "请选择文件"), (b"x", "", "请选择导入的内容"), (b"x", "contract", "请选择导入的内容")],
    )
    async def test_needs_a_file_and_a_kind(
        self, services: StandIns, browser: Browser, content: bytes, kind: str, words: str
    ) -> None:
        await browser.open(PATH)
        page = await browser.upload(PATH, ("people.csv", content, "text/csv"), kind=kind)
        assert (422, True) == (page.status_code, words in page.text)
        assert [] == services.sent("POST", FILES)

    async def test_says_at_the_file_why_it_was_not_taken(self, services: StandIns, browser: Browser) -> None:
        title = "表头与模板不一致,请下载模板填写"
        services.answers["POST", FILES] = refusal(422, "columns-are-wrong", title)
        await browser.open(PATH)
        page = await browser.upload(PATH, ("people.csv", b"x", "text/csv"), **FILLED)
        assert (422, True) == (page.status_code, title in page.text)
        assert 'href="#file"' in page.text

    async def test_of_a_roster_is_not_for_an_employer_s_registrar(self, services: StandIns) -> None:
        browser = Browser(app_of(services, registrar))
        assert "旧实名制名册" not in (await browser.open(PATH)).text
        page = await browser.upload(PATH, ("people.csv", b"x", "text/csv"), kind="roster")
        assert 422 == page.status_code
        assert 404 == (await browser.open(f"{PATH}/templates/roster")).status_code


class TestImport:
    async def test_shows_the_verdict_of_every_row_and_a_file_to_correct(self, browser: Browser) -> None:
        page = (await browser.open(HERE)).text
        for words in ("试运行完成", "内容有误", "身份证号", "等待健康云登记", f"{HERE}/refused-rows", f"{HERE}?outcome=refused"):
            assert words in page

    async def test_shows_rows_of_one_outcome(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{HERE}?outcome=refused&after=100")
        (asked,) = services.sent("GET", f"{THERE}/rows")
        assert {"outcome": "refused", "after": "100", "limit": "100"} == dict(asked.url.params)

    async def test_reloads_by_itself_while_it_is_worked_on(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", THERE] = (200, {**IMPORT, "state": "running", "waiting": 3, "finished_at": None})
        page = (await browser.open(HERE)).text
        for words in ('<noscript><meta http-equiv="refresh"', f'data-progress="{HERE}/progress"', 'max="5" value="2"'):
            assert words in page

    async def test_is_followed_by_events_to_its_end(self, services: StandIns, browser: Browser) -> None:
        told = await browser.open(f"{HERE}/progress")
        assert "text/event-stream" in told.headers["Content-Type"]
        assert 'event: progress\ndata: {"done": 5, "rows": 5, "finished": true}\n\n' == told.text

    @pytest.mark.parametrize("path", ["", "/progress", "/refused-rows"])
    async def test_of_another_contract_is_not_there(self, services: StandIns, browser: Browser, path: str) -> None:
        services.answers["GET", THERE] = (200, {**IMPORT, "contract_no": "W1"})
        assert 404 == (await browser.open(f"{HERE}{path}")).status_code
