"""Who asks, and what they may do: access tokens, principals, and the guards of endpoints.

A token is a JWT signed with Ed25519 by the portal, which publishes its public keys (JWKS). It carries role and scope,
so a check needs nobody else. There is no call back to the portal and no list of revoked tokens: **rights that are
withdrawn end when the last token ends, and a token lives `TOKEN_LIFE_S` = 50 seconds**. With up to 10 s of difference
between the machines' clocks that is within a minute. Clients fetch a new token when 10 s are left.

What a role may do stands in `contracts.access`, in one table.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

import httpx2
import structlog
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from chassis.clock import Clock, SystemClock
from chassis.faults import Forbidden, NotFound, Unauthenticated, Unavailable
from chassis.probes import NotReady
from chassis.telemetry import request_context, type_name
from contracts.access import Action, Grants, Reach, Role, Site, covers, may, reach_of

ISSUER: Final = "gatehouse-portal"
AUDIENCE: Final = "gatehouse"
TOKEN_LIFE_S = 50
"""Seconds from issue to expiry. See the module's docstring before raising it."""
CLOCKS_DIFFER_S_MAX = 10.0
"""How far the portal's clock may be ahead of ours. A token that begins later does not count yet."""
TOKEN_CHARS_MAX = 4_096
TOKENS_REMEMBERED_MAX = 8_192
"""Verified tokens that a process remembers: verifying one costs about 140 µs, remembering it under 1 µs."""
KEYS_AGE_S_MAX = 300.0
"""Keys older than this are fetched anew, behind the request that notices."""
FETCH_PAUSE_S = 10.0
"""At least this long between two fetches of the keys, whoever asks for them."""
FETCH_S_MAX = 2.0
RETRY_AFTER_S = 5

ALGORITHMS = ["Ed25519"]  # RFC 9864; the older name EdDSA leaves the curve open

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    subject: str
    """The account. Names whoever did something in events and audits."""
    role: Role
    contracts: frozenset[str] = frozenset()
    stations: frozenset[str] = frozenset()
    districts: frozenset[str] = frozenset()
    employer_credit_code: str | None = None
    """The firm whose people an `employer_registrar` may see and register."""

    @property
    def grants(self) -> Grants:
        """As `contracts.access` takes it."""
        return Grants(self.contracts, self.stations, self.districts, self.employer_credit_code)

    @property
    def reach(self) -> Reach:
        """All that an authority supervises."""
        return reach_of(self.role, self.grants)


def covers_contract(
    principal: Principal, contract_no: str, *, station_name: str | None = None, district: str | None = None
) -> None:
    """Return if the contract is the caller's to see. Pass station and district where they are known.

    Raises: NotFound; somebody else's contract answers exactly like one that does not exist.
    """
    if not covers(principal.role, principal.grants, Site(contract_no, station_name, district)):
        raise NotFound


# --- The token ---------------------------------------------------------------------------------------------------------

Name = Annotated[str, Field(min_length=1, max_length=128)]


class _Claims(BaseModel):
    """What a token says. The only place where the claims' names are written."""

    iss: Literal["gatehouse-portal"]
    aud: Literal["gatehouse"]
    sub: Name
    iat: int
    exp: int
    jti: Name
    role: Role
    contracts: frozenset[Name] = frozenset()
    stations: frozenset[Name] = frozenset()
    districts: frozenset[Name] = frozenset()
    employer: Name | None = None

    def principal(self) -> Principal:
        return Principal(self.sub, self.role, self.contracts, self.stations, self.districts, self.employer)


def issue_token(principal: Principal, *, key: OKPKey, now: datetime, life_s: int = TOKEN_LIFE_S) -> str:
    """A signed token for the principal. `key` is a private Ed25519 key with a `kid`."""
    claims = _Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        sub=principal.subject,
        iat=int(now.timestamp()),
        exp=int((now + timedelta(seconds=life_s)).timestamp()),
        jti=str(uuid4()),
        role=principal.role,
        contracts=principal.contracts,
        stations=principal.stations,
        districts=principal.districts,
        employer=principal.employer_credit_code,
    )
    header = {"alg": "Ed25519", "typ": "at+jwt", "kid": key.kid}
    written = claims.model_dump(mode="json", exclude_none=True)
    return jwt.encode(header, written, key, algorithms=ALGORITHMS)


def public_keys(*keys: OKPKey) -> dict[str, Any]:
    """The JWKS document that publishes the keys."""
    return {"keys": [{**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": "Ed25519"} for key in keys]}


# --- Checking it -------------------------------------------------------------------------------------------------------


class _UnknownKey(Exception):
    """The token names a key that was not among those fetched last."""


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token whose signature holds."""

    valid_from: float
    expires_at: float
    principal: Principal

    def is_valid_at(self, now: float) -> bool:
        """Also not before: by a clock that was set back a token would hold long after its end."""
        return self.valid_from <= now < self.expires_at


class Authenticator:
    """Tells from a token who asks. One for a process.

    Keys are fetched when first needed, then about every `KEYS_AGE_S_MAX`, and when a token names an unknown one. While
    the portal cannot be reached the last keys go on counting. They are kept in memory only.
    """

    def __init__(self, jwks_url: str, *, clock: Clock | None = None, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._jwks_url = jwks_url
        self._clock = clock or SystemClock()
        self._client = httpx2.AsyncClient(transport=transport, timeout=FETCH_S_MAX, trust_env=False)
        self._keys: dict[str, OKPKey] = {}
        self._verified: OrderedDict[str, _Verified] = OrderedDict()
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def authenticate(self, token: str) -> Principal:
        """Who holds the token. Raises: Unauthenticated; Unavailable while no keys were ever fetched."""
        now = self._clock.now().timestamp()
        remembered = self._verified.get(token)
        if remembered is not None and remembered.is_valid_at(now):
            self._verified.move_to_end(token)
            return remembered.principal
        if len(token) > TOKEN_CHARS_MAX:
            raise Unauthenticated
        claims = await self._verify(token)
        verified = _Verified(claims.iat - CLOCKS_DIFFER_S_MAX, claims.exp, claims.principal())
        if not verified.is_valid_at(now):
            raise Unauthenticated
        self._remember(token, verified)
        return verified.principal

    async def check(self) -> None:
        """Ready once keys are there. Raises: NotReady."""
        if not self._keys:
            await self._fetch_if_due()
        if not self._keys:
            raise NotReady("no-token-keys")

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        await self._client.aclose()

    async def _verify(self, token: str) -> _Claims:
        try:
            claims = self._decode(token)
        except _UnknownKey:
            await self._fetch_if_due()
            try:
                claims = self._decode(token)
            except _UnknownKey:
                if not self._keys:
                    raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
                raise Unauthenticated from None
        if asyncio.get_running_loop().time() - self._fetched_at > KEYS_AGE_S_MAX:
            self._fetch_behind()
        return claims

    def _decode(self, token: str) -> _Claims:
        try:
            return _Claims.model_validate(jwt.decode(token, self._key_of, algorithms=ALGORITHMS).claims)
        except (JoseError, ValidationError, ValueError):
            raise Unauthenticated from None

    def _key_of(self, token: GuestProtocol) -> OKPKey:
        key = self._keys.get(str(token.headers().get("kid")))
        if key is None:
            raise _UnknownKey
        return key

    def _remember(self, token: str, verified: _Verified) -> None:
        self._verified[token] = verified
        if len(self._verified) > TOKENS_REMEMBERED_MAX:
            self._verified.popitem(last=False)

    async def _fetch_if_due(self) -> None:
        """Wait for a fetch of the keys: the one that is under way, or a new one unless the last is too recent."""
        self._fetch_behind()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _fetch_behind(self) -> None:
        now = asyncio.get_running_loop().time()
        # Before the first success there is nothing to protect the portal from but ourselves: one try a second.
        pause = FETCH_PAUSE_S if self._keys else 1.0
        if self._fetching is None and now - self._tried_at >= pause:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch(), name="fetch-token-keys")

    async def _fetch(self) -> None:
        try:
            response = await self._client.get(self._jwks_url)
            keys = _read_keys(response.raise_for_status().json())
        except (httpx2.HTTPError, ValueError, KeyError, TypeError, JoseError) as error:
            log.warning("auth.keys_not_fetched", error_type=type_name(error))
        else:
            if not self._keys.keys() <= keys.keys():
                self._verified.clear()  # a key was taken back: what it had signed counts no more
            self._keys = keys
            self._fetched_at = asyncio.get_running_loop().time()
        finally:
            self._fetching = None


def _read_keys(document: Any) -> dict[str, OKPKey]:
    """The Ed25519 keys of a JWKS document, by key id. Raises: ValueError where there is none."""
    found = [each for each in document["keys"] if each.get("kty") == "OKP" and each.get("crv") == "Ed25519" and each.get("kid")]
    if not found:
        raise ValueError("no Ed25519 key")
    return {each["kid"]: OKPKey.import_key({name: each[name] for name in ("kty", "crv", "x", "kid")}) for each in found}


# --- The guard of an endpoint ------------------------------------------------------------------------------------------


class Guard(SecurityBase):
    """Lets a caller pass whose role may do the action. Made by `allowed`.

    It runs before the body is read (`chassis.web.Route`), so that a stranger cannot make us parse anything.
    """

    def __init__(self, action: Action) -> None:
        self.action = action
        self.model = HTTPBearer(bearerFormat="JWT", description="From the portal: `POST /v1/tokens`.")
        self.scheme_name = "token"

    async def __call__(self, request: Request) -> Principal:
        """Raises: Unauthenticated, Forbidden, Unavailable."""
        context = request_context()
        principal = context.principal
        if principal is None:
            principal = context.principal = await _authenticate(request)
        if not may(principal.role, self.action):
            raise Forbidden
        return principal


def allowed(action: Action) -> Guard:
    """The guard of an endpoint, and who asks:

    Registrar = Annotated[Principal, Depends(allowed(Action.PRE_REGISTER))]
    """
    return Guard(action)


async def _authenticate(request: Request) -> Principal:
    header = next((value for name, value in request.scope["headers"] if name == b"authorization"), b"")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer":
        raise Unauthenticated(token_given=False)
    authenticator: Authenticator = request.scope["app"].state.authenticator
    return await authenticator.authenticate(token.strip().decode("latin-1"))
