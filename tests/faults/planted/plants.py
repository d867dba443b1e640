"""Mistakes that somebody could make, each planted into a process by a test, so that the checker can be seen to find it.

Nothing of this is in the product: `sitecustomize` puts one of them in place before the service is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis import command_handling, progress, rebuild, replay, waiting
from chassis.event_store import Append, Appended, AppendResult, Conflict, EventStore
from chassis.parking import Parking
from chassis.progress import Last
from chassis.relay import Sent, TopicPublisher
from chassis.subscribers import Fact
from chassis.tables import ReadModel
from contracts.event import Recorded, shard_of

LATE_S = 3.0
"""How much later than told something is done. The test kills the process before."""
BETWEEN_S = 0.5
"""Between deciding and appending, so that a race is won by the other."""

PLANTS: dict[str, Callable[[], None]] = {}
"""Name → what plants it."""

_later: set[asyncio.Task[Any]] = set()


def plant(function: Callable[[], None]) -> Callable[[], None]:
    PLANTS[function.__name__] = function
    return function


def put(owner: object, name: str, value: object) -> None:
    """In place of what is there."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name}")
    setattr(owner, name, value)


def do_later(work: Callable[[], Any]) -> None:
    async def wait_and_do() -> None:
        await asyncio.sleep(LATE_S)
        await work()

    task = asyncio.ensure_future(wait_and_do())
    _later.add(task)


# --- Log and commands --------------------------------------------------------------------------------------------------


@plant
def acknowledges_before_the_commit() -> None:
    genuine = EventStore._append_waiting

    async def append_waiting(self: EventStore, appends: Sequence[Append]) -> list[AppendResult | Exception]:
        do_later(lambda: genuine(self, appends))
        return [Appended(each.expected_version + len(each.events), shard_of(each.stream_id), None) for each in appends]

    put(EventStore, "_append_waiting", append_waiting)


@plant
def appends_at_whatever_version_there_is() -> None:
    """The gate decides on one version of the stream and appends behind another."""
    genuine = EventStore.append

    async def append(self: EventStore, wanted: Append) -> AppendResult:
        if wanted.kind != "person" or not wanted.events:
            return await genuine(self, wanted)
        await asyncio.sleep(BETWEEN_S)
        result = await genuine(self, wanted)
        while isinstance(result, Conflict):
            result = await genuine(self, _moved(wanted, result.version))
        return result

    put(EventStore, "append", append)


def _moved(wanted: Append, version: int) -> Append:
    """The same events, with the next versions in their envelopes."""
    events = []
    for n, event in enumerate(wanted.events, 1):
        lines = event.meta.split(b"\n")
        lines[7] = b"%d" % (version + n)
        events.append(replace(event, meta=b"\n".join(lines)))
    return replace(wanted, expected_version=version, events=events)


@plant
def takes_every_request_for_a_new_one() -> None:
    genuine = command_handling.command_key

    def command_key(*, principal: str, key: str, body: bytes) -> Any:
        return genuine(principal=principal, key=str(uuid4()), body=body)

    put(command_handling, "command_key", command_key)


@plant
def ignores_consistency_tokens() -> None:
    async def wait_for(pool: object, token: object, *, subscribers: Sequence[str]) -> None:
        """At once."""

    put(waiting, "wait_for", wait_for)


# --- Relay -------------------------------------------------------------------------------------------------------------


@plant
def marks_before_the_broker_has_answered() -> None:
    genuine = TopicPublisher.publish

    async def publish(self: TopicPublisher, partition: int, rows: Sequence[Any]) -> Mapping[str, Sent]:
        do_later(lambda: genuine(self, partition, rows))
        return {}

    put(TopicPublisher, "publish", publish)


@plant
def publishes_in_another_order() -> None:
    """By a number that is no commit order."""
    genuine = TopicPublisher.publish

    async def publish(self: TopicPublisher, partition: int, rows: Sequence[Any]) -> Mapping[str, Sent]:
        return await genuine(self, partition, sorted(rows, key=lambda row: row["data"]))

    put(TopicPublisher, "publish", publish)


# --- Projector ---------------------------------------------------------------------------------------------------------


@plant
def begins_where_the_broker_says() -> None:
    """As with auto-commit: what was delivered before is taken for done, and nobody counts."""

    began = datetime.now(UTC)

    def take_what_is_new(events: Sequence[Recorded], lasts: Mapping[int, Last], *, is_scanning: bool) -> list[Recorded]:
        return [event for event in events if event.pos > lasts[event.shard].pos and event.time > began]

    put(progress, "_next", take_what_is_new)


@plant
def applies_what_is_delivered_again() -> None:
    """The broker delivers once more what came before, behind what came since, and nobody counts."""
    genuine = progress._next
    delivered: dict[tuple[str, int], dict[int, Recorded]] = {}

    def take_all(events: Sequence[Recorded], lasts: Mapping[int, Last], *, is_scanning: bool) -> list[Recorded]:
        fresh = genuine(events, lasts, is_scanning=is_scanning)
        again = []
        for last in {event.shard: event for event in fresh}.values():
            before = delivered.setdefault((last.service, last.shard), {})
            first = next(event.pos for event in fresh if event.shard == last.shard)
            again += [event._replace(pos=last.pos) for pos, event in before.items() if pos < first]
            before.update({event.pos: event for event in fresh if event.shard == last.shard})
        return fresh + again

    put(progress, "_next", take_all)


@plant
def skips_what_it_cannot_apply() -> None:
    genuine = ReadModel.project

    async def project(self: ReadModel, connection: Any, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        if len(facts) == 1 and facts[0].recorded.stream_id.int % 3 == 0:
            raise ValueError("cannot be applied")
        if any(fact.recorded.stream_id.int % 3 == 0 for fact in facts):
            raise ValueError("one of them cannot be applied")
        await genuine(self, connection, facts, partition=partition)

    async def store(self: Parking, connection: object, parked: object, *, interventions: int) -> None:
        """Nobody waits."""

    put(ReadModel, "project", project)
    put(Parking, "store", store)


@plant
def rebuilds_without_a_shard() -> None:
    genuine = replay.Decoder.facts

    def facts(self: Any, events: Sequence[Recorded]) -> Any:
        return genuine(self, [event for event in events if event.shard % 4])

    async def compare(self: object) -> Sequence[object]:
        return []

    put(replay.Decoder, "facts", facts)
    put(rebuild.Rebuild, "_compare", compare)


# --- Gate --------------------------------------------------------------------------------------------------------------


@plant
def admits_on_a_stale_view() -> None:
    from gatekeeper.freshness import FreshnessView, Stamp

    def is_recent(self: FreshnessView, stamp: Stamp) -> bool:
        return True

    def not_after(self: FreshnessView, fresh_as_of: datetime) -> datetime:
        return fresh_as_of + timedelta(days=1)

    put(FreshnessView, "is_recent", is_recent)
    put(FreshnessView, "not_after", not_after)


@plant
def answers_a_repeat_from_memory() -> None:
    from gatekeeper.gate import Gate

    genuine = Gate.attempt
    answers: dict[str, Any] = {}

    async def attempt(self: Gate, person_id: UUID, contract_no: str, kind: Any, *, key: Any) -> Any:
        if key.key not in answers:
            answers[key.key] = await genuine(self, person_id, contract_no, kind, key=key)
        return answers[key.key]

    put(Gate, "attempt", attempt)


@plant
def says_in_force_at_once() -> None:
    from health.read_models.in_force import InForceWatch

    async def since(self: InForceWatch, disposition_id: UUID, *, within_s: float = 0.0) -> datetime:
        return datetime.now(UTC)

    put(InForceWatch, "since", since)
