"""One installation for all journeys of a run. Each journey has contracts and people of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from devstack.parts import Parts
from devstack.state import State
from tests.journeys.sites import Site
from tests.journeys.stack import JourneyStack, journey_stack


@pytest.fixture(scope="session")
async def installation(real_parts: Parts, state: State) -> AsyncIterator[JourneyStack]:
    async with journey_stack(real_parts, state) as (stack, _):
        yield stack


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def site(installation: JourneyStack, client: httpx2.AsyncClient) -> Site:
    """A contract that no other journey has, reported with its employer."""
    return await Site.reported(installation, client)
