"""Leases: a fair share each, soon replaced when silent, and never two who write for the same name."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from chassis import leases
from chassis.database import DATABASE_ERRORS
from chassis.leases import Lease, LeaseLost, Leases, fence
from chassis.testing.wait import eventually
from tests.chassis.log_database import LogDatabase

TTL_S, HEARTBEAT_S = 1.5, 0.1
"""Shorter than in production."""
SLACK_S = 2.0
"""What a busy machine may add to a deadline."""
HOLDER_S_MAX = 20.0
"""How long a worker process may take to start and to say something."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(leases, "TTL_S", TTL_S)
    monkeypatch.setattr(leases, "HEARTBEAT_S", HEARTBEAT_S)
    with capture_logs():  # Tracebacks would be drawn in colour, for longer than a time to live.
        yield


class Crew:
    """Workers of one service in this process. Notes who works on what, and whether ever two worked on the same."""

    def __init__(self, log: LogDatabase, names: Iterable[str]) -> None:
        self.log = log
        self.names = list(names)
        self.working: dict[str, list[UUID]] = {name: [] for name in self.names}
        self.together: list[str] = []
        self.tokens: dict[str, list[int]] = {name: [] for name in self.names}
        self.tasks: dict[UUID, asyncio.Task[None]] = {}
        self.leases: dict[UUID, Leases] = {}

    async def join(self, *, behaves: Callable[[Lease], None] = lambda lease: None) -> UUID:
        owner = uuid4()

        async def work(lease: Lease) -> None:
            if self.working[lease.name]:
                self.together.append(lease.name)
            self.working[lease.name].append(owner)
            self.tokens[lease.name].append(lease.token)
            try:
                behaves(lease)
                await asyncio.Event().wait()
            finally:
                self.working[lease.name].remove(owner)

        pool = await self.log.another_pool(size_max=2)
        self.leases[owner] = Leases(pool, dict.fromkeys(self.names, work), owner)
        self.tasks[owner] = asyncio.create_task(self.leases[owner].run())
        return owner

    async def leave(self, owner: UUID) -> None:
        self.tasks[owner].cancel()
        await asyncio.wait([self.tasks.pop(owner)])

    def die(self, owner: UUID) -> None:
        """As if killed: nothing is given back, nothing is said."""

        async def silence() -> None:
            pass

        self.leases[owner]._leave = silence  # type: ignore[method-assign]
        self.tasks.pop(owner).cancel()
        for task in self.leases[owner]._tasks.values():
            task.cancel()

    def names_of(self, owner: UUID) -> list[str]:
        return [name for name, workers in self.working.items() if owner in workers]

    def sizes(self) -> list[int]:
        return sorted(len(self.names_of(owner)) for owner in self.tasks)


@asynccontextmanager
async def crew_of(log: LogDatabase, names: Iterable[str]) -> AsyncIterator[Crew]:
    crew = Crew(log, names)
    try:
        yield crew
    finally:
        for owner in list(crew.tasks):
            await crew.leave(owner)


@pytest.fixture
async def crew(log: LogDatabase) -> AsyncIterator[Crew]:
    async with crew_of(log, [f"{kind}/{n:02}" for kind in ("project", "relay") for n in range(4)]) as crew:
        yield crew


def taken_over(told: Iterable[MutableMapping[str, Any]]) -> list[int]:
    """How many leases at a time, as the logs say."""
    return [line["count"] for line in told if line["event"] == "leases.taken_over"]


class TestShare:
    async def test_of_one_worker_is_everything(self, crew: Crew) -> None:
        await crew.join()
        await eventually(lambda: crew.sizes() == [8])

    async def test_is_the_same_for_two(self, crew: Crew) -> None:
        first = await crew.join()
        await eventually(lambda: crew.sizes() == [8])

        await crew.join()

        await eventually(lambda: crew.sizes() == [4, 4])
        assert all(len(workers) == 1 for workers in crew.working.values())
        assert crew.together == []
        kinds = [name.split("/")[0] for name in crew.names_of(first)]
        assert kinds.count("relay") == kinds.count("project") == 2, "one worker has all the work of one kind"

    async def test_of_a_third_is_what_the_others_have_too_much(self, crew: Crew) -> None:
        for expected in ([8], [4, 4], [2, 3, 3]):
            await crew.join()
            await eventually(lambda: crew.sizes() == expected)  # noqa: B023

        assert crew.together == []

    async def test_of_who_leaves_is_free_at_once(self, log: LogDatabase, crew: Crew) -> None:
        first, second = await crew.join(), await crew.join()
        await eventually(lambda: crew.sizes() == [4, 4])
        left_at = time.monotonic()

        with capture_logs() as told:
            await crew.leave(first)
            assert [] == await log.rows("SELECT 1 FROM worker WHERE owner = $1 UNION SELECT 1 FROM lease WHERE owner = $1", first)
            await eventually(lambda: len(crew.names_of(second)) == 8)

        assert [] == taken_over(told)
        assert time.monotonic() - left_at < HEARTBEAT_S + SLACK_S
        assert crew.together == []


class TestSilentWorker:
    async def test_keeps_its_names_for_the_time_to_live_and_not_much_longer(self, crew: Crew) -> None:
        first, second = await crew.join(), await crew.join()
        await eventually(lambda: crew.sizes() == [4, 4])
        died_at = time.monotonic()

        crew.die(first)
        await eventually(lambda: len(crew.names_of(second)) == 8)

        assert TTL_S - HEARTBEAT_S - 0.1 < time.monotonic() - died_at < TTL_S + HEARTBEAT_S + SLACK_S

    async def test_is_spoken_of_by_whoever_replaces_it(self, crew: Crew) -> None:
        first, second = await crew.join(), await crew.join()
        await eventually(lambda: crew.sizes() == [4, 4])

        with capture_logs() as told:
            crew.die(first)
            await eventually(lambda: len(crew.names_of(second)) == 8)

        assert 4 == sum(taken_over(told))

    async def test_that_was_killed_is_replaced(self, log: LogDatabase) -> None:
        async with holder_process(log, "relay/00") as (process, lines), crew_of(log, ["relay/00"]) as crew:
            assert await next_line(lines) == "held"
            second = await crew.join()
            killed_at = time.monotonic()
            process.kill()
            await eventually(lambda: crew.names_of(second) == ["relay/00"])

            assert time.monotonic() - killed_at < TTL_S + HEARTBEAT_S + SLACK_S
            assert [2] == crew.tokens["relay/00"]

    async def test_that_was_frozen_is_replaced_and_the_database_refuses_it_when_it_wakes(self, log: LogDatabase) -> None:
        async with holder_process(log, "relay/00") as (process, lines), crew_of(log, ["relay/00"]) as crew:
            assert await next_line(lines) == "held"
            second = await crew.join()
            process.send_signal(signal.SIGSTOP)
            # If it was stopped between two statements, its session and its row lock end with idle_in_transaction_session_timeout.
            await eventually(lambda: crew.names_of(second) == ["relay/00"])
            [(written,)] = await log.rows("SELECT last_pos FROM position WHERE subscriber = 'relay/00/1'")
            process.send_signal(signal.SIGCONT)

            assert await next_line(lines) in {"refused", "cut off", "stopped"}
            assert [(written,)] == await log.rows("SELECT last_pos FROM position WHERE subscriber = 'relay/00/1'")
            assert [2] == crew.tokens["relay/00"], "it did not take the name back from a live owner"

    async def test_that_left_its_transaction_open_holds_the_name_until_the_database_cuts_it_off(
        self, log: LogDatabase, crew: Crew, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "TTL_S", 0.5)
        first = await crew.join()
        await eventually(lambda: crew.sizes() == [8])
        [(name, token)] = await log.rows("SELECT name, token FROM lease ORDER BY name LIMIT 1")
        frozen = await log.session()
        await frozen.execute("SET idle_in_transaction_session_timeout = '3s'")
        await frozen.execute("BEGIN")
        await fence(frozen, Lease(name, token))
        crew.die(first)

        second = await crew.join()
        await eventually(lambda: len(crew.names_of(second)) >= 7)
        assert name not in crew.names_of(second)
        await eventually(lambda: len(crew.names_of(second)) == 8)

        with pytest.raises(DATABASE_ERRORS):
            await frozen.execute("COMMIT")

    async def test_that_died_before_the_databases_clock_was_set_back_is_replaced_at_once(self, log: LogDatabase) -> None:
        async with crew_of(log, ["a"]) as crew:
            dead = uuid4()
            await log.pool.execute("INSERT INTO worker VALUES ($1, clock_timestamp() + interval '1 hour')", dead)
            await log.pool.execute("INSERT INTO lease VALUES ('a', $1, 7)", dead)
            await crew.join()
            await eventually(lambda: crew.tokens["a"] == [8], within_s=TTL_S)

    async def test_whose_row_is_an_hour_ahead_keeps_what_it_renews(self, log: LogDatabase) -> None:
        """It lives; only the database's clock was set back."""
        async with crew_of(log, ["a"]) as crew:
            owner = await crew.join()
            await eventually(lambda: crew.working["a"] == [owner])
            since = await log.pool.fetchval(
                "UPDATE worker SET expires_at = expires_at + interval '1 hour' RETURNING clock_timestamp()"
            )
            await eventually(lambda: is_beaten(log, since=since))
            await crew.join()
            assert [1] == crew.tokens["a"]


@asynccontextmanager
async def holder_process(log: LogDatabase, *names: str) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """A worker process, and the lines it prints."""
    command = [sys.executable, "-m", "tests.chassis.lease_holder", log.app_dsn, str(TTL_S), str(HEARTBEAT_S), *names]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def next_line(lines: asyncio.StreamReader) -> str:
    """What happened to the lease `relay/00` with its first token."""
    async with asyncio.timeout(HOLDER_S_MAX):
        return (await lines.readline()).decode().removesuffix(" relay/00 1\n")


class TestToken:
    async def test_rises_with_every_acquisition(self, log: LogDatabase) -> None:
        async with crew_of(log, ["relay/00"]) as crew:
            for _ in range(3):
                owner = await crew.join()
                await eventually(lambda: crew.sizes() == [1])
                await crew.leave(owner)

        assert [1, 2, 3] == crew.tokens["relay/00"]

    async def test_rises_also_for_the_same_owner(self, log: LogDatabase) -> None:
        async with crew_of(log, ["relay/00"]) as crew:
            await crew.join()
            await eventually(lambda: crew.sizes() == [1])
            await log.owner.execute("UPDATE lease SET owner = NULL")  # As if a tick's answer had been lost on the way.
            await eventually(lambda: len(crew.tokens["relay/00"]) == 2)

        assert [1, 2] == crew.tokens["relay/00"]
        assert crew.together == []


class TestFence:
    async def test_lets_the_holder_pass(self, log: LogDatabase) -> None:
        await log.owner.execute("INSERT INTO lease (name, token) VALUES ('relay/00', 7)")
        async with log.pool.acquire() as connection, connection.transaction():
            await fence(connection, Lease("relay/00", 7))

    @pytest.mark.parametrize("lease", [Lease("relay/00", 6), Lease("relay/00", 8), Lease("relay/01", 7)])
    async def test_refuses_everybody_else(self, log: LogDatabase, lease: Lease) -> None:
        await log.owner.execute("INSERT INTO lease (name, token) VALUES ('relay/00', 7)")
        async with log.pool.acquire() as connection, connection.transaction():
            with pytest.raises(LeaseLost):
                await fence(connection, lease)

    async def test_that_came_during_a_takeover_waits_for_it_and_refuses(self, log: LogDatabase) -> None:
        await log.owner.execute("INSERT INTO lease (name, token) VALUES ('relay/00', 7)")
        successor, old = await log.session(), await log.session()
        async with old.transaction():
            async with successor.transaction():
                await successor.execute("UPDATE lease SET token = 8")
                fencing = asyncio.create_task(fence(old, Lease("relay/00", 7)))
                await log.blocked_session()
            with pytest.raises(LeaseLost):
                await fencing

    async def test_holds_off_a_takeover_until_the_transaction_ends(self, log: LogDatabase) -> None:
        await log.owner.execute("INSERT INTO lease (name, token) VALUES ('relay/00', 7)")
        old = await log.session()
        async with crew_of(log, ["relay/00"]) as crew:
            async with old.transaction():
                await fence(old, Lease("relay/00", 7))
                owner = await crew.join()
                await eventually(lambda: crew.leases[owner].heartbeat_age_s < HEARTBEAT_S)
                # Several ticks, as the worker's row tells.
                [(first,)] = await log.rows("SELECT expires_at FROM worker")
                await eventually(lambda: is_beaten(log, since=first))
                assert crew.sizes() == [0]
            await eventually(lambda: crew.sizes() == [1])
        assert [8] == crew.tokens["relay/00"]


async def is_beaten(log: LogDatabase, *, since: object) -> bool:
    """Two heartbeats later."""
    return bool(
        await log.owner.fetchval(
            "SELECT expires_at > $1::timestamptz + make_interval(secs => $2) FROM worker", since, 2 * HEARTBEAT_S
        )
    )


class TestWork:
    async def test_that_fails_is_given_back_and_taken_up_again(self, log: LogDatabase) -> None:
        def fails_twice(lease: Lease) -> None:
            if lease.token < 3:
                raise RuntimeError("broken")

        async with crew_of(log, ["relay/00"]) as crew:
            await crew.join(behaves=fails_twice)
            await eventually(lambda: crew.sizes() == [1])
            assert [1, 2, 3] == crew.tokens["relay/00"]

    async def test_that_fails_does_not_disturb_the_rest(self, crew: Crew) -> None:
        def always_fails(lease: Lease) -> None:
            if lease.name == "relay/00":
                raise RuntimeError("broken")

        await crew.join(behaves=always_fails)
        await eventually(lambda: len(crew.tokens["relay/00"]) >= 3)

        assert [[1]] * 7 == [tokens for name, tokens in crew.tokens.items() if name != "relay/00"]

    async def test_begins_anew_when_the_database_has_crashed(self, log: LogDatabase, crew: Crew) -> None:
        """A crash empties the table of workers, and may take back what the work believes to be stored."""
        assert [("u",)] == await log.rows("SELECT relpersistence::text FROM pg_class WHERE oid = 'worker'::regclass")
        await crew.join()
        await eventually(lambda: crew.sizes() == [8])

        await log.owner.execute("TRUNCATE worker")

        await eventually(lambda: all(tokens == [1, 2] for tokens in crew.tokens.values()))
        await eventually(lambda: crew.sizes() == [8])
        assert crew.together == []

    async def test_stops_when_the_database_was_away_for_the_time_to_live_and_goes_on_afterwards(
        self, log: LogDatabase, crew: Crew
    ) -> None:
        await crew.join()
        await eventually(lambda: crew.sizes() == [8])
        [(database,)] = await log.rows("SELECT current_database()")
        await log.owner.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
        try:
            away_at = time.monotonic()
            await log.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'another process'"
            )
            await eventually(lambda: crew.sizes() == [0])
            assert time.monotonic() - away_at > TTL_S - HEARTBEAT_S
        finally:
            await log.owner.execute(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
        await eventually(lambda: crew.sizes() == [8])
        assert crew.together == []
