"""`docs/police/subscriber.py`, as a program of its own, reading from the broker that librdkafka has for tests."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from contracts.event import Event
from contracts.police import PoliceArrivalShared, PoliceArrivalWithdrawn
from tests.police_bridge.foreign import REPOSITORY, subscriber

TOPIC = "police.arrivals.310109.v1"
PERSON = "00000000-0000-4000-8000-000000000007"


def example(event: type[Event]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((REPOSITORY / "contracts" / "examples" / event.TYPE / "full.json").read_text())
    return told


@dataclass
class Foreign:
    """The program, the file that it keeps, and what it reads."""

    store: Path
    producer: Producer = field(
        default_factory=lambda: Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 1, "log_level": 0})
    )

    def told(self, event: type[Event], version: int, *, person: str = PERSON, message_id: str = "", **headers: str) -> None:
        """One message, in the partition of its person."""
        usual = {
            "ce_id": message_id or str(uuid4()),
            "ce_type": event.TYPE,
            "ce_subject": person,
            "ce_epoch": "1",
            "ce_time": "2020-02-18T01:00:00Z",
        }
        everything = usual | {"ce_streamversion": str(version)} | headers
        partition = int(person[-1], 16) % 4
        self.producer.produce(TOPIC, json.dumps(example(event)), key=person, partition=partition, headers=list(everything.items()))
        assert 0 == self.producer.flush(15)

    async def run(self) -> tuple[int, str]:
        """Its status, and what it printed."""
        (broker,) = self.producer.list_topics(TOPIC, timeout=15).brokers.values()
        return await subscriber(bootstrap=f"{broker.host}:{broker.port}", topic=TOPIC, store=self.store)

    async def did(self) -> dict[str, int]:
        status, printed = await self.run()
        assert 0 == status, printed
        did: dict[str, int] = json.loads(printed)
        return did

    def has(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and content of what it keeps of the person, in order."""
        kept = sqlite3.connect(self.store).execute("SELECT type, data FROM message WHERE person = ? ORDER BY version", (PERSON,))
        return [(message_type, json.loads(data)) for message_type, data in kept]


@pytest.fixture
def foreign(tmp_path: Path) -> Foreign:
    return Foreign(tmp_path / "arrivals.sqlite")


async def test_reads_from_the_start_resumes_and_drops_what_it_has(foreign: Foreign) -> None:
    foreign.told(PoliceArrivalShared, 1, message_id="shared")
    foreign.told(PoliceArrivalWithdrawn, 3)
    foreign.told(PoliceArrivalShared, 1, person=PERSON[:-1] + "8")
    assert {"read": 3, "kept": 3, "repeated": 0, "deleted": 0} == await foreign.did()
    assert {"read": 0, "kept": 0, "repeated": 0, "deleted": 0} == await foreign.did()
    both = [(event.TYPE, example(event)) for event in (PoliceArrivalShared, PoliceArrivalWithdrawn)]
    assert both == foreign.has()

    foreign.told(PoliceArrivalShared, 1, message_id="shared")
    foreign.told(PoliceArrivalShared, 4)
    assert {"read": 2, "kept": 1, "repeated": 1, "deleted": 0} == await foreign.did()
    assert [*both, both[0]] == foreign.has()


async def test_forgets_who_was_erased(foreign: Foreign) -> None:
    foreign.told(PoliceArrivalShared, 1, message_id="shared")
    await foreign.did()
    foreign.told(PoliceArrivalWithdrawn, 1, message_id="shared")
    await foreign.did()
    assert [(PoliceArrivalWithdrawn.TYPE, example(PoliceArrivalWithdrawn))] == foreign.has()


@pytest.mark.parametrize(
    ("version", "headers", "says"),
    [
        (3, {"ce_type": PoliceArrivalShared.TYPE}, "does not fit the schema"),
        (3, {"ce_type": "gatehouse.police.arrival-forgotten.v1"}, "unknown type"),
        (1, {}, "should come before"),
    ],
    ids=["schema", "type", "order"],
)
async def test_stops_at_what_was_not_promised(foreign: Foreign, version: int, headers: dict[str, str], says: str) -> None:
    foreign.told(PoliceArrivalShared, 2)
    await foreign.did()
    before = foreign.has()
    foreign.told(PoliceArrivalWithdrawn, version, **headers)
    for _ in range(2):  # It does not get past it.
        status, printed = await foreign.run()
        assert (1, True) == (status, says in printed), printed
    assert before == foreign.has()
