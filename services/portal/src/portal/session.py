"""Sessions: an opaque name in a cookie, everything else in a row here, so that they can be ended from here.

Rights are read anew with every request, so what is withdrawn ends at once for pages, and within a minute for tokens.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from chassis.auth import Principal
from contracts.access import Action, Role, may
from portal import user_keys
from portal.digests import Digests
from portal.operators import Operators, Rights, SiteGrant
from portal.users import Supervisor, Users

SESSION_COOKIE = "__Host-session"
VISITOR_COOKIE = "__Host-visitor"
"""Names a browser before and after it signs in; forms are bound to it."""
SESSION_IDLE = timedelta(hours=2)
SESSION_LIFE = timedelta(hours=12)
"""A shift."""
COOKIE_CHARS_MAX = 64
BY_ITSELF = "HX-Request"
"""A page asks for a part of itself: nobody sits there and uses it."""


@dataclass(frozen=True)
class Session:
    """Who sits in front of the browser."""

    digest: bytes
    user_id: UUID | None
    supervisor: Supervisor | None
    grants: tuple[SiteGrant, ...]
    """Of a user of sites: the contracts to choose from."""
    seen: Mapping[str, str]
    """Service → the consistency token of the last facts that this session made there, in the order in which they were made."""
    gate_contract_no: str | None = None
    """Of the tablet at a turnstile: whose gate it asks. It can do nothing else, for nobody watches who touches it."""

    def on(self, contract_no: str) -> Principal | None:
        """As the services see whoever works on this contract: it reaches no other one, so that what is shown of one contract
        can never be another's. None: the contract is not his."""
        grant = next((each for each in self.grants if each.contract_no == contract_no), None)
        if grant is None:
            return None
        if self.gate_contract_no is not None:
            return self._turnstile(grant)
        return self._principal(grant, frozenset({contract_no}))

    @property
    def anywhere(self) -> Principal | None:
        """As the services see him where no contract is meant: a supervisor, or whoever has still to choose (选择合同). None:
        nothing is granted to him any more."""
        if self.supervisor is not None:
            known = self.supervisor
            return Principal(
                f"supervisor:{known.account}", known.role, stations=frozenset(known.stations), districts=frozenset(known.districts)
            )
        if not self.grants or self.gate_contract_no is not None:
            return None
        return self._principal(self.grants[0], frozenset(each.contract_no for each in self.grants))

    def _turnstile(self, grant: SiteGrant) -> Principal | None:
        """The gate's tablet, as long as whoever opened it may still admit there."""
        if grant.contract_no != self.gate_contract_no or not may(grant.role, Action.ADMIT):
            return None
        return Principal(f"gate:{self.user_id}", Role.GATE_DEVICE, contracts=frozenset({grant.contract_no}))

    def _principal(self, grant: SiteGrant, contracts: frozenset[str]) -> Principal:
        return Principal(f"user:{self.user_id}", grant.role, contracts=contracts, employer_credit_code=grant.employer_credit_code)


class Sessions:
    def __init__(self, pool: asyncpg.Pool, digests: Digests, users: Users, operators: Operators) -> None:
        self._pool = pool
        self._digests = digests
        self._users = users
        self._operators = operators

    async def begin(
        self, response: Response, *, user_id: UUID | None = None, account: str | None = None, gate_contract_no: str | None = None
    ) -> None:
        """Sign somebody in. The name is new: one that was known before the login never becomes a session.

        With `gate_contract_no` it is a turnstile's: never idle, for workers come all day and nobody is there to sign in again.
        """
        name = secrets.token_urlsafe(32)
        async with self._pool.acquire() as connection, connection.transaction():
            digests = await user_keys.counting(connection, self._digests)
            await connection.execute("DELETE FROM session WHERE began_at < clock_timestamp() - $1::interval", SESSION_LIFE)
            await connection.execute(
                "INSERT INTO session (session_digest, user_id, account, gate_contract_no) VALUES ($1, $2, $3, $4)",
                digests.of("session", name),
                user_id,
                account,
                gate_contract_no,
            )
        set_cookie(response, SESSION_COOKIE, name, life=SESSION_LIFE)

    async def of(self, request: Request) -> Session | None:
        """The session that the browser names, if it is still good, with what it may now. Raises: UpstreamAway, Unavailable."""
        name = request.cookies.get(SESSION_COOKIE, "")
        if not name or len(name) > COOKIE_CHARS_MAX:
            return None
        row = await self._pool.fetchrow(
            """
            UPDATE session SET used_at = CASE WHEN $4 THEN clock_timestamp() ELSE used_at END
            WHERE session_digest = ANY ($1) AND began_at > clock_timestamp() - $3::interval
                AND (used_at > clock_timestamp() - $2::interval OR gate_contract_no IS NOT NULL)
            RETURNING *
            """,
            self._digests.either("session", name),
            SESSION_IDLE,
            SESSION_LIFE,
            BY_ITSELF not in request.headers,
        )
        if row is None:
            await user_keys.insist(self._pool, self._digests)
            return None
        grants = await self._grants_of(row["user_id"]) if row["user_id"] else ()
        supervisor = await self._users.supervisor_of(row["account"]) if row["account"] else None
        return Session(row["session_digest"], row["user_id"], supervisor, grants, _in_order(row["seen"]), row["gate_contract_no"])

    async def _grants_of(self, user_id: UUID) -> tuple[SiteGrant, ...]:
        operator = await self._users.operator_of(user_id)
        rights = await self._operators.rights_of(operator) if operator else Rights()
        return rights.beside(await self._users.grants_of(user_id))

    async def remember(self, session: Session, service: str, token: str) -> None:
        """What the session did is what its next pages show."""
        await self._pool.execute(
            """
            UPDATE session
            SET seen = seen || jsonb_build_object($2::text, jsonb_build_array(extract(epoch FROM clock_timestamp()), $3::text))
            WHERE session_digest = ANY ($1)
            """,
            self._digests.either_of_stored(session.digest),
            service,
            token,
        )

    async def end(self, request: Request, response: Response) -> None:
        name = request.cookies.get(SESSION_COOKIE, "")
        await self._pool.execute("DELETE FROM session WHERE session_digest = ANY ($1)", self._digests.either("session", name))
        response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")

    # --- Forms come from our own pages ---------------------------------------------------------------------------------

    def form_token(self, visitor: str) -> str:
        """What a form of this browser carries."""
        return self._digests.of_first("form", visitor).hex()

    def is_ours(self, visitor: str, token: str) -> bool:
        """Whether the form is one that we gave to this browser."""
        return bool(visitor) and hmac.compare_digest(self.form_token(visitor).encode(), token.encode())


def _in_order(seen: str) -> dict[str, str]:
    """As stored, service → [when, token]: jsonb keeps no order of its own."""
    stored: dict[str, tuple[float, str]] = json.loads(seen)
    return {service: token for service, (_, token) in sorted(stored.items(), key=lambda item: item[1][0])}


def set_cookie(response: Response, name: str, value: str, *, life: timedelta) -> None:
    response.set_cookie(name, value, max_age=int(life.total_seconds()), path="/", secure=True, httponly=True, samesite="lax")
