"""Whom `make run` offers to sign in as: one account for each role of people."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from contracts.access import Role
from devstack import demo
from devstack.run import tell_where
from portal.labels import ROLES
from portal.users import Supervisor
from tests.browser.desk import Desk
from tests.journeys.stack import JourneyStack


class TestDemoAccount:
    def test_is_there_for_every_role(self) -> None:
        offered = [each.role for each in (*demo.SITE_ACCOUNTS, *demo.SUPERVISORS)]
        assert sorted(ROLES.keys() - {Role.GATE_DEVICE}) == sorted(offered)

    async def test_is_told_last_with_the_portal_s_address(
        self, installation: JourneyStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tell_where(installation, print)
        *_, address, first, second, third, fourth, fifth, station, district, city, ops, stop = capsys.readouterr().out.splitlines()
        assert ("portal", installation.url("portal")) == tuple(address.split())
        for line, account in zip((first, second, third, fourth, fifth), demo.SITE_ACCOUNTS, strict=True):
            assert [account.role, account.number, account.mobile] == line.split()[:3]
        for line, supervisor in zip((station, district, city, ops), demo.SUPERVISORS, strict=True):
            password = installation.state.password(f"portal-{supervisor.account}")
            assert [supervisor.role, supervisor.account, password] == line.split()[:3]
        assert ["stop", "Ctrl-C"] == stop.split()

    @pytest.mark.parametrize("account", demo.SITE_ACCOUNTS, ids=lambda account: account.role)
    async def test_of_a_site_signs_in(self, installation: JourneyStack, chromium: Browser, account: demo.SiteAccount) -> None:
        async with Desk.opened(installation.url("portal"), chromium) as desk:
            await desk.signs_in(installation, account.role)

    @pytest.mark.parametrize("supervisor", demo.SUPERVISORS, ids=lambda supervisor: supervisor.role)
    async def test_of_supervision_signs_in(self, installation: JourneyStack, chromium: Browser, supervisor: Supervisor) -> None:
        async with Desk.opened(installation.url("portal"), chromium) as desk:
            await desk.signs_in_as_supervisor(installation, supervisor.account)
