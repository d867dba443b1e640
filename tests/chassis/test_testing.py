"""What tests rely on: a specification that would notice, a wait that ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar
from uuid import UUID

import pytest
from pydantic import Field

from chassis.command_handling import Decider
from chassis.testing.specification import Specification
from chassis.testing.wait import eventually
from contracts.event import Event
from contracts.rejection import Rejection
from tests.chassis.tallies import TALLIES, Close, Closed, Count, Counted, TallyIsClosed

ID = UUID(int=1)
tally = Specification(TALLIES)


class AnotherRejection(Rejection):
    pass


@dataclass(frozen=True)
class Forgetful:
    """A state that is not stored whole."""

    total: Annotated[int, Field(exclude=True)] = 0


class TestSpecification:
    def test_folds_what_is_given(self) -> None:
        tally.given(counted(1)).given(closed()).when(Count(ID, 2)).then_rejected(TallyIsClosed)

    def test_goes_on_after_what_followed(self) -> None:
        after = tally.when(Count(ID, 1)).then(counted(1))
        after.when(Close(ID)).then(closed())

    def test_tells_nothing_from_something(self) -> None:
        tally.when(Count(ID, 0)).then_nothing()
        with pytest.raises(AssertionError):
            tally.when(Count(ID, 1)).then_nothing()

    def test_notices_other_facts(self) -> None:
        for expected in ([], [counted(2)], [counted(1), counted(1)], [closed()]):
            with pytest.raises(AssertionError):
                tally.when(Count(ID, 1)).then(*expected)

    def test_notices_another_outcome(self) -> None:
        refused, accepted = tally.given(closed()).when(Close(ID)), tally.when(Close(ID))
        with pytest.raises(AssertionError, match="TallyIsClosed"):
            refused.then(closed())
        with pytest.raises(AssertionError, match="TallyIsClosed"):
            refused.then_rejected(AnotherRejection)
        with pytest.raises(AssertionError, match="not rejected"):
            accepted.then_rejected(TallyIsClosed)

    def test_notices_facts_that_no_stream_can_hold(self) -> None:
        forgetful = Specification(replace(TALLIES, events={Counted.TYPE: Counted}))
        with pytest.raises(AssertionError, match=r"lacks gatehouse\.tally\.closed\.v1"):
            forgetful.when(Close(ID))

    def test_notices_facts_that_are_others_after_they_were_stored(self) -> None:
        class Rounded(Event):
            TYPE: ClassVar[str] = Counted.TYPE
            tally_id: UUID
            amount: int | None = None

            def encode(self) -> bytes:
                return self.model_dump_json(exclude={"amount"}).encode()

        lossy = Specification(replace(TALLIES, events={Rounded.TYPE: Rounded}))  # type: ignore[dict-item]
        with pytest.raises(AssertionError, match="another one after it was stored"):
            _ = lossy.given(Rounded(tally_id=ID, amount=1)).state  # type: ignore[arg-type]

    def test_notices_states_that_are_others_after_they_were_cached(self) -> None:
        decided = Specification(
            Decider(
                kind="forgetful",
                initial=Forgetful(),
                decide=lambda command, _: [command],
                evolve=lambda state, event: Forgetful(state.total + event.amount),
                events={Counted.TYPE: Counted},
                state_version=1,
            )
        ).when(counted(1))
        with pytest.raises(AssertionError, match="another one after it was cached"):
            decided.then(counted(1))


def counted(amount: int) -> Counted:
    return Counted(tally_id=ID, amount=amount)


def closed() -> Closed:
    return Closed(tally_id=ID)


class TestEventually:
    async def test_gives_the_first_true_answer(self) -> None:
        answers = iter([0, None, "", "yes", "later"])

        assert await eventually(lambda: next(answers)) == "yes"

    async def test_waits_for_coroutines_too(self) -> None:
        answers = iter([False, True])

        async def ask() -> bool:
            return next(answers)

        assert await eventually(ask)

    async def test_gives_up_and_says_what_it_saw_last(self) -> None:
        with pytest.raises(TimeoutError, match=r"the last answer was \[\]"):
            await eventually(list, within_s=0.01)

    async def test_asks_at_least_once(self) -> None:
        assert await eventually(lambda: True, within_s=0)

    async def test_passes_on_what_the_condition_raises(self) -> None:
        with pytest.raises(ZeroDivisionError):
            await eventually(lambda: 1 / 0)
