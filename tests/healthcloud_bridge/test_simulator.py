"""The stand-in, as a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.healthcloud_bridge.upstream import REPOSITORY, Upstream, form, free_port, simulator


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with simulator() as running:
        yield running


@pytest.fixture
def number() -> str:
    return uuid4().hex


class TestSimulator:
    async def test_keeps_every_version_oldest_first(self, upstream: Upstream, number: str) -> None:
        statuses = [(await upstream.declare(form(number, 体温=celsius))).status_code for celsius in ("38", "36.5", "38")]
        found = (await upstream.query(number.upper())).json()["登记记录"]
        assert ([201, 201, 201], ["38", "36.5", "38"]) == (statuses, [record["体温"] for record in found])
        assert 3 == len({record["登记编号"] for record in found})

    async def test_keeps_the_same_form_once(self, upstream: Upstream, number: str) -> None:
        first, again = await upstream.declare(form(number)), await upstream.declare(form(number))
        assert (201, 200, first.json()) == (first.status_code, again.status_code, again.json())
        assert 1 == len((await upstream.query(number)).json()["登记记录"])

    async def test_knows_nothing_of_others(self, upstream: Upstream, number: str) -> None:
        assert {"登记记录": []} == (await upstream.query(number)).json()

    async def test_wants_a_key(self, upstream: Upstream, number: str) -> None:
        assert 401 == (await upstream.query(number, key="another")).status_code

    async def test_checks_no_more_than_that_the_form_is_filled_in(self, upstream: Upstream, number: str) -> None:
        assert 422 == (await upstream.declare(form(number, 上报时间=""))).status_code
        assert 201 == (await upstream.declare(form(number, 体温="很高", 上报时间="昨天"))).status_code

    async def test_misbehaves_when_told_to(self, upstream: Upstream, number: str) -> None:
        await upstream.misbehave(error_rate=1)
        assert 500 == (await upstream.query(number)).status_code
        await upstream.misbehave(down=True)
        assert 503 == (await upstream.query(number)).status_code
        await upstream.misbehave()
        assert 200 == (await upstream.query(number)).status_code

    async def test_knows_after_a_restart_what_it_knew(self, number: str, tmp_path: Path) -> None:
        store = tmp_path / "made" / "store.json"
        async with simulator(store=store) as first:
            await first.declare(form(number))
        async with simulator(store=store, port=free_port()) as second:
            assert 1 == len((await second.query(number)).json()["登记记录"])


def test_shares_no_code_with_gatehouse() -> None:
    folder = REPOSITORY / "services" / "healthcloud-bridge" / "simulator"
    source = "".join(path.read_text() for path in folder.rglob("*.py"))
    assert not any(
        f"import {ours}" in source or f"from {ours}" in source for ours in ("contracts", "chassis", "healthcloud_bridge")
    )
