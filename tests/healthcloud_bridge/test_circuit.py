"""When an upstream is left alone, and when it is asked again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from healthcloud_bridge.circuit import FAILURES_MAX, JITTER_SHARE, OPEN_S_MAX, OPEN_S_MIN, Circuit, CircuitIsOpen, CircuitState


class Failed(Exception):
    """The upstream did not answer."""


class Strange(Exception):
    """The upstream answered what nobody understands."""


@dataclass
class Upstream:
    """An upstream behind a circuit, in a time of its own."""

    now: float = 100.0
    circuit: Circuit = field(init=False)

    def __post_init__(self) -> None:
        self.circuit = Circuit(monotonic=lambda: self.now)

    def ask(self, outcome: BaseException | None = None) -> None:
        with self.circuit.attempt(failure=Failed):
            if outcome is not None:
                raise outcome

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(Failed):
                self.ask(Failed())

    def is_left_alone(self) -> bool:
        try:
            self.ask()
        except CircuitIsOpen:
            return True
        return False


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def failing(upstream: Upstream) -> Upstream:
    upstream.fail(FAILURES_MAX)
    return upstream


class TestCircuit:
    def test_opens_after_failures_in_a_row(self, upstream: Upstream) -> None:
        upstream.fail(FAILURES_MAX - 1)
        upstream.ask()
        upstream.fail(FAILURES_MAX - 1)
        assert CircuitState.CLOSED is upstream.circuit.state
        upstream.fail()
        assert upstream.is_left_alone()

    def test_counts_an_answer_that_nobody_understands_as_an_answer(self, upstream: Upstream) -> None:
        upstream.fail(FAILURES_MAX - 1)
        with pytest.raises(Strange):
            upstream.ask(Strange())
        upstream.fail()
        assert CircuitState.CLOSED is upstream.circuit.state

    def test_says_when_to_come_back(self, failing: Upstream) -> None:
        with pytest.raises(CircuitIsOpen) as refused:
            failing.ask()
        assert 0 < refused.value.retry_after_s <= OPEN_S_MIN

    def test_lets_one_ask_for_all(self, failing: Upstream) -> None:
        failing.now += OPEN_S_MIN
        with failing.circuit.attempt(failure=Failed):
            meanwhile = failing.circuit.state
            assert failing.is_left_alone()
        assert [CircuitState.HALF_OPEN, CircuitState.CLOSED] == [meanwhile, failing.circuit.state]

    def test_stays_open_longer_each_time_up_to_a_bound(self, failing: Upstream) -> None:
        for open_s in (2 * OPEN_S_MIN, 4 * OPEN_S_MIN, 8 * OPEN_S_MIN, OPEN_S_MAX, OPEN_S_MAX):
            failing.now += OPEN_S_MAX
            failing.fail()
            failing.now += open_s * (1 - JITTER_SHARE) - 0.001
            assert failing.is_left_alone()
        failing.now += OPEN_S_MAX
        assert not failing.is_left_alone()

    def test_is_not_held_half_open_by_somebody_who_went_away(self, failing: Upstream) -> None:
        failing.now += OPEN_S_MIN
        with pytest.raises(asyncio.CancelledError):
            failing.ask(asyncio.CancelledError())
        assert not failing.is_left_alone()

    def test_closes_by_an_answer_to_a_query_of_before(self, upstream: Upstream) -> None:
        with upstream.circuit.attempt(failure=Failed):
            upstream.fail(FAILURES_MAX)
            assert upstream.is_left_alone()
        assert not upstream.is_left_alone()

    def test_is_a_metric(self, failing: Upstream) -> None:
        states = {each: REGISTRY.get_sample_value("gatehouse_healthcloud_circuit_state", {"state": each}) for each in CircuitState}
        assert {CircuitState.CLOSED: 0, CircuitState.OPEN: 1, CircuitState.HALF_OPEN: 0} == states
