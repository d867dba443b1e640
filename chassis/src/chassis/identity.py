"""From an identity document to the person, without the document being stored anywhere.

The key server knows a document by its blind index: a hash under a key that the server does not have. An unkeyed hash
would be no secret: all citizen IDs of a city can be tried in minutes. The key is changed by another on top of it, under which
every index is hashed once more (ADR 52).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis import key_server
from chassis.crash_points import CrashPoint, passing
from chassis.gathering import Gatherer
from chassis.index_keys import BlindIndex, IndexKeys
from contracts.identity import Document

DOCUMENTS_MAX = 2_000
"""Documents in one call."""
GROUP_DOCUMENTS_MAX = 500
"""Documents in one round trip."""
QUEUE_DOCUMENTS_MAX = 10_000


class Identities:
    """Who a document belongs to. Concurrent calls share a round trip."""

    def __init__(self, pool: asyncpg.Pool, keys: IndexKeys) -> None:
        """`pool` leads to the key server, under the service's own role."""
        self._pool = pool
        self._keys = keys
        self._gatherer = Gatherer(
            self._identify_waiting, name="identify", batch_max=GROUP_DOCUMENTS_MAX, queue_max=QUEUE_DOCUMENTS_MAX
        )

    async def identify(self, documents: Sequence[Document]) -> list[UUID]:
        """The `person_id` of each document, in order. A document never seen before becomes a new person, with a random id.

        The same document leads to the same person for ever, however many ask at once, until that person is erased.

        Raises: Unavailable (overloaded, or the key server is away); ValueError beyond `DOCUMENTS_MAX`.
        """
        if len(documents) > DOCUMENTS_MAX:
            raise ValueError(f"{len(documents)} documents in one call, at most {DOCUMENTS_MAX}")
        asked = [(self._keys.index(document), str(document.type)) for document in documents]
        if len(asked) == 1:
            return [await self._gatherer.submit(asked[0])]
        return await asyncio.gather(*map(self._gatherer.submit, asked))

    async def find(self, document: Document) -> UUID | None:
        """The `person_id` of a document; None for one that was never seen. Raises: Unavailable, if the key server is away."""
        return await key_server.find(self._pool, self._keys.index(document), self._keys)

    async def people_after(self, person_id: UUID, *, limit: int) -> list[UUID]:
        """Whoever a document leads to, in order of their ids. Raises: Unavailable, if the key server is away."""
        return await key_server.people_after(self._pool, person_id, limit)

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        await self._gatherer.close()

    async def _identify_waiting(self, asked: list[tuple[BlindIndex, str]]) -> list[UUID]:
        indexes, types = zip(*asked, strict=True)
        people = await key_server.identify(self._pool, indexes, types, self._keys)
        passing(CrashPoint.PERSON_IDENTIFIED)
        return people
