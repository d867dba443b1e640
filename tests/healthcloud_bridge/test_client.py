"""The query, against the real simulator and against servers that no simulator would be."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date

import pytest

from chassis.testing.wait import eventually
from contracts.citizen_id import check_character
from contracts.identity import Document, DocumentType
from healthcloud_bridge import client
from healthcloud_bridge.client import HealthCloud, HealthCloudUnavailable
from tests.at_work import at_work
from tests.healthcloud_bridge.upstream import API_KEY, Upstream, form, free_port, simulator

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def citizen(n: int) -> Document:
    seventeen = f"320623{date(1985, 3, 12):%Y%m%d}{n:03}"
    return Document(type=DocumentType.CITIZEN_ID, number=seventeen + check_character(seventeen))


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with simulator() as running:
        yield running


@pytest.fixture
async def health_cloud(upstream: Upstream) -> AsyncIterator[HealthCloud]:
    async with asking(upstream.url) as asked:
        yield asked
    await upstream.misbehave()


@asynccontextmanager
async def asking(url: str, *, api_key: str = API_KEY) -> AsyncIterator[HealthCloud]:
    asked = HealthCloud(url, api_key=api_key)
    async with at_work(asked.keep()):
        yield asked


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that does as told, and how many connections it had."""
    connections: list[int] = []

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(counted, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", connections


def answering(body: bytes, *, status: str = "200 OK") -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return serve


class TestSubmissions:
    async def test_are_everything_that_was_declared(self, upstream: Upstream, health_cloud: HealthCloud) -> None:
        document = citizen(1)
        for celsius in ("38", "36.5"):
            await upstream.declare(form(document.number, 体温=celsius))
        found = await health_cloud.submissions(document, name="张小三")
        assert ["38", "36.5"] == [each.temperature for each in found]
        assert "张小三" == found[0].name

    async def test_are_none_where_nothing_was_declared(self, health_cloud: HealthCloud) -> None:
        assert [] == list(await health_cloud.submissions(citizen(2), name="张小三"))

    async def test_of_a_passport_are_found_by_its_number_alone(self, upstream: Upstream, health_cloud: HealthCloud) -> None:
        await upstream.declare(form("00XX00001", 证件类型="护照"))
        document = Document(type=DocumentType.PASSPORT, number="FRA/00XX00001")
        assert 1 == len(await health_cloud.submissions(document, name="张小三"))

    def test_show_nobody_in_a_log(self) -> None:
        shown = repr(client.Submission.model_validate(form("1")))
        assert not any(text in shown for text in ("张小三", "13800000011", "黄浦"))


class TestHealthCloudUnavailable:
    async def test_after_three_answers_of_5xx(self, upstream: Upstream, health_cloud: HealthCloud) -> None:
        await upstream.misbehave(error_rate=1)
        with pytest.raises(HealthCloudUnavailable):
            await health_cloud.submissions(citizen(3), name="张小三")
        async with server(answering(b"", status="502 Bad Gateway")) as (url, connections), asking(url) as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(3), name="张小三")
            assert client.ATTEMPTS_MAX == len(connections)

    async def test_not_where_one_of_the_attempts_is_answered(self, upstream: Upstream) -> None:
        attempts = iter([answering(b"", status="500 Oops"), answering('{"登记记录": []}'.encode())])

        async def first_an_error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await next(attempts)(reader, writer)

        async with server(first_an_error) as (url, connections), asking(url) as asked:
            assert [] == list(await asked.submissions(citizen(3), name="张小三"))
            assert 2 == len(connections)

    async def test_while_nobody_listens_and_not_once_somebody_does(self) -> None:
        port = free_port()
        async with asking(f"http://127.0.0.1:{port}") as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(4), name="张小三")
            async with simulator(port=port):

                async def answers() -> bool:
                    return [] == list(await asked.submissions(citizen(4), name="张小三"))

                assert await eventually(answers)

    async def test_where_the_answer_takes_too_long_which_is_not_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "ANSWER_S_MAX", 0.3)

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(4_096):
                pass

        async with server(say_nothing) as (url, connections), asking(url) as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(5), name="张小三")
            assert 1 == len(connections)

    async def test_where_the_answer_drips(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "QUERY_S_MAX", 0.5)

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(0.05)

        async with server(drip) as (url, _), asking(url) as asked:
            began = time.monotonic()
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(5), name="张小三")
            assert time.monotonic() - began < 10

    @pytest.mark.parametrize(
        "serve",
        [
            answering(b"<html>"),
            answering(b'{"other": []}'),
            answering('{"登记记录": [1]}'.encode()),
            answering('{"登记记录": [{"居住地址": "'.encode() + b"x" * 501 + b'"}]}'),
            answering('{"登记记录": ['.encode() + b",".join([b"{}"] * (client.SUBMISSIONS_MAX + 1)) + b"]}"),
            answering('{"登记记录": []}'.encode() + b" " * client.ANSWER_BYTES_MAX),
            answering(b"", status="204 No Content"),
            answering(b"", status="302 Found\r\nLocation: http://elsewhere.example/"),
            answering(b"", status="400 Bad Request"),
        ],
        ids=["no JSON", "other JSON", "no records", "long text", "many records", "long body", "nothing", "elsewhere", "4xx"],
    )
    async def test_where_the_answer_is_none(self, serve: Serve) -> None:
        async with server(serve) as (url, connections), asking(url) as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(6), name="张小三")
            assert 1 == len(connections)

    async def test_where_our_key_is_not_theirs(self, upstream: Upstream) -> None:
        async with asking(upstream.url, api_key="another") as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(7), name="张小三")

    async def test_where_the_connection_breaks_each_time(self) -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

        async with server(hang_up) as (url, connections), asking(url) as asked:
            with pytest.raises(HealthCloudUnavailable):
                await asked.submissions(citizen(8), name="张小三")
            assert client.ATTEMPTS_MAX == len(connections)
