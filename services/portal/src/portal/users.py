"""People who sign in: users of sites by number, mobile and code; supervisors by account, password and one-time password.

Whoever does not exist is answered like whoever got something wrong, after the same work.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag

from chassis.faults import Unavailable
from contracts.access import Role
from portal import user_keys
from portal.digests import Digests
from portal.operators import Operator, SiteGrant

HASHES_AT_ONCE_MAX = 2
HASHES_WAITING_MAX = 50
RETRY_AFTER_S = 2
FAILURES_MAX = 5
"""Wrong passwords in a row; then the account is locked."""
LOCKED_MINUTES = 15
TOTP_STEP_S = 30
PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 12, 200


@dataclass(frozen=True)
class Supervisor:
    """Somebody of a station, a district or the city."""

    account: str
    role: Role
    stations: Sequence[str] = ()
    districts: Sequence[str] = ()


class Users:
    """Their accounts, in the portal's database."""

    def __init__(self, pool: asyncpg.Pool, digests: Digests) -> None:
        self._pool = pool
        self._digests = digests
        self._hasher = PasswordHasher()  # argon2id with the library's values, RFC 9106's second choice: 64 MiB
        self._hash_of_nobody = self._hasher.hash(secrets.token_urlsafe())
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE_MAX)
        self._waiting = 0

    async def put_site_user(self, *, document_number: str, mobile: str, grants: Sequence[SiteGrant]) -> None:
        """Make the account, or give it another mobile and other grants. Grants that are not named are gone."""
        async with self._pool.acquire() as connection, connection.transaction():
            digests = await user_keys.counting(connection, self._digests)
            user_id = await connection.fetchval(
                """
                INSERT INTO site_user (user_id, document_digest, mobile_digest) VALUES ($1, $2, $3)
                ON CONFLICT (document_digest) DO UPDATE SET
                    mobile_digest = excluded.mobile_digest, operator_id = NULL, mobile_fingerprint = NULL,
                    changed_at = clock_timestamp()
                RETURNING user_id
                """,
                uuid4(),
                digests.of("document", document_number),
                digests.of("mobile", mobile),
            )
            await connection.execute("DELETE FROM site_grant WHERE user_id = $1", user_id)
            await connection.executemany(
                "INSERT INTO site_grant VALUES ($1, $2, $3, $4)",
                [(user_id, each.contract_no, each.role.value, each.employer_credit_code) for each in grants],
            )

    async def put_supervisor(self, supervisor: Supervisor, *, password: str, totp_secret: str) -> None:
        """Make the account, or give it other secrets and another reach. It is not locked any more. Raises: ValueError."""
        if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
            raise ValueError(f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")
        password_hash = await asyncio.to_thread(self._hasher.hash, password)
        async with self._pool.acquire() as connection, connection.transaction():
            digests = await user_keys.counting(connection, self._digests)
            await connection.execute(
                """
                INSERT INTO supervisor (account, password_hash, totp_secret, role, stations, districts)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (account) DO UPDATE SET
                    password_hash = excluded.password_hash, totp_secret = excluded.totp_secret, role = excluded.role,
                    stations = excluded.stations, districts = excluded.districts, failures = 0, locked_until = NULL,
                    changed_at = clock_timestamp()
                """,
                supervisor.account,
                password_hash,
                digests.locked_away(totp_secret, owner=supervisor.account),
                supervisor.role.value,
                sorted(supervisor.stations),
                sorted(supervisor.districts),
            )

    async def site_user_of(self, *, document_number: str, mobile: str) -> UUID | None:
        """Whoever has both."""
        found: UUID | None = await self._pool.fetchval(
            "SELECT user_id FROM site_user WHERE document_digest = ANY ($1) AND mobile_digest = ANY ($2)",
            self._digests.either("document", document_number),
            self._digests.either("mobile", mobile),
        )
        return found

    async def put_operator(self, user_id: UUID | None, operator: Operator, *, document_number: str, mobile: str) -> UUID:
        """The account of somebody whom registration knows under these names: his own here, or one for that alone."""
        names = operator.operator_id, operator.mobile_fingerprint
        if user_id is not None:
            query = "UPDATE site_user SET operator_id = $2, mobile_fingerprint = $3 WHERE user_id = $1"
            await self._pool.execute(query, user_id, *names)
            return user_id
        async with self._pool.acquire() as connection, connection.transaction():
            digests = await user_keys.counting(connection, self._digests)
            made: UUID = await connection.fetchval(
                """
                INSERT INTO site_user (user_id, document_digest, mobile_digest, operator_id, mobile_fingerprint)
                VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (document_digest) DO UPDATE SET
                    operator_id = excluded.operator_id, mobile_fingerprint = excluded.mobile_fingerprint
                RETURNING user_id
                """,
                uuid4(),
                digests.of("operator", document_number, mobile),
                digests.of("mobile", mobile),
                *names,
            )
        return made

    async def operator_of(self, user_id: UUID) -> Operator | None:
        """By what registration is asked of him. None: it knew nobody with his document when he signed in."""
        row = await self._pool.fetchrow("SELECT operator_id, mobile_fingerprint FROM site_user WHERE user_id = $1", user_id)
        return Operator(*row) if row and row["operator_id"] else None

    async def grants_of(self, user_id: UUID) -> list[SiteGrant]:
        """What the portal's operator put, as it stands now, by number of the contract."""
        rows = await self._pool.fetch("SELECT * FROM site_grant WHERE user_id = $1 ORDER BY contract_no", user_id)
        return [SiteGrant(row["contract_no"], Role(row["role"]), row["employer_credit_code"]) for row in rows]

    async def supervisor_of(self, account: str) -> Supervisor | None:
        row = await self._pool.fetchrow("SELECT account, role, stations, districts FROM supervisor WHERE account = $1", account)
        return None if row is None else Supervisor(row["account"], Role(row["role"]), row["stations"], row["districts"])

    async def proves_to_be(self, account: str, *, password: str, code: str, now: datetime) -> bool:
        """Whether password and one-time password are the account's, and it is not locked. A code counts once.

        Raises: Unavailable.
        """
        row = await self._pool.fetchrow("SELECT * FROM supervisor WHERE account = $1", account)
        right = await self._verifies(row["password_hash"] if row else self._hash_of_nobody, password)
        if row is None:
            return False
        try:
            seed = self._digests.opened(row["totp_secret"], owner=account)
        except InvalidTag:
            await user_keys.insist(self._pool, self._digests)
            return False  # Whoever put it had a key that nobody has any more.
        step = self._step_of(seed, code, now)
        if row["locked_until"] is not None and row["locked_until"] > now:
            return False
        if not right or step is None or not await self._takes(account, step):
            await self._note_failure(account, now)
            return False
        return True

    async def _verifies(self, password_hash: str, password: str) -> bool:
        if self._waiting >= HASHES_WAITING_MAX:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(self._hasher.verify, password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._waiting -= 1

    @staticmethod
    def _step_of(secret: str, code: str, now: datetime) -> int | None:
        """The time step, of the present one and its neighbours, that the code belongs to."""
        totp = pyotp.TOTP(secret, interval=TOTP_STEP_S)
        present = int(now.timestamp()) // TOTP_STEP_S
        steps = [step for step in (present - 1, present, present + 1) if pyotp.utils.strings_equal(code, totp.generate_otp(step))]
        return max(steps, default=None)

    async def _takes(self, account: str, step: int) -> bool:
        """Whether no code of this step or a later one was taken before; of two at once, one wins."""
        taken = await self._pool.execute(
            "UPDATE supervisor SET totp_step = $2, failures = 0, locked_until = NULL WHERE account = $1 AND totp_step < $2",
            account,
            step,
        )
        return bool(taken == "UPDATE 1")

    async def _note_failure(self, account: str, now: datetime) -> None:
        await self._pool.execute(
            """
            UPDATE supervisor
            SET failures = CASE WHEN failures + 1 >= $2 THEN 0 ELSE failures + 1 END,
                locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE locked_until END
            WHERE account = $1
            """,
            account,
            FAILURES_MAX,
            now + timedelta(minutes=LOCKED_MINUTES),
        )
