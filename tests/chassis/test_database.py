"""The bounds of a statement."""

from __future__ import annotations

import pytest

from chassis import database
from chassis.database import create_pool, read_at_length
from tests.chassis.log_database import LogDatabase

BOUND = "SELECT current_setting('statement_timeout')"


class TestReadAtLength:
    async def test_takes_longer_than_anything_else_may(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", 0.2)
        async with await create_pool(log.app_dsn, application_name="test", size_max=1) as pool:
            with pytest.raises(TimeoutError):
                await pool.fetch("SELECT pg_sleep(0.5)")
            [row] = await read_at_length(pool, f"SELECT read.* FROM pg_sleep(0.5), ({BOUND}) AS read (bound)")
            assert "1h" == row["bound"]
            assert "30s" == await pool.fetchval(BOUND), "only there"


class TestPool:
    async def test_lets_nobody_wait_for_a_connection_longer_than_it_was_made_for(self, log: LogDatabase) -> None:
        async with await create_pool(log.app_dsn, application_name="test", size_max=1, acquire_timeout_s=0.2) as pool:
            async with pool.acquire():
                with pytest.raises(TimeoutError):
                    await pool.fetchval("SELECT 1")
            assert 1 == await pool.fetchval("SELECT 1")
