"""A read model that is far behind, as one that a release has brought: who waits for it, and who does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis import waiting
from registration.read_models.supply_counts import SUPPLY_COUNTS
from tests.in_process import Caller
from tests.registration.service import Running
from tests.registration.test_site_api import control, control_of, supplies_of


@pytest.fixture
async def token(operator: Caller, contract_no: str) -> str:
    """Of supplies that were told, and seen in their list."""
    submitted = await operator.put(control_of(contract_no), control(), version=0)
    token = submitted.headers["consistency-token"]
    assert 200 == (await operator.get(supplies_of(contract_no), seen=token)).status_code
    return token


@asynccontextmanager
async def at_the_beginning(running: Running, subscriber: str) -> AsyncIterator[None]:
    """Nothing is told meanwhile, so that its worker does not notice."""
    pool = running.wired.pool
    had = await pool.fetch("SELECT shard, last_pos FROM position WHERE subscriber = $1", subscriber)
    await pool.execute("UPDATE position SET last_pos = 0 WHERE subscriber = $1", subscriber)
    try:
        yield
    finally:
        for shard, last_pos in had:
            await pool.execute(
                "UPDATE position SET last_pos = $3 WHERE subscriber = $1 AND shard = $2", subscriber, shard, last_pos
            )


class TestReadModelThatIsFarBehind:
    async def test_is_waited_for_by_whoever_asks_for_its_list_and_by_nobody_else(
        self, running: Running, contract_no: str, operator: Caller, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "WAIT_S_MAX", 0.2)
        others = [f"/v1/contracts/{contract_no}/{each}" for each in ("pre-registrations", "awaiting-forms", "review-items")]
        async with at_the_beginning(running, SUPPLY_COUNTS.name):
            behind = await operator.get(supplies_of(contract_no), seen=token)
            level = [await operator.get(each, seen=token) for each in others]

        assert (503, "unavailable", "1") == (behind.status_code, behind.json()["code"], behind.headers["retry-after"])
        assert [200] * 3 == [each.status_code for each in level]
        assert 200 == (await operator.get(supplies_of(contract_no), seen=token)).status_code
