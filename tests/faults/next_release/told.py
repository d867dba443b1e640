"""What has each stream told? A read model that the next release could bring: a fact missed, repeated or swapped shows in its rows.

Nothing of it is in the product: `sitecustomize` brings it to a process before its service is wired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis import runner
from chassis.service import Application, Machinery, Service
from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, ExitRegistered
from contracts.health import DispositionChanged, HealthReported
from contracts.registration import PersonPreRegistered, RosterMemberImported
from contracts.site_information import SuppliesCounted
from tests.faults.planted.plants import put

MIGRATIONS = Path(__file__).parent / "migrations"
FACTS = (
    SuppliesCounted,
    PersonPreRegistered,
    RosterMemberImported,
    HealthReported,
    DispositionChanged,
    EntryAttempted,
    ExitRegistered,
)


@dataclass(slots=True)
class ToldRow:
    source: str
    stream_id: UUID
    facts: int = 0
    digest: str = ""
    """Of the events' ids, in order."""

    def add(self, event_id: UUID) -> None:
        self.facts += 1
        self.digest = hashlib.sha256(f"{self.digest} {event_id}".encode()).hexdigest()


TABLE = Table("told_v1", ToldRow, key=("source", "stream_id"))


def _told(rows: Rows, fact: Fact[Any], _: int) -> None:
    key = fact.recorded.service, fact.recorded.stream_id
    row = rows.get(TABLE, key) or ToldRow(*key)
    row.add(fact.recorded.event_id)
    rows.put(TABLE, row)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    yield TABLE, (fact.recorded.service, fact.recorded.stream_id)


TOLD = ReadModel(name="told_v1", tables=(TABLE,), folds=dict.fromkeys(FACTS, _told), reads=_read)


def bring() -> None:
    """To whichever service this process is of. In reporting requests with a token wait for it, too."""
    genuine = runner.main

    def main(service: Service[Any], arguments: Sequence[str] | None = None) -> None:
        def wire(parts: Machinery[Any]) -> Application:
            application = service.wire(parts)
            return replace(application, read_models=[*application.read_models, TOLD])

        if service.name == "reporting":
            from reporting import wired

            put(wired, "READERS", {source: (*names, TOLD.name) for source, names in wired.READERS.items()})
        genuine(replace(service, wire=wire), arguments)

    put(runner, "main", main)
