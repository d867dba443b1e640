"""验证码: asked for with number and mobile, sent to the mobile, typed back once.

A challenge is made for whoever asks, also in the name of nobody, so that nobody learns who has an account.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from chassis.faults import TooManyRequests
from portal import user_keys
from portal.digests import Digests
from portal.message_gateway import Message, Outbox
from portal.operators import Operators
from portal.users import Users

CODE_DIGITS = 6
CODE_MINUTES = 5
FAILURES_MAX = 5
"""Wrong codes for one challenge; then it opens nothing."""
CODES_MAX = 10
"""For one number within `CODES_WITHIN`, whoever asks."""
CODES_WITHIN = timedelta(hours=1)
PAUSE_S = 30
"""Between two codes for one number."""


@dataclass(frozen=True)
class Challenge:
    """What the browser keeps while its user waits for the code."""

    challenge_id: str
    code: str
    """For the message, and for the page of a stack on one's own machine."""


class LoginCodes:
    def __init__(self, pool: asyncpg.Pool, digests: Digests, users: Users, operators: Operators, outbox: Outbox) -> None:
        self._pool = pool
        self._digests = digests
        self._users = users
        self._operators = operators
        self._outbox = outbox

    async def ask(self, *, document_number: str, mobile: str) -> Challenge:
        """A challenge; the code is on its way if there is such a user. Raises: TooManyRequests, Unavailable, UpstreamAway."""
        await self._bound(document_number)
        user_id = await self._users.site_user_of(document_number=document_number, mobile=mobile)
        rights = await self._operators.look_up(document_number=document_number, mobile=mobile)
        if rights.operator is not None and (user_id or rights.grants):
            user_id = await self._users.put_operator(user_id, rights.operator, document_number=document_number, mobile=mobile)
        made = Challenge(secrets.token_urlsafe(24), f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}")
        async with self._pool.acquire() as connection, connection.transaction():
            digests = await user_keys.counting(connection, self._digests)
            await connection.execute(
                """
                INSERT INTO login_code (challenge_digest, user_id, document_digest, mobile_digest, code_digest)
                VALUES ($1, $2, $3, $4, $5)
                """,
                digests.of("challenge", made.challenge_id),
                user_id,
                digests.of("document", document_number),
                digests.of("mobile", mobile),
                digests.of("code", made.challenge_id, made.code),
            )
        text = f"【工地防疫实名制】验证码 {made.code},{CODE_MINUTES} 分钟内有效。"
        self._outbox.put(Message(mobile, text) if user_id else None)
        return made

    async def redeem(self, challenge_id: str, *, document_number: str, mobile: str, code: str) -> UUID | None:
        """Whoever the code proves to be. It opens once, for the number and mobile that it was asked with. Raises: Unavailable."""
        user_id: UUID | None = await self._pool.fetchval(
            """
            DELETE FROM login_code
            WHERE challenge_digest = ANY ($1) AND document_digest = ANY ($2)
              AND mobile_digest = ANY ($3) AND code_digest = ANY ($4)
              AND failures < $5 AND sent_at > clock_timestamp() - make_interval(mins => $6)
            RETURNING user_id
            """,
            self._digests.either("challenge", challenge_id),
            self._digests.either("document", document_number),
            self._digests.either("mobile", mobile),
            self._digests.either("code", challenge_id, code),
            FAILURES_MAX,
            CODE_MINUTES,
        )
        if user_id is None:
            await user_keys.insist(self._pool, self._digests)
            await self._pool.execute(
                "UPDATE login_code SET failures = failures + 1 WHERE challenge_digest = ANY ($1)",
                self._digests.either("challenge", challenge_id),
            )
        return user_id

    async def _bound(self, document_number: str) -> None:
        """Raises: TooManyRequests."""
        await self._pool.execute("DELETE FROM login_code WHERE sent_at < clock_timestamp() - $1::interval", CODES_WITHIN)
        row = await self._pool.fetchrow(
            """
            SELECT count(*) AS codes, extract(epoch FROM clock_timestamp() - max(sent_at))::float8 AS last_s
            FROM login_code WHERE document_digest = ANY ($1)
            """,
            self._digests.either("document", document_number),
        )
        codes, last_s = (row["codes"], row["last_s"]) if row else (0, None)
        if last_s is not None and last_s < PAUSE_S:
            raise TooManyRequests(retry_after_s=max(1, int(PAUSE_S - last_s)))
        if codes >= CODES_MAX:
            raise TooManyRequests(retry_after_s=int(CODES_WITHIN.total_seconds()))
