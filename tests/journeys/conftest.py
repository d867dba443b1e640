"""One installation for all journeys of a run, each with contracts and people of its own; and each service with a world in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import httpx2
import pytest

from chassis.migrations import KEYS
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.parts import Parts
from devstack.services import SERVICES
from devstack.state import State
from tests.collector import Collector, collecting
from tests.journeys.operations import Operation
from tests.journeys.sites import Site
from tests.journeys.stack import JourneyStack, journey_stack
from tests.journeys.worlds import WORLDS, Place, World, place


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Takes every span of every process."""
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
async def installation(real_parts: Parts, state: State, collector: Collector) -> AsyncIterator[JourneyStack]:
    async with journey_stack(real_parts, state, **collector.variables) as (stack, _):
        yield stack


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def site(installation: JourneyStack, client: httpx2.AsyncClient) -> Site:
    """A contract that no other journey has, reported with its employer."""
    return await Site.reported(installation, client)


@pytest.fixture(scope="module")
async def keys(fresh_keys_databases: FreshDatabases) -> AsyncIterator[Mapping[str, Database]]:
    """The key server, by package."""
    made = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    yield made
    await fresh_keys_databases.drop(next(iter(made.values())))


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: world.service.name)
async def here(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, keys: Mapping[str, Database]
) -> AsyncIterator[Place]:
    world: World = request.param
    package = world.service.name.replace("-", "_")
    database = await fresh_databases.make(package, world.service.migrations)
    async with place(world, database, keys[package]) as made:
        yield made
    await fresh_databases.drop(database)


@pytest.fixture(scope="module")
async def operations(here: Place) -> list[Operation]:
    document = (await here.running.client.get("/openapi.json")).json()
    return [
        Operation(here, path, method.upper(), described, document)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
