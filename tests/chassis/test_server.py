"""What only shows on the wire: real sockets, and clients that do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from chassis import server
from chassis.server import Server, serve
from chassis.testing.wait import eventually
from chassis.web import Router, create_app, public
from tests.chassis.bad_requests import CANARY
from tests.chassis.captured_log import CapturedLog, captured_log
from tests.chassis.sample_api import CONTRACT, sample_app, token_of

DEADLINE_S = 5.0
CONTENTS = b"POST /v1/open/contents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GOOD_BODY = b'{"part_no":1}'
GOOD = CONTENTS + b"Content-Length: 13\r\n\r\n" + GOOD_BODY


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert "application/problem+json" == self.headers["content-type"]
        return str(json.loads(self.body)["code"])


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def answer(self, *, to_head: bool = False) -> Answer:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])}
            length = 0 if to_head else int(headers.get("content-length", 0))
            return Answer(int(head[0].split()[1]), headers, await self.reader.readexactly(length))

    async def is_closed(self) -> bool:
        """Whether the server closes the connection now, without sending anything more."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read() == b""
        return True

    async def ends(self) -> bool:
        """Whether the server ends the connection, whatever it still sends, and be it with a reset."""
        async with asyncio.timeout(DEADLINE_S):
            with contextlib.suppress(ConnectionError):
                await self.reader.read()
        return True

    async def is_usable(self) -> bool:
        await self.send(GOOD)
        return (await self.answer()).status == 200


@pytest.fixture
def lines() -> Iterator[CapturedLog]:
    with captured_log() as lines:
        yield lines


async def _leave_and_stop(served: Server) -> None:
    served.leave()
    await served.shutdown()


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Server]:
    """What `uvicorn.Server.serve` does, without its signal handlers and its wait to be told to stop."""
    served = serve(app, host="127.0.0.1", port=0)
    served.config.load()
    served.lifespan = served.config.lifespan_class(served.config)
    await served.startup()
    try:
        yield served
    finally:
        await served.shutdown()


@asynccontextmanager
async def connected(served: Server) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*served.servers[0].sockets[0].getsockname())
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Server]:
    async with running(sample_app()) as served:
        yield served


@pytest.fixture
async def client(served: Server, lines: CapturedLog) -> AsyncIterator[Client]:
    async with connected(served) as client:
        yield client
    assert CANARY not in lines.text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ARRIVAL_S", 0.1)


class TestConnection:
    async def test_serves_one_request_after_another(self, client: Client) -> None:
        assert await client.is_usable()
        assert await client.is_usable()

    async def test_answers_pipelined_requests_in_order(self, client: Client) -> None:
        await client.send(GOOD + b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" + GOOD)
        assert [200, 404, 200] == [(await client.answer()).status for _ in range(3)]

    async def test_takes_chunks(self, client: Client) -> None:
        await client.send(
            CONTENTS + b"Transfer-Encoding: chunked\r\n\r\n",
            b"5\r\n" + GOOD_BODY[:5],
            b"\r\n8\r\n" + GOOD_BODY[5:],
            b"\r\n0\r\n\r\n",
        )
        assert 200 == (await client.answer()).status

    async def test_asks_to_continue_only_where_it_reads_on(self, client: Client) -> None:
        await client.send(CONTENTS + b"Content-Length: 13\r\nExpect: 100-continue\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == await client.reader.readuntil(b"\r\n\r\n")
        await client.send(GOOD_BODY)
        assert 200 == (await client.answer()).status
        await client.send(CONTENTS + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
        assert 413 == (await client.answer()).status

    async def test_gives_head_no_body(self, client: Client) -> None:
        await client.send(b"HEAD /v1/open/context HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await client.answer(to_head=True)
        assert 200 == answer.status
        assert int(answer.headers["content-length"]) > 0
        assert await client.is_usable()

    async def test_tells_no_server_name(self, client: Client) -> None:
        await client.send(GOOD)
        assert "server" not in (await client.answer()).headers

    async def test_goes_on_when_a_client_leaves(self, client: Client, served: Server, lines: CapturedLog) -> None:
        async with connected(served) as leaving:
            await leaving.send(CONTENTS + b"Content-Length: 13\r\n\r\n" + GOOD_BODY[:5])
        assert await client.is_usable()
        assert [] == lines.events


class TestLargeBody:
    @pytest.mark.parametrize("size", [65_537, 70_000, 1_000_000])
    async def test_is_refused_and_the_connection_goes_on(self, client: Client, size: int) -> None:
        await client.send(CONTENTS + b"Content-Length: %d\r\n\r\n" % size, GOOD_BODY.ljust(size))
        answer = await client.answer()
        assert (413, "body-too-large") == (answer.status, answer.code)
        assert await client.is_usable()

    async def test_in_chunks_is_refused_and_the_connection_goes_on(self, client: Client) -> None:
        chunk = b"1000\r\n" + b" " * 4_096 + b"\r\n"
        await client.send(CONTENTS + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20, b"0\r\n\r\n")
        assert 413 == (await client.answer()).status
        assert await client.is_usable()

    async def test_of_a_length_that_nobody_reads_ends_the_connection(self, client: Client) -> None:
        await client.send(CONTENTS + b"Content-Length: 200000000\r\n\r\n")
        answer = await client.answer()
        assert (413, "close") == (answer.status, answer.headers["connection"])
        assert await client.is_closed()

    async def test_without_end_ends_the_connection(self, client: Client) -> None:
        await client.send(CONTENTS + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(1_000):
                await client.send(b"4000\r\n" + b" " * 16_384 + b"\r\n")
        assert await client.ends()

    async def test_of_a_stranger_is_not_read(self, client: Client) -> None:
        """The 401 comes first; what is still on its way is thrown away up to a bound, then the connection ends."""
        path = f"/v1/contracts/{CONTRACT}/photos".encode()
        await client.send(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n")
        assert 401 == (await client.answer()).status
        await client.send(b" " * 90_000)
        assert await client.is_usable()
        await client.send(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        assert 401 == (await client.answer()).status
        with contextlib.suppress(ConnectionError):
            await client.send(*[b" " * 100_000] * 20)
        assert await client.ends()


class TestLargeHead:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET /livez HTTP/1.1\r\nX-Long: " + b"a" * 17_000 + b"\r\n\r\n",
            b"GET /livez HTTP/1.1\r\n" + b"X-Many: a\r\n" * 2_000 + b"\r\n",
            b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n",
        ],
        ids=["one header", "many headers", "path"],
    )
    async def test_is_refused(self, client: Client, head: bytes) -> None:
        await client.send(head)
        answer = await client.answer()
        assert (431, "headers-too-large") == (answer.status, answer.code)
        assert await client.is_closed()

    async def test_that_never_ends_is_refused(self, client: Client) -> None:
        await client.send(b"GET /livez HTTP/1.1\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1_000):
                await client.send(b"a" * 1_000)
        assert await client.ends()

    async def test_starts_nothing_that_follows_it(self, client: Client) -> None:
        await client.send(b"GET /livez HTTP/1.1\r\nX-Long: " + b"a" * 17_000 + b"\r\n\r\n" + GOOD + GOOD)
        assert 431 == (await client.answer()).status
        assert await client.is_closed()

    async def test_may_be_of_a_usual_size(self, client: Client) -> None:
        await client.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 15_000 + b"\r\n\r\n")
        assert 200 == (await client.answer()).status


@pytest.mark.usefixtures("impatient")
class TestSlowClient:
    async def test_that_says_nothing_is_dropped(self, client: Client) -> None:
        assert await client.is_closed()

    async def test_that_never_ends_its_head_is_dropped(self, client: Client) -> None:
        await client.send(b"GET /livez HTTP/1.1\r\n")
        answer = await client.answer()
        assert (408, "read-timed-out") == (answer.status, answer.code)
        assert await client.is_closed()

    async def test_that_never_ends_its_body_is_dropped(self, client: Client, lines: CapturedLog) -> None:
        await client.send(CONTENTS + b"Content-Length: 13\r\n\r\n" + GOOD_BODY[:5])
        answer = await client.answer()
        assert (408, "read-timed-out") == (answer.status, answer.code)
        assert await client.is_closed()
        assert [] == lines.events

    async def test_that_keeps_sending_is_not(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "ARRIVAL_BYTES_MIN", 10)
        token = token_of().encode()
        head = f"POST /v1/contracts/{CONTRACT}/photos HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n".encode()
        await client.send(head + b"Authorization: Bearer " + token + b"\r\n\r\n")
        for _ in range(10):
            await client.send(b" " * 100)
            await asyncio.sleep(0.03)
        assert 204 == (await client.answer()).status


class TestBadSyntax:
    @pytest.mark.parametrize(
        "sent",
        [
            f"{CANARY}\r\n\r\n".encode(),
            b"GET /livez HTTP/9.9\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nX Y: 1\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nX: a\0b\r\n\r\n",
            CONTENTS + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            CONTENTS + b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n",
            CONTENTS + b"Content-Length: -1\r\n\r\n",
            CONTENTS + b"Content-Length: 99999999999999999999\r\n\r\n",
            CONTENTS + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"\x16\x03\x01\x02\x00\x01",
        ],
    )
    async def test_is_refused_as_a_problem(self, client: Client, sent: bytes) -> None:
        await client.send(sent)
        answer = await client.answer()
        assert (400, "bad-request") == (answer.status, answer.code)
        assert await client.is_closed()

    async def test_does_not_cut_into_an_answer_that_is_owed(self, client: Client) -> None:
        await client.send(GOOD + b"\0\0\0\r\n\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError):
            assert 200 == (await client.answer()).status
        assert await client.is_closed()


class TestServer:
    async def test_lets_a_request_finish_that_is_being_answered(self, lines: CapturedLog) -> None:
        began, goes_on = asyncio.Event(), asyncio.Event()
        router = Router()

        @router.get("/v1/slow")
        @public
        async def read_slowly() -> str:
            began.set()
            await goes_on.wait()
            return "done"

        app = create_app(service="s", title="S", routers=[router], authenticator=None)
        async with running(app) as served, connected(served) as client:
            await client.send(b"GET /v1/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            await began.wait()
            stopping = asyncio.create_task(served.shutdown())
            asyncio.get_running_loop().call_later(0.2, goes_on.set)
            answer = await client.answer()
            await stopping
            assert (200, b'"done"', "close") == (answer.status, answer.body, answer.headers["connection"])

    async def test_that_leaves_answers_on_and_lets_no_connection_stay(self, lines: CapturedLog) -> None:
        async with running(sample_app()) as served, connected(served) as before:
            assert await before.is_usable()
            served.leave()
            await before.send(GOOD)
            async with connected(served) as after:
                await after.send(GOOD)
                for client in (before, after):
                    answer = await client.answer()
                    assert (200, "close") == (answer.status, answer.headers["connection"])
                    assert await client.is_closed()

    async def test_answers_a_request_that_was_arriving_when_it_stopped(self, lines: CapturedLog) -> None:
        async with (
            running(sample_app()) as served,
            connected(served) as in_head,
            connected(served) as in_body,
            connected(served) as idle,
        ):
            assert await idle.is_usable()
            await in_head.send(GOOD[:20])
            await in_body.send(GOOD[:-3])
            await eventually(lambda: 2 == sum(each.is_arriving for each in served.server_state.connections))
            stopping = asyncio.create_task(_leave_and_stop(served))
            assert await idle.is_closed()
            await in_head.send(GOOD[20:])
            await in_body.send(GOOD[-3:])
            for client in (in_head, in_body):
                answer = await client.answer()
                assert (200, "close") == (answer.status, answer.headers["connection"])
            await stopping

    async def test_turns_away_politely_whoever_connects_beyond_the_bound(
        self, lines: CapturedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "CONNECTIONS_MAX", 1)
        async with running(sample_app()) as served, connected(served) as first:
            assert await first.is_usable()
            async with connected(served) as second, connected(served) as probe:
                await second.send(GOOD)
                answer = await second.answer()
                assert (503, "unavailable", "1") == (answer.status, answer.code, answer.headers["retry-after"])
                assert await second.is_closed()
                await probe.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert 200 == (await probe.answer()).status
            assert await first.is_usable()

    async def test_says_why_it_does_not_start(self, lines: CapturedLog) -> None:
        @asynccontextmanager
        async def broken(_app: FastAPI) -> AsyncIterator[None]:
            if app.title:
                raise ValueError(CANARY)
            yield

        app = create_app(service="s", title="S", routers=[], authenticator=None, lifespan=broken)
        with pytest.raises(SystemExit):
            await serve(app, host="127.0.0.1", port=0).serve()
        failed: list[dict[str, Any]] = [line for line in lines.events if line["event"] == "web.lifespan_failed"]
        assert ["builtins.ValueError"] == [line["error_type"] for line in failed]
        assert CANARY not in lines.text
