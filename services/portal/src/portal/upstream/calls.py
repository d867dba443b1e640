"""One request to a service, in the name of whoever sits in front of the browser."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ValidationError

from chassis.auth import TOKEN_LIFE_S, Principal, issue_token
from chassis.clock import Clock
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.telemetry import request_context
from chassis.tracing import asking

ANSWER_S_MAX = 8.0
"""More than a service waits for anything (`Prefer: wait=5`, consistency tokens)."""
CONNECT_S_MAX = 2.0
CONNECTIONS_MAX = 100
TOKEN_REUSED_S = 25.0
"""A token serves so long; then half its life is left for whoever reads it."""
TOKENS_KEPT_MAX = 2_000

STATUS_CREATED = 201
STATUS_CHANGED = 412
"""There is a newer version than the one that a change is based on."""

KEPT_OF_DOWNLOADS = ("Content-Type", "Content-Disposition", "Content-Security-Policy", "X-Content-Type-Options")

READS: Mapping[str, tuple[str, ...]] = {
    "registration": ("registration", "healthcloud-bridge", "gatekeeper"),
    "healthcloud-bridge": (),
    "health": ("health", "registration"),
    "gatekeeper": ("health", "registration", "gatekeeper"),
    "reporting": ("registration", "gatekeeper", "health"),
    "police-bridge": (),
}
"""Service → whose facts it can be asked to have seen. It takes one token, of what was done last; `reporting` takes several."""

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")


@dataclass
class UpstreamRefused(Exception):
    """A service refused, by a rule or for want of a right. `title` is for the user, in his language."""

    status: int
    code: str
    title: str
    detail: str | None
    errors: tuple[tuple[str, str], ...]
    """Pointer into the body, and code."""


class UpstreamAway(Exception):
    """No answer, or none that tells what became of the request. The same request may be sent again."""


async def known(asked: Awaitable[Sequence[T]]) -> Sequence[T]:
    """What a service tells of somebody; nothing where it has not heard of him, as health of a form that waits."""
    try:
        return await asked
    except UpstreamRefused as refused:
        if refused.status != 404:
            raise
        return ()


@dataclass
class TokenDesk:
    """Access tokens for people. The portal signs them itself."""

    key: OKPKey
    clock: Clock
    _issued: OrderedDict[Principal, tuple[str, float]] = field(default_factory=OrderedDict)

    def token_for(self, principal: Principal) -> str:
        token, issued_at = self._issued.get(principal, ("", float("-inf")))
        if time.monotonic() - issued_at > min(TOKEN_REUSED_S, TOKEN_LIFE_S):
            token = issue_token(principal, key=self.key, now=self.clock.now())
            self._issued[principal] = (token, time.monotonic())
            self._issued.move_to_end(principal)
            if len(self._issued) > TOKENS_KEPT_MAX:
                self._issued.popitem(last=False)
        return token


@dataclass(frozen=True)
class Caller:
    """Whoever asks, and what he has seen."""

    principal: Principal
    seen: Mapping[str, str]
    """Service → consistency token, in the order in which they were made."""
    language: str
    remember: Callable[[str, str], Awaitable[None]]
    """Called with a service and its token once something was done there."""


@dataclass(frozen=True)
class File:
    """What is handed in."""

    media_type: str
    content: bytes


@dataclass(frozen=True)
class Download:
    """A file and what its service says of it."""

    content: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Calls:
    """The services' addresses and what every request has in common."""

    client: httpx2.AsyncClient
    urls: Mapping[str, str]
    desk: TokenDesk

    async def get(self, caller: Caller, service: str, path: str, answer: type[A], **query: Any) -> A:
        """Raises: UpstreamRefused, UpstreamAway."""
        return _read(answer, await self._ask(caller, service, path, query))

    async def get_versioned(self, caller: Caller, service: str, path: str, answer: type[A], **query: Any) -> tuple[A, int]:
        """Also which version it is, for what is based on it. Raises: UpstreamRefused, UpstreamAway."""
        response = await self._ask(caller, service, path, query)
        version = response.headers.get("ETag", "").strip('"')
        if not version.isdecimal():
            raise UpstreamAway
        return _read(answer, response), int(version)

    async def post(
        self,
        caller: Caller,
        service: str,
        path: str,
        body: Mapping[str, Any],
        answer: type[A],
        *,
        key: str | None,
        wait: int = 0,
        based_on: int | str | None = None,
    ) -> A:
        """Do something once, however often it is sent under this key; based on a version, or on an `etag` in what was read, only
        where that still holds.

        Raises: UpstreamRefused (412: it does not), UpstreamAway.
        """
        headers = {"Idempotency-Key": _sendable(key)} if key else {}
        headers |= {"Prefer": f"wait={wait}"} if wait else {}
        headers |= {"If-Match": f'"{_sendable(str(based_on))}"'} if based_on not in (None, "") else {}
        response = await self._send(caller, service, "POST", path, json=dict(body), headers=headers)
        return _read(answer, response)

    async def post_once(self, caller: Caller, service: str, path: str, body: Mapping[str, Any], *, key: str) -> bool:
        """Do what is done once for all. Returns whether it was this that did it, and not another one before.

        Raises: UpstreamRefused, UpstreamAway.
        """
        response = await self._send(caller, service, "POST", path, json=dict(body), headers={"Idempotency-Key": key})
        return response.status_code == STATUS_CREATED

    async def put(self, caller: Caller, service: str, path: str, body: Mapping[str, Any], answer: type[A], *, based_on: int) -> A:
        """Put what was made from that version. Raises: UpstreamRefused (412: there is a newer one), UpstreamAway."""
        headers = {"If-Match": f'"{based_on}"'}
        return _read(answer, await self._send(caller, service, "PUT", path, json=dict(body), headers=headers))

    async def upload(self, caller: Caller, service: str, path: str, file: File, answer: type[A], *, key: str) -> A:
        """Hand a file in. Raises: UpstreamRefused, UpstreamAway."""
        headers = {"Idempotency-Key": key, "Content-Type": file.media_type}
        return _read(answer, await self._send(caller, service, "POST", path, content=file.content, headers=headers))

    async def download(self, caller: Caller, service: str, path: str, asked: Mapping[str, Any] | None = None) -> Download:
        """A file, as it is; one that is `asked` for is made. Raises: UpstreamRefused, UpstreamAway."""
        response = await (
            self._send(caller, service, "GET", path)
            if asked is None
            else self._send(caller, service, "POST", path, json=dict(asked))
        )
        told = {name: response.headers[name] for name in KEPT_OF_DOWNLOADS if name in response.headers}
        return Download(response.content, told)

    async def _ask(self, caller: Caller, service: str, path: str, query: Mapping[str, Any]) -> httpx2.Response:
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return await self._send(caller, service, "GET", path, params=given)

    async def _send(
        self, caller: Caller, service: str, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        sent = {
            "Authorization": f"Bearer {self.desk.token_for(caller.principal)}",
            "Accept-Language": caller.language,
            **({CONSISTENCY_TOKEN: token} if (token := _token(service, caller.seen)) else {}),
            **(headers or {}),
        }
        try:
            with asking(method, service, request_context().traceparent) as doing:
                sent["traceparent"] = doing.traceparent
                response = await self.client.request(method, self.urls[service] + path, headers=sent, **more)
                doing.answered(response.status_code)
        except httpx2.HTTPError:
            raise UpstreamAway from None
        if response.status_code >= 500:
            raise UpstreamAway
        # Of a refusal, too: what is refused for want of a declaration is a fact.
        if method != "GET" and (made := response.headers.get(CONSISTENCY_TOKEN)):
            await caller.remember(service, made)
        if not response.is_success:
            raise _refusal(response)
        return response


def _sendable(typed: str) -> str:
    """Of what came in a form that nobody types into, as a header may have it: whatever else came is refused where it arrives."""
    return re.sub(r"[^!-~]", "?", typed)


def _token(service: str, seen: Mapping[str, str]) -> str | None:
    tokens = [token for source, token in seen.items() if source in READS[service]]
    if service == "reporting":
        return " ".join(tokens) or None
    return tokens[-1] if tokens else None


def _read(answer: type[A], response: httpx2.Response) -> A:
    try:
        return answer.model_validate_json(response.content or b"{}")
    except ValidationError:
        raise UpstreamAway from None  # It is newer or older than this portal.


def _refusal(response: httpx2.Response) -> UpstreamRefused:
    try:
        problem = _Problem.model_validate_json(response.content)
    except ValidationError:
        raise UpstreamAway from None
    errors = tuple((each.pointer, each.code) for each in problem.errors)
    return UpstreamRefused(response.status_code, problem.code, problem.title, problem.detail, errors)


class _FieldError(BaseModel):
    pointer: str
    code: str


class _Problem(BaseModel):
    """RFC 9457, as all services answer."""

    code: str
    title: str
    detail: str | None = None
    errors: list[_FieldError] = []
