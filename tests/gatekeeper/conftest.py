"""The gate on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.clock import SystemClock
from chassis.command_handling import CommandHandler
from chassis.database import create_pool
from chassis.event_store import EventStore
from contracts.event import Recorded
from contracts.gatekeeper import GatekeeperEvent
from gatekeeper.domain.commands import GateCommand, RelevantFact
from gatekeeper.domain.state import GatePerson
from gatekeeper.freshness import FreshnessView
from gatekeeper.gate import Gate
from gatekeeper.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.gatekeeper.facts import DECIDER, assessed, note, pre_registered

PARTITIONS = 16
BOUND = timedelta(seconds=10)


async def stamp(pool: asyncpg.Pool, view: FreshnessView, *, age: timedelta = timedelta(0)) -> None:
    """Say that everything was known this long ago, by the database's clock; and look."""
    await pool.execute(
        "INSERT INTO freshness SELECT p, clock_timestamp() - $1::interval FROM generate_series(0, $2 - 1) AS p"
        " ON CONFLICT (partition) DO UPDATE SET fresh_as_of = excluded.fresh_as_of",
        age,
        view.partitions,
    )
    await view.look()
    # What is seen for the first time may be old; what has moved since then is not.
    await pool.execute("UPDATE freshness SET fresh_as_of = fresh_as_of + interval '1 microsecond'")
    await view.look()


@dataclass
class Door:
    """One process of the gatekeeper, as far as the database can tell."""

    pool: asyncpg.Pool
    store: EventStore
    handler: CommandHandler[GateCommand, GatePerson, GatekeeperEvent]
    view: FreshnessView
    gate: Gate

    async def knows(self, person_id: UUID, *facts: RelevantFact) -> int:
        """What the policy would append for these facts. The version of the stream."""
        version = 0
        for fact in facts:
            version = (await self.handler.handle(person_id, note(fact.model_copy(update={"person_id": person_id})))).version
        return version

    async def expects_somebody(self) -> UUID:
        """A new person whom nothing keeps out."""
        person_id = uuid4()
        await self.knows(person_id, pre_registered(), assessed())
        return person_id

    async def stamp(self, age: timedelta = timedelta(0)) -> None:
        """Say that everything was known this long ago, by the database's clock; and look."""
        await stamp(self.pool, self.view, age=age)

    async def history(self, person_id: UUID) -> list[tuple[Recorded, Any]]:
        """Everything in the person's stream, in order."""
        recorded = await self.store.read_stream(person_id)
        return [(each, DECIDER.events[each.type].decode(each.data)) for each in recorded]


@pytest.fixture
async def doors(database: MakeDatabase) -> AsyncIterator[list[Door]]:
    """Three processes of the gatekeeper on one database, with a fresh view."""
    dsn = (await database("gatekeeper", SERVICE.migrations)).app_dsn
    made: list[Door] = []
    for n in range(3):
        pool = await create_pool(dsn, application_name=f"door {n}")
        store = await EventStore.open(pool)
        handler = CommandHandler(store, DECIDER, service="gatekeeper", clock=SystemClock())
        view = FreshnessView(pool, PARTITIONS, BOUND)
        made.append(Door(pool, store, handler, view, Gate(handler, view, SystemClock())))
    for door in made:
        await door.stamp()
    yield made
    for door in made:
        await door.store.close()
        await door.pool.close()


@pytest.fixture
def door(doors: list[Door]) -> Door:
    return doors[0]
