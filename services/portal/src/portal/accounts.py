"""Accounts of programs: kept with a salted hash of their secret, never with the secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict

import asyncpg

from chassis.auth import Principal
from chassis.faults import Unavailable
from contracts.access import Role

SALT_BYTES = 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""About 16 MiB and 50 ms for one guess."""
HASHES_AT_ONCE_MAX = 2
HASHES_WAITING_MAX = 50
"""Beyond it, some 1.5 s of work, callers are told to come back."""
RETRY_AFTER_S = 2
SECRETS_REMEMBERED_MAX = 4_096


async def put_client(pool: asyncpg.Pool, principal: Principal, *, secret: str) -> None:
    """Make the account `principal.subject`, or give it another secret, role and scope."""
    salt = secrets.token_bytes(SALT_BYTES)
    await pool.execute(
        """
        INSERT INTO client (client_id, salt, secret_hash, role, contracts, stations, districts, employer_credit_code)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (client_id) DO UPDATE SET
            salt = excluded.salt, secret_hash = excluded.secret_hash, role = excluded.role, contracts = excluded.contracts,
            stations = excluded.stations, districts = excluded.districts,
            employer_credit_code = excluded.employer_credit_code, changed_at = clock_timestamp()
        """,
        principal.subject,
        salt,
        await _hashed(secret, salt),
        principal.role.value,
        sorted(principal.contracts),
        sorted(principal.stations),
        sorted(principal.districts),
        principal.employer_credit_code,
    )


class Accounts:
    """The accounts as the api asks them. Hashing a secret is slow on purpose, so it is bounded, and done once:

    a secret that was right is remembered as a keyed digest, under a key that only this process has and never stores.
    A program that fetches its next token therefore costs one row, and a changed secret counts at once.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._digest_key = secrets.token_bytes(32)
        self._proven: OrderedDict[bytes, bytes] = OrderedDict()
        """Stored hash → digest of the secret that it belongs to."""
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        self._waiting = 0

    async def principal_of(self, *, client_id: str, secret: str) -> Principal | None:
        """Whoever has this secret. An unknown account takes as long as a wrong secret. Raises: Unavailable."""
        row = await self._pool.fetchrow("SELECT * FROM client WHERE client_id = $1", client_id)
        salt, expected = (row["salt"], row["secret_hash"]) if row else (bytes(SALT_BYTES), bytes(64))
        if not await self._is_right(secret, salt, expected) or row is None:
            return None
        return Principal(
            subject=client_id,
            role=Role(row["role"]),
            contracts=frozenset(row["contracts"]),
            stations=frozenset(row["stations"]),
            districts=frozenset(row["districts"]),
            employer_credit_code=row["employer_credit_code"],
        )

    async def _is_right(self, secret: str, salt: bytes, expected: bytes) -> bool:
        digest = hmac.digest(self._digest_key, secret.encode(), "sha256")
        if hmac.compare_digest(self._proven.get(expected, b""), digest):
            return True
        if self._waiting >= HASHES_WAITING_MAX:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._hashing:
                right = hmac.compare_digest(await _hashed(secret, salt), expected)
        finally:
            self._waiting -= 1
        if right:
            self._proven[expected] = digest
            if len(self._proven) > SECRETS_REMEMBERED_MAX:
                self._proven.popitem(last=False)
        return right


async def _hashed(secret: str, salt: bytes) -> bytes:
    # In a thread: it takes long on purpose, and the event loop has others to serve.
    return await asyncio.to_thread(hashlib.scrypt, secret.encode(), salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=2**26)
