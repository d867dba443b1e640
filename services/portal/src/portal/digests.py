"""Keyed digests: what is compared and never read back is stored as one, under a key that the database does not have."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chassis.keys_on_top import KeysOnTop

NONCE_BYTES = 12


class UserKeys(KeysOnTop):
    """The key of the portal's digests, and those that were put on top of it since. With others no user is found any more."""

    MARKED: ClassVar = b"\0user key"
    """No digest's: that begins with a length."""


@dataclass(frozen=True)
class Digests:
    """Digests for different purposes never agree, so that one cannot be passed off as another."""

    keys: UserKeys

    @cached_property
    def before(self) -> Digests | None:
        """Those under all keys but the last. None: there is one key."""
        return Digests(self.keys.before) if self.keys.before else None

    def of(self, purpose: str, *values: str) -> bytes:
        """32 bytes, under all keys. Values are counted in: ("ab", "c") and ("a", "bc") differ."""
        return self.keys.digest("".join(f"{len(value)}:{value}" for value in (purpose, *values)).encode())

    def either(self, purpose: str, *values: str) -> list[bytes]:
        """By which it is found, whether the last key counts already or not."""
        return [each.of(purpose, *values) for each in (self, self.before) if each]

    def of_first(self, purpose: str, *values: str) -> bytes:
        """32 bytes, under the first key: what nobody stores, and processes with more keys and with fewer agree on."""
        return (self.before.of_first if self.before else self.of)(purpose, *values)

    def either_of_stored(self, digest: bytes) -> list[bytes]:
        """By which is found what had this digest a moment ago."""
        return [digest, self.keys.on_top(digest)]

    def locked_away(self, secret: str, *, owner: str) -> bytes:
        """The secret, encrypted: a one-time password's seed has to be read again. It opens for this owner only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, secret.encode(), owner.encode())

    def opened(self, locked: bytes, *, owner: str) -> str:
        """By the last of the keys that opens it. Raises: cryptography.exceptions.InvalidTag."""
        try:
            return self._cipher().decrypt(locked[:NONCE_BYTES], locked[NONCE_BYTES:], owner.encode()).decode()
        except InvalidTag:
            if self.before is None:
                raise
        return self.before.opened(locked, owner=owner)

    def _cipher(self) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"portal: seeds of one-time passwords").derive(self.keys.last))
