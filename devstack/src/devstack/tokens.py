"""Accounts of the local stack, and their tokens. An account is made when somebody first asks for a token of its kind."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

import httpx2

from devstack.state import State

TIMEOUT_S = 10.0
ADDRESS_FILE = "portal.json"


class NoToken(Exception):
    """There is none. Its text says what to do."""


@dataclass(frozen=True)
class Portal:
    """Where tokens come from."""

    url: str
    dsn: str
    """Of the portal's own role in its own database: that is where accounts are put."""

    def write_down(self, state: State) -> None:
        """Let other processes find it: `make token` is another than `make run`."""
        file = _address_file(state)
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))

    @staticmethod
    def written_down(state: State) -> Portal:
        """Raises: NoToken, if no stack was ever started here."""
        try:
            return Portal(**json.loads(_address_file(state).read_text()))
        except FileNotFoundError:
            raise NoToken("No stack was started here yet: make run") from None


@dataclass(frozen=True)
class Account:
    """A role and what it is for. The names of roles are those of `contracts.access.Role`."""

    role: str
    contracts: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    employer_credit_code: str | None = None

    @property
    def client_id(self) -> str:
        scope = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return f"local-{self.role.replace('_', '-')}-{scope}"


async def token(portal: Portal, state: State, account: Account) -> tuple[str, float]:
    """An access token and its life in seconds. Raises: NoToken."""
    credentials = {"client_id": account.client_id, "client_secret": state.password(account.client_id)}
    try:
        async with httpx2.AsyncClient(base_url=portal.url, timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.post("/v1/tokens", json=credentials)
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                await _put(portal, account, secret=credentials["client_secret"])
                answer = await client.post("/v1/tokens", json=credentials)
    except httpx2.TransportError as error:
        raise NoToken(f"The portal at {portal.url} does not answer ({error}): make run") from None
    if not answer.is_success:
        raise NoToken(f"The portal answered {answer.status_code}: {answer.text}")
    return answer.json()["access_token"], answer.json()["expires_in"]


async def _put(portal: Portal, account: Account, *, secret: str) -> None:
    # Imported here: only whoever needs a new account pays for it.
    from chassis.auth import Principal
    from chassis.database import create_pool
    from contracts.access import Role
    from portal.accounts import put_client

    try:
        role = Role(account.role)
    except ValueError:
        raise NoToken(f"{account.role!r} is no role; the roles are {', '.join(Role)}") from None
    principal = Principal(
        subject=account.client_id,
        role=role,
        contracts=frozenset(account.contracts),
        stations=frozenset(account.stations),
        districts=frozenset(account.districts),
        employer_credit_code=account.employer_credit_code,
    )
    async with await create_pool(portal.dsn, application_name="devstack", size_max=1) as pool:
        await put_client(pool, principal, secret=secret)


def _address_file(state: State) -> Path:
    return state.folder("secrets") / ADDRESS_FILE
