"""Keyed digests: what is compared and never read back is stored as one, under a key that the database does not have."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


@dataclass(frozen=True)
class Digests:
    """Digests for different purposes never agree, so that one cannot be passed off as another."""

    key: bytes
    """32 bytes. With another key no user is found any more."""

    def of(self, purpose: str, *values: str) -> bytes:
        """32 bytes. Values are counted in: ("ab", "c") and ("a", "bc") differ."""
        message = "".join(f"{len(value)}:{value}" for value in (purpose, *values))
        return hmac.digest(self.key, message.encode(), "sha256")

    def locked_away(self, secret: str, *, owner: str) -> bytes:
        """The secret, encrypted: a one-time password's seed has to be read again. It opens for this owner only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, secret.encode(), owner.encode())

    def opened(self, locked: bytes, *, owner: str) -> str:
        """Raises: cryptography.exceptions.InvalidTag."""
        return self._cipher().decrypt(locked[:NONCE_BYTES], locked[NONCE_BYTES:], owner.encode()).decode()

    def _cipher(self) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"portal: seeds of one-time passwords").derive(self.key))
