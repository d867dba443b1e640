"""Nobody waits for ever: what waits for more than one declaration tells is found in the read models.

The policy takes up what waits when a declaration appears. A form that is appended in the very moment between the policy's
look at the stream and its commit is seen by neither: the endpoint did not know the declaration, the policy did not know the
form. Both stand in the read models soon after. And whoever is to come along waits for somebody else, too, of whom the own
stream says nothing: only with who is expected, and only who does not work there, does anybody come along.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from chassis.clock import Clock
from chassis.command_handling import CommandHandler
from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable, VersionConflict
from chassis.service import Worker
from chassis.telemetry import on_behalf_of
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.waiting import TakeUp
from registration.read_models.declarations import declaration_from

LOOK_S = 2.0
"""Between two looks."""
FOUND_MAX = 200
"""People that one look takes up."""

OVERLOOKED = """
WITH waiting AS (
    SELECT person_id, name_fingerprint, mobile, left_at, left_with_version, NULL AS along_on FROM pre_registration_v2
    WHERE state = 'awaiting' AND complete
    UNION ALL
    SELECT f.person_id, f.name_fingerprint, f.mobile, NULL, NULL, f.contract_no FROM family_member_v2 AS f
    JOIN pre_registration_v2 AS a ON a.contract_no = f.contract_no AND a.person_id = f.accompanies AND a.state = 'open'
    WHERE f.state = 'awaiting' AND NOT EXISTS (
        SELECT FROM pre_registration_v2 AS w
        WHERE w.contract_no = f.contract_no AND w.person_id = f.person_id AND w.state IN ('awaiting', 'open'))
)
SELECT d.person_id, d.name_fingerprint, d.mobile, d.pinned, array_remove(array_agg(p.along_on), NULL) AS along
FROM waiting AS p JOIN declaration_v1 AS d USING (person_id)
WHERE p.name_fingerprint = d.name_fingerprint
  AND (p.mobile IS NOT NULL OR d.mobile IS NOT NULL)
  AND (p.left_at IS NULL OR (
      d.version > p.left_with_version
      AND (d.pinned::jsonb ->> 'reported_on')::date >= (p.left_at AT TIME ZONE 'Asia/Shanghai')::date))
GROUP BY d.person_id
ORDER BY d.person_id
LIMIT $1
"""

log = structlog.get_logger()


@dataclass(frozen=True)
class LateTakeUps:
    """A worker's task. Two workers do no harm: the second finds nothing to do."""

    pool: asyncpg.Pool
    people: CommandHandler[PersonCommand, Person, PersonEvent]
    clock: Clock

    async def run(self, worker: Worker) -> None:
        """Look until cancelled. What cannot be done now is found again."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                taken_up = await self.look()
            except (*DATABASE_ERRORS, Unavailable, VersionConflict) as error:
                log.warning("late_take_ups.failed", error_type=type(error).__name__)
            else:
                if taken_up:
                    log.info("late_take_ups.taken_up", count=taken_up)

    async def look(self) -> int:
        """Take up whatever was overlooked; for how many people."""
        taken_up = 0
        for row in await self.pool.fetch(OVERLOOKED, FOUND_MAX):
            try:
                with on_behalf_of(None, doing="take up late"):
                    taken_up += await self._take_up(row)
            except (Unavailable, VersionConflict) as error:
                # Nobody waits for whose stream cannot be read, or is being written.
                log.warning("late_take_ups.put_off", error_type=type(error).__name__)
        return taken_up

    async def _take_up(self, row: asyncpg.Record) -> bool:
        person_id: UUID = row["person_id"]
        async with self.people.turn(person_id):
            return await self._take_up_as_he_is(person_id, row)

    async def _take_up_as_he_is(self, person_id: UUID, row: asyncpg.Record) -> bool:
        """Nobody comes along with whoever is no longer expected, however late the read model learns of it."""
        version, person = await self.people.read(person_id)
        along: list[str] = []
        rests_on: dict[UUID, int] = {}
        for contract_no in person.family.keys() & {*row["along"]}:
            worker = person.family[contract_no].form.accompanies
            rests_on[worker], accompanied = await self.people.read(worker)
            if accompanied.is_expected_on(contract_no):
                along.append(contract_no)
        command = TakeUp(person_id, declaration_from(row), self.clock.now(), along=along)
        outcome = await self.people.handle(person_id, command, expected_version=version, rests_on=[*rests_on.items()])
        return bool(outcome.events)
