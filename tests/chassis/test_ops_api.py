"""What operators are told of a service, and do about what is parked: over HTTP, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from chassis import ops_api
from chassis.auth import Principal, issue_token
from chassis.leases import Lease, Leases
from chassis.ops import Ops
from chassis.subscribers import Subscriber
from chassis.testing.wait import eventually
from chassis.web import create_app
from contracts.access import Role
from contracts.event import SHARDS
from tests.chassis.log_database import LogDatabase
from tests.chassis.sample_api import KEY, authenticator
from tests.chassis.tallies import append_of, in_shard
from tests.chassis.test_parking import Broken, Picky, cure_of, is_parked, picky, waiting
from tests.chassis.test_projector import TAKEN, Taken, Topic, counted, position, positions_taken, projecting, projector_of

ALL_NEWS = [0] * SHARDS


@dataclass
class Operator:
    """Somebody of operations, in front of one service."""

    client: httpx2.AsyncClient
    subject: str = "supervisor:ops"

    async def status(self) -> dict[str, Any]:
        response = await self.client.get("/v1/ops/status", headers=self._headers)
        assert 200 == response.status_code, response.text
        told: dict[str, Any] = response.json()
        return told

    async def post(self, path: str, body: Any) -> httpx2.Response:
        return await self.client.post(f"/v1/ops/{path}", json=body, headers=self._headers)

    async def retry(self, stream_id: UUID | None = None) -> dict[str, Any]:
        response = await self.post("parked/retries", {"stream_id": str(stream_id)} if stream_id else {})
        assert 200 == response.status_code, response.text
        told: dict[str, Any] = response.json()
        return told

    async def discard(self, event: str, reason: str = "伪造的记录") -> httpx2.Response:
        return await self.post("parked/discards", {"event": event, "reason": reason})

    async def ages(self, *positions: Sequence[int]) -> list[float]:
        told: list[float] = (await self.post("ages", {"positions": positions})).json()["ages_s"]
        return told

    @property
    def _headers(self) -> dict[str, str]:
        token = issue_token(Principal(self.subject, Role.OPS), key=KEY, now=datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def operator_of(log: LogDatabase, *subscribers: Subscriber) -> AsyncIterator[Operator]:
    """Of a service with these subscribers, and a log."""
    app = create_app(service="s", title="S", routers=[ops_api.router, ops_api.of_log], authenticator=authenticator(), checks={})
    ages = {name: partial(log.pool.fetchval, f"SELECT {age_s}::float8") for name, age_s in {"view": "1.5", "never": "NULL"}.items()}
    app.state.ops = Ops("registration", log.pool, True, subscribers, [], ages, cure_of(log, *subscribers))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://s") as client:
        yield Operator(client)


@pytest.fixture(autouse=True)
async def _prepared(log: LogDatabase) -> AsyncIterator[None]:
    await log.owner.execute(TAKEN)
    with capture_logs():
        yield


@pytest.fixture
async def sick(log: LogDatabase) -> tuple[UUID, Picky, Taken]:
    """A stream of which two events wait."""
    stream = in_shard(1)
    rule, model = picky(1)
    async with projecting(projector_of(log, model, source=Topic([*counted(stream, 1, 2), *counted(in_shard(1), 3)]))):
        await eventually(lambda: position_is(log, 3))
    return stream, rule, model


@pytest.fixture
async def two_sick(log: LogDatabase) -> tuple[Sequence[UUID], Picky, Taken]:
    """Two streams of which one event each waits; in the order of their ids."""
    first, second = sorted([in_shard(1), in_shard(1)])
    rule, model = picky(1, 2)
    async with projecting(projector_of(log, model, source=Topic([*counted(first, 1), *counted(second, 2)]))):
        await eventually(lambda: position_is(log, 2))
    return (first, second), rule, model


async def position_is(log: LogDatabase, pos: int) -> bool:
    return pos == await position(log, 1)


class TestReadStatus:
    async def test_tells_what_waits_with_what_went_wrong(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        stream, _, model = sick
        async with operator_of(log, model) as operator:
            told = await operator.status()
        assert (2, 1) == (told["parked_events"], told["parked_streams"])
        [parked] = told["parked"]
        assert ("taken_v1/other/1:1", str(stream), 1, 1) == tuple(
            parked[each] for each in ("event", "stream_id", "behind", "attempts")
        )
        assert parked["error"].startswith("tests.chassis.test_parking.Broken")

    async def test_tells_how_far_everybody_has_come(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log, sick[2]) as operator:
            [followed] = (await operator.status())["followed"]
        assert ("taken_v1", "other", False) == (followed["subscriber"], followed["source"], followed["is_policy"])
        assert [3 if shard == 1 else 0 for shard in range(SHARDS)] == followed["positions"]

    async def test_tells_how_far_the_log_reaches_and_that_nothing_of_it_is_published(self, log: LogDatabase) -> None:
        store = await log.store()
        await store.append(append_of(in_shard(5), events=3))
        async with operator_of(log) as operator:
            told = (await operator.status())["log"]
        assert ([3 if shard == 5 else 0 for shard in range(SHARDS)], 1) == (told["heads"], told["epoch"])
        assert 0 < told["unpublished_age_s"] < 60

    async def test_tells_who_holds_what_since_when_and_that_nobody_does_any_more(self, log: LogDatabase) -> None:
        async def work(_: Lease) -> None:
            await asyncio.Event().wait()

        async with operator_of(log) as operator:

            async def held() -> dict[str, Any]:
                [found] = [each for each in (await operator.status())["leases"] if each["name"] == "tick"]
                return found if found["is_held"] else {}

            leases = Leases(log.pool, {"tick": work}, obstacles=lambda: ["halted-hole"])
            working = asyncio.create_task(leases.run())
            lease: dict[str, Any] = await eventually(held)
            [worker] = (await operator.status())["workers"]
            working.cancel()
            await asyncio.wait([working])
            assert {} == await held()
            assert [] == (await operator.status())["workers"]
        assert str(leases.owner) == lease["owner"] == worker["owner"]
        assert ["halted-hole"] == worker["obstacles"]
        assert lease["process"]
        assert lease["taken_at"] < lease["expires_at"]

    async def test_tells_what_else_grows_old(self, log: LogDatabase) -> None:
        async with operator_of(log) as operator:
            assert {"view": 1.5, "never": None} == (await operator.status())["ages_s"]

    async def test_tells_the_release(self, log: LogDatabase) -> None:
        async with operator_of(log) as operator:
            told = await operator.status()
        assert ("registration", "0.1.0") == (told["service"], told["version"])


class TestReadAges:
    async def test_tells_how_old_is_what_somebody_has_not_taken_in(self, log: LogDatabase) -> None:
        store = await log.store()
        await store.append(append_of(in_shard(5), events=2))
        half, whole = ([reached if shard == 5 else 0 for shard in range(SHARDS)] for reached in (1, 2))
        async with operator_of(log) as operator:
            nothing, one, all_of_it = await operator.ages(ALL_NEWS, half, whole)
        assert 0 < one <= nothing < 60
        assert 0 == all_of_it


class TestRetryParked:
    async def test_says_what_cannot_be_applied_still(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log, sick[2]) as operator:
            told = await operator.retry()
            [parked] = (await operator.status())["parked"]
        [item] = told["items"]
        assert (0, "taken_v1/other/1:1", 1) == (item["applied"], item["stopped_at"], told["left_streams"])
        assert 2 == parked["attempts"]

    async def test_applies_what_waits_once_in_order_and_finds_nothing_when_repeated(
        self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]
    ) -> None:
        stream, rule, model = sick
        rule.amounts.clear()
        async with operator_of(log, model) as operator:
            first, again = await operator.retry(stream), await operator.retry(stream)
            told = await operator.status()
        assert ([2], 0) == ([each["applied"] for each in first["items"]], first["left_streams"])
        assert {"items": [], "left_streams": 0} == again
        assert (0, []) == (told["parked_streams"], told["parked"])
        assert [(1, 3), (1, 1), (1, 2)] == await positions_taken(log)

    async def test_by_two_operators_at_once_applies_once(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        _, rule, model = sick
        rule.amounts.clear()
        async with operator_of(log, model) as one, operator_of(log, model) as other:
            async with log.owner.transaction():
                await log.owner.execute("SELECT FROM lease WHERE name = 'project/01' FOR UPDATE")
                asking = [asyncio.create_task(each.retry()) for each in (one, other)]
                await log.blocked_session()
            told = await asyncio.gather(*asking)
        assert 2 == sum(item["applied"] for each in told for item in each["items"])
        assert [(1, 3), (1, 1), (1, 2)] == await positions_taken(log)

    async def test_while_the_worker_holds_the_partition_too_long_says_so_and_keeps_what_went_wrong(
        self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]
    ) -> None:
        await log.owner.execute("SET idle_in_transaction_session_timeout = 0")
        async with operator_of(log, sick[2]) as operator:
            async with log.owner.transaction():
                await log.owner.execute("SELECT FROM lease WHERE name = 'project/01' FOR UPDATE")
                told = await operator.retry()
            [parked] = (await operator.status())["parked"]
        [item] = told["items"]
        expected = (0, "taken_v1/other/1:1", "asyncpg.exceptions.LockNotAvailableError")
        assert (*expected, 1) == (item["applied"], item["stopped_at"], item["error"], told["left_streams"])
        assert (2, True) == (parked["attempts"], parked["error"].startswith("tests.chassis.test_parking.Broken"))

    async def test_of_one_stream_that_fails_for_now_keeps_no_other_waiting(
        self, log: LogDatabase, two_sick: tuple[Sequence[UUID], Picky, Taken]
    ) -> None:
        (first, second), rule, model = two_sick
        rule.amounts, rule.error = {1}, ConnectionResetError
        async with operator_of(log, model) as operator:
            told = await operator.retry()
        expected = [(str(first), 0, "builtins.ConnectionResetError"), (str(second), 1, None)]
        assert expected == [(each["stream_id"], each["applied"], each["error"]) for each in told["items"]]
        assert 1 == told["left_streams"]

    @pytest.mark.parametrize("error", [Broken, ConnectionResetError])
    async def test_begins_with_what_was_tried_least_often(
        self, log: LogDatabase, two_sick: tuple[Sequence[UUID], Picky, Taken], error: type[Exception]
    ) -> None:
        """Whoever has time for one only would else try the same one for ever."""
        (first, second), rule, model = two_sick
        rule.error = error
        async with operator_of(log, model) as operator:
            await operator.retry(first)
            told = await operator.retry()
        assert [str(second), str(first)] == [each["stream_id"] for each in told["items"]]

    async def test_of_a_stream_counts_no_other_that_waits(
        self, log: LogDatabase, two_sick: tuple[Sequence[UUID], Picky, Taken]
    ) -> None:
        (first, second), rule, model = two_sick
        rule.amounts = {2}
        async with operator_of(log, model) as operator:
            told = [await operator.retry(each) for each in (first, first, second)]
        assert [0, 0, 1] == [each["left_streams"] for each in told]

    async def test_begins_no_stream_when_time_is_up(
        self, log: LogDatabase, sick: tuple[UUID, Picky, Taken], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ops_api, "RETRY_S_MAX", -1.0)
        async with operator_of(log, sick[2]) as operator:
            assert {"items": [], "left_streams": 1} == await operator.retry()

    async def test_of_whoever_subscribes_no_more_says_so(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log) as operator:
            [item] = (await operator.retry())["items"]
        assert "nobody subscribes under that name any more" == item["error"]


class TestDiscardParked:
    async def test_gives_one_event_up_and_keeps_why_and_who(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log, sick[2]) as operator:
            assert 204 == (await operator.discard("taken_v1/other/1:1")).status_code
            told = await operator.status()
        assert [(1, 2)] == await waiting(log)
        [discarded] = told["discarded"]
        expected = ("taken_v1/other/1:1", "伪造的记录", "supervisor:ops")
        assert expected == tuple(discarded[each] for each in ("event", "reason", "discarded_by"))

    async def test_that_was_done_before_says_that_it_does_not_wait(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log, sick[2]) as operator:
            await operator.discard("taken_v1/other/1:1")
            again = await operator.discard("taken_v1/other/1:1", "又一次")
            discarded = (await operator.status())["discarded"]
        assert (409, "event-is-not-parked") == (again.status_code, again.json()["code"])
        assert 1 == len(discarded)

    async def test_of_another_than_the_first_is_refused(self, log: LogDatabase, sick: tuple[UUID, Picky, Taken]) -> None:
        async with operator_of(log, sick[2]) as operator:
            refused = await operator.discard("taken_v1/other/1:2")
        assert (409, "another-event-comes-first") == (refused.status_code, refused.json()["code"])
        assert await is_parked(log, 2)

    @pytest.mark.parametrize(
        "event", ["taken_v1", "taken_v1/other/1", "taken_v1/other/1:x", "../other/1:1", f"taken_v1/other/{UUID(int=7)}:1"]
    )
    async def test_needs_the_place_of_an_event(self, log: LogDatabase, event: str) -> None:
        async with operator_of(log) as operator:
            assert 422 == (await operator.discard(event)).status_code
