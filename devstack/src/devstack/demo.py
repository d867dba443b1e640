"""Accounts to sign in to the portal with, one for each role of the story. Everybody is invented."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyotp
from pydantic import SecretStr

from chassis.database import create_pool
from chassis.settings import key_bytes
from contracts.access import Role
from devstack.services import Stack
from devstack.state import State
from devstack.story.cast import CONTRACTS, HONGKOU, PUDONG, citizen_id
from portal.digests import Digests, UserKeys
from portal.operators import SiteGrant
from portal.users import Supervisor, Users

EMPLOYER = CONTRACTS[1].employer["credit_code"]
BOTH = (PUDONG, HONGKOU)


@dataclass(frozen=True)
class SiteAccount:
    """Signs in with number and mobile; the code is on the page."""

    role: Role
    number: str
    mobile: str
    contracts: Sequence[str] = BOTH
    employer_credit_code: str | None = None

    @property
    def grants(self) -> list[SiteGrant]:
        return [SiteGrant(each, self.role, self.employer_credit_code) for each in self.contracts]


def _number(order: int) -> str:
    return citizen_id(region="310109", born=date(1975, 5, 20), order=order)


SITE_ACCOUNTS = (
    SiteAccount(Role.PROJECT_LEAD, _number(11), "13900000011"),
    SiteAccount(Role.SITE_OPERATOR, _number(13), "13900000013"),
    SiteAccount(Role.EMPLOYER_REGISTRAR, _number(15), "13900000015", (HONGKOU,), EMPLOYER),
    SiteAccount(Role.SUPERVISION_LEAD, _number(17), "13900000017"),
    SiteAccount(Role.SUPERVISION_OPERATOR, _number(19), "13900000019"),
)
SUPERVISORS = (
    Supervisor("station", Role.STATION_OFFICER, stations=("虹口",)),
    Supervisor("district", Role.DISTRICT_SUPERVISOR, districts=("310115",)),
    Supervisor("city", Role.CITY_SUPERVISOR),
    Supervisor("ops", Role.OPS),
)


async def put_accounts(stack: Stack) -> None:
    """Make them, or make them anew."""
    pool = await create_pool(stack.databases["portal"].app_dsn, application_name="devstack", size_max=1)
    async with pool:
        users = Users(pool, Digests(UserKeys(key_bytes(SecretStr(stack.state.key("user-key"))))))
        for each in SITE_ACCOUNTS:
            await users.put_site_user(document_number=each.number, mobile=each.mobile, grants=each.grants)
        for supervisor in SUPERVISORS:
            account = supervisor.account
            secret = totp_secret(stack.state, account)
            await users.put_supervisor(supervisor, password=stack.state.password(f"portal-{account}"), totp_secret=secret)


async def forget_codes(stack: Stack) -> None:
    """Let a code be asked for again at once, and a one-time password of this half minute be used again."""
    async with await create_pool(stack.databases["portal"].app_dsn, application_name="devstack", size_max=1) as pool:
        await pool.execute("DELETE FROM login_code")
        await pool.execute("UPDATE supervisor SET totp_step = 0 WHERE totp_step <> 0")


def totp_secret(state: State, account: str) -> str:
    """The seed of the account's one-time passwords, as authenticators take it."""
    return base64.b32encode(base64.b64decode(state.key(f"totp-{account}"))).decode().rstrip("=")


def one_time_password(state: State, account: str) -> str:
    """The one of the present half minute."""
    return pyotp.TOTP(totp_secret(state, account)).now()


def lines(stack: Stack) -> list[str]:
    """How to sign in, a line an account."""
    told = [f"portal                {stack.url('portal')}"]
    told += [f"  {each.role:<22}{each.number}  {each.mobile}  (the code is on the page)" for each in SITE_ACCOUNTS]
    for each in SUPERVISORS:
        password = stack.state.password(f"portal-{each.account}")
        told.append(f"  {each.role:<22}{each.account:<8}  {password}  (one-time password: make code ACCOUNT={each.account})")
    return told
