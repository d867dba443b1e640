"""Real PostgreSQL and Kafka for every test that asks for them.

`make test` (`python -m devstack test`) starts them once and names them in the environment. Where it did not, as under a
bare `pytest tests/chassis`, the first test that needs them has them started by devstack, and waits some five seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from chassis.migrations import KEYS, migrate
from devstack import doctor, parts
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.parts import Parts
from devstack.services import SERVICES
from devstack.settings import Settings
from devstack.state import State
from devstack.suite import throwaway_state
from tests.prometheus.promtool import Promtool
from tests.skips import pytest_addoption, pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_addoption", "pytest_make_collect_report", "pytest_runtest_makereport"]
"""Hooks, which pytest looks for here."""

# How long an example takes says something of the machine only.
hypothesis.settings.register_profile("gatehouse", deadline=None)
hypothesis.settings.load_profile("gatehouse")

MakeDatabase = Callable[[str, Sequence[Path]], Awaitable[Database]]
"""`await database(role, folders)`: a fresh database, migrated with the folders by `<role>_owner`, worked in by `role`."""


@pytest.fixture(scope="session")
async def state() -> AsyncIterator[State]:
    """Passwords and logs of this run. One folder for all xdist workers: roles, and so their passwords, are the server's."""
    settings = Settings()
    if settings.postgres_dsn is not None:
        yield State(settings.state)
    else:
        with throwaway_state() as state:
            yield state


@pytest.fixture(scope="session")
async def real_parts(state: State) -> AsyncIterator[Parts]:
    """PostgreSQL, the keys' PostgreSQL and Kafka. Shared: a test that stops or freezes one starts its own."""
    async with parts.running(state, Settings().elsewhere(), print) as found:
        yield found


@pytest.fixture(scope="session")
def postgres_dsn(real_parts: Parts) -> str:
    """Superuser on the server of the services' databases."""
    return real_parts.postgres.dsn


@pytest.fixture(scope="session")
def keys_postgres_dsn(real_parts: Parts) -> str:
    """Superuser on the keys server."""
    return real_parts.keys_postgres.dsn


@pytest.fixture(scope="session")
def kafka_bootstrap(real_parts: Parts) -> str:
    """host:port of Kafka, where whoever comes may do everything."""
    return real_parts.kafka.bootstrap


@pytest.fixture(scope="session")
def kafka_clients(real_parts: Parts) -> str:
    """host:port of the same Kafka, where it asks for name and password."""
    if real_parts.kafka.clients is None:
        pytest.skip("this Kafka asks nobody who he is")
    return real_parts.kafka.clients


@pytest.fixture(scope="session")
async def fresh_databases(postgres_dsn: str, state: State) -> AsyncIterator[FreshDatabases]:
    """Of the services' server. Tests ask for `database`."""
    databases = FreshDatabases(postgres_dsn, state, migrate)
    yield databases
    await databases.drop_all()


@pytest.fixture(scope="session")
async def fresh_keys_databases(keys_postgres_dsn: str, state: State) -> AsyncIterator[FreshDatabases]:
    """Of the keys server. Tests ask for `keys_databases`."""
    databases = FreshDatabases(keys_postgres_dsn, state, migrate)
    yield databases
    await databases.drop_all()


@pytest.fixture
async def database(fresh_databases: FreshDatabases) -> AsyncIterator[MakeDatabase]:
    """Makes databases of this test's own: `await database("registration", [LOG, WORK, …])`. Dropped after the test."""
    made: list[Database] = []

    async def make(role: str, folders: Sequence[Path]) -> Database:
        made.append(await fresh_databases.make(role, folders))
        return made[-1]

    yield make
    for one in made:
        await fresh_databases.drop(one)


@pytest.fixture
async def keys_databases(fresh_keys_databases: FreshDatabases) -> AsyncIterator[dict[str, Database]]:
    """A database of this test's own on the keys server, reachable under each service's role: by package."""
    made = await fresh_keys_databases.make_keys([service.package for service in SERVICES], [KEYS])
    yield made
    await fresh_keys_databases.drop(next(iter(made.values())))


@pytest.fixture
def topic_prefix() -> str:
    """Sets this test's topics apart on a broker that all tests share."""
    return f"test-{uuid4().hex[:12]}."


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Prometheus' own tool, which Debian's package `prometheus` brings. `make test` installs what is missing, where it may; this
    fails where there is none: alerts that nobody tested are worse than none."""
    (finding,) = doctor.survey_prometheus()
    if finding.found is None:
        pytest.fail(doctor.how_to_get([finding]))
    return Promtool(finding.found, tmp_path)
