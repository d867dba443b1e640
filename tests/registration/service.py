"""The real registration service in the test's process, see `tests.in_process`."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from chassis.auth import Principal
from contracts.access import Role
from devstack.databases import Database
from registration.late_take_ups import LateTakeUps
from registration.settings import Settings
from registration.wired import Wired
from registration.wiring import SERVICE
from tests.in_process import Caller, InProcess, in_process

KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Running:
    """The service as one test sees it."""

    service: InProcess[Settings]
    keys: Database
    """Where it is recorded who read what of whom."""
    began_at: Mapping[int, int] = field(default_factory=dict)
    """Shard → its last position before the test."""
    accounts: str = ""
    """Sets the accounts of a test apart, and so its idempotency keys."""

    async def for_one_test(self) -> Running:
        """The same service, as if nothing had happened so far. The test brings its own contracts and people."""
        return replace(self, began_at=await self.heads(), accounts=uuid4().hex)

    @property
    def wired(self) -> Wired:
        parts: Wired = self.service.application.state["wired"]
        return parts

    def caller(self, role: Role, *contracts: str, employer: str | None = None) -> Caller:
        principal = Principal(f"{role}-{self.accounts}", role, contracts=frozenset(contracts), employer_credit_code=employer)
        return self.service.caller(principal)

    async def heads(self) -> Mapping[int, int]:
        """Shard → its last position."""
        return {place.shard: place.pos for place in (await self.wired.store.reach()).heads}

    async def take_up_late(self) -> int:
        """What the worker's task does at its next look."""
        return await LateTakeUps(self.wired.pool, self.wired.people, self.wired.clock).look()

    async def facts(self) -> list[str]:
        """The type of every new fact, without prefix and version, in the order in which they were recorded."""
        rows = await self.wired.pool.fetch("SELECT shard, pos, type FROM event ORDER BY recorded_at, pos")
        return [row["type"].split(".")[2] for row in rows if row["pos"] > self.began_at.get(row["shard"], 0)]


@asynccontextmanager
async def registration(
    database: Database, keys: Database, *, with_policies: bool = True, checklist_folder: Path | None = None
) -> AsyncIterator[Running]:
    """Up until the block ends."""
    settings = Settings.model_validate(
        {
            "database_dsn": database.app_dsn,
            "keys_dsn": keys.app_dsn,
            "key_encryption_key": KEY,
            "index_key": KEY,
            "partitions": 4,
            "epidemic_ended_on": "2020-06-17",
            "checklist_folder": checklist_folder,
        }
    )
    async with in_process(SERVICE, settings, with_policies=with_policies) as service:
        yield Running(service, keys=keys)
