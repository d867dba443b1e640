"""Embedded PostgreSQL, as whoever runs the tests, root or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL, SIGQUIT

import asyncpg
import pytest

from chassis.testing.wait import eventually
from devstack import children, postgres
from devstack.databases import with_database
from devstack.postgres import EmbeddedPostgres, Size
from devstack.state import State
from devstack.suite import throwaway_state

SMALL = Size(connections_max=20, shared_buffers_mb=16)


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _value(server: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def _user_id(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.fixture(scope="module")
async def own_state() -> AsyncIterator[State]:
    with throwaway_state() as state:
        yield state


@pytest.fixture
async def server(own_state: State) -> AsyncIterator[EmbeddedPostgres]:
    """Running. Its data is shared by the tests of this module."""
    server = EmbeddedPostgres(own_state, "test", size=SMALL)
    await server.start()
    yield server
    await server.stop()


class TestEmbeddedPostgres:
    @pytest.mark.parametrize(
        ("setting", "expected"), [("fsync", "on"), ("synchronous_commit", "on"), ("TimeZone", "UTC"), ("server_encoding", "UTF8")]
    )
    async def test_is_set_up_as_in_production(self, server: EmbeddedPostgres, setting: str, expected: str) -> None:
        assert expected == await _value(server, f"SHOW {setting}")

    async def test_compares_text_by_code_point(self, server: EmbeddedPostgres) -> None:
        assert "C.UTF-8" == await _value(server, "SELECT datcollate FROM pg_database WHERE datname = 'template0'")

    async def test_refuses_a_wrong_password(self, server: EmbeddedPostgres) -> None:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(with_database(server.dsn, name="postgres", role=postgres.SUPERUSER, password="wrong"))

    async def test_never_runs_as_root(self, server: EmbeddedPostgres) -> None:
        assert 0 != _user_id(server.child.pid)

    async def test_keeps_its_data(self, server: EmbeddedPostgres, own_state: State) -> None:
        await _execute(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        await server.stop()
        again = EmbeddedPostgres(own_state, "test", size=SMALL)
        await again.start()
        assert 42 == await _value(again, "TABLE kept")
        await again.stop()

    async def test_comes_back_after_it_was_killed(self, server: EmbeddedPostgres) -> None:
        await _execute(server, "CREATE TABLE survived AS SELECT 1")
        server.child.send(SIGKILL)
        await server.child.ended(5)
        await server.start()
        assert 1 == await _value(server, "TABLE survived")

    async def test_keeps_its_port_when_it_comes_back(self, server: EmbeddedPostgres) -> None:
        port = server.port
        await server.stop()
        await server.start()
        assert port == server.port

    async def test_comes_back_when_its_old_process_id_belongs_to_another_program(
        self, server: EmbeddedPostgres, own_state: State
    ) -> None:
        pid_file = own_state.root / "postgres-test" / "data" / "postmaster.pid"
        remembered = pid_file.read_text()
        server.child.send(SIGQUIT)
        await server.child.ended(10)
        stranger = children.start(
            "stranger",
            ["sleep", "1000"],
            log=own_state.log("stranger"),
            environment=children.environment(),
            user=postgres.server_user(),
        )
        try:
            pid_file.write_text("\n".join([str(stranger.pid), *remembered.splitlines()[1:], ""]))
            await server.start()
            assert stranger.exit_code is None
        finally:
            await stranger.stop()

    async def test_ends_one_that_an_earlier_devstack_left_running(self, server: EmbeddedPostgres, own_state: State) -> None:
        successor = EmbeddedPostgres(own_state, "test", size=SMALL)
        await successor.start()
        await eventually(lambda: server.child.exit_code is not None)
        assert 1 == await _value(successor, "SELECT 1")
        await successor.stop()
