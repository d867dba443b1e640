"""From where somebody asks, with proxies between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.requests import Request

from portal.addresses import address_of
from tests.portal.browsing import Browser
from tests.portal.stand_ins import StandIns, app_of

PROXY, OTHER_PROXY, USER, INVENTED = "172.18.0.1", "10.1.0.9", "203.0.113.9", "192.168.0.1"
PROXIES = "172.18.0.1/32 10.1.0.0/16"


def asked(*forwarded: str, peer: str = PROXY) -> Request:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return Request({"type": "http", "headers": headers, "client": (peer, 1)})


class TestAddress:
    @pytest.mark.parametrize(
        ("request_", "address"),
        [
            (asked(), PROXY),
            (asked(USER), USER),
            (asked(f"{USER}, {OTHER_PROXY}"), USER),
            (asked(USER, OTHER_PROXY), USER),
            (asked(f"{INVENTED}, {USER}"), USER),
            (asked(INVENTED, peer=USER), USER),
            (asked("nowhere"), PROXY),
            (asked(f"{USER}, unknown"), PROXY),
            (asked("2001:db8::7"), "2001:db8::7"),
        ],
    )
    def test_is_the_last_one_that_no_proxy_has(self, request_: Request, address: str) -> None:
        assert address == address_of(request_, trusted_proxies=PROXIES)

    def test_is_the_peer_s_where_no_proxy_is_trusted(self) -> None:
        assert PROXY == address_of(asked(USER), trusted_proxies="")

    @pytest.mark.parametrize(("proxies", "status"), [("", 200), (PROXIES, 403)])
    async def test_tells_who_is_inside(self, services: StandIns, proxies: str, status: int) -> None:
        app = app_of(services)
        settings = app.state.portal.settings.model_copy(update={"trusted_proxies": proxies})
        app.state.portal = replace(app.state.portal, settings=settings)
        browser = Browser(app, address=PROXY)
        browser.client.headers["X-Forwarded-For"] = USER
        assert status == (await browser.open("/supervision/login")).status_code
