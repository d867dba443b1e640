"""A key of digests that is changed by another on top of it: every digest is hashed once more (ADR 52).

For that nobody needs what was hashed, so nothing is opened, and what nobody keeps is carried as well.
"""

from __future__ import annotations

import hmac
from functools import cached_property, reduce
from typing import ClassVar, Self

KEY_BYTES = 32


class KeysOnTop:
    """The first key, and those that were put on top of it since: each hashes what the one before made."""

    MARKED: ClassVar[bytes]
    """Nothing that is ever hashed but for `mark`."""

    def __init__(self, first: bytes, *later: bytes) -> None:
        self._keys = (first, *later)
        if any(len(key) != KEY_BYTES for key in self._keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")

    @property
    def generation(self) -> int:
        """How many there are."""
        return len(self._keys)

    @property
    def last(self) -> bytes:
        return self._keys[-1]

    @cached_property
    def before(self) -> Self | None:
        """All but the last: what counts until that counts. None: there is one key."""
        return type(self)(*self._keys[:-1]) if self.generation > 1 else None

    @cached_property
    def mark(self) -> bytes:
        """By which a database knows the keys again, and nobody learns them."""
        return self.digest(self.MARKED)

    def digest(self, text: bytes) -> bytes:
        """32 bytes: HMAC-SHA-256 over the text; over that by the next key; and so on."""
        return reduce(lambda digest, key: hmac.digest(key, digest, "sha256"), self._keys, text)

    def on_top(self, former: bytes) -> bytes:
        """What the last key makes of a digest under the others."""
        return hmac.digest(self.last, former, "sha256")
