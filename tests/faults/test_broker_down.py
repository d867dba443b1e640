"""Kafka away, a source away, a gate worker away: what goes on, who is refused for want of fresh news, and that all comes back."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from uuid import UUID

import pytest

from chassis.testing.wait import eventually
from contracts.streams import contract_stream, station_stream
from devstack.story.cast import Person
from tests.faults.checker import PARTITIONS, caught_up, check
from tests.faults.report import REPORT
from tests.faults.stack import FRESHNESS_BOUND_S, FaultStack
from tests.faults.traffic import Site, Town, codes, people, somebody, town

STALE_S_MAX = FRESHNESS_BOUND_S + 6.0
"""How long it may take until a gate is closed that must not be open for longer than the bound."""
FRESH_S_MAX = 20.0
CROWD = 4
BATCH = 300
"""People, about twenty to a partition."""
UNREAD_BYTES_MIN = 8_000
"""More than clients that ask for this or that: part of a batch."""
TRIES_MAX = 5
GONE_S_MAX = 10.0
CAUGHT_UP_S_MAX = 60.0


def partition_of(person_id: str) -> int:
    return UUID(person_id).int % PARTITIONS


class TestBrokerDown:
    async def test_closes_the_gate_only_to_people_about_whom_there_is_news(self, stack: FaultStack) -> None:
        pids = stack.pids()
        async with town(stack) as here:
            (site,) = here.sites
            quiet, talked_about = await _apart(here, site)
            newcomer = await _declared_apart_from(here, quiet)
            await eventually(lambda: caught_up(stack), within_s=CAUGHT_UP_S_MAX)  # Registration knows what he declared.
            await stack.kafka.stop()
            stopped_at_s = time.monotonic()

            # Commands are accepted.
            await here.measure(talked_about, site, 38.4)
            await here.pre_register(newcomer, site, await here.look_up(newcomer))
            await here.report(_apart_from(quiet))

            assert "admitted" == (await here.enter(quiet, site))["outcome"]
            await eventually(lambda: _is_stale(here, talked_about, site), within_s=STALE_S_MAX)
            refused = await here.enter(talked_about, site)
            assert ("refused", {"state_stale"}) == (refused["outcome"], codes(refused, "forbid"))
            # Long after: the gate knows that there is nothing to know.
            await eventually(lambda: time.monotonic() > stopped_at_s + 2 * FRESHNESS_BOUND_S, within_s=STALE_S_MAX)
            assert "admitted" == (await here.pass_gate(quiet, site))["outcome"]

            await stack.kafka.start()
            assert [] == (await check(stack, here.diary)).wrong
            assert {"fever"} == await here.judged(talked_about, site)
        assert pids == stack.pids(), "somebody had to be started again"
        assert all(process.runs for process in stack.processes.values())


class TestBrokerRestart:
    @pytest.mark.long
    async def test_in_the_middle_of_a_batch_sends_it_again(self, stack: FaultStack) -> None:
        """The broker has bytes of it that it has not read, and is killed."""
        async with town(stack) as here:
            (site,) = here.sites
            for _ in range(TRIES_MAX):
                if await _is_killed_in_a_batch(stack, here, site):
                    break
            else:
                pytest.fail(f"no batch lay unread before the broker in {TRIES_MAX} tries")
            killed_s = time.monotonic()
            await stack.kafka.start()
            await eventually(lambda: caught_up(stack), within_s=CAUGHT_UP_S_MAX)
            recovered_s = time.monotonic()
            assert [] == (await check(stack, here.diary)).wrong
            REPORT.note("broker killed in a batch", "sent again", recovery_s=recovered_s - killed_s)


async def _is_killed_in_a_batch(stack: FaultStack, here: Town, site: Site) -> bool:
    """Whether the broker was killed with a batch before it. Where the import took so long that the relay first asked the frozen
    broker which topics there are, no batch is sent: then it goes on."""
    await eventually(lambda: caught_up(stack), within_s=CAUGHT_UP_S_MAX)
    stack.kafka.child.send(SIGSTOP)
    ending, members, off_site = SIGCONT, people(BATCH), [False] * BATCH
    try:
        before = _unread_bytes(stack.kafka.clients_port)
        import_id = await here.hand_in_roster(site, members, on_site=off_site)
        await eventually(lambda: _unread_bytes(stack.kafka.clients_port) > before + UNREAD_BYTES_MIN, within_s=STALE_S_MAX)
        ending = SIGKILL
    except TimeoutError:
        return False
    finally:
        stack.kafka.child.send(ending)
    await stack.kafka.child.ended(GONE_S_MAX)
    await here.imported(import_id, site, members, on_site=off_site)
    return True


class TestNobodyKnowsWhetherThereIsNews:
    @pytest.mark.parametrize(
        ("name", "is_killed"),
        [
            pytest.param("registration-api", True, id="registration's api is killed"),
            pytest.param("health-api", False, id="health's api is frozen", marks=pytest.mark.long),
            pytest.param("gatekeeper-worker", True, id="the gate's worker is killed", marks=pytest.mark.long),
            pytest.param("gatekeeper-worker", False, id="the gate's worker is frozen"),
        ],
    )
    async def test_closes_the_gate_to_everybody(self, stack: FaultStack, name: str, is_killed: bool) -> None:
        async with town(stack) as here:
            (site,) = here.sites
            crowd = [await here.admissible(somebody(), site) for _ in range(CROWD)]
            if is_killed:
                await stack[name].kill()
            else:
                stack[name].send(SIGSTOP)
            for person_id in crowd:
                await eventually(partial(_is_stale, here, person_id, site), within_s=STALE_S_MAX)
            attempts = [await here.enter(person_id, site) for person_id in crowd]
            assert [("refused", {"state_stale"})] * CROWD == [(each["outcome"], codes(each, "forbid")) for each in attempts]
            await stack.start()
            for person_id in crowd:
                assert set() == await here.judged(person_id, site)
                assert "admitted" == (await here.enter(person_id, site))["outcome"]


def _unread_bytes(port: int) -> int:
    """What lies in the sockets of whoever listens there, and was not read."""
    tables = [Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table]
    return sum(int(socket[4].partition(":")[2], 16) for socket in sockets if int(socket[1].rpartition(":")[2], 16) == port)


async def _apart(here: Town, site: Site) -> tuple[str, str]:
    """Two whom the gate would admit, of different partitions."""
    first = await here.admissible(somebody(), site)
    while True:
        second = await here.admissible(somebody(), site)
        if partition_of(first) != partition_of(second):
            return first, second


async def _declared_apart_from(here: Town, person_id: str) -> Person:
    """Somebody who has declared, of another partition."""
    while True:
        person = somebody()
        await here.declare(person)
        if partition_of((await here.look_up(person)).body["person_id"]) != partition_of(person_id):
            return person


def _apart_from(person_id: str) -> Site:
    """A site of another partition."""
    while True:
        site = Site.new()
        streams = (contract_stream(site.contract_no), station_stream(site.station))
        if partition_of(person_id) not in {stream.int % PARTITIONS for stream in streams}:
            return site


async def _is_stale(here: Town, person_id: str, site: Site) -> bool:
    return "state_stale" in (await here.reasons(person_id, site) or ())
