"""`python -m devstack run | test | parts | backup | restore | reset | doctor | token | code`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from devstack import backups, demo, docker, doctor, run, suite, tokens
from devstack.children import ChildEnded
from devstack.missing import MissingPart
from devstack.settings import Settings
from devstack.state import State, StateInUse

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""


def main() -> int:
    """The exit code."""
    arguments = _parser().parse_args()
    try:
        return _do(arguments, Settings())
    except (MissingPart, StateInUse, ChildEnded, TimeoutError, tokens.NoToken) as error:
        print(error, file=sys.stderr)
        return 1


def _do(arguments: argparse.Namespace, settings: Settings) -> int:
    match arguments.command:
        case "run":
            return _ended(run.run(settings, once=arguments.once))
        case "test":
            return _ended(suite.test(settings, arguments.pytest))
        case "parts":
            return _ended(run.hold_parts(settings))
        case "backup":
            return _ended(backups.backup(State(settings.state)))
        case "restore":
            return _ended(backups.restore(State(settings.state), arguments.server, until=arguments.until))
        case "reset":
            return _reset(settings)
        case "doctor":
            findings = [
                *doctor.survey(settings),
                *map(doctor.for_tests_only, [*doctor.survey_browser(), *doctor.survey_prometheus()]),
            ]
            print(doctor.table(findings))
            return 1 if any(finding.lacking for finding in findings) else 0
        case "code":
            print(demo.one_time_password(State(settings.state), arguments.account))
            return 0
        case _:
            return _ended(_print_token(arguments, State(settings.state)))


async def _print_token(arguments: argparse.Namespace, state: State) -> None:
    account = tokens.Account(
        role=arguments.role,
        contracts=tuple(arguments.contract),
        stations=tuple(arguments.station),
        districts=tuple(arguments.district),
        employer_credit_code=arguments.employer,
    )
    access_token, life_s = await tokens.token(tokens.Portal.written_down(state), state, account)
    print(access_token)
    print(f"good for {life_s:.0f} s", file=sys.stderr)


def _reset(settings: Settings) -> int:
    state = State(settings.state)
    with state.locked():
        docker.forget(state)
        state.throw_away(keep=settings.cache)
    print(f"The local data in {state.root} is gone.")
    return 0


def _ended(work: Coroutine[Any, Any, int | None]) -> int:
    """Run to the end. Ctrl-C, SIGTERM and SIGHUP cancel it: everything that was started is stopped."""

    async def stoppable() -> int | None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        # SIGINT too: in the background of a shell script it would be ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(stoppable()) or 0
    except asyncio.CancelledError:
        return INTERRUPTED


def _time(text: str) -> datetime:
    given = datetime.fromisoformat(text)
    if given.tzinfo is None:
        raise argparse.ArgumentTypeError("a time needs its offset, such as +08:00")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack", description="PostgreSQL, Kafka and all services on one machine")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("run", help="everything, with the manual's example")
    command.add_argument("--once", action="store_true", help="end after the example; exit code 1 if its table is wrong")
    command = commands.add_parser("test", help="pytest on PostgreSQL and Kafka of its own")
    command.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    commands.add_parser("parts", help="PostgreSQL and Kafka alone, until Ctrl-C")
    commands.add_parser("backup", help="base backups of the running local stack's PostgreSQL servers")
    command = commands.add_parser("restore", help="have a server of the local stack begin at its backup, when it is down")
    command.add_argument("--server", choices=[*backups.KEPT_DAYS], default="main")
    command.add_argument("--until", type=_time, help="2020-02-20T08:30:00+08:00; the last that is archived, if none is given")
    commands.add_parser("reset", help="throw the local data away")
    commands.add_parser("doctor", help="what this machine has and lacks")
    command = commands.add_parser("code", help="the one-time password of a supervisor's demo account")
    command.add_argument("account", choices=[each.account for each in demo.SUPERVISORS])
    command = commands.add_parser("token", help="a token of the running local stack")
    command.add_argument("--role", required=True)
    for scope in ("contract", "station", "district"):
        command.add_argument(f"--{scope}", action="append", default=[])
    command.add_argument("--employer", help="credit code")
    return parser


if __name__ == "__main__":
    sys.exit(main())
