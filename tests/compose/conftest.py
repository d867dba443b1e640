"""`make test-compose`: an engine, the images, and one installation for all tests. It takes minutes: no part of `make test`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.make_secrets import make
from devstack import images
from devstack.engine import Engine, running_engine
from devstack.run import teller
from devstack.settings import Settings
from tests.compose.composition import Composition

say = teller()


@pytest.fixture(scope="session")
async def engine() -> AsyncIterator[Engine]:
    async with running_engine(say) as engine:
        yield engine


@pytest.fixture(scope="session")
async def provided(engine: Engine) -> dict[str, str]:
    """Images of others, by the variable that names them."""
    return await images.provide(engine, Settings(), say)


@pytest.fixture(scope="session")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    make(folder)
    return folder


@pytest.fixture(scope="session")
async def composition(engine: Engine, provided: dict[str, str], secrets_folder: Path) -> AsyncIterator[Composition]:
    """Built, brought up and healthy; taken down with everything at the end."""
    composition = Composition(engine, provided, secrets_folder)
    say("building …")
    await asyncio.to_thread(composition.compose, "build")
    say("bringing up …")
    try:
        await asyncio.to_thread(composition.up)
        await composition.healthy()
        say("everybody is healthy")
        yield composition
    except BaseException:
        say(composition.compose("logs", "--no-color", "--tail", "30", check=False)[-20_000:])
        raise
    finally:
        say("taking down …")
        await asyncio.to_thread(composition.compose, "down", "--volumes", "--timeout", "30")
