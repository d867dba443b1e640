"""Every Kafka topic, as data: who writes it, who reads it, how it is cut and how long it is kept.

Names stand here without the installation's prefix, which `Topic.full_name` adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from contracts.districts import DISTRICTS
from contracts.event import SHARDS

DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. Every record's key is the stream id, so that one stream's events stay in one partition, in order."""

    name: str
    owner: str
    """The only service that writes it."""
    carries: str
    """Owner part of the type names on it, as in `registry.EVENTS_BY_OWNER`."""
    readers: tuple[str, ...]
    """Services, and roles outside, that read it."""
    partitions: int
    retention_ms: int | None
    """None: kept for ever."""

    def __post_init__(self) -> None:
        if self.partitions < 1 or SHARDS % self.partitions:
            raise ValueError(f"{self.partitions} partitions do not divide the {SHARDS} shards")

    def full_name(self, prefix: str) -> str:
        """The topic's name on a broker that several installations share."""
        return prefix + self.name

    def with_partitions(self, partitions: int) -> Self:
        """The same topic in an installation that cuts it otherwise. Raises: ValueError where the shards do not divide."""
        return replace(self, partitions=partitions)

    def partition_of(self, shard: int) -> int:
        """The partition that carries a shard of the log."""
        return shard % self.partitions


EVENT_PARTITIONS = 16
POLICE_PARTITIONS = 4
POLICE_RETENTION_DAYS = 35


def event_topic_name(service: str) -> str:
    """The name of the topic that carries a service's log."""
    return f"{service}.events.v1"


def police_topic_name(district: str) -> str:
    """The name of the topic that a district's police reads."""
    return f"police.arrivals.{district}.v1"


def _event_topic(service: str, readers: tuple[str, ...]) -> Topic:
    return Topic(
        name=event_topic_name(service),
        owner=service,
        carries=service,
        readers=readers,
        partitions=EVENT_PARTITIONS,
        retention_ms=None,
    )


def _police_topic(district: str) -> Topic:
    return Topic(
        name=police_topic_name(district),
        owner="police-bridge",
        carries="police",
        readers=("police_subscriber",),
        partitions=POLICE_PARTITIONS,
        retention_ms=POLICE_RETENTION_DAYS * DAY_MS,
    )


EVENT_TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        "registration": _event_topic(
            "registration", readers=("healthcloud-bridge", "health", "gatekeeper", "police-bridge", "reporting")
        ),
        "healthcloud-bridge": _event_topic("healthcloud-bridge", readers=("registration", "health", "reporting")),
        "health": _event_topic("health", readers=("gatekeeper", "reporting")),
        "gatekeeper": _event_topic("gatekeeper", readers=("registration", "health", "reporting")),
    }
)
"""Service to the topic that carries its log. An installation may cut them otherwise, all alike: `with_partitions`.

police-bridge is not here: its log is published rendered, on `POLICE_TOPICS`, and as stored to nobody.
"""

POLICE_TOPICS: Mapping[str, Topic] = MappingProxyType({district: _police_topic(district) for district in DISTRICTS})
"""District code to the topic that its police reads. They are rendered again after an erasure, hence kept for some weeks only."""

TOPICS: tuple[Topic, ...] = (*EVENT_TOPICS.values(), *POLICE_TOPICS.values())
"""All of them."""


class Right(StrEnum):
    """What a broker lets somebody do with a topic."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"  # records, when the topic was told again after an erasure


@dataclass(frozen=True, slots=True)
class Grant:
    """One user may do one thing with one topic. Whatever is not granted is refused."""

    user: str
    """On the broker: a service by its name, police by `police_user`."""
    right: Right
    topic: str
    """Without the installation's prefix."""


CITY_POLICE_USER = "police-city"
"""Reads the topics of all districts."""


def police_user(district: str) -> str:
    """Who reads one district's topic, and nothing else."""
    return f"police-{district}"


def grants_on(topic: Topic) -> tuple[Grant, ...]:
    """Everything that anybody may do with a topic.

    A service reads back its own log, to complete one that was restored. What it told the police it never reads.
    """
    districts = [district for district, each in POLICE_TOPICS.items() if each == topic]
    if districts:
        rights = [(topic.owner, Right.WRITE), (topic.owner, Right.DELETE), (CITY_POLICE_USER, Right.READ)]
        rights += [(police_user(district), Right.READ) for district in districts]
    else:
        rights = [(topic.owner, Right.WRITE), (topic.owner, Right.READ), *((reader, Right.READ) for reader in topic.readers)]
    return tuple(Grant(user, right, topic.name) for user, right in rights)


def users() -> tuple[str, ...]:
    """Everybody who may do anything with a topic, ascending."""
    return tuple(sorted({grant.user for topic in TOPICS for grant in grants_on(topic)}))


def topics_of(owner: str) -> tuple[Topic, ...]:
    """The topics that a service writes, and has to provide."""
    return tuple(topic for topic in TOPICS if topic.owner == owner)


def topics_read_by(reader: str) -> tuple[Topic, ...]:
    """The topics that a service, or a role outside, reads."""
    return tuple(topic for topic in TOPICS if reader in topic.readers)
