"""运行状态: what operators see of every service and do about what waits, whoever is down."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from joserfc.jwk import OKPKey

from chassis.auth import Principal
from chassis.clock import SystemClock
from chassis.release import RELEASE_VARIABLE
from contracts.access import Role
from portal import labels
from portal.languages import CHINESE
from portal.pages.operations import RUNBOOKS, Finding, findings
from portal.session import Session
from portal.upstream import operations
from portal.upstream.calls import READS, Caller, Calls, TokenDesk
from portal.upstream.operations import SERVICES, Following, Operations, Running, Status
from tests.house.house import REPOSITORY
from tests.portal.browsing import Browser
from tests.portal.operated import PARKED, PLACE, REBUILD, SHARDS, STREAM, lease, status, worker
from tests.portal.stand_ins import StandIns, app_of, of_operations, operator, refusal, supervisor

GATE = "/ops/services/gatekeeper"
RETRIES, DISCARDS = "/v1/ops/parked/retries", "/v1/ops/parked/discards"

REBUILT = {
    None: "进行中",
    "switched": "已切换",
    "switched back": "已换回",
    "different": "与现用数据不同,未切换",
    "chassis.rebuild.RebuildFailed": "失败",
}


@pytest.fixture
def browser(services: StandIns) -> Browser:
    return Browser(app_of(services, of_operations))


class TestPage:
    async def test_of_all_services_shows_each_and_what_waits(self, browser: Browser) -> None:
        page = (await browser.open("/ops")).text
        for words in (*SERVICES, PLACE, "有数据流等待处理", "docs/runbooks/parked.md", "people_on_contract_v1", "第 2 版"):
            assert words in page

    async def test_of_all_services_shows_the_portals_own_release(self, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(RELEASE_VARIABLE, "of-the-portal")
        page = (await browser.open("/ops")).text
        assert "<dt>版本</dt><dd>of-the-portal</dd>" in page

    @pytest.mark.parametrize("service", SERVICES)
    async def test_of_one_shows_who_holds_what_since_when(self, browser: Browser, service: str) -> None:
        page = (await browser.open(f"/ops/services/{service}")).text
        for words in ("project/03", "worker-1:7", "2020-02-18 15:44:35", "clearance_v1"):
            assert words in page

    async def test_of_one_shows_what_was_discarded_by_whom_and_why(self, browser: Browser) -> None:
        page = (await browser.open(GATE)).text
        assert "与来源方确认:伪造的记录" in page
        assert "supervisor:ops" in page

    @pytest.mark.parametrize(("outcome", "words"), REBUILT.items())
    async def test_of_one_shows_what_became_of_a_rebuild(
        self, services: StandIns, browser: Browser, outcome: str | None, words: str
    ) -> None:
        services.answers["GET", "health/v1/ops/status"] = (200, status("health", rebuilds=[REBUILD | {"outcome": outcome}]))
        page = (await browser.open("/ops/services/health")).text
        assert [words] == [each for each in REBUILT.values() if f">{each}</span>" in page]
        assert (outcome == "chassis.rebuild.RebuildFailed") == (f"<code>{outcome}</code>" in page)

    async def test_of_one_shows_how_far_a_rebuild_is(self, services: StandIns, browser: Browser) -> None:
        for done, words in ((410_000, "410,000 / 1,000,000 个事件"), (990_000, "990,000 / 1,000,000 个事件")):
            told = status("reporting", rebuilds=[REBUILD | {"events_done": done}])
            services.answers["GET", "reporting/v1/ops/status"] = (200, told)
            page = (await browser.open("/ops/services/reporting")).text
            assert words in page
            assert f'<progress max="1000000" value="{done}"' in page

    async def test_of_a_service_that_is_none_is_not_found(self, browser: Browser) -> None:
        assert 404 == (await browser.open("/ops/services/portal")).status_code

    @pytest.mark.parametrize("session", [operator, supervisor])
    async def test_is_for_operations_alone(self, services: StandIns, session: Callable[[], Session]) -> None:
        assert 403 == (await Browser(app_of(services, session)).open("/ops")).status_code

    async def test_leads_operations_to_no_page_of_anybody(self, browser: Browser) -> None:
        assert 403 == (await browser.open("/supervision/contracts")).status_code

    async def test_is_asked_for_again_by_itself_and_by_a_link(self, browser: Browser) -> None:
        page = (await browser.open("/ops")).text
        assert 'hx-trigger="every 5s"' in page
        assert '<a href="/ops">刷新</a>' in page


class TestServiceThatIsDown:
    async def test_is_told_so_beside_the_others(self, services: StandIns, browser: Browser) -> None:
        services.down = {"health"}
        page = await browser.open("/ops")
        assert 200 == page.status_code
        for words in ("没有应答", "docs/runbooks/process-down.md", "健康服务没有应答", PLACE):
            assert words in page.text

    async def test_has_a_page_that_says_so(self, services: StandIns, browser: Browser) -> None:
        services.down = {"gatekeeper"}
        page = await browser.open(GATE)
        assert (200, True) == (page.status_code, "没有应答" in page.text)

    async def test_leaves_a_page_though_all_are(self, services: StandIns, browser: Browser) -> None:
        services.is_away = True
        page = await browser.open("/ops")
        assert (200, len(SERVICES)) == (page.status_code, page.text.count("没有应答</span>"))

    async def test_may_be_one_that_answers_otherwise_than_expected(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", "health/v1/ops/status"] = (200, {"service": "health"})
        services.answers["GET", "reporting/v1/ops/status"] = refusal(404, "not-found", "没有")
        page = await browser.open("/ops")
        assert (200, 2) == (page.status_code, page.text.count("没有应答</span>"))

    async def test_cannot_be_told_to_retry_and_the_page_says_so(self, services: StandIns, browser: Browser) -> None:
        await browser.open(GATE)
        services.down = {"gatekeeper"}
        page = await browser.submit(f"{GATE}/retries")
        assert (422, True) == (page.status_code, "系统暂时没有应答" in page.text)


class TestRetry:
    @pytest.mark.parametrize(
        ("asked", "applied", "left", "words"),
        [
            (STREAM, [4], 0, "已重试,等待的事件已按顺序处理。"),
            (STREAM, [1], 1, "仍有 1 个数据流等待处理"),
            (STREAM, [], 0, "可能已由他人重试或放弃"),
            (STREAM, [0], 0, "可能已由他人重试或放弃"),
            (None, [4, 1], 0, "已重试,等待的事件已按顺序处理。"),
            (None, [4], 12, "仍有 12 个数据流等待处理"),
            (None, [], 3, "仍有 3 个数据流等待处理"),
            (None, [], 0, "可能已由他人重试或放弃"),
        ],
        ids=["applied", "stuck", "gone", "gone meanwhile", "all applied", "time was up", "no time", "all gone"],
    )
    async def test_says_what_became_of_it(
        self, services: StandIns, browser: Browser, asked: UUID | None, applied: list[int], left: int, words: str
    ) -> None:
        items = [{"applied": each, "stopped_at": None, "error": None} for each in applied]
        services.answers["POST", RETRIES] = (200, {"items": items, "left_streams": left})
        await browser.open(GATE)
        page = await browser.submit(f"{GATE}/retries", stream_id=str(asked or ""))
        [notice] = re.findall(r'<p class="notice.*?</p>', page.text)
        assert words in notice
        assert ({"stream_id": str(asked)} if asked else {}) == services.body_of("POST", RETRIES)

    async def test_of_what_is_no_stream_is_not_found(self, services: StandIns, browser: Browser) -> None:
        await browser.open(GATE)
        assert 404 == (await browser.submit(f"{GATE}/retries", stream_id="x")).status_code
        assert [] == services.sent("POST", RETRIES)

    async def test_from_elsewhere_is_refused(self, services: StandIns, browser: Browser) -> None:
        await browser.open(GATE)
        assert 403 == (await browser.submit(f"{GATE}/retries", form_token="forged")).status_code
        assert [] == services.sent("POST", RETRIES)


class TestDiscard:
    async def test_asks_why_and_says_that_it_is_kept(self, services: StandIns, browser: Browser) -> None:
        page = await browser.open(f"{GATE}/discard?event={PLACE}")
        assert "绝不能放弃" in page.text
        page = await browser.submit(f"{GATE}/discard", reason=" 伪造的记录 ")
        assert {"event": PLACE, "reason": "伪造的记录"} == services.body_of("POST", DISCARDS)
        assert "已放弃该事件" in page.text

    async def test_without_a_reason_is_told_beside_the_field(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", DISCARDS] = refusal(422, "invalid-request", "", ("/reason", "missing"))
        await browser.open(f"{GATE}/discard?event={PLACE}")
        page = await browser.submit(f"{GATE}/discard", reason="")
        assert (422, True) == (page.status_code, 'id="reason-error"' in page.text)

    async def test_of_what_waits_no_more_is_told_so_in_a_stale_tab(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{GATE}/discard?event={PLACE}")
        services.answers["POST", DISCARDS] = refusal(409, "event-is-not-parked", "")
        page = await browser.submit(f"{GATE}/discard", reason="伪造的记录")
        assert "可能已由他人重试或放弃" in page.text

    async def test_is_not_offered_for_what_does_not_wait(self, browser: Browser) -> None:
        page = await browser.open(f"{GATE}/discard?event=clearance_v1/health/1:1")
        assert ("可能已由他人重试或放弃" in page.text, GATE) == (True, page.url.path)

    async def test_while_the_service_is_down_leads_to_where_that_is_told(self, services: StandIns, browser: Browser) -> None:
        services.down = {"gatekeeper"}
        page = await browser.open(f"{GATE}/discard?event={PLACE}")
        assert (200, True) == (page.status_code, "没有应答" in page.text)

    async def test_that_got_no_answer_keeps_what_was_typed(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{GATE}/discard?event={PLACE}")
        services.down = {"gatekeeper"}
        page = await browser.submit(f"{GATE}/discard", reason="伪造的记录")
        assert (422, True, True) == (page.status_code, "系统暂时没有应答" in page.text, 'value="伪造的记录"' in page.text)


def running(name: str = "gatekeeper", *following: Following, **changes: Any) -> Running:
    return Running(name, Status.model_validate(status(name, **changes)), following)


def behind(age_s: float) -> Following:
    return Following("clearance_v1", False, "health", 7, age_s)


class TestFinding:
    @pytest.mark.parametrize(
        ("service", "found"),
        [
            (running(), []),
            (Running("health", None), ["away"]),
            (running(parked_streams=1, parked=[PARKED]), ["parked"]),
            (running(leases=[lease("relay/00"), lease("relay/01", is_held=False)]), ["unheld"]),
            (running(workers=[worker("halted-hole")]), ["halted"]),
            (running(workers=[worker("not-acknowledged")]), []),
            (running(ages_s={"gate_view": 10.1}), ["gate_stale"]),
            (running(ages_s={"gate_view": None}), ["gate_stale"]),
            (running(log={"epoch": 1, "heads": [1] * SHARDS, "unpublished_age_s": 30.1}), ["unpublished"]),
            (running("gatekeeper", behind(119.0)), []),
            (running("gatekeeper", behind(121.0)), ["behind"]),
            (running(rebuilds=[REBUILD]), []),
            (running(rebuilds=[REBUILD | {"silent_s": 61.0}]), ["rebuild_silent"]),
            (running(rebuilds=[REBUILD | {"silent_s": 61.0, "outcome": "switched"}]), []),
        ],
        ids=lambda value: ",".join(value) if isinstance(value, list) else "",
    )
    def test_is_what_an_alert_would_say(self, service: Running, found: list[str]) -> None:
        assert found == [each.code for each in findings(service)]

    def test_has_words_and_a_runbook_that_is_there(self) -> None:
        assert labels.FINDINGS.keys() == RUNBOOKS.keys()
        assert [] == [code for code in RUNBOOKS if not (REPOSITORY / Finding(code).runbook).is_file()]


class TestOperations:
    """Asked over HTTP that answers late, or never."""

    @staticmethod
    def asking(answer: Callable[[httpx2.Request], Any]) -> Operations:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        desk = TokenDesk(OKPKey.generate_key("Ed25519", private=True, auto_kid=True), SystemClock())
        calls = Calls(client, {name: f"http://{name}" for name in READS}, desk)

        async def nothing(service: str, token: str) -> None:
            pass

        return Operations(calls, Caller(Principal("supervisor:ops", Role.OPS), {}, CHINESE, nothing))

    async def test_are_all_asked_at_the_same_time_and_wait_for_none_that_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(operations, "STATUS_S_MAX", 0.05)
        asked: set[str] = set()
        everybody = asyncio.Event()

        async def answer(request: httpx2.Request) -> httpx2.Response:
            asked.add(request.url.host)
            if len(asked) == len(SERVICES):
                everybody.set()
            await (asyncio.Event() if request.url.host == "health" else everybody).wait()
            return httpx2.Response(200, json=status(request.url.host))

        found = await self.asking(answer).all()
        assert list(SERVICES) == [each.name for each in found]
        assert ["health"] == [each.name for each in found if each.status is None]

    async def test_tell_how_far_and_how_long_somebody_is_behind_a_source(self) -> None:
        late = status("health")
        late["followed"][0]["positions"] = [990] * 2 + [1_000] * (SHARDS - 2)

        def answer(request: httpx2.Request) -> httpx2.Response:
            if request.url.path == "/v1/ops/ages":
                assert "registration" == request.url.host
                return httpx2.Response(200, json={"ages_s": [4.5]})
            host = request.url.host
            return httpx2.Response(200, json=late if host == "health" else status(host))

        [health] = await self.asking(answer).of("health")
        assert [(20, 4.5), (0, 0.0)] == [(each.behind, each.age_s) for each in health.following]
        assert 4.5 == health.oldest_age_s

    async def test_tell_that_it_is_not_known_while_the_source_is_down(self) -> None:
        def answer(request: httpx2.Request) -> httpx2.Response:
            if request.url.host == "registration":
                raise httpx2.ConnectError("down")
            return httpx2.Response(200, json=status(request.url.host))

        [police] = await self.asking(answer).of("police-bridge")
        assert [(None, None)] == [(each.behind, each.age_s) for each in police.following]
        assert police.oldest_age_s is None
