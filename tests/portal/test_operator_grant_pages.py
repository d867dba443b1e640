"""实名制权限: a project lead's page about who may act on his contract."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

import pytest

from portal.session import Session
from tests.portal.browsing import Browser
from tests.portal.stand_ins import CONTRACT, EMPLOYER, OPERATOR, SITE, StandIns, app_of, lead, refusal, registrar, supervisor

PATH, GRANTS = f"{SITE}/operators", f"/v1/contracts/{CONTRACT}/operator-grants"
WHO = {"document_type": "citizen_id", "document_number": "310109197505200134", "name": "王小五", "mobile": "13900000013"}
SENT = {"document": {"type": "citizen_id", "number": WHO["document_number"]}, "name": WHO["name"], "mobile": WHO["mobile"]}

NEXT = re.compile(r"<button[^>]*>(下一页)</button>")


@pytest.fixture
def desk(services: StandIns) -> Browser:
    """In front of the project lead."""
    return Browser(app_of(services, lead))


class TestOperators:
    async def test_are_listed_masked_with_what_they_may(self, desk: Browser) -> None:
        page = (await desk.open(PATH)).text
        for words in ("王*五", "310***********0134", "施工总包现场操作用户", "李*", "上海测试劳务有限公司"):
            assert words in page
        assert "经办</span>&nbsp;user:3" in page
        assert f'href="{PATH}/{OPERATOR}"' in page

    async def test_may_be_nobody_yet(self, services: StandIns, desk: Browser) -> None:
        services.answers["GET", GRANTS] = (200, {"items": []})
        assert "还没有给任何人分配权限" in (await desk.open(PATH)).text

    @pytest.mark.parametrize(("role", "firm"), [("site_operator", {}), ("employer_registrar", {"employer_credit_code": EMPLOYER})])
    async def test_are_granted_by_role(self, services: StandIns, desk: Browser, role: str, firm: dict[str, str]) -> None:
        await desk.open(PATH)
        page = await desk.submit(PATH, **WHO, role=role, employer=EMPLOYER)
        assert "权限已分配" in page.text
        assert SENT | {"role": role} | firm == services.body_of("POST", GRANTS), "an operator is of no firm"
        assert services.sent("POST", GRANTS)[-1].headers["Idempotency-Key"]

    async def test_of_a_wrong_form_are_told_beside_the_field_and_what_was_typed_stays(
        self, services: StandIns, desk: Browser
    ) -> None:
        wrong = refusal(422, "invalid-request", "请求有误", ("/document/number", "citizen-id-check-character"))
        services.answers["POST", GRANTS] = wrong
        await desk.open(PATH)
        page = await desk.submit(PATH, **WHO, role="site_operator")
        assert (422, True) == (page.status_code, 'id="document_number-error"' in page.text)
        assert WHO["name"] in page.text

    async def test_are_withdrawn_with_a_reason(self, services: StandIns, desk: Browser) -> None:
        assert "王*五" in (await desk.open(f"{PATH}/{OPERATOR}")).text
        assert "权限已收回" in (await desk.submit(f"{PATH}/{OPERATOR}/withdrawal", reason="已调离")).text
        assert {"reason": "已调离"} == services.body_of("POST", f"{GRANTS}/{OPERATOR}/withdrawal")

    @pytest.mark.parametrize("anew", [{"granted_at": "2020-02-18T09:00:00Z", "role": "employer_registrar"}])
    async def test_that_were_granted_anew_meanwhile_are_withdrawn_only_when_that_was_told(
        self, services: StandIns, desk: Browser, anew: dict[str, str]
    ) -> None:
        path = f"{PATH}/{OPERATOR}"
        await desk.open(path)
        _, told = services.answers["GET", GRANTS]
        changed = [each | anew if each["operator_id"] == str(OPERATOR) else each for each in told["items"]]
        services.answers["GET", GRANTS] = (200, {"items": changed})
        page = (await desk.submit(f"{path}/withdrawal", reason="已调离")).text
        for words in ("打开本页之后,该人员的权限已有变动", 'value="已调离"', "用工单位"):
            assert words in page
        assert [] == services.sent("POST", f"{GRANTS}/{OPERATOR}/withdrawal")
        assert "权限已收回" in (await desk.submit(f"{path}/withdrawal", reason="已调离")).text

    async def test_that_were_withdrawn_by_the_same_form_are_answered_alike(self, services: StandIns, desk: Browser) -> None:
        await desk.open(f"{PATH}/{OPERATOR}")
        services.answers["GET", GRANTS] = (200, {"items": []})
        assert "权限已收回" in (await desk.submit(f"{PATH}/{OPERATOR}/withdrawal", reason="已调离")).text

    async def test_are_nobody_whom_the_contract_does_not_know(self, desk: Browser) -> None:
        assert 404 == (await desk.open(f"{PATH}/{UUID(int=1)}")).status_code

    async def test_are_told_with_who_and_why_where_that_is_asked_for(self, services: StandIns, desk: Browser) -> None:
        assert "赵*四" not in (await desk.open(PATH)).text
        assert [] == services.sent("GET", f"{GRANTS}/changes"), "that it is read is recorded"
        page = (await desk.submit(f"{PATH}/changes")).text
        for words in ("赵*四", "收回", "已调离本工地", "上海测试劳务有限公司", "经办</span>&nbsp;user:3"):
            assert words in page

    async def test_are_told_to_supervision_likewise(self, services: StandIns) -> None:
        supervision = Browser(app_of(services, supervisor))
        await supervision.open(f"/supervision/contracts/{CONTRACT}")
        page = (await supervision.submit(f"/supervision/contracts/{CONTRACT}/operators")).text
        for words in ("赵*四", "已调离本工地", "上海测试劳务有限公司", CONTRACT):
            assert words in page

    @pytest.mark.parametrize(
        ("session", "page", "changes"),
        [
            (lead, PATH, f"{PATH}/changes"),
            (supervisor, f"/supervision/contracts/{CONTRACT}", f"/supervision/contracts/{CONTRACT}/operators"),
        ],
        ids=["lead", "supervision"],
    )
    async def test_are_told_page_by_page_back_to_the_first(
        self, services: StandIns, session: Callable[[], Session], page: str, changes: str
    ) -> None:
        status, newest = services.answers["GET", f"{GRANTS}/changes"]
        services.answers["GET", f"{GRANTS}/changes"] = (status, newest | {"next_before": 61})
        reader = Browser(app_of(services, session))
        await reader.open(page)
        assert ["下一页"] == NEXT.findall((await reader.submit(changes)).text)
        services.answers["GET", f"{GRANTS}/changes"] = (status, newest)
        assert [] == NEXT.findall((await reader.submit(changes)).text)
        asked = [each.url.params.get("before") for each in services.sent("GET", f"{GRANTS}/changes")]
        assert [None, "61"] == asked, "the browser sends what stands in the form"

    async def test_are_for_the_lead_alone(self, services: StandIns, browser: Browser) -> None:
        for other in (browser, Browser(app_of(services, registrar))):
            assert 403 == (await other.open(PATH)).status_code
            assert "实名制权限" not in (await other.open(f"{SITE}/today")).text
        assert "实名制权限" in (await Browser(app_of(services, lead)).open(f"{SITE}/today")).text
