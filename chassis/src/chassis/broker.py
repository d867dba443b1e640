"""What the broker says of topics: which incarnation of a name this is, and where each partition ends.

A topic that is deleted and made again has the same name and another id. A producer is told nothing of it, so whoever must
know whether what it sent is still there asks here (`chassis.relay`, `chassis.restore`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not in its stubs
    AdminClient,
    OffsetSpec,
    TopicDescription,
)

from chassis.kafka import Address, brokers_at

ASK_S_MAX = 5.0
"""How long the broker may take for one answer."""
CLIENT_S_MAX = 2 * ASK_S_MAX
"""How long the client may take to say so. Its own deadlines are times of day: where the clock is set back they come too late."""
FAILURE_KEPT_S = 1.0
"""How long a failure is the answer for whoever asks next: many who wait for a silent broker wait once."""

T = TypeVar("T")


class TopicMissing(OSError):
    """There is no such topic now."""


class BrokerSilent(OSError):
    """The broker did not say."""


@dataclass(frozen=True, slots=True)
class TopicSeen:
    """A topic as it is now."""

    topic_id: str
    """Another one after it was deleted and made again."""
    ends: Mapping[int, int]
    """Partition → the offset that its next record gets."""
    asked_at_s: float
    """By the monotonic clock: what was acknowledged after that need not be counted yet."""


@dataclass(frozen=True, slots=True)
class _Answer:
    said: Mapping[str, TopicSeen] | OSError
    good_until_s: float


class Broker:
    """Asks, each question with a deadline. Answers are kept for `kept_s`, so that many may ask for the price of one."""

    def __init__(self, address: Address, *, kept_s: float) -> None:
        self._address = address
        self._kept_s = kept_s
        self._asking = asyncio.Lock()
        self._answers: dict[tuple[str, ...], _Answer] = {}

    async def topics(self, names: Sequence[str]) -> Mapping[str, TopicSeen]:
        """Each topic by name. Raises: TopicMissing, BrokerSilent."""
        asked = tuple(names)
        async with self._asking:
            answer = self._answers.get(asked)
            if answer is None or time.monotonic() >= answer.good_until_s:
                answer = self._answers[asked] = await asyncio.to_thread(self._answer, asked)
        if isinstance(answer.said, OSError):
            raise answer.said.with_traceback(None)
        return answer.said

    async def topic_id(self, name: str) -> str:
        """Of one topic, asked now. Known before its partitions have leaders. Raises: TopicMissing, BrokerSilent."""
        described = await asyncio.to_thread(self._described, name)
        return str(described.topic_id)

    async def delete_before(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Delete what stands before these offsets, by topic and partition. Repeating it does nothing.

        Raises: TopicMissing, BrokerSilent.
        """
        await asyncio.to_thread(self._delete_before, offsets)

    def _delete_before(self, offsets: Mapping[tuple[str, int], int]) -> None:
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items() if offset > 0]
        deleting = self._client.delete_records(places, request_timeout=ASK_S_MAX, operation_timeout=ASK_S_MAX) if places else {}
        for future in deleting.values():
            _answered(future.result)

    def _described(self, name: str) -> TopicDescription:
        described = self._client.describe_topics(TopicCollection([name]), request_timeout=ASK_S_MAX)
        try:
            answer: TopicDescription = _answered(described[name].result)
        except BrokerSilent:
            self._forget_client()
            raise
        return answer

    @cached_property
    def _client(self) -> AdminClient:
        timeout_ms = int(ASK_S_MAX * 1000)
        return AdminClient({**brokers_at(self._address).for_librdkafka(), "socket.timeout.ms": timeout_ms, "log_level": 0})

    def _forget_client(self) -> None:
        """Another one is made for the next question: this one may wait for ever."""
        self.__dict__.pop("_client", None)

    def _answer(self, names: Sequence[str]) -> _Answer:
        try:
            said: Mapping[str, TopicSeen] | OSError = self._ask(names)
        except OSError as error:
            said = error
            self._forget_client()
        return _Answer(said, time.monotonic() + (FAILURE_KEPT_S if isinstance(said, OSError) else self._kept_s))

    def _ask(self, names: Sequence[str]) -> Mapping[str, TopicSeen]:
        client, asked_at_s = self._client, time.monotonic()
        described = client.describe_topics(TopicCollection(list(names)), request_timeout=ASK_S_MAX)
        found = {name: _answered(described[name].result) for name in names}
        partitions = [TopicPartition(name, each.id) for name, topic in found.items() for each in topic.partitions]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = client.list_offsets(dict.fromkeys(partitions, latest), request_timeout=ASK_S_MAX)
        ends: dict[str, dict[int, int]] = {name: {} for name in names}
        for place, future in asked.items():
            ends[place.topic][place.partition] = _answered(future.result).offset
        return {name: TopicSeen(str(topic.topic_id), ends[name], asked_at_s) for name, topic in found.items()}


def _answered(result: Callable[[float], T]) -> T:
    try:
        return result(CLIENT_S_MAX)
    except TimeoutError:
        raise BrokerSilent("no answer") from None
    except KafkaException as error:
        name = error.args[0].name()
        if name in ("UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID"):
            raise TopicMissing(name) from None
        raise BrokerSilent(name) from None
