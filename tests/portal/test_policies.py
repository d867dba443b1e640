"""防疫规则 as pages: which count, and how a draft is written, rehearsed and activated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.access import Role
from contracts.policy import PolicyTerms
from portal.session import Session
from portal.users import Supervisor
from tests.portal.browsing import Browser
from tests.portal.stand_ins import DRAFT, DRAFTS, TERMS, StandIns, app_of, operator, refusal, supervisor

PATH = "/supervision/policies"
HERE, THERE = f"{PATH}/drafts/{DRAFT['draft_id']}", f"{DRAFTS}/{DRAFT['draft_id']}"


def district() -> Session:
    return Session(b"", None, Supervisor("pudong", Role.DISTRICT_SUPERVISOR, districts=("310115",)), (), {})


def station() -> Session:
    return Session(b"", None, Supervisor("hongkou", Role.STATION_OFFICER, stations=("虹口",)), (), {})


@pytest.fixture
def browser(services: StandIns) -> Browser:
    return Browser(app_of(services, supervisor))


class TestPolicies:
    async def test_are_shown_the_latest_first_with_what_they_say(self, browser: Browser) -> None:
        page = (await browser.open(PATH)).text
        assert page.index("第 2 版") < page.index("第 1 版")
        for words in ("今天生效", "沪建防疫〔2020〕7号", "腋下 达到或超过 37.3 ℃", "5 分钟后复测", "湖北省", "2020-03-20"):
            assert words in page

    @pytest.mark.parametrize(
        ("session", "path", "status"),
        [
            (station, PATH, 200),
            (station, f"{PATH}/drafts/new", 403),
            (station, f"{PATH}/proposals", 403),
            (district, f"{PATH}/drafts/new", 200),
            (operator, f"{PATH}/drafts/new", 403),
        ],
    )
    async def test_are_decided_by_officers(
        self, services: StandIns, session: Callable[[], Session], path: str, status: int
    ) -> None:
        assert status == (await Browser(app_of(services, session)).open(path)).status_code


class TestDraft:
    async def test_begins_as_what_is_in_force_and_is_sent_as_health_reads_it(self, services: StandIns, browser: Browser) -> None:
        page = await browser.open(f"{PATH}/drafts/new")
        assert "42 湖北省 2020-01-01" in page.text
        typed: dict[str, Any] = {
            "valid_from": "2999-01-01",
            "allows_extras": "true",
            "operator": ">=",
            "threshold_celsius": "37.3",
            "method": "axillary",
            "remeasured_after_min": "5",
            "isolation_days": "21",
            "key_areas": "42 湖北省 2020-01-01\r\n3303 温州市 2020-02-20 2020-03-20\r\n",
            **{f"switch-{rule}": switch for rule, switch in TERMS["switches"].items()},
        }
        page = await browser.submit(f"{PATH}/drafts", **typed)
        sent = services.body_of("POST", DRAFTS)["terms"]
        PolicyTerms.model_validate_json(str(sent).replace("'", '"').replace("True", "true"))
        assert (21, 2, "forbid") == (sent["isolation_days"], len(sent["key_areas"]), sent["switches"]["fever"])
        assert HERE == page.url.path

    async def test_of_a_district_adds_and_no_more(self, services: StandIns) -> None:
        browser = Browser(app_of(services, district))
        page = await browser.open(f"{PATH}/drafts/new")
        assert ("浦东新区" in page.text, "发热标准" in page.text) == (True, False)
        await browser.submit(f"{PATH}/drafts", district="310115", valid_from="2999-01-01", key_areas="3303 温州市 2020-02-20")
        area = {"code_prefix": "3303", "name": "温州市", "since": "2020-02-20"}
        assert {
            "authority": "district",
            "district": "310115",
            "valid_from": "2999-01-01",
            "allows_extras": False,
            "key_areas": [area],
        } == services.body_of("POST", DRAFTS)["terms"]

    @pytest.mark.parametrize(
        ("field", "text"), [("isolation_days", "两周"), ("threshold_celsius", ""), ("key_areas", "湖北"), ("valid_from", "")]
    )
    async def test_says_at_the_field_what_cannot_be_read(self, services: StandIns, browser: Browser, field: str, text: str) -> None:
        await browser.open(f"{PATH}/drafts/new")
        good = {"valid_from": "2999-01-01", "threshold_celsius": "37.3", "remeasured_after_min": "5", "isolation_days": "14"}
        page = await browser.submit(f"{PATH}/drafts", **{**good, field: text})
        assert (422, True) == (page.status_code, f'id="{field}-error"' in page.text)
        assert [] == services.sent("POST", DRAFTS)


class TestRehearsal:
    async def test_tells_who_would_change_and_goes_on_behind_them(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(HERE)).text
        for words in ("看了 1000 人", "隔离至 2020-02-28 前", "隔离至 2020-03-06 前", "<strong>禁止</strong>", "启用后不能撤销"):
            assert words in page
        await browser.open(f"{HERE}?after={DRAFT['draft_id']}")
        assert {"limit": "200", "after": DRAFT["draft_id"]} == dict(services.asked[-1].url.params)

    async def test_is_activated_once_on_a_paper(self, services: StandIns, browser: Browser) -> None:
        await browser.open(HERE)
        page = await browser.submit(HERE, reference=" ")
        assert (422, True) == (page.status_code, "请填写依据的文件" in page.text)
        page = await browser.submit(HERE, reference="沪建防疫〔2020〕9号")
        assert {"reference": "沪建防疫〔2020〕9号"} == services.body_of("POST", f"{THERE}/activation")
        assert "规则第 3 版已启用" in page.text

    async def test_says_why_it_was_not_activated(self, services: StandIns, browser: Browser) -> None:
        title = "生效日期已过"
        services.answers["POST", f"{THERE}/activation"] = refusal(409, "policy-begins-in-the-past", title)
        await browser.open(HERE)
        page = await browser.submit(HERE, reference="甲")
        assert (422, True) == (page.status_code, title in page.text)
