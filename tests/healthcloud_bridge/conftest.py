"""The bridge and its upstream, each up once for a module."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from chassis.leases import Lease
from chassis.migrations import KEYS
from contracts.citizen_id import check_character
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from healthcloud_bridge.wiring import SERVICE
from tests.health.service import Running, cancel, running_service
from tests.healthcloud_bridge.upstream import API_KEY, Upstream, simulator

LOOKUPS_PER_HOUR_MAX = 100
_people = itertools.count()


def new_number() -> str:
    """The citizen ID of somebody whom nobody else has."""
    birthday, order = divmod(next(_people), 999)
    seventeen = f"320623{date(1961, 1, 1) + timedelta(days=birthday):%Y%m%d}{order:03}"
    return seventeen + check_character(seventeen)


@pytest.fixture
def number() -> str:
    """A citizen ID of this test's own."""
    return new_number()


@pytest.fixture
def other_number() -> str:
    """Another one."""
    return new_number()


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with simulator() as running:
        yield running


@pytest.fixture(scope="module")
async def service(
    fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases, upstream: Upstream
) -> AsyncIterator[Running]:
    database = await fresh_databases.make("healthcloud_bridge", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    own = {
        "healthcloud_url": upstream.url,
        "healthcloud_api_key": API_KEY,
        "poll_interval_s": 0.1,
        "lookups_per_hour_max": LOOKUPS_PER_HOUR_MAX,
    }
    async with running_service(SERVICE, database, keys["healthcloud_bridge"], own) as running:
        # It needs no fence, and so no real lease.
        polling = asyncio.create_task(_poll(running))
        yield running
        await cancel([polling])


async def _poll(running: Running) -> None:
    await running.application.works["poll"](Lease("poll", token=1))


@pytest.fixture
async def running(service: Running, upstream: Upstream) -> AsyncIterator[Running]:
    """The bridge, with an upstream that does not misbehave unless the test tells it to."""
    yield service
    await upstream.misbehave()
