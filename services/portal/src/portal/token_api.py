"""Tokens for programs (client credentials), and the keys that they are signed with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Depends
from joserfc.jwk import OKPKey
from pydantic import BaseModel, Field
from starlette.requests import Request

from chassis.auth import TOKEN_LIFE_S, issue_token, public_keys
from chassis.clock import Clock
from chassis.faults import Unauthenticated
from chassis.strict_json import StrictModel
from chassis.web import Router, public
from portal.accounts import Accounts
from portal.addresses import address_of
from portal.throttle import Throttle
from portal.wired import portal_of

FAILURES_MAX = 10
FAILURES_WITHIN_S = 60.0
"""Whoever failed so often so recently with a client's name is turned away without a look at the secret."""

router = Router(tags=["tokens"])


class CredentialsBody(StrictModel):
    """What a program knows about itself."""

    client_id: Annotated[str, Field(min_length=1, max_length=128)]
    client_secret: Annotated[str, Field(min_length=1, max_length=256)]


class TokenAnswer(BaseModel):
    """RFC 6749, section 5.1."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int
    """Seconds. Fetch a new one when ten are left."""


@dataclass
class TokenIssuer:
    """Checks credentials and signs tokens."""

    accounts: Accounts
    key: OKPKey
    """What tokens are signed with."""
    retiring_keys: Sequence[OKPKey]
    """What they were signed with until now. Published, so that nobody is turned away while keys change."""
    clock: Clock
    _guessing: Throttle = field(default_factory=lambda: Throttle(FAILURES_MAX, FAILURES_WITHIN_S))

    async def issue(self, *, client_id: str, secret: str, address: str) -> str:
        """A token for whoever proves to be the client. Raises: Unauthenticated, TooManyRequests, Unavailable."""
        # By address too: else anybody could keep a client out by guessing in its name.
        guesser = f"{address} {client_id}"
        self._guessing.let_through(guesser)
        principal = await self.accounts.principal_of(client_id=client_id, secret=secret)
        if principal is None:
            self._guessing.note_failure(guesser)
            raise Unauthenticated
        return issue_token(principal, key=self.key, now=self.clock.now())


async def _issuer(request: Request) -> TokenIssuer:
    issuer: TokenIssuer = request.app.state.issuer
    return issuer


Issuer = Annotated[TokenIssuer, Depends(_issuer)]


@router.post("/v1/tokens")
@public
async def create_token(body: CredentialsBody, issuer: Issuer, request: Request) -> TokenAnswer:
    """An access token for a program that proves who it is."""
    address = address_of(request, trusted_proxies=portal_of(request).settings.trusted_proxies)
    token = await issuer.issue(client_id=body.client_id, secret=body.client_secret, address=address)
    return TokenAnswer(access_token=token, expires_in=TOKEN_LIFE_S)


@router.get("/.well-known/jwks.json")
@public
async def read_keys(issuer: Issuer) -> dict[str, Any]:
    """The public keys (RFC 7517)."""
    return public_keys(issuer.key, *issuer.retiring_keys)
