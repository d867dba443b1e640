"""What pages make of what services answer. The services themselves, and the browser, are in `tests/browser`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt

from contracts.access import Action, Role, may
from portal.operators import SiteGrant
from portal.pages.health import celsius
from portal.pages.morning_round import PEOPLE_MAX
from portal.session import Session
from portal.upstream.registration import PAGE_ROWS
from portal.wiring import signing_key
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    ACCESS,
    BAN_VERSION,
    CHANGE,
    CONTRACT,
    DECLARATION,
    EMPLOYER,
    IDENTITY,
    NOW,
    PAGE_BYTES_MAX,
    PERSON,
    PRE_REGISTRATION,
    SITE,
    TABLE,
    StandIns,
    app_of,
    attempt,
    here,
    operator,
    refusal,
    registrar,
    reported,
    supervisor,
)

PRE_REGISTRATIONS = f"/v1/contracts/{CONTRACT}/pre-registrations"
ROUNDS = f"/v1/contracts/{CONTRACT}/health-rounds"
REPORTS, DISPOSITIONS = f"/v1/people/{PERSON}/health-reports", f"/v1/people/{PERSON}/dispositions"
FILLED = {
    "person_kind": "worker",
    "document_type": "citizen_id",
    "document_number": "420106199007250153",
    "name": "吴远江",
    "origin_code": "420000",
    "origin_text": "武汉市",
    "employer": EMPLOYER,
    "trade": "020",
}


class TestPreRegister:
    PATH = f"{SITE}/pre-registrations"

    async def test_sends_what_was_typed_and_the_declaration_that_was_shown(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{self.PATH}/new")
        await browser.submit(f"{self.PATH}/declaration", **FILLED)
        for shown in ("健康云返回信息", DECLARATION["report_place"], "体温达到发热标准,健康状况却为无异常症状", "来自健康云"):
            assert str(shown) in browser.page.text
        page = await browser.submit(self.PATH, **FILLED)
        assert "预登记已完成" in page.text
        sent = services.body_of("POST", PRE_REGISTRATIONS)
        assert {"code": "420100", "text": "湖北省武汉市"} == sent["origin"]
        assert (3, "020", EMPLOYER) == (sent["declaration_version"], sent["trade"], sent["employer_credit_code"])
        assert "mobile" not in sent, "it counts only where the declaration has none"

    async def test_of_a_manager_has_no_trade(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{self.PATH}/new")
        await browser.submit(self.PATH, **{**FILLED, "person_kind": "manager"})
        assert "trade" not in services.body_of("POST", PRE_REGISTRATIONS)

    async def test_without_a_declaration_tells_the_way_and_keeps_what_was_typed(self, services: StandIns, browser: Browser) -> None:
        title = "请先去“健康云 APP”进行登记后再进行预进场登记"
        services.answers["POST", PRE_REGISTRATIONS] = refusal(409, "declaration-missing", title, detail="打开“健康云”APP")
        await browser.open(f"{self.PATH}/new")
        page = await browser.submit(self.PATH, **FILLED)
        assert 422 == page.status_code
        for words in (title, "打开“健康云”APP", FILLED["document_number"], FILLED["name"]):
            assert words in page.text

    async def test_says_at_the_field_what_a_service_did_not_take(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", PRE_REGISTRATIONS] = refusal(
            422, "invalid-request", "填写有误", ("/document/number", "citizen_id_check_character"), ("/origin/code", "missing")
        )
        await browser.open(f"{self.PATH}/new")
        page = await browser.submit(self.PATH, **FILLED)
        assert 'href="#document_number"' in page.text
        assert "身份证号校验位不正确" in page.text
        assert 'id="origin_code-error"' in page.text

    async def test_keeps_its_key_while_nobody_knows_what_became_of_it(self, services: StandIns, browser: Browser) -> None:
        path = f"{SITE}/people/{PERSON}/health-reports"
        await browser.open(f"{path}/new")
        services.answers["POST", REPORTS] = (503, {})
        typed = {"read_at": "2020-02-18T15:44:35", "symptoms": "none", "reading_celsius": "36.5"}
        for _ in range(2):
            page = await browser.submit(path, **typed)
            assert "不会重复登记" in page.text
        keys = {each.headers["Idempotency-Key"] for each in services.asked if each.method == "POST"}
        assert 1 == len(keys)

    async def test_sent_again_from_an_old_page_with_other_words_is_asked_about(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", PRE_REGISTRATIONS] = refusal(422, "idempotency-key-reused", "该 Idempotency-Key 已用于另一请求")
        await browser.open(f"{self.PATH}/new")
        first = await browser.submit(self.PATH, **FILLED)
        assert "这张表单已经提交过" in first.text
        assert FILLED["name"] in first.text
        await browser.submit(self.PATH, **FILLED)
        assert 2 == len({each.headers["Idempotency-Key"] for each in services.asked if each.url.path == PRE_REGISTRATIONS})

    async def test_takes_another_key_after_a_refusal(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", PRE_REGISTRATIONS] = refusal(409, "name-differs-from-declaration", "姓名不一致")
        await browser.open(f"{self.PATH}/new")
        for _ in range(2):
            page = await browser.submit(self.PATH, **FILLED)
            assert 'href="#name"' in page.text
        keys = {each.headers["Idempotency-Key"] for each in services.asked if each.url.path == PRE_REGISTRATIONS}
        assert 2 == len(keys)


class TestReportHealth:
    PATH = f"{SITE}/people/{PERSON}/health-reports"

    async def test_sends_shanghai_time_and_all_symptoms(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{self.PATH}/new")
        typed = {"read_at": "2020-02-18T15:44:35", "symptoms": ["fever", "cough"], "reading_celsius": "381", "method": "axillary"}
        page = await browser.submit(self.PATH, **typed)
        assert "健康状况已登记" in page.text
        sent = services.body_of("POST", REPORTS)
        assert ("2020-02-18T15:44:35+08:00", 38.1, ["fever", "cough"]) == (
            sent["read_at"],
            sent["reading_celsius"],
            sent["symptoms"],
        )

    async def test_needs_a_tick_a_time_and_a_number(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{self.PATH}/new")
        page = await browser.submit(self.PATH, read_at="", reading_celsius="warm")
        for name in ("read_at", "symptoms", "reading_celsius"):
            assert f'href="#{name}"' in page.text
        assert not [each for each in services.asked if each.method == "POST"]

    async def test_ticks_nothing_beforehand(self, browser: Browser) -> None:
        assert " checked" not in (await browser.open(f"{self.PATH}/new")).text

    @pytest.mark.parametrize(
        ("typed", "read"),
        [("36.5", 36.5), ("36。5", 36.5), (" 365 ", 36.5), ("36.5℃", 36.5), ("37", 37.0), ("", None), ("三", None)],
    )
    def test_reads_a_temperature_as_it_is_typed(self, typed: str, read: float | None) -> None:
        assert read == celsius(typed)


class TestMorningRound:
    PATH = f"{SITE}/morning-round"
    ROW = f"reading-{PERSON}"
    TYPED = {"read_at": "2020-02-18T06:05:00", "method": "forehead", "all_normal": "true"}  # noqa: RUF012 - never changed

    async def test_reports_each_row_that_has_a_temperature(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **self.TYPED, **{self.ROW: "365", f"reading-{UUID(int=8)}": ""})
        assert "已登记 1 人" in page.text
        assert {
            "read_at": "2020-02-18T06:05:00+08:00",
            "method": "forehead",
            "people": [{"person_id": str(PERSON), "reading_celsius": 36.5}],
        } == services.body_of("POST", ROUNDS)

    async def test_sent_again_after_a_silence_is_the_same_round(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["POST", ROUNDS] = (503, {})
        for _ in range(2):
            page = await browser.submit(self.PATH, **self.TYPED, **{self.ROW: "365"})
            assert 'value="365"' in page.text
        services.answers["POST", ROUNDS] = (200, {"people": [reported(PERSON)]})
        assert "已登记 1 人" in (await browser.submit(self.PATH, **self.TYPED, **{self.ROW: "365"})).text
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.asked if each.method == "POST"})

    async def test_tells_whose_report_was_not_taken(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", ROUNDS] = (
            200,
            {"people": [reported(PERSON, "refused", "reading-is-in-the-future"), reported(UUID(int=8))]},
        )
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **self.TYPED, **{self.ROW: "365", f"reading-{UUID(int=8)}": "366"})
        for words in (f'href="#{self.ROW}"', "测量时间晚于当前时间", "已登记 1 人"):
            assert words in page.text

    @pytest.mark.parametrize(
        ("changed", "field"),
        [({"all_normal": ""}, "all_normal"), ({"read_at": ""}, "read_at"), ({ROW: "warm"}, ROW), ({ROW: "505"}, ROW)],
    )
    async def test_needs_to_be_complete(self, services: StandIns, browser: Browser, changed: dict[str, str], field: str) -> None:
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **{**self.TYPED, self.ROW: "365", **changed})
        assert f'href="#{field}"' in page.text
        assert not [each for each in services.asked if each.method == "POST"]

    async def test_of_nobody_is_told_so(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/missing-reports"] = (
            200,
            {"date": "2020-02-18", "items": [], "next": None},
        )
        assert "今天所有人都已登记健康状况" in (await browser.open(self.PATH)).text


def decided_meanwhile(services: StandIns) -> Any:
    """The person's dispositions once somebody else has lifted the ban."""
    status, told = services.answers["GET", DISPOSITIONS]
    lifted = {"version": 12, "disposition": "admissible", "reason_code": "recovered", "decided_by": ["user:4"]}
    changed = {**told["items"][0], **lifted, "changed_at": "2020-02-18T09:00:00Z"}
    return status, {**told, "disposition": "admissible", "items": [changed, *told["items"]]}


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    return found[1]


class TestChangeDisposition:
    PATH = f"{SITE}/people/{PERSON}/dispositions"

    async def test_says_that_it_is_in_force(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        ban = {"disposition": "suspected", "reason_code": "symptoms_observed", "evidence": "咳嗽", "method": "hospital"}
        page = await browser.submit(self.PATH, **ban, isolation_from="2020-02-18", isolation_until="", release_document="x")
        assert "已在全市所有工地的闸机生效" in page.text
        assert {"contract_no": CONTRACT, "isolation_from": "2020-02-18", **ban} == services.body_of("POST", DISPOSITIONS)
        assert "wait=5" == next(each.headers["Prefer"] for each in services.asked if each.method == "POST")

    async def test_says_that_it_is_not_yet(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", DISPOSITIONS] = (202, {"in_force_at": None})
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, disposition="admissible", reason_code="recovered", isolation_from="2020-02-18")
        assert "尚未确认在所有闸机生效" in page.text
        assert "isolation_from" not in services.body_of("POST", DISPOSITIONS), "an isolation goes with a ban only"

    async def test_decides_over_nothing_that_came_after_the_page_was_opened(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["GET", DISPOSITIONS] = decided_meanwhile(services)
        services.answers["POST", DISPOSITIONS] = refusal(412, "version-mismatch", "数据已被他人更新,请刷新后重试")
        ban = {"disposition": "suspected", "reason_code": "symptoms_observed", "evidence": "咳嗽", "method": "hospital"}
        page = (await browser.submit(self.PATH, **ban, isolation_from="2020-02-18")).text
        for words in ("打开本页之后,处置方式已被更改", "现在的处置方式", "2020-02-18 17:00:00", "user:4"):
            assert words in page
        assert "请刷新后重试" not in page
        for typed in (
            'value="suspected" checked',
            'value="symptoms_observed" selected',
            'value="咳嗽"',
            'value="hospital" selected',
        ):
            assert typed in page
        assert [f'"{BAN_VERSION}"'] == [each.headers["If-Match"] for each in services.sent("POST", DISPOSITIONS)]

    async def test_decides_when_it_is_sent_again_after_that_was_told(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["GET", DISPOSITIONS] = decided_meanwhile(services)
        services.answers["POST", DISPOSITIONS] = refusal(412, "version-mismatch", "数据已被他人更新,请刷新后重试")
        first = browser.page.text
        assert "打开本页之后" in (await browser.submit(self.PATH, disposition="suspected")).text
        services.answers["POST", DISPOSITIONS] = (200, {"in_force_at": NOW})
        assert key_in(first) != key_in(browser.page.text)
        assert "已在全市所有工地的闸机生效" in (await browser.submit(self.PATH, disposition="suspected")).text

    async def test_passes_over_what_came_without_another_decision(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["POST", DISPOSITIONS] = refusal(412, "version-mismatch", "数据已被他人更新,请刷新后重试")
        services.then["POST", DISPOSITIONS] = (200, {"in_force_at": NOW})
        page = await browser.submit(self.PATH, disposition="admissible", reason_code="recovered")
        assert "已在全市所有工地的闸机生效" in page.text
        assert 2 == len(services.sent("POST", DISPOSITIONS))
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.sent("POST", DISPOSITIONS)})

    async def test_tells_of_another_decision_beside_what_is_wrong_with_the_form(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["GET", DISPOSITIONS] = decided_meanwhile(services)
        services.answers["POST", DISPOSITIONS] = refusal(422, "evidence-is-missing", "请填写处置依据")
        page = (await browser.submit(self.PATH, disposition="suspected")).text
        for words in ("打开本页之后", "请填写处置依据"):
            assert words in page


class TestGate:
    async def test_tells_every_reason_what_clears_it_and_the_earliest_date(self, browser: Browser) -> None:
        await browser.open(f"{SITE}/entries")
        page = await browser.submit(f"{SITE}/entries", document_number=FILLED["document_number"])
        for words in ("不能进场", "隔离期未满", "体温达到发热标准", "隔离期满", "重新测量", "2020-02-28"):
            assert words in page.text

    async def test_is_green(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", f"/v1/contracts/{CONTRACT}/entries"] = (200, attempt("admitted", []))
        await browser.open(f"{SITE}/entries?person={PERSON}")
        page = await browser.submit(f"{SITE}/entries")
        assert "可以进场,已登记" in page.text
        assert {"person_id": str(PERSON)} == services.body_of("POST", f"/v1/contracts/{CONTRACT}/entries")

    async def test_names_who_has_to_leave(self, services: StandIns, browser: Browser) -> None:
        page = await browser.open(f"{SITE}/exits")
        assert "有 1 人被禁止进场" in page.text
        assert "退场已登记" in (await browser.submit(f"{SITE}/exits", person_id=str(PERSON))).text

    @pytest.mark.parametrize(
        ("counted", "asked"),
        [
            (None, {"on_site": "true"}),
            ("banned", {"on_site": "true", "banned": "true"}),
            ("registered", {}),
        ],
    )
    async def test_opens_whom_each_number_of_the_roster_counts(
        self, services: StandIns, browser: Browser, counted: str | None, asked: dict[str, str]
    ) -> None:
        roster = f"/v1/contracts/{CONTRACT}/roster"
        path = f"{SITE}/exits?counted={counted}" if counted else f"{SITE}/exits"
        assert f'href="{path}"' in (await browser.open(f"{SITE}/exits")).text
        page = (await browser.open(path)).text
        assert asked == {name: value for name, value in services.sent("GET", roster)[-1].url.params.items() if name != "limit"}
        assert ("退场时间" in page) == (counted == "registered")

    async def test_offers_no_exit_to_whoever_is_not_on_site(self, services: StandIns, browser: Browser) -> None:
        roster = f"/v1/contracts/{CONTRACT}/roster"
        _, told = services.answers["GET", roster]
        left = {**told["items"][0], "on_site": False, "left_at": "2020-02-18T09:00:00Z", "disposition": None}
        services.answers["GET", roster] = (200, {**told, "items": [left], "next": str(PERSON)})
        page = (await browser.open(f"{SITE}/exits?counted=registered")).text
        for words in ("不在场", "2020-02-18 17:00:00", f"counted=registered&amp;after={PERSON}"):
            assert words in page
        assert 'name="person_id"' not in page

    async def test_knows_no_other_number(self, browser: Browser) -> None:
        assert 404 == (await browser.open(f"{SITE}/exits?counted=everybody")).status_code


class TestPrinting:
    @pytest.mark.parametrize(
        "path",
        [
            *(
                f"{SITE}/{each}"
                for each in (
                    "today",
                    "pre-registrations",
                    "exits",
                    "ban-reviews",
                    "review-items",
                    "awaiting-forms",
                    "isolation-ends",
                )
            ),
            *(f"{SITE}/people/{PERSON}/{each}" for each in ("health-reports", "history")),
        ],
    )
    async def test_is_offered_on_a_list_of_a_site(self, browser: Browser, path: str) -> None:
        assert 1 == (await browser.open(path)).text.count("data-print")

    @pytest.mark.parametrize(
        "path",
        [
            *("today", "contracts", "employments", "people?counted=on_site", "firms?kind=employer", "missing-reports"),
            *("isolation-ends", "ban-reviews", "awaiting-forms", "review-items", "paper-entries"),
            *("days/2020-02-28?counted=entered", f"missing-reports/{CONTRACT}/followed"),
        ],
    )
    async def test_is_offered_on_a_list_of_supervision(self, services: StandIns, path: str) -> None:
        assert 1 == (await Browser(app_of(services, supervisor)).open(f"/supervision/{path}")).text.count("data-print")


class TestExporting:
    @pytest.mark.parametrize("path", ["contracts", "employments", "people?counted=on_site"])
    async def test_is_offered_on_a_table_of_supervision(self, services: StandIns, path: str) -> None:
        assert 1 == (await Browser(app_of(services, supervisor)).open(f"/supervision/{path}")).text.count("data-download")

    @pytest.mark.parametrize("role", [each for each in Role if may(each, Action.VIEW_SITE)])
    async def test_is_for_nobody_of_a_site(self, services: StandIns, role: Role) -> None:
        grants = (SiteGrant(CONTRACT, role, EMPLOYER if role is Role.EMPLOYER_REGISTRAR else None),)
        browser = Browser(app_of(services, lambda: Session(b"", UUID(int=1), None, grants, {})))
        for path in ("today", "pre-registrations", "review-items", "awaiting-forms", "isolation-ends"):
            page = await browser.open(f"{SITE}/{path}")
            assert (200, False) == (page.status_code, "data-download" in page.text), path
        assert 403 == (await browser.submit("/supervision/exports", table="people", counted="on_site")).status_code
        assert [] == services.sent("POST", "/v1/exports")


class TestSession:
    async def test_reaches_the_contract_of_the_address_alone(self, services: StandIns) -> None:
        two = operator()
        other = two.grants[0].__class__("W2017050130174", two.grants[0].role)
        browser = Browser(app_of(services, lambda: Session(two.digest, two.user_id, None, (*two.grants, other), {})))
        await browser.open(f"{SITE}/pre-registrations")
        token = services.asked[0].headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, signing_key(bytes(32)), algorithms=["Ed25519"]).claims
        assert [CONTRACT] == list(claims["contracts"])

    async def test_shows_what_it_did(self, services: StandIns) -> None:
        session = operator()
        session.seen["registration"] = "registration/1/7:9"  # type: ignore[index]
        await Browser(app_of(services, lambda: session)).open(f"{SITE}/people/{PERSON}/health-reports")
        assert {"registration/1/7:9"} == {each.headers["Consistency-Token"] for each in services.asked}

    async def test_asks_in_the_trace_of_the_page(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{SITE}/entries")
        page = await browser.submit(f"{SITE}/entries", document_number=FILLED["document_number"])
        traces = {each.headers["traceparent"].split("-")[1] for each in services.asked if each.method == "POST"}
        assert {page.headers["traceparent"].split("-")[1]} == traces

    async def test_waits_for_what_it_did_last(self, services: StandIns) -> None:
        session = operator()
        session.seen.update({"health": "health/1/1:1", "registration": "registration/1/7:9"})  # type: ignore[attr-defined]
        await Browser(app_of(services, lambda: session)).open(f"{SITE}/entries?person={PERSON}")
        asked = next(each for each in services.asked if "clearances" in each.url.path)
        assert "registration/1/7:9" == asked.headers["Consistency-Token"]

    async def test_remembers_what_it_did(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{SITE}/entries")
        await browser.submit(f"{SITE}/entries", document_number=FILLED["document_number"])
        assert {"gatekeeper": "registration/1/7:9"} == services.remembered

    @pytest.mark.parametrize(
        ("path", "session", "status"),
        [
            ("/contracts/W2017050130174/pre-registrations", operator, 404),
            ("/supervision/contracts", operator, 403),
            (f"{SITE}/pre-registrations", supervisor, 404),
            ("/contracts", supervisor, 403),
        ],
    )
    async def test_opens_no_other_door(self, services: StandIns, path: str, session: Callable[[], Session], status: int) -> None:
        assert status == (await Browser(app_of(services, session)).open(path)).status_code
        assert [] == services.asked

    @pytest.mark.parametrize(("answer", "status"), [((404, {}), 503), ((500, {}), 503), (refusal(404, "not-found", "x"), 404)])
    async def test_tells_what_went_wrong(self, services: StandIns, browser: Browser, answer: Any, status: int) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}"] = answer
        assert status == (await browser.open(f"{SITE}/pre-registrations")).status_code

    async def test_says_that_a_service_is_away(self, services: StandIns, browser: Browser) -> None:
        services.is_away = True
        assert 503 == (await browser.open("/contracts")).status_code


class TestHeaviestPage:
    """As many rows as a page ever shows, and names as long as they come."""

    NAME = "阿卜杜热合曼·*"

    async def test_of_a_list_stays_light(self, services: StandIns, browser: Browser) -> None:
        people = [PRE_REGISTRATION | {"name": self.NAME}] * PAGE_ROWS
        services.answers["GET", PRE_REGISTRATIONS] = (200, {"items": people, "next": None})
        assert len((await browser.open(f"{SITE}/pre-registrations")).content) < PAGE_BYTES_MAX

    async def test_of_a_round_stays_light(self, services: StandIns, browser: Browser) -> None:
        team = [str(UUID(int=1_000 + number)) for number in range(PEOPLE_MAX)]
        missing = {"date": "2020-02-18", "items": team, "next": team[-1]}
        services.answers["GET", f"/v1/contracts/{CONTRACT}/missing-reports"] = (200, missing)
        people = [PRE_REGISTRATION | {"name": self.NAME, "person_id": each} for each in team]
        services.answers["GET", PRE_REGISTRATIONS] = (200, {"items": people, "next": None})
        assert len((await browser.open(f"{SITE}/morning-round")).content) < PAGE_BYTES_MAX

    async def test_of_exits_stays_light(self, services: StandIns, browser: Browser) -> None:
        path = f"/v1/contracts/{CONTRACT}/roster"
        _, roster = services.answers["GET", path]
        services.answers["GET", path] = (200, {**roster, "items": roster["items"] * PAGE_ROWS})
        assert len((await browser.open(f"{SITE}/exits")).content) < PAGE_BYTES_MAX


class TestSupervision:
    @pytest.fixture
    def browser(self, services: StandIns) -> Browser:
        return Browser(app_of(services, supervisor))

    async def test_shows_the_manual_s_row_and_totals(self, browser: Browser) -> None:
        page = (await browser.open("/supervision/contracts")).text
        assert "统计信息：" in page
        for words in ("合同(2)个", "总包单位(2)个", "用工单位(2)个", "总登记人数(1000)", "在场人数(2)"):
            assert f">{words}</a>" in page, "every number opens its list"
        for words in ("首页", "合同查询", "用工查询", "共1页 显示1到2,共2记录"):
            assert words in page
        for column in (
            "合同报送编号",
            "报建编号",
            "项目名称",
            "总包单位",
            "总包单位类型",
            "用人单位",
            "预登记人",
            "用人员",
            "详情",
        ):
            assert column in page

    async def test_keeps_the_filter_behind_every_number(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open("/supervision/contracts?station=浦东&contract_no=")).text
        assert "/supervision/people?station=%E6%B5%A6%E4%B8%9C&amp;counted=registered" in page
        assert "/supervision/people?station=%E6%B5%A6%E4%B8%9C&amp;counted=on_site&amp;of_contract=W2019010100011" in page
        await browser.open("/supervision/people?station=浦东&counted=on_site&of_contract=W2019010100011")
        asked = services.asked[-1].url.params
        assert {"station": "浦东", "of_contract": CONTRACT, "set": "on_site", "page": "1"} == dict(asked)

    async def test_opens_who_is_banned_under_the_same_filter_and_says_which(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open("/supervision/contracts?station=虹口")).text
        path = "/supervision/employments?station=%E8%99%B9%E5%8F%A3&on_site=true&banned=true"
        assert f'href="{path.replace("&", "&amp;")}"' in page
        page = (await browser.open(path)).text
        assert {"station": "虹口", "on_site": "true", "banned": "true", "page": "1"} == dict(services.asked[-1].url.params)
        for name, value in (("station", "虹口"), ("banned", "true")):
            assert f'<input type="hidden" name="{name}" value="{value}"></p>' in page

    @pytest.mark.parametrize("path", ["people?counted=on_site", "firms?kind=employer"])
    async def test_leads_back_to_the_filter_that_a_number_was_under(self, browser: Browser, path: str) -> None:
        page = (await browser.open(f"/supervision/{path}&station=浦东&of_contract={CONTRACT}")).text
        assert 'href="/supervision/contracts?station=%E6%B5%A6%E4%B8%9C">返回<' in page

    @pytest.mark.parametrize(
        ("path", "item"),
        [
            ("search", "实名制作业人员信息查询"),
            ("people?counted=on_site", "实名制作业人员信息查询"),
            (f"people/{PERSON}", "实名制作业人员信息查询"),
            ("awaiting-forms", "今日待办"),
            (f"missing-reports/{CONTRACT}", "今日待办"),
            ("policies/drafts/new", "防疫规则"),
        ],
    )
    async def test_shows_in_the_menu_where_a_page_was_opened_from(self, browser: Browser, path: str, item: str) -> None:
        page = (await browser.open(f"/supervision/{path}")).text
        menu = page[page.index("<nav") : page.index("</nav>")]
        assert [item] == re.findall(r'aria-current="page">([^<]+)<', menu)

    async def test_opens_the_contracts_of_a_firm_and_says_whose_they_are(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open("/supervision/firms?kind=employer&station=浦东&of_contract=W2019010100011")).text
        path = f"/supervision/contracts?station=%E6%B5%A6%E4%B8%9C&of_contract={CONTRACT}&of_employer={EMPLOYER}"
        assert f'href="{path.replace("&", "&amp;")}"' in page
        page = (await browser.open(path)).text
        asked = next(each for each in services.asked if each.url.path == "/v1/supervision/contracts")
        assert {"station": "浦东", "of_contract": CONTRACT, "of_employer": EMPLOYER, "page": "1"} == dict(asked.url.params)
        assert f'<input type="hidden" name="of_employer" value="{EMPLOYER}">' in page

    async def test_asks_for_one_page_of_employments(self, services: StandIns, browser: Browser) -> None:
        await browser.open("/supervision/employments?on_site=true&trade=020&person_kind=&page=2")
        assert {"on_site": "true", "trade": "020", "page": "2"} == dict(services.asked[-1].url.params)

    @pytest.mark.parametrize("path", ["/supervision/people?counted=all", "/supervision/firms?kind=all"])
    async def test_has_no_list_that_no_number_counts(self, browser: Browser, path: str) -> None:
        assert 404 == (await browser.open(path)).status_code

    async def test_orders_by_a_column_and_keeps_it_on_every_page(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", "/v1/supervision/contracts"] = (200, {**TABLE, "pages": 3})
        page = (await browser.open("/supervision/contracts?order_by=project_name")).text
        asked = next(each for each in services.asked if each.url.path == "/v1/supervision/contracts")
        assert {"order_by": "project_name", "page": "1"} == dict(asked.url.params)
        assert "/supervision/contracts?order_by=project_name&amp;page=3" in page
        assert "/supervision/contracts?order_by=project_name&amp;descending=true" in page

    async def test_offers_every_station_within_reach(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", "/v1/supervision/stations"] = (200, {"stations": ["崇明"]})
        assert "<option>崇明</option>" in (await browser.open("/supervision/contracts")).text

    async def test_exports_the_rows_of_the_filter(self, services: StandIns, browser: Browser) -> None:
        await browser.open("/supervision/employments?on_site=true&trade=020")
        taken = await browser.submit("/supervision/exports")
        assert {"table": "employments", "on_site": True, "trade": "020"} == services.body_of("POST", "/v1/exports")
        assert "attachment; filename*=UTF-8''%E7%94%A8%E5%B7%A5" in taken.headers["Content-Disposition"]

    async def test_exports_whom_a_number_counts(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"/supervision/people?counted=on_site&of_contract={CONTRACT}")
        await browser.submit("/supervision/exports")
        assert {"table": "people", "set": "on_site", "of_contract": CONTRACT} == services.body_of("POST", "/v1/exports")

    async def test_says_why_there_is_no_export(self, services: StandIns, browser: Browser) -> None:
        title = "导出的记录过多,请缩小查询范围"
        services.answers["POST", "/v1/exports"] = refusal(422, "export-is-too-large", title)
        await browser.open("/supervision/contracts")
        taken = await browser.submit("/supervision/exports")
        assert (422, True) == (taken.status_code, title in taken.text)


class TestSupervisedPerson:
    PATH = f"/supervision/people/{PERSON}"

    @pytest.fixture
    def browser(self, services: StandIns) -> Browser:
        return Browser(app_of(services, supervisor))

    async def test_is_masked_until_a_reason_is_given(self, services: StandIns, browser: Browser) -> None:
        page = await browser.open(self.PATH)
        assert IDENTITY["document_number"] not in page.text
        page = await browser.submit(self.PATH, reason="", reference="")
        assert (422, True) == (page.status_code, "请选择查看理由" in page.text)
        assert [] == services.sent("POST", "/v1/reveals")

    async def test_tells_page_by_page_to_whom_he_was_shown(self, services: StandIns, browser: Browser) -> None:
        log = f"/v1/people/{PERSON}/access-log"
        services.answers["GET", log] = (200, {"items": [ACCESS], "next_before": 41})
        older = f"{self.PATH}?before=41"
        assert f'href="{older}#accesses"' in (await browser.open(self.PATH)).text
        services.answers["GET", log] = (200, {"items": [{**ACCESS, "reference": "HK-2020/1"}], "next_before": None})
        page = (await browser.open(older)).text
        assert ("HK-2020/1" in page, "#accesses" in page) == (True, False)
        assert [{}, {"before": "41"}] == [dict(each.url.params) for each in services.sent("GET", log)]

    async def test_is_told_of_the_grounds_only_where_they_are_asked_for(self, services: StandIns, browser: Browser) -> None:
        person = f"/v1/people/{PERSON}"
        words = {"流调电话通知", "核酸阳性", "把36.8录成38.6", "未接触病例", "手机号录错"}
        page = (await browser.open(self.PATH)).text
        assert set() == {each for each in words if each in page}
        assert [] == services.sent("GET", f"{person}/dispositions/grounds")
        page = (await browser.submit(f"{self.PATH}/grounds")).text
        assert words == {each for each in words if each in page}
        assert "用人单位:</span> 上海测试劳务有限公司 改为" in page, "firms by their names"
        nobody = refusal(404, "not-found", "未找到")
        for what in ("dispositions/grounds", "dispositions/objections", "corrections"):
            services.answers["GET", f"{person}/{what}"] = nobody
        unknown = await browser.submit(f"{self.PATH}/grounds")
        assert (200, True) == (unknown.status_code, "处置依据" in unknown.text), "health knows nothing of him"
        assert {"手机号录错"} == {each for each in words if each in unknown.text}, "but registration does"

    async def test_tells_page_by_page_who_changed_what(self, services: StandIns, browser: Browser) -> None:
        log = f"/v1/people/{PERSON}/change-log"
        services.answers["GET", log] = (200, {"items": [CHANGE], "next": "1_health_4"})
        page = (await browser.open(self.PATH)).text
        assert all(words in page for words in ("变更记录", "处置方式", "user:jianli", "监理现场操作用户"))
        older = f"{self.PATH}?after=1_health_4"
        assert f'href="{older}#changes"' in page
        nobody_s = {**CHANGE, "kind": "isolation-ordered", "account": None, "role": None}
        services.answers["GET", log] = (200, {"items": [nobody_s], "next": None})
        page = (await browser.open(older)).text
        assert ("系统 · 健康" in page, "#changes" in page) == (True, False)
        assert [{}, {"after": "1_health_4"}] == [dict(each.url.params) for each in services.sent("GET", log)]

    async def test_is_shown_for_a_reason_in_no_address(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, reason="on_site_inspection", reference="HK-2020/18")
        for words in IDENTITY["name"], IDENTITY["document_number"], IDENTITY["mobile"], "本次查看已记录":
            assert words in page.text
        assert "no-store" in page.headers["Cache-Control"]
        reason = {"person_id": str(PERSON), "contract_no": CONTRACT, "reason": "on_site_inspection", "reference": "HK-2020/18"}
        assert reason == services.body_of("POST", "/v1/reveals")
        assert self.PATH == page.url.path

    async def test_shows_who_saw_him_and_why(self, browser: Browser) -> None:
        page = (await browser.open(self.PATH)).text
        for words in ("supervisor:hongkou", "监督查询", "显示完整信息", "现场检查", "HK-2020/18"):
            assert words in page

    async def test_of_a_foreign_contract_is_not_there(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", "/v1/supervision/employments"] = (200, {**TABLE, "rows": [], "total": 0})
        assert 404 == (await browser.open(self.PATH)).status_code


class TestSearchPeople:
    PATH = "/supervision/search"

    @pytest.fixture
    def browser(self, services: StandIns) -> Browser:
        return Browser(app_of(services, supervisor))

    @pytest.mark.parametrize(
        ("typed", "sent"),
        [
            (
                {"document_type": "citizen_id", "document_number": " 420106199007250153"},
                {"document": {"type": "citizen_id", "number": "420106199007250153"}},
            ),
            ({"of_contract": CONTRACT, "name": "吴"}, {"contract_no": CONTRACT, "name": "吴"}),
        ],
        ids=["document", "name on a contract"],
    )
    async def test_finds_by(self, services: StandIns, browser: Browser, typed: dict[str, str], sent: dict[str, Any]) -> None:
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **typed)
        assert sent == services.body_of("POST", "/v1/supervision/person-searches")
        assert "吴*江" in page.text
        assert self.PATH == page.url.path

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (refusal(404, "not-found", "不存在"), "没有这个合同,或者它不归您监督"),
            (refusal(422, "invalid-request", "填写有误"), "请填写证件号码,或者填写合同报送编号和姓名"),
        ],
        ids=["foreign contract", "nothing"],
    )
    async def test_says_what_is_missing(self, services: StandIns, browser: Browser, answer: Any, words: str) -> None:
        services.answers["POST", "/v1/supervision/person-searches"] = answer
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, name="吴")
        assert (422, True) == (page.status_code, words in page.text)


async def test_help_says_whom_to_call(browser: Browser) -> None:
    page = (await browser.open("/help")).text
    assert 2 == page.count("021-00000000"), "in the text, and at the foot of every page"
    assert 'href="/help"' in (await browser.open("/")).text


class TestToday:
    PATH = f"{SITE}/today"

    async def test_tells_what_is_open_the_most_urgent_first(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(self.PATH)).text
        sections = ("禁止进场,人还在场", "今天还没有健康登记", "今天隔离期满", "等待健康云登记", "待核:书面放行")
        assert sorted(sections, key=page.index) == list(sections)
        asked = {each.url.path: dict(each.url.params) for each in services.asked}
        assert {"on_site": "true", "banned": "true", "limit": "50"} == asked[f"/v1/contracts/{CONTRACT}/roster"]
        assert {"needs_review": "true", "limit": "50"} == asked[f"/v1/contracts/{CONTRACT}/attempts"]

    async def test_asks_of_an_employer_s_registrar_nothing_that_he_may_not_see(self, services: StandIns) -> None:
        page = await Browser(app_of(services, registrar)).open(self.PATH)
        assert (200, False) == (page.status_code, "禁止进场,人还在场" in page.text)
        assert [] == [each for each in services.asked if each.url.path.endswith(("/roster", "/attempts"))]

    async def test_has_nothing_to_say_of_a_quiet_day(self, services: StandIns, browser: Browser) -> None:
        of_contract = f"/v1/contracts/{CONTRACT}"
        nothing: dict[str, Any] = {"items": [], "next": None}
        services.answers |= {
            ("GET", f"{of_contract}/roster"): (200, {"registered": 1, "on_site": 1, "banned_on_site": 0, **nothing}),
            ("GET", f"{of_contract}/missing-reports"): (200, {"date": "2020-02-18", **nothing}),
            ("GET", f"{of_contract}/isolation-ends"): (200, {"date": "2020-02-18", **nothing}),
            ("GET", f"{of_contract}/attempts"): (200, nothing),
            ("GET", f"{of_contract}/awaiting-forms"): (200, nothing),
        }
        page = (await browser.open(self.PATH)).text
        assert 4 == page.count("没有。")
        assert "今天所有人都已登记健康状况。" in page


class TestNames:
    @pytest.mark.parametrize("path", ["today", "exits", "morning-round", "isolation-ends"])
    async def test_are_asked_at_once_for_all_of_a_page(self, services: StandIns, browser: Browser, path: str) -> None:
        people = f"/v1/contracts/{CONTRACT}/people"
        assert "吴*江" in (await browser.open(f"{SITE}/{path}")).text
        (asked,) = services.sent("GET", people)
        assert 1 == asked.url.params.get_list("person_id").count(str(PERSON)), "on however many lists of the page he stands"
        services.answers["GET", people] = (200, {"items": []})
        assert "未知" in (await browser.open(f"{SITE}/{path}")).text

    @pytest.mark.parametrize("path", ["today", "morning-round", "isolation-ends"])
    async def test_are_those_of_family_and_of_the_old_roster_too(self, services: StandIns, browser: Browser, path: str) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/people"] = (200, {"items": [here(PERSON, "family")]})
        assert "吴*江" in (page := (await browser.open(f"{SITE}/{path}")).text)
        assert '<span class="tag">携带家属</span>' in page

    @pytest.mark.parametrize("path", ["health-reports", "dispositions", "history"])
    async def test_of_the_old_roster_stand_on_pages_of_one_person(self, services: StandIns, browser: Browser, path: str) -> None:
        services.answers["GET", f"{PRE_REGISTRATIONS}/{PERSON}"] = refusal(404, "not-found", "x")
        services.answers["GET", f"/v1/contracts/{CONTRACT}/people"] = (200, {"items": [here(PERSON, "rostered")]})
        page = (await browser.open(f"{SITE}/people/{PERSON}/{path}")).text
        assert "吴*江" in page
        assert "420***********0153" in page


class TestSupervisedToday:
    PATH = "/supervision/today"

    @pytest.fixture
    def browser(self, services: StandIns) -> Browser:
        return Browser(app_of(services, supervisor))

    async def test_names_masked_whoever_is_banned_and_on_site(self, browser: Browser) -> None:
        page = (await browser.open(self.PATH)).text
        for words in ("吴*江", "需隔离", f"/supervision/contracts/{CONTRACT}", f"/supervision/people/{PERSON}"):
            assert words in page

    async def test_shows_the_course_as_a_table_under_the_filter(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(f"{self.PATH}?station=虹口&days=30")).text
        asked = next(each for each in services.asked if each.url.path == "/v1/supervision/days")
        assert {"station": "虹口", "days": "30"} == dict(asked.url.params)
        assert '<th scope="row" class="nowrap">2020-02-28</th><td class="number">' in page
