"""One process of the append race: some writers, each with a connection of its own, that commit late on purpose.

Run as `python -m tests.chassis.racing_writer DSN SEED WRITERS SECONDS STREAM…`. Writes one JSON line of what was
acknowledged, and what was not.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from chassis.event_store import Appended, append_group
from tests.chassis.tallies import append_of, key_of

PAUSE_S_MAX = 0.008
"""How long a transaction sleeps before and after its appends, at most."""

MOMENT_S = 0.25
NEW_STREAMS, KEYS = 6, 12
"""So many new streams and idempotency keys come up in each moment, the same for all writers."""


@dataclass
class Written:
    """What the writers of a process know of their own."""

    acknowledged: list[str] = field(default_factory=list)
    """Event ids of committed appends."""
    given_up: list[str] = field(default_factory=list)
    """Event ids of what was refused or rolled back."""
    transactions: int = 0
    errors: list[str] = field(default_factory=list)


async def write(dsn: str, chance: random.Random, streams: list[UUID], until: float, written: Written) -> None:
    """Append groups to random streams, in random order, until the time has come."""
    connection = await asyncpg.connect(dsn)
    try:
        while time.monotonic() < until:
            try:
                await write_once(connection, chance, streams, written)
            except asyncpg.PostgresError as error:
                written.errors.append(f"{type(error).__name__}: {error}")
    finally:
        await connection.close()


async def write_once(connection: asyncpg.Connection, chance: random.Random, streams: list[UUID], written: Written) -> None:
    moment = int(time.monotonic() / MOMENT_S)
    chosen = chance.sample(streams, chance.randint(1, 5)) + chance.sample(new_streams(moment), chance.randint(0, 4))
    chance.shuffle(chosen)
    rows = await connection.fetch("SELECT stream_id, version FROM stream WHERE stream_id = ANY($1)", chosen)
    versions = {row["stream_id"]: row["version"] for row in rows}
    keys = chance.sample([key_of(f"{moment}/{n}") for n in range(KEYS)] + [None] * KEYS, len(chosen))
    appends = [
        append_of(stream, at=versions.get(stream, 0), events=chance.randint(1, 3), key=key)
        for stream, key in zip(chosen, keys, strict=True)
    ]
    transaction = connection.transaction()
    await transaction.start()
    # Its number is drawn before the pause, so that transactions begin in one order and commit in another.
    await connection.fetchval("SELECT pg_current_xact_id()")
    await connection.execute("SELECT pg_sleep($1)", chance.uniform(0, PAUSE_S_MAX))
    is_kept = chance.random() < 0.9
    try:
        results = await append_group(connection, appends, epoch=1)
        await connection.execute("SELECT pg_sleep($1)", chance.uniform(0, PAUSE_S_MAX))
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if is_kept else transaction.rollback())
    written.transactions += 1
    for append, result in zip(appends, results, strict=True):
        ids = [str(event.event_id) for event in append.events]
        (written.acknowledged if is_kept and isinstance(result, Appended) else written.given_up).extend(ids)


def new_streams(moment: int) -> list[UUID]:
    """Those that all writers of the machine come upon at this moment."""
    return [UUID(int=(moment << 70) + (n << 6) + n) for n in range(NEW_STREAMS)]


async def main(dsn: str, seed: int, writers: int, seconds: float, streams: list[UUID]) -> None:
    written = Written()
    until = time.monotonic() + seconds
    await asyncio.gather(*(write(dsn, random.Random(seed + n), streams, until, written) for n in range(writers)))
    sys.stdout.write(json.dumps(vars(written)) + "\n")


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), [UUID(stream) for stream in sys.argv[5:]])
    )
