"""Changing the key-encryption key: every data key is wrapped anew, on the key server, as the owner of its tables (ADR 48).

What is sealed stays as it is. Keys are made, read and destroyed meanwhile; repeating it does what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from chassis.database import Connection
from chassis.sealing import KeyEncryption, SealBroken

KEYS_AT_ONCE = 1_000
"""In one statement: a lock on so many keys for some milliseconds."""


@dataclass
class Rewrapped:
    """What came of it. Keys that were destroyed are not counted."""

    changed: int = 0
    unchanged: int = 0
    """The key wrapped them already."""
    closed: list[UUID] = field(default_factory=list)
    """Streams whose key neither opens: damaged, or wrapped by a third."""


async def rewrap(connection: Connection, encryption: KeyEncryption) -> Rewrapped:
    """Wrap by the first key of `encryption` what its other key wrapped. A key that is destroyed meanwhile stays destroyed."""
    done = Rewrapped()
    after = UUID(int=0)
    while rows := await connection.fetch(
        "SELECT stream_id, wrapped_key FROM key WHERE stream_id > $1 AND wrapped_key IS NOT NULL ORDER BY stream_id LIMIT $2",
        after,
        KEYS_AT_ONCE,
    ):
        changes: list[tuple[UUID, bytes, bytes]] = []
        for stream_id, wrapped in rows:
            try:
                anew = encryption.rewrapped(stream_id, wrapped)
            except SealBroken:
                done.closed.append(stream_id)
                continue
            if anew is None:
                done.unchanged += 1
            else:
                changes.append((stream_id, wrapped, anew))
        done.changed += await _change(connection, changes)
        after = rows[-1]["stream_id"]
    return done


async def _change(connection: Connection, changes: list[tuple[UUID, bytes, bytes]]) -> int:
    if not changes:
        return 0
    stream_ids, wrapped, anew = zip(*changes, strict=True)
    changed = await connection.fetch(
        """
        UPDATE key AS k SET wrapped_key = c.anew
        FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS c (stream_id, wrapped, anew)
        WHERE k.stream_id = c.stream_id AND k.wrapped_key = c.wrapped
        RETURNING 1
        """,
        stream_ids,
        wrapped,
        anew,
    )
    return len(changed)
