"""`python -m portal api|all`, the operator's commands, or one that makes or changes an account: `client-put` for a program,
`site-user-put` and `supervisor-put` for people. Secrets come from the environment: command lines can be read by everybody."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg

from chassis.auth import Principal
from chassis.database import create_pool
from chassis.runner import main
from chassis.settings import keys_bytes
from contracts.access import SCOPES, Role, Scope
from contracts.identity import DocumentType, canonical_number, parse_mobile
from contracts.times import shanghai_date
from portal.accounts import put_client
from portal.digests import Digests, UserKeys
from portal.operators import SiteGrant
from portal.settings import Settings
from portal.users import Supervisor, Users
from portal.wiring import SERVICE

CLIENT_SECRET = "GATEHOUSE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
DOCUMENT_NUMBER, MOBILE = "GATEHOUSE_DOCUMENT_NUMBER", "GATEHOUSE_MOBILE"
PASSWORD, TOTP_SECRET = "GATEHOUSE_PASSWORD", "GATEHOUSE_TOTP_SECRET"


async def client_put(given: Namespace, pool: asyncpg.Pool) -> None:
    """Make the account of a program, or change it: secret in GATEHOUSE_CLIENT_SECRET."""
    principal = Principal(
        subject=given.id,
        role=Role(given.role),
        contracts=frozenset(given.contract),
        stations=frozenset(given.station),
        districts=frozenset(given.district),
        employer_credit_code=given.employer,
    )
    await put_client(pool, principal, secret=_secret(CLIENT_SECRET))


async def site_user_put(given: Namespace, pool: asyncpg.Pool) -> None:
    """Make the account of a site's user, or change it: number and mobile in GATEHOUSE_DOCUMENT_NUMBER and GATEHOUSE_MOBILE."""
    today = shanghai_date(datetime.now(UTC))
    grants = [SiteGrant(each, Role(given.role), given.employer) for each in given.contract]
    number = canonical_number(DocumentType.CITIZEN_ID, _secret(DOCUMENT_NUMBER), today=today)
    await _users(pool).put_site_user(document_number=number, mobile=parse_mobile(_secret(MOBILE)), grants=grants)


async def supervisor_put(given: Namespace, pool: asyncpg.Pool) -> None:
    """Make the account of a supervisor or operator, or change it: GATEHOUSE_PASSWORD and GATEHOUSE_TOTP_SECRET (base32)."""
    supervisor = Supervisor(given.id, Role(given.role), given.station, given.district)
    await _users(pool).put_supervisor(supervisor, password=_secret(PASSWORD), totp_secret=_secret(TOTP_SECRET))


def _users(pool: asyncpg.Pool) -> Users:
    return Users(pool, Digests(UserKeys(*keys_bytes(Settings().user_key))))


def _secret(variable: str) -> str:
    secret = os.environ.get(variable)
    if not secret:
        sys.exit(f"{variable} is not set")
    return secret


def _roles(*scopes: Scope) -> list[str]:
    return [role.value for role, scope in SCOPES.items() if scope in scopes]


Command = Callable[[Namespace, asyncpg.Pool], Awaitable[None]]
COMMANDS: dict[str, tuple[Command, list[str]]] = {
    "client-put": (client_put, [role.value for role in Role]),
    "site-user-put": (site_user_put, _roles(Scope.CONTRACTS)),
    "supervisor-put": (supervisor_put, [*_roles(Scope.STATIONS, Scope.DISTRICTS, Scope.ALL), Role.OPS.value]),
}
"""Name → what it does, and for which roles."""


def _given(name: str, roles: list[str]) -> Namespace:
    parser = ArgumentParser(prog=f"python -m portal {name}", description=COMMANDS[name][0].__doc__)
    if name != "site-user-put":
        parser.add_argument("--id", required=True)
    parser.add_argument("--role", required=True, choices=roles)
    for scope in ("contract", "station", "district"):
        parser.add_argument(f"--{scope}", action="append", default=[])
    parser.add_argument("--employer", help="credit code; of an employer_registrar")
    return parser.parse_args(sys.argv[2:])


async def _put(command: Command, given: Namespace) -> None:
    dsn = Settings().database_dsn.get_secret_value()
    pool = await create_pool(dsn, application_name="portal account", size_max=1)
    async with pool:
        await command(given, pool)


if sys.argv[1:2] and sys.argv[1] in COMMANDS:
    command, roles = COMMANDS[sys.argv[1]]
    asyncio.run(_put(command, _given(sys.argv[1], roles)))
else:
    main(SERVICE)
