"""Health, up once for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis.migrations import KEYS
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from health.wiring import SERVICE
from tests.health.service import Running, running_service


@pytest.fixture(scope="module")
async def running(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[Running]:
    database = await fresh_databases.make("health", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    async with running_service(SERVICE, database, keys["health"]) as service:
        yield service


@pytest.fixture
def person_id() -> UUID:
    """Somebody whom no other test has."""
    return uuid4()


@pytest.fixture
def contract_no() -> str:
    """A contract that no other test has."""
    return f"W{uuid4().hex[:12]}"
