"""The keys of the blind index, by which the key server knows a document that it never sees."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from chassis.keys_on_top import KeysOnTop
from contracts.identity import Document


class BlindIndex(NamedTuple):
    """32 bytes that stand for a document."""

    newest: bytes
    """Under all keys."""
    former: bytes | None
    """Under all but the last: what counts until that counts. None: there is one key."""


class IndexKeys(KeysOnTop):
    """The key of the blind index, and those that were put on top of it since."""

    MARKED: ClassVar = b"\0index key"
    """No document: that begins with its type."""

    def index(self, document: Document) -> BlindIndex:
        """Of the document's type, NUL and its canonical number."""
        text = f"{document.type}\0{document.number}".encode()
        if self.before is None:
            return BlindIndex(self.digest(text), None)
        former = self.before.digest(text)
        return BlindIndex(self.on_top(former), former)

    @property
    def marks(self) -> tuple[bytes | None, bytes]:
        """By which the key server knows the keys again: of all but the last, and of all."""
        return self.before.mark if self.before else None, self.mark
