"""What every command about one person goes through: whether the caller may, the seal of its words, what is told of its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.responses import Response

from chassis.auth import Principal
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, etag
from contracts.health import HealthEvent
from health.domain.commands import HealthCommand
from health.wired import Parts, Wired


@dataclass(frozen=True)
class Act:
    """A command on its way."""

    parts: Wired
    seen: ConsistencyToken | None
    key: str
    response: Response

    async def require_known(self, caller: Principal, person_id: UUID, contract_no: str) -> None:
        """Return once what the caller has seen is known, and the person on this contract of his. Raises: NotFound, Unavailable."""
        await self.parts.wait_for(self.seen)
        await self.parts.require_known(caller, person_id, contract_no)

    async def seal(self, person_id: UUID, field: str, text: str) -> str:
        """The text, under the person's key."""
        return (await self.parts.sealing.sealer_for([person_id])).seal(person_id, field, text)

    async def handle(self, caller: Principal, command: HealthCommand, *, based_on: int | None = None) -> Outcome[HealthEvent]:
        """Do it once, however often it is sent. The answer tells the version after it, and what a query waits for to see it.

        `based_on`: only if nothing came since. Raises: Rejection, VersionConflict.
        """
        person_id, handler = command.person_id, self.parts.handler
        key = command_key(principal=caller.subject, key=self.key, body=request_context().content)
        outcome = await handler.handle(person_id, command, key=key, expected_version=based_on)
        self.response.headers["ETag"] = etag(outcome.version)
        # Also where nothing new was decided: whoever repeats a ban waits for the same fact.
        token = await handler.token_after(outcome)
        if token is not None:
            self.response.headers[CONSISTENCY_TOKEN] = str(token)
        return outcome


async def acting(key: IdempotencyKey, seen: Consistency, parts: Parts, response: Response) -> Act:
    return Act(parts, seen, key, response)


Acting = Annotated[Act, Depends(acting)]
