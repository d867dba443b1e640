"""The keys of the blind index, by which the key server knows a document that it never sees; and how they are changed (ADR 52).

The key is changed by another on top of it: every index is hashed once more. For that nobody needs the documents, and so none is
opened, and those that nobody keeps are carried as well.
"""

from __future__ import annotations

import hmac
from functools import cached_property, reduce
from typing import NamedTuple

from contracts.identity import Document

INDEX_KEY_BYTES = 32
MARKED = b"\0index key"
"""No document: that begins with its type."""


class BlindIndex(NamedTuple):
    """32 bytes that stand for a document."""

    newest: bytes
    """Under all keys."""
    former: bytes | None
    """Under all but the last: what counts until that counts. None: there is one key."""


class IndexKeys:
    """The key of the blind index, and those that were put on top of it since: each hashes what the one before made."""

    def __init__(self, first: bytes, *later: bytes) -> None:
        self._keys = (first, *later)
        if any(len(key) != INDEX_KEY_BYTES for key in self._keys):
            raise ValueError(f"an index key has {INDEX_KEY_BYTES} bytes")

    @property
    def generation(self) -> int:
        """How many there are."""
        return len(self._keys)

    def index(self, document: Document) -> BlindIndex:
        """HMAC-SHA-256 over the document's type, NUL and its canonical number; over that by the next key; and so on."""
        return self._index(f"{document.type}\0{document.number}".encode())

    def on_top(self, former: bytes) -> bytes:
        """What the last key makes of an index under the others."""
        return hmac.digest(self._keys[-1], former, "sha256")

    @cached_property
    def marks(self) -> tuple[bytes | None, bytes]:
        """By which the key server knows the keys again, and nobody learns them: of all but the last, and of all."""
        newest, former = self._index(MARKED)
        return former, newest

    def _index(self, text: bytes) -> BlindIndex:
        former = reduce(lambda index, key: hmac.digest(key, index, "sha256"), self._keys[:-1], text)
        return BlindIndex(self.on_top(former), former if self.generation > 1 else None)
