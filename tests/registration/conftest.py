"""Registration in this process, one for each module; every test has its own people and contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.migrations import KEYS
from contracts.access import Role
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from registration.wiring import SERVICE
from tests.in_process import Caller
from tests.registration.asking import begin_test, report
from tests.registration.service import Running, registration


@pytest.fixture(autouse=True)
def own_people() -> None:
    begin_test()


@pytest.fixture(scope="module")
async def service(
    fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    database = await fresh_databases.make("registration", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    folder = tmp_path_factory.mktemp("checklists")
    async with registration(database, keys["registration"], checklist_folder=folder) as running:
        yield running


@pytest.fixture
async def running(service: Running) -> Running:
    return await service.for_one_test()


@pytest.fixture
async def contract_no(running: Running) -> str:
    """A reported contract with one employer."""
    return await report(running)


@pytest.fixture
def operator(running: Running, contract_no: str) -> Caller:
    return running.caller(Role.SITE_OPERATOR, contract_no)
