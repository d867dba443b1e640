"""Given these facts, when this command comes, then these facts follow: the tests of a decider, without I/O.

    person = Specification(person_decider)

    person.given(pre_registered(), entered()).when(withdraw()).then_rejected(PersonHasEntered)
    person.given(pre_registered()).when(withdraw()).then(withdrawn())
    person.when(withdraw()).then_nothing()

On the way it is checked that whatever the decider is given and makes can be stored and read again: the events are ones
that its streams can hold and survive encoding, the states survive being cached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.command_handling import Decider
from contracts.event import Event
from contracts.rejection import Rejection

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Rejection)


@dataclass(frozen=True)
class Specification(Generic[C, S, E]):
    """A decider, and the facts that happened so far (none, unless given)."""

    decider: Decider[C, S, E]
    happened: tuple[E, ...] = ()

    def given(self, *events: E) -> Specification[C, S, E]:
        """The same decider on a stream that also holds these facts."""
        return Specification(self.decider, (*self.happened, *events))

    @property
    def state(self) -> S:
        """The fold of what happened."""
        for event in self.happened:
            _check_storable(self.decider, event)
        state = self.decider.fold(self.decider.initial, self.happened)
        cached = self.decider.restored(self.decider.cached(state))
        assert state == cached, "the state is another one after it was cached"
        return state

    def when(self, command: C) -> Decided[C, S, E]:
        """Decide the command on the facts that happened."""
        state = self.state
        try:
            events = tuple(self.decider.decide(command, state))
        except Rejection as rejection:
            return Decided(self, (), rejection)
        for event in events:
            _check_storable(self.decider, event)
        return Decided(self, events, None)


@dataclass(frozen=True)
class Decided(Generic[C, S, E]):
    """What a command came to."""

    before: Specification[C, S, E]
    events: tuple[E, ...]
    rejection: Rejection | None

    def then(self, *expected: E) -> Specification[C, S, E]:
        """Exactly these facts followed, in this order. Answers the stream after them, for the next command."""
        assert self.rejection is None, f"rejected: {self.rejection!r}"
        assert expected == self.events
        after = self.before.given(*self.events)
        _ = after.state  # What was decided can be folded and cached, too.
        return after

    def then_nothing(self) -> None:
        """It was accepted, and there was nothing left to do."""
        self.then()

    def then_rejected(self, expected: type[R]) -> R:
        """This rule refused it. Answers the rejection."""
        assert self.rejection is not None, f"not rejected; it made {self.events}"
        assert isinstance(self.rejection, expected), f"expected {expected.__name__}, got {self.rejection!r}"
        return self.rejection


def _check_storable(decider: Decider[C, S, E], event: E) -> None:
    assert decider.events.get(event.TYPE) is type(event), f"the {decider.kind} decider's `events` lacks {event.TYPE}"
    assert event == type(event).decode(event.encode()), f"{event.TYPE} is another one after it was stored"
