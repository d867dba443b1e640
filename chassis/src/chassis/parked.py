"""`python -m <package> parked list|show|retry|discard`: what an operator does about parked events, see docs/runbooks/parked.md.

It shows no personal data: streams are told by their ids, and what `show` prints of an event is as sealed as it is stored.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from chassis.curing import Cure, NotTheFirst, Place, Stream, Unknown
from chassis.intake import is_transient
from chassis.reacting import Reactions
from chassis.service import Service, machinery

DONE, LEFT, REFUSED = 0, 1, 2
"""Exit codes: done; something stays parked, or nothing was done and it may be tried again; not as asked."""


def arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the first parked event of every stream, with what went wrong")
    show = actions.add_parser("show", help="one event, with its content as it is stored")
    retry = actions.add_parser("retry", help="apply what is parked, in order, beside the running worker")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("stream", nargs="?", type=UUID, help="the id of a stream")
    which.add_argument("--all", action="store_true", help="every stream")
    discard = actions.add_parser("discard", help="give one event up, for a reason that is kept")
    for each in (show, discard):
        each.add_argument("event", type=Place.parse, help="as `list` names it: subscriber/source/shard:pos")
    discard.add_argument("--reason", required=True, type=_words, help="why it must never be applied; no names of people in it")
    discard.add_argument("--by", required=True, type=_words, help="who decided it")


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text.strip()


async def parked(service: Service[Any], settings: Any, given: Namespace) -> int:
    """List, show, retry or discard the events that could not be applied."""
    try:
        async with _cure_of(service, settings) as cure:
            match given.action:
                case "list":
                    return await _list(cure)
                case "show":
                    return await _show(cure, given.event)
                case "retry":
                    return await _retry(cure, given.stream)
                case _:
                    await cure.discard(given.event, reason=given.reason, by=given.by)
                    print(f"{given.event}: discarded. What came behind it stays parked: retry it.")
                    return DONE
    except Unknown as error:
        print(f"{error}: nothing of that name is parked, or nobody here subscribes to it under that name.", file=sys.stderr)
        return REFUSED
    except NotTheFirst as error:
        print(f"{error} comes before it in the same stream.", file=sys.stderr)
        return REFUSED
    except Exception as error:
        if not is_transient(error):
            raise
        print(f"The database is busy or away ({type(error).__name__}): try again.", file=sys.stderr)
        return LEFT


@asynccontextmanager
async def _cure_of(service: Service[Any], settings: Any) -> AsyncIterator[Cure]:
    async with machinery(service, settings) as parts:
        application = service.wire(parts)
        subscribers = {each.name: each for each in application.subscribers}
        reactions = Reactions(parts.store) if parts.store else None
        yield Cure(parts.pool, subscribers, settings.partitions, reactions, application.ready)


async def _list(cure: Cure) -> int:
    rows = await cure.streams()
    for row in rows:
        print(f"{_place(row)}  stream {row['stream_id']}  version {row['version']}  {row['type']}")
        print(f"    {row['error']}")
        print(f"    {row['behind']} behind it, {row['attempts']} attempts, since {row['parked_at']:%Y-%m-%d %H:%M:%S %Z}")
    print(f"{len(rows)} streams parked.")
    return DONE


async def _show(cure: Cure, place: Place) -> int:
    row = await cure.event(place)
    for name in ("subscriber", "source", "shard", "pos", "stream_id", "version", "type", "error", "attempts", "parked_at"):
        print(f"{name}: {row[name]}")
    print(row["data"].decode(errors="replace"))
    return DONE


async def _retry(cure: Cure, stream_id: UUID | None) -> int:
    rows = await cure.streams(stream_id)
    if not rows:
        print("Nothing of it is parked." if stream_id else "Nothing is parked.")
        return DONE
    is_left = False
    for row in rows:
        retried = await cure.retry(Stream(row["subscriber"], row["source"], row["stream_id"]))
        is_left |= retried.stopped_at is not None
        what_is_left = f"; {retried.stopped_at} cannot be applied: {retried.error}" if retried.stopped_at else ", nothing is left"
        print(f"{row['subscriber']}/{row['source']}  stream {row['stream_id']}: {retried.applied} applied{what_is_left}")
    return LEFT if is_left else DONE


def _place(row: asyncpg.Record) -> Place:
    return Place(row["subscriber"], row["source"], row["shard"], row["pos"])
