"""Short messages to mobiles: who sends them, and a queue in front, so that nobody can tell by the time whether one was sent."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Protocol

import httpx2
import structlog

from chassis.faults import Unavailable
from chassis.telemetry import type_name

WAITING_MAX = 1_000
RETRY_AFTER_S = 5
SEND_S_MAX = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Message:
    mobile: str
    text: str


class MessageGateway(Protocol):
    """Whoever delivers messages."""

    async def send(self, message: Message) -> None:
        """Raises: httpx2.HTTPError, OSError."""


class ConsoleGateway:
    """On one's own machine: whoever started the portal reads the code on the terminal."""

    async def send(self, message: Message) -> None:
        # Not by the log, whose allow-list lets no text pass; and without the number, which is somebody's.
        sys.stderr.write(f"短信验证码 | message: {message.text}\n")
        sys.stderr.flush()


@dataclass
class HttpGateway:
    """A gateway that takes `{"mobile": …, "text": …}`, as a small adapter in front of any provider does."""

    url: str
    client: httpx2.AsyncClient = field(default_factory=lambda: httpx2.AsyncClient(timeout=SEND_S_MAX, trust_env=False))

    async def send(self, message: Message) -> None:
        answer = await self.client.post(self.url, json={"mobile": message.mobile, "text": message.text})
        answer.raise_for_status()


@dataclass
class Outbox:
    """Messages on their way out."""

    gateway: MessageGateway
    _waiting: asyncio.Queue[Message | None] = field(default_factory=lambda: asyncio.Queue(WAITING_MAX))

    def put(self, message: Message | None) -> None:
        """Send it soon. None takes a place too, so that a full outbox tells nobody apart. Raises: Unavailable."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None

    async def run(self) -> None:
        """Send one after the other, for ever. What cannot be sent is dropped: the user asks for another code."""
        while True:
            message = await self._waiting.get()
            if message is None:
                continue
            try:
                await self.gateway.send(message)
            except (httpx2.HTTPError, OSError) as error:
                log.warning("portal.message_not_sent", error_type=type_name(error))
