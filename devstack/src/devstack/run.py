"""What `make run` does: parts, installation, services, the story, and then everything stays up until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import httpx2

from devstack import demo, parts
from devstack.installation import install
from devstack.parts import Say
from devstack.processes import Supervisor
from devstack.services import PROGRAMS, SERVICES, Stack
from devstack.settings import Settings
from devstack.state import State
from devstack.story import play
from devstack.story.callers import Unexpected
from devstack.tokens import NoToken


def teller() -> Say:
    """Prints a line with the seconds since now in front."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {line}", flush=True)

    return say


async def run(settings: Settings, *, once: bool) -> int:
    """The exit code: 1 if the story found a difference. Stays up after the story unless `once`."""
    say = teller()
    state = State(settings.state)
    with state.locked():
        async with running_stack(state, settings, say) as (stack, supervisor):
            differences = await _play(stack, say)
            for difference in differences:
                say(f"DIFFERENT: {difference}")
            if once:
                return 1 if differences else 0
            await demo.put_accounts(stack)
            tell_where(stack, say)
            with suppress(asyncio.CancelledError):
                await supervisor.watch()
    return 0


@asynccontextmanager
async def running_stack(
    state: State, settings: Settings, say: Say, *, ports: Mapping[str, int] | None = None
) -> AsyncIterator[tuple[Stack, Supervisor]]:
    """Parts and every program, installed, started and ready; stopped at the end, services first.

    `ports` are those of the apis, by package; by default as the environment says.
    """
    found = await parts.choose(state, settings, say)
    supervisor = Supervisor([], say)
    try:
        stack = await _installed(found, state, say, ports)
        supervisor.processes = [stack.process(program.package) for program in PROGRAMS]
        await supervisor.started()
        say(f"ready: {', '.join(process.name for process in supervisor.processes)}")
        yield stack, supervisor
    finally:
        say("stopping …")
        await supervisor.stop()
        await found.stop()


async def _installed(found: parts.Parts, state: State, say: Say, ports: Mapping[str, int] | None) -> Stack:
    """Kafka takes longest to start. What needs PostgreSQL only is done meanwhile."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(found.kafka.start())
            installing = group.create_task(_installed_on_postgres(found, state, ports))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    say("PostgreSQL and Kafka answer; databases, roles, migrations and topics are there")
    return installing.result()


async def _installed_on_postgres(found: parts.Parts, state: State, ports: Mapping[str, int] | None) -> Stack:
    await parts.together([found.postgres.start(), found.keys_postgres.start()])
    stack = await install(found, state, SERVICES, ports=ports)
    stack.portal.write_down(state)
    return stack


async def _play(stack: Stack, say: Say) -> list[str]:
    """What differs from the manual. A story that breaks off is a difference, too: what runs stays up to be looked at."""
    try:
        return await play(stack, say)
    except (Unexpected, NoToken, httpx2.HTTPError, TimeoutError) as error:
        return [f"the story broke off: {error}"]


def tell_where(stack: Stack, say: Say) -> None:
    """The last that is said: where everything is, and who can sign in."""
    say("where everything is:")
    for program in PROGRAMS:
        print(f"    {program.package:<22}{stack.url(program.package)}/docs")
    print(f"    logs, data, secrets   {stack.state.root}")
    print("    a token               make token ROLE=site_operator CONTRACT=W2019010100011 (or STATION=…, DISTRICT=…)")
    server = stack.parts.postgres.dsn.rpartition("@")[2].partition("/")[0]
    print(f"    PostgreSQL            psql postgresql://postgres@{server}/registration (password: secrets/postgres-main)")
    print(f"    Kafka                 {stack.parts.kafka.bootstrap} (operator)")
    if stack.parts.kafka.clients:
        print(f"    Kafka for the police  {stack.parts.kafka.clients} (user police-310109, password: secrets/kafka-police-310109)")
    for line in demo.lines(stack):
        print(f"    {line}")
    print("    stop                  Ctrl-C", flush=True)


async def hold_parts(settings: Settings) -> None:
    """PostgreSQL and Kafka alone, until Ctrl-C. Prints how to find them, in a form that a shell reads."""
    state = State(settings.state)
    say = teller()
    # Whenever Ctrl-C comes, and however often: that is how this command ends.
    with suppress(asyncio.CancelledError), state.locked():
        async with parts.running(state, settings, say) as found:
            for name, value in found.environment().items():
                print(f"export {name}={value}", flush=True)
            await asyncio.Event().wait()
