"""Tokens for programs (client credentials), and the keys that they are signed with."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import Depends
from joserfc.jwk import OKPKey
from pydantic import BaseModel, Field
from starlette.requests import Request

from chassis.auth import TOKEN_LIFE_S, issue_token, public_keys
from chassis.clock import Clock
from chassis.faults import TooManyRequests, Unauthenticated
from chassis.strict_json import StrictModel
from chassis.web import Router, public
from portal.accounts import Accounts

FAILURES_MAX = 10
FAILURES_WITHIN_S = 60.0
"""Whoever failed so often so recently with a client's name is turned away without a look at the secret."""
CLIENTS_WATCHED_MAX = 10_000

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
    _failures: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    async def issue(self, *, client_id: str, secret: str, address: str) -> str:
        """A token for whoever proves to be the client. Raises: Unauthenticated, TooManyRequests, Unavailable."""
        # By address too: else anybody could keep a client out by guessing in its name.
        guesser = f"{address} {client_id}"
        self._turn_away_who_guesses(guesser)
        principal = await self.accounts.principal_of(client_id=client_id, secret=secret)
        if principal is None:
            self._note_failure(guesser)
            raise Unauthenticated
        return issue_token(principal, key=self.key, now=self.clock.now())

    def _turn_away_who_guesses(self, guesser: str) -> None:
        failures = self._failures.get(guesser, deque(maxlen=FAILURES_MAX))
        while failures and failures[0] < time.monotonic() - FAILURES_WITHIN_S:
            failures.popleft()
        if len(failures) >= FAILURES_MAX:
            raise TooManyRequests(retry_after_s=int(FAILURES_WITHIN_S))

    def _note_failure(self, guesser: str) -> None:
        self._failures.setdefault(guesser, deque(maxlen=FAILURES_MAX)).append(time.monotonic())
        self._failures.move_to_end(guesser)
        if len(self._failures) > CLIENTS_WATCHED_MAX:
            self._failures.popitem(last=False)


async def _issuer(request: Request) -> TokenIssuer:
    issuer: TokenIssuer = request.app.state.issuer
    return issuer


Issuer = Annotated[TokenIssuer, Depends(_issuer)]


@router.post("/v1/tokens")
@public
async def create_token(body: CredentialsBody, issuer: Issuer, request: Request) -> TokenAnswer:
    """An access token for a program that proves who it is."""
    address = request.client.host if request.client else ""
    token = await issuer.issue(client_id=body.client_id, secret=body.client_secret, address=address)
    return TokenAnswer(access_token=token, expires_in=TOKEN_LIFE_S)


@router.get("/.well-known/jwks.json")
@public
async def read_keys(issuer: Issuer) -> dict[str, Any]:
    """The public keys (RFC 7517)."""
    return public_keys(issuer.key, *issuer.retiring_keys)
