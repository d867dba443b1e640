"""What the endpoints of reporting work with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import asyncpg
from starlette.requests import Request

from chassis.consistency import ConsistencyToken
from chassis.identity import Identities
from chassis.same_people import SAME_PEOPLE
from chassis.sealing import Sealing
from chassis.subscribers import ReadModel
from chassis.waiting import following, wait_for
from reporting.read_models.contracts import SUPERVISED_CONTRACTS
from reporting.read_models.employments import PEOPLE_EMPLOYED
from reporting.read_models.people import PEOPLE_ON_CONTRACTS

READERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "registration": (SUPERVISED_CONTRACTS.name, PEOPLE_ON_CONTRACTS.name, PEOPLE_EMPLOYED.name, SAME_PEOPLE.name),
        "gatekeeper": (PEOPLE_ON_CONTRACTS.name, PEOPLE_EMPLOYED.name),
        "health": (PEOPLE_EMPLOYED.name,),
    }
)
"""Service to the read models that take in its events for the tables of supervision."""


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    pool: asyncpg.Pool
    sealing: Sealing
    identities: Identities

    async def wait_for(self, seen: Sequence[ConsistencyToken], *answering: ReadModel) -> None:
        """Return once all of it was seen for the tables, and by the read models that else the answer is read from.

        Raises: Unavailable."""

        def readers(source: str) -> list[str]:
            return [*READERS.get(source, ()), *following(source, answering)]

        await asyncio.gather(*(wait_for(self.pool, token, subscribers=readers(token.service)) for token in seen))


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
