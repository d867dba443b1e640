"""`python -m <package> api|worker|all`, and the commands of `chassis.operations`: the same for every service.

`api` answers HTTP; `worker` relays, projects and runs the policies; `all` is both in one process. A part that fails ends the
process: whoever supervises it starts a clean one.

At SIGTERM a worker gives its leases back at once. An api says at `/readyz` that it is leaving and goes on answering for
`drain_s`, each answer the last one of its connection; then it takes no more, and ends when all is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop

from chassis.api import api_of
from chassis.auth import Authenticator
from chassis.event_store import EventStore
from chassis.leases import TTL_S
from chassis.measuring import POSITIONS_EVERY_S, SIZES_EVERY_S, Measure, Positions, Sizes
from chassis.operations import OPERATIONS
from chassis.probes import Check, NotReady, database_check
from chassis.remembered import forget_old_answers
from chassis.restore import Examination
from chassis.server import Server, serve
from chassis.service import Application, Machinery, NotConfigured, Service, Worker, machinery, worker
from chassis.settings import ServiceSettings
from chassis.telemetry import configure_logging
from chassis.tracing import CannotRecord, recorded
from chassis.web import create_app
from contracts.topics import EVENT_TOPICS

ROLES = {"api": "Answer HTTP.", "worker": "Relay, project and run the policies.", "all": "Both in one process."}
STOP_S_MAX = 10.0
"""How long the background tasks may take to end once they were told."""

log = structlog.get_logger()


def main(service: Service[Any], arguments: Sequence[str] | None = None) -> None:
    """The command line of a service. Ends the process with an exit code if it is not 0."""
    given = _parser(service).parse_args(arguments)
    settings = service.settings()
    configure_logging(service=service.name, role=given.command, level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if given.command in ROLES:
            try:
                with recorded(service=service.name, role=given.command):
                    runner.run(run(service, settings, given.command))
            except (NotConfigured, CannotRecord) as lack:
                sys.exit(f"{service.name}: {lack}")
        elif exit_code := runner.run(given.operation(service, settings, given)):
            sys.exit(exit_code)


def _parser(service: Service[Any]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {service.name.replace('-', '_')}", description=service.title)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for role, what in ROLES.items():
        commands.add_parser(role, help=what)
    for operation in (*OPERATIONS, *service.operations):
        command = commands.add_parser(operation.name, help=(operation.run.__doc__ or "").partition("\n")[0])
        operation.arguments(command)
        command.set_defaults(operation=operation.run)
    return parser


async def run(service: Service[Any], settings: ServiceSettings, role: str) -> None:
    """Run the service until it is told to stop. Raises what made a part of it fail."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(machinery(service, settings))
        application = service.wire(parts)
        work: list[Coroutine[Any, Any, None]] = [_sizes(parts).keep()]
        checks: dict[str, Check] = {"staying": _staying(stop), "database": database_check(parts.pool), **application.checks}
        if parts.store:
            examination = _examination(service, parts, parts.store)
            await examination.begin()
            work += [examination.run()]
            checks |= {"log": examination.check}
        for ready in application.ready:
            await ready()
        if role != "api" and application.has_work_in(parts):
            running = await stack.enter_async_context(worker(service, parts, application))
            checks |= _worker_checks(running)
            work += [running.leases.run(), running.parked.run(), *(task(running) for task in application.worker_tasks)]
            work += [running.feed.run()] if service.reads else []
            work += [running.heads.run()] if running.heads else []
            work += [running.relay.watch()] if running.relay else []
            work += [measure.keep() for measure in (_positions(parts, application), *application.measures)]
            work += [forget_old_answers(parts.pool)] if parts.store else []
        server = _server(service, parts, application, role, checks)
        if role == "worker":
            await serve_until(stop, server, work=work, beside=[], drain_s=0.0)
        else:
            beside = [task() for task in application.api_tasks]
            await serve_until(stop, server, work=work, beside=beside, drain_s=settings.drain_s)


def _staying(stop: asyncio.Event) -> Check:
    async def check() -> None:
        if stop.is_set():
            raise NotReady("leaving")

    return check


def _examination(service: Service[Any], parts: Machinery[Any], store: EventStore) -> Examination:
    topic = EVENT_TOPICS.get(service.name)
    return Examination(
        parts.pool,
        store,
        service=service.name,
        address=parts.settings.brokers,
        topic=topic.full_name(parts.settings.topic_prefix) if topic else None,
        kinds=parts.kinds,
    )


def _sizes(parts: Machinery[Any]) -> Measure:
    sizes = Sizes(parts.pool, parts.key_server, parts.store is not None, parts.settings.database_bytes_max)
    return Measure("sizes", sizes.look, SIZES_EVERY_S)


def _positions(parts: Machinery[Any], application: Application) -> Measure:
    positions = Positions(parts.pool, parts.name if parts.store else None, application.subscribers, parts.settings.partitions)
    return Measure("positions", positions.look, POSITIONS_EVERY_S)


def _server(
    service: Service[Any], parts: Machinery[Any], application: Application, role: str, checks: Mapping[str, Check]
) -> Server:
    settings = parts.settings
    if role == "worker":
        probes = create_app(service=service.name, title=service.title, routers=[], authenticator=None, checks=checks)
        return serve(probes, host=settings.host, port=settings.worker_port)
    app = api_of(service, parts, application, Authenticator(settings.jwks_url), checks=checks)
    return serve(app, host=settings.host, port=settings.port)


async def serve_until(
    stop: asyncio.Event,
    server: Server,
    *,
    work: Sequence[Coroutine[Any, Any, None]],
    beside: Sequence[Coroutine[Any, Any, None]],
    drain_s: float,
) -> None:
    """Serve until told to stop, or until a part fails. The work ends at once, what runs beside the api after the last answer."""
    serving = asyncio.create_task(server.serve(), name="http")
    told = asyncio.create_task(stop.wait(), name="stop")
    working, helping = [
        [asyncio.create_task(each, name=getattr(each, "__qualname__", None)) for each in some] for some in (work, beside)
    ]
    try:
        done, _ = await asyncio.wait([serving, told, *working, *helping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.leave()
        ending = asyncio.create_task(_end(working))
        if stop.is_set():
            await asyncio.wait([serving], timeout=drain_s)
        server.should_exit = True
        await asyncio.wait([serving])
        await _end([told, *helping])
        await asyncio.wait([ending])
    for task in done - {told}:
        await task
        if not stop.is_set():
            raise RuntimeError(f"{task.get_name()} ended by itself")


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=STOP_S_MAX)


def _worker_checks(running: Worker) -> dict[str, Check]:
    async def leases() -> None:
        if running.leases.heartbeat_age_s > TTL_S:
            raise NotReady("no-heartbeat")

    async def projections() -> None:
        if running.projector.halts:
            raise NotReady("halted-" + min(running.projector.halts.values()))

    checks: dict[str, Check] = {"leases": leases, "projections": projections, "parked": running.parked.check}
    return checks | {"relay": running.relay.check} if running.relay else checks
