"""Who takes events in: read models (events → rows) and policies (their event → our command)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.database import Connection
from contracts.event import Event, Recorded

E = TypeVar("E", bound=Event)
C = TypeVar("C")


class Fact(NamedTuple, Generic[E]):
    """An event with where it stands."""

    event: E
    recorded: Recorded


class ReadModel(Protocol):
    """Events → rows. The services' are all `chassis.tables.ReadModel`s."""

    @property
    def name(self) -> str:
        """Name of its positions."""

    @property
    def subscribes(self) -> tuple[type[Event], ...]: ...

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        """Write the rows that follow from the facts (in order, each exactly once), in the caller's transaction.

        Nobody else writes this partition's rows meanwhile. Batches of rows are sorted by key.
        """


def _nothing(recorded: Recorded) -> Sequence[tuple[UUID, Any]]:
    return ()


@dataclass(frozen=True)
class Policy(Generic[C]):
    """Their event → our command."""

    name: str
    subscribes: tuple[type[Event], ...]
    handler: CommandHandler[C, Any, Any]
    react: Callable[[Fact[Any]], Sequence[tuple[UUID, C]]]
    """The commands that a fact asks for, each with its stream. Pure. A command that is rejected leaves no trace."""
    when_parked: Callable[[Recorded], Sequence[tuple[UUID, C]]] = _nothing
    """What is asked for when an event cannot be taken in, and waits for an operator with all that follows in its stream."""
    when_cured: Callable[[Recorded], Sequence[tuple[UUID, C]]] = _nothing
    """What is asked for when nothing of that stream waits any more, from no source. Of the event that was the last to wait."""


Subscriber = ReadModel | Policy[Any]


def sources_of(subscriber: Subscriber) -> set[str]:
    """The services whose events it takes in."""
    return {event.TYPE.split(".")[1] for event in subscriber.subscribes}


class UnknownVersion(Exception):
    """An event is subscribed to, but not in this version: its writer was released before its reader."""


class Facts:
    """Decodes each event at most once, and only if somebody here subscribes to it."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._classes = {event.TYPE: event for subscriber in subscribers for event in subscriber.subscribes}
        self._facts = {_unversioned(name) for name in self._classes}
        self._decoded: dict[int, Fact[Any]] = {}
        """By the identity of what was recorded, which takes no time to hash. A fact holds on to it."""

    def wanted(self, subscriber: Subscriber, events: Sequence[Recorded]) -> list[Recorded]:
        """Those that it subscribes to. Raises: UnknownVersion."""
        wanted = {event.TYPE for event in subscriber.subscribes}
        unknown = {name for name in {event.type for event in events} - set(self._classes) if _unversioned(name) in self._facts}
        if unknown:
            raise UnknownVersion(*sorted(unknown))
        return [event for event in events if event.type in wanted]

    def decoded(self, events: Sequence[Recorded]) -> list[Fact[Any]]:
        """Of wanted events. Raises: ValidationError where one is not what its type says."""
        return [self._fact(event) for event in events]

    def _fact(self, recorded: Recorded) -> Fact[Any]:
        fact = self._decoded.get(id(recorded))
        if fact is None:
            fact = self._decoded[id(recorded)] = Fact(self._classes[recorded.type].decode(recorded.data), recorded)
        return fact


def _unversioned(type_name: str) -> str:
    """The fact that an event type is a version of: `gatehouse.<service>.<fact>`."""
    return type_name.rpartition(".")[0]
