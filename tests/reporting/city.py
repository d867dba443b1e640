"""Reporting with people whose names and numbers can be opened, told by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from chassis.auth import Principal
from chassis.identity import Identities
from chassis.sealing import Sealing
from chassis.settings import ServiceSettings
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.event import Actor, Event
from contracts.identity import Document
from contracts.streams import contract_stream
from devstack.databases import Database
from devstack.story.cast import Person
from tests.in_process import Caller, InProcess
from tests.journeys.sites import somebody
from tests.reporting import facts
from tests.reporting.facts import EMPLOYER

CONTRACTS = "/v1/supervision/contracts"


@dataclass
class City:
    """Reporting, and the people that others tell of, with names and numbers that can be opened."""

    service: InProcess[ServiceSettings]
    sealing: Sealing
    identities: Identities
    database: Database
    keys: Database

    async def knows(self, person: Person, *told: Event, actor: Actor | None = None) -> UUID:
        """Somebody of whom this was told, about whoever. The `person_id`."""
        [person_id] = await self.identities.identify([Document.model_validate(person.document)])
        sealer = await self.sealing.sealer_for([person_id])
        plain = {"document": person.number, "name": person.name, "mobile": person.mobile}
        for event in told:
            own: dict[str, Any] = {"person_id": person_id}
            own |= {
                field: sealer.seal(person_id, field, text) for field, text in plain.items() if field in type(event).model_fields
            }
            await self.tell(event.model_copy(update=own), actor=actor)
        return person_id

    async def tell(self, event: Any, *, actor: Actor | None = None) -> None:
        source = self.service.told[event.TYPE.split(".")[1]]
        stream_id = None if hasattr(event, "person_id") else contract_stream(event.contract_no)
        told = source.tell(event, stream_id=stream_id, actor=actor)

        async def is_known() -> bool:
            # Of nobody: that is read from all logs.
            return (await self.caller().get(f"/v1/people/{uuid4()}/change-log", seen=told)).status_code == 404

        await eventually(is_known)

    def caller(self, role: Role = Role.CITY_SUPERVISOR, **grants: Any) -> Caller:
        return self.service.caller(Principal(f"{role}-{uuid4()}", role, **grants))

    async def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Of all pages, each of which tells the same total."""
        first = (await self.caller().get(path, **query)).json()
        rows: list[dict[str, Any]] = first["rows"]
        for page in range(2, first["pages"] + 1):
            rows += (await self.caller().get(path, page=page, **query)).json()["rows"]
        assert first["total"] == len(rows)
        return rows


def named(name: str) -> Person:
    person = somebody()
    return Person(name, person.number, person.mobile)


async def on_new_site(city: City, *, station: str = "虹口") -> str:
    contract_no = f"W{uuid4().hex[:12]}"
    await city.tell(facts.reported(contract_no, station=station))
    await city.tell(facts.employer(contract_no, EMPLOYER))
    return contract_no
