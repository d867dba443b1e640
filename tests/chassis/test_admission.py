"""A full process says so at once, and goes on working for those who are in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx2
import pytest

from chassis import admission
from chassis.admission import Admission, aside
from chassis.faults import Unavailable
from chassis.probes import SHARD_HEADS_PATH
from chassis.strict_json import StrictModel
from chassis.testing.wait import eventually
from chassis.web import Router, create_app, public

SEATS = 3
IN_FLIGHT = 5


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SEATS_MAX", SEATS)
    monkeypatch.setattr(admission, "IN_FLIGHT_MAX", IN_FLIGHT)


class TestSeat:
    def test_is_to_be_had_until_all_are_taken_and_again_when_one_is_free(self) -> None:
        room = Admission()
        with ExitStack() as seated:
            for _ in range(SEATS):
                seated.enter_context(room.seat())
            with pytest.raises(Unavailable), room.seat():
                pass
        with room.seat():
            assert (1, 1) == (room.seated, room.in_flight)

    def test_is_left_by_whoever_only_waits_and_taken_again_though_all_are_taken(self) -> None:
        room = Admission()
        with room.seat():
            with aside(), aside():  # for two things at once
                assert (0, 1) == (room.seated, room.in_flight)
            assert (1, 1) == (room.seated, room.in_flight)
        assert (0, 0) == (room.seated, room.in_flight)

    def test_is_nobodys_outside_of_a_request(self) -> None:
        with aside():
            pass


class Note(StrictModel):
    text: str


class Desk:
    """An api whose requests are worked on, or wait, until the test says so."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.inside = 0
        router = Router()

        @router.get("/v1/work")
        @public
        async def read_work() -> str:
            self.inside += 1
            await self.goes_on.wait()
            return "done"

        @router.get("/v1/wait")
        @public
        async def read_later() -> str:
            self.inside += 1
            with aside():
                await self.goes_on.wait()
            return "done"

        @router.post("/v1/notes")
        @public
        async def add_note(body: Note) -> str:
            return body.text

        @router.get(SHARD_HEADS_PATH)
        @public
        async def read_heads() -> str:
            return "heads"

        self.app = create_app(service="s", title="S", routers=[router], authenticator=None)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(desk.app), base_url="http://s") as client:
        yield client


class TestFullProcess:
    async def test_answers_503_and_what_must_be_known_as_ever(self, desk: Desk, client: httpx2.AsyncClient) -> None:
        inside = [asyncio.create_task(client.get("/v1/work")) for _ in range(SEATS)]
        await eventually(lambda: desk.inside == SEATS)
        refused = await client.get("/v1/work")
        assert (503, "1", "unavailable") == (refused.status_code, refused.headers["retry-after"], refused.json()["code"])
        for path in ("/livez", "/readyz", "/metrics", SHARD_HEADS_PATH):
            assert 200 == (await client.get(path)).status_code
        desk.goes_on.set()
        assert [200] * SEATS == [(await each).status_code for each in inside]
        assert 200 == (await client.get("/v1/work")).status_code

    async def test_works_on_beside_those_who_only_wait_within_its_other_bound(self, desk: Desk, client: httpx2.AsyncClient) -> None:
        waiting = [asyncio.create_task(client.get("/v1/wait")) for _ in range(IN_FLIGHT - 1)]
        await eventually(lambda: desk.inside == IN_FLIGHT - 1)
        working = asyncio.create_task(client.get("/v1/work"))
        await eventually(lambda: desk.inside == IN_FLIGHT)
        assert 503 == (await client.get("/v1/work")).status_code
        desk.goes_on.set()
        assert [200] * IN_FLIGHT == [(await each).status_code for each in [*waiting, working]]

    async def test_works_on_while_others_send_slowly(self, desk: Desk, client: httpx2.AsyncClient) -> None:
        begun = 0

        async def slowly() -> AsyncIterator[bytes]:
            nonlocal begun
            yield b'{"text":'
            begun += 1
            await desk.goes_on.wait()
            yield b'"late"}'

        json = {"Content-Type": "application/json"}
        slow = [asyncio.create_task(client.post("/v1/notes", content=slowly(), headers=json)) for _ in range(SEATS)]
        await eventually(lambda: begun == SEATS)
        assert 200 == (await client.post("/v1/notes", json={"text": "in time"})).status_code
        desk.goes_on.set()
        assert ["late"] * SEATS == [(await each).json() for each in slow]
