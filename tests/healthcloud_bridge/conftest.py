"""The bridge and its upstream, each up once for a module."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date, timedelta

import pytest

from chassis.leases import Lease, Work
from chassis.migrations import KEYS
from chassis.testing.wait import eventually
from contracts.citizen_id import check_character
from contracts.identity import Document, DocumentType
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from healthcloud_bridge import circuit, poller
from healthcloud_bridge.circuit import CircuitState
from healthcloud_bridge.client import HealthCloudUnavailable
from healthcloud_bridge.wiring import SERVICE
from tests.at_work import at_work
from tests.health.service import Running, running_service
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
        # They need no fence, and so no real lease.
        polls = {name: work for name, work in running.application.works.items() if name.startswith("poll/")}
        polling = (_poll(work, Lease(name, token=1)) for name, work in polls.items())
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(circuit, "OPEN_S_MIN", 0.05)
            patched.setattr(circuit, "OPEN_S_MAX", 0.2)
            patched.setattr(poller, "BACKOFF_S_MAX", 0.3)
            async with at_work(*polling):
                yield running


async def _poll(work: Work, lease: Lease) -> None:
    await work(lease)


@pytest.fixture
async def running(service: Running, upstream: Upstream, number: str) -> AsyncIterator[Running]:
    """The bridge, with an upstream that does not misbehave unless the test tells it to, and that is asked when the test begins."""
    yield service
    await upstream.misbehave()
    health_cloud = service.application.state["wired"].receiving.health_cloud

    async def is_asked_again() -> bool:
        with suppress(HealthCloudUnavailable):
            await health_cloud.submissions(Document(type=DocumentType.CITIZEN_ID, number=number), name="张小三")
        return bool(health_cloud.circuit.state is CircuitState.CLOSED)

    await eventually(is_asked_again)
