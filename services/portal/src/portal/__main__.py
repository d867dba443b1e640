"""`python -m portal api|all`, the operator's commands, or `client-put` to make or change an account."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from chassis.auth import Principal
from chassis.database import create_pool
from chassis.runner import main
from contracts.access import Role
from portal.accounts import put_client
from portal.settings import Settings
from portal.wiring import SERVICE

SECRET_VARIABLE = "GATEHOUSE_CLIENT_SECRET"  # noqa: S105 - the name of a variable


def client_put(arguments: Sequence[str]) -> None:
    """Make an account or change it. The secret comes from the environment: command lines can be read by everybody."""
    parser = argparse.ArgumentParser(prog="python -m portal client-put", description=client_put.__doc__)
    parser.add_argument("--id", required=True)
    parser.add_argument("--role", required=True, choices=[role.value for role in Role])
    for scope in ("contract", "station", "district"):
        parser.add_argument(f"--{scope}", action="append", default=[])
    parser.add_argument("--employer")
    given = parser.parse_args(arguments)
    principal = Principal(
        subject=given.id,
        role=Role(given.role),
        contracts=frozenset(given.contract),
        stations=frozenset(given.station),
        districts=frozenset(given.district),
        employer_credit_code=given.employer,
    )
    secret = os.environ.get(SECRET_VARIABLE)
    if not secret:
        sys.exit(f"{SECRET_VARIABLE} is not set")
    asyncio.run(_put(principal, secret))


async def _put(principal: Principal, secret: str) -> None:
    pool = await create_pool(Settings().database_dsn.get_secret_value(), application_name="portal client-put", size_max=1)
    async with pool:
        await put_client(pool, principal, secret=secret)


if sys.argv[1:2] == ["client-put"]:
    client_put(sys.argv[2:])
else:
    main(SERVICE)
