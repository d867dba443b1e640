"""An event about a person that the gate cannot read, on a real worker, Kafka and PostgreSQL: refused until it is cured."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.curing import Place
from chassis.kafka import make_producer
from chassis.parked import parked
from chassis.service import Machinery
from chassis.settings import ServiceSettings
from chassis.subscribers import Fact
from chassis.testing.wait import eventually
from contracts.event import Recorded, record_headers, shard_of
from contracts.gatekeeper import ClearanceChanged, EntryAttempted, ReasonCode
from contracts.health import Disposition
from contracts.topics import EVENT_TOPICS
from devstack.databases import Database
from gatekeeper import policies
from gatekeeper.domain.commands import RelevantFact, TakeNote
from gatekeeper.wiring import SERVICE
from tests.chassis.tally_topics import started
from tests.conftest import MakeDatabase
from tests.gatekeeper.facts import DECIDER, assessed, attempt, disposed, pre_registered
from tests.health.on_kafka import running_worker
from tests.health.service import settings_of
from tests.told import recorded

WITHIN_S = 20


@dataclass
class Town:
    """Two people of one shard, about whom registration and health tell; the gate's worker runs."""

    settings: ServiceSettings
    parts: Machinery[Any]
    told: dict[str, int]
    """By source, the last position."""
    person_id: UUID
    neighbour_id: UUID

    async def tell(self, fact: RelevantFact, *, of: UUID | None = None, data: bytes | None = None) -> Recorded:
        """A source recorded the fact, and relayed it: with other content than was meant, where `data` is given."""
        person_id = of or self.person_id
        source = fact.TYPE.split(".")[1]
        self.told[source] = pos = self.told.get(source, 0) + 1
        event = recorded(fact.model_copy(update={"person_id": person_id}), person_id, pos=pos, version=pos)
        topic = EVENT_TOPICS[source].with_partitions(self.settings.partitions)
        async with started(make_producer(self.settings.kafka_bootstrap)) as producer:
            await producer.send_and_wait(
                topic.full_name(self.settings.topic_prefix),
                event.data if data is None else data,
                key=str(person_id).encode(),
                partition=topic.partition_of(event.shard),
                headers=record_headers(event.headers, pos),
            )
        return event

    async def expect(self, person_id: UUID) -> None:
        """Registration expects the person, and health has judged."""
        form = await self.tell(pre_registered(), of=person_id)
        await self.tell(assessed().model_copy(update={"pre_registration_id": form.event_id}), of=person_id)
        await eventually(lambda: self.is_answered(person_id), within_s=WITHIN_S)

    async def reasons(self, person_id: UUID) -> Sequence[ReasonCode]:
        """Of a question that is asked now, and leaves no trace."""
        _, person = await self.parts.handler(DECIDER).read(person_id)
        [attempted] = DECIDER.decide(attempt(person_id=person_id), person)
        assert isinstance(attempted, EntryAttempted)
        return [reason.code for reason in attempted.reasons]

    async def is_answered(self, person_id: UUID, *reasons: ReasonCode) -> bool:
        return list(reasons) == await self.reasons(person_id)

    async def answers(self, person_id: UUID, *reasons: ReasonCode) -> None:
        await eventually(lambda: self.is_answered(person_id, *reasons), within_s=WITHIN_S)

    async def history(self) -> list[ClearanceChanged]:
        assert self.parts.store is not None
        stored = await self.parts.store.read_stream(self.person_id)
        return [ClearanceChanged.decode(each.data) for each in stored if each.type == ClearanceChanged.TYPE]

    async def operator(self, action: str, **given: Any) -> int:
        """`python -m gatekeeper parked …`, beside the worker."""
        return await parked(SERVICE, self.settings, Namespace(action=action, **given))


@asynccontextmanager
async def town_of(settings: ServiceSettings, told: dict[str, int], person_id: UUID, neighbour_id: UUID) -> AsyncIterator[Town]:
    async with running_worker(SERVICE, settings) as parts:
        yield Town(settings, parts, told, person_id, neighbour_id)


@pytest.fixture
async def settings(
    database: MakeDatabase, keys_databases: Mapping[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> ServiceSettings:
    own = {"kafka_bootstrap": kafka_bootstrap, "topic_prefix": topic_prefix}
    return settings_of(SERVICE, await database("gatekeeper", SERVICE.migrations), keys_databases["gatekeeper"], own)


@pytest.fixture
def people() -> tuple[UUID, UUID]:
    person_id = uuid4()
    return person_id, UUID(int=uuid4().int & ~63 | shard_of(person_id))


BAN = disposed(Disposition.SUSPECTED)


class TestUnreadable:
    async def test_refuses_the_person_and_nobody_else_until_it_is_given_up(
        self, settings: ServiceSettings, people: tuple[UUID, UUID], capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with town_of(settings, {}, *people) as town:
            for each in people:
                await town.expect(each)
            spoilt = await town.tell(BAN, data=b'{"person_id": "310109199001010000"')
            await town.tell(BAN, of=town.neighbour_id)
            await town.answers(town.person_id, ReasonCode.HISTORY_UNREADABLE)
            await town.answers(town.neighbour_id, ReasonCode.SUSPECTED)
            await town.tell(disposed(Disposition.ADMISSIBLE))
            await town.tell(disposed(Disposition.ADMISSIBLE), of=town.neighbour_id)
            await town.answers(town.neighbour_id)
            assert await town.is_answered(town.person_id, ReasonCode.HISTORY_UNREADABLE), "what comes behind it was let past"

            place = Place("clearance_v1", "health", spoilt.shard, spoilt.pos)
            capsys.readouterr()
            assert 0 == await town.operator("list")
            listed = capsys.readouterr().out
            assert f"{place}  stream {town.person_id}" in listed
            assert "310109199001010000" not in listed
            assert 0 == await town.operator("discard", event=place, reason="the form was sent twice", by="on call")
            assert await town.is_answered(town.person_id, ReasonCode.HISTORY_UNREADABLE), "something waits behind it still"
            assert 0 == await town.operator("retry", stream=town.person_id)
            assert await town.is_answered(town.person_id)

            marked = [each.clearance.unreadable for each in await town.history()]
            assert [False, False, True, True, False] == marked, "in the person's own stream, with what was known beside it"

    async def test_ends_with_what_was_to_be_read_when_the_code_is_mended(
        self, settings: ServiceSettings, people: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Facts of registration and of health wait, each in its own log: one cure is not enough."""
        person_id, _ = people
        react = policies.when_it_matters_at_the_door

        def stumble(fact: Fact[RelevantFact]) -> Sequence[tuple[UUID, TakeNote]]:
            if fact.event.person_id == person_id:
                raise ZeroDivisionError
            return react(fact)

        told: dict[str, int] = {}
        with monkeypatch.context() as broken:
            broken.setattr(policies, "when_it_matters_at_the_door", stumble)
            async with town_of(settings, told, *people) as town:
                form = await town.tell(pre_registered())
                await town.tell(assessed().model_copy(update={"pre_registration_id": form.event_id}))
                await town.tell(BAN)
                await eventually(lambda: waiting(town, 3), within_s=WITHIN_S)
                assert [ReasonCode.NOT_PRE_REGISTERED, ReasonCode.HISTORY_UNREADABLE] == await town.reasons(person_id)
                assert 1 == await town.operator("retry", stream=person_id), "the code is not mended yet"

        async with town_of(settings, told, *people) as town:
            assert ReasonCode.HISTORY_UNREADABLE in await town.reasons(person_id)
            assert 0 == await town.operator("retry", stream=person_id)
            assert [ReasonCode.SUSPECTED] == await town.reasons(person_id)
            await town.tell(disposed(Disposition.ADMISSIBLE))
            await town.answers(person_id)
            marked = [each.clearance.unreadable for each in await town.history()]

        assert marked.count(False) == 2, "once, when nothing of either log waited any more, and for what came later"


async def waiting(town: Town, count: int) -> bool:
    found: int = await town.parts.pool.fetchval("SELECT count(*) FROM parked")
    return found == count
