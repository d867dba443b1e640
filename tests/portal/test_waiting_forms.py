"""Forms that wait: for a declaration, for a name that agrees, for a mobile."""

from __future__ import annotations

import pytest

from portal.labels import WAITS_FOR, WHAT_ENDS_WAITING
from tests.portal.browsing import Browser
from tests.portal.stand_ins import AWAITED, CONTRACT, SITE, WAITING, StandIns

LIST = f"{SITE}/pre-registrations"
FORM = f"/v1/contracts/{CONTRACT}/pre-registrations/{WAITING}"


class TestWaitingForm:
    @pytest.mark.parametrize("waits_for", WAITS_FOR)
    async def test_says_what_it_lacks_and_what_helps(self, services: StandIns, browser: Browser, waits_for: str) -> None:
        services.answers["GET", FORM] = (200, AWAITED | {"waits_for": waits_for})
        page = (await browser.open(f"{LIST}/{WAITING}")).text
        assert WAITS_FOR[waits_for] in page
        assert WHAT_ENDS_WAITING[waits_for] in page

    @pytest.mark.parametrize("path", [LIST, f"{SITE}/today"])
    async def test_is_listed_with_what_it_lacks(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        assert 1 == page.count("姓名与健康云登记不一致")
        assert f'href="{LIST}/{WAITING}"' in page

    async def test_about_to_be_taken_up_lacks_nothing(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", FORM] = (200, AWAITED | {"waits_for": None})
        assert "notice warn" not in (await browser.open(f"{LIST}/{WAITING}")).text

    async def test_is_withdrawn_with_a_reason(self, services: StandIns, browser: Browser) -> None:
        assert "撤回后不再等待" in (await browser.open(f"{LIST}/{WAITING}")).text
        assert "预登记已撤回" in (await browser.submit(f"{LIST}/{WAITING}/withdrawal", reason="不来了")).text
        assert {"reason": "不来了"} == services.body_of("POST", f"{FORM}/withdrawal")
