"""One attempt, from the question to the stored answer; and what was decided without the gate."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.crash_points import CrashPoint, passing
from chassis.event_store import CommandKey
from chassis.faults import TooLate, VersionConflict
from contracts import gatekeeper
from contracts.event import shard_of
from contracts.gatekeeper import EntryAttempted, EntryKind, PaperEntryRecorded
from gatekeeper.domain.commands import Attempt, Confirm, GateCommand, RecordPaperEntry
from gatekeeper.domain.hindsight import stood
from gatekeeper.domain.state import GatePerson
from gatekeeper.freshness import FreshnessView, Stamp

CLOCKS_DIFFER_MAX = timedelta(seconds=10)
"""How far this machine's clock may be from the database's."""

READINGS_MAX = 8
"""How often a person's history is read because something came in meanwhile, before the client is told to try again."""


@dataclass(frozen=True)
class Gate:
    """Answers attempts. An answer that admits is stored before it is given."""

    handler: CommandHandler[GateCommand, GatePerson, Any]
    freshness: FreshnessView
    clock: Clock

    async def attempt(self, person_id: UUID, contract_no: str, kind: EntryKind, *, key: CommandKey) -> Outcome[EntryAttempted]:
        """Judge and record. The same key again gives the first answer, unless that admitted and the person may no longer enter.

        Raises: IdempotencyKeyReused; VersionConflict; Unavailable: then nobody is admitted.
        """
        stamp = self.freshness.stamp(shard_of(person_id))
        outcome = await self._record(self._question(person_id, contract_no, kind, stamp), key)
        passing(CrashPoint.ATTEMPT_RECORDED)
        if outcome.events[0].outcome is gatekeeper.Outcome.REFUSED:
            return outcome
        if not outcome.replayed and stamp is not None and self.freshness.is_recent(stamp):
            return outcome
        # A grant of before, or one of whoever was frozen on the way, which a database whose clock was set back let pass.
        stamp = self.freshness.stamp(shard_of(person_id))
        refusal = await self._record(Confirm(self._question(person_id, contract_no, kind, stamp)), None)
        return refusal if refusal.events else outcome

    async def record_on_paper(
        self, person_id: UUID, contract_no: str, *, decided_by: tuple[UUID, UUID], entered_at: datetime, key: CommandKey
    ) -> Outcome[PaperEntryRecorded]:
        """Record an entry that two people decided while the gate could not know, judged by the facts as they then stood.

        Raises: Rejection; IdempotencyKeyReused; VersionConflict; Unavailable.
        """
        attempt_id, version = uuid4(), 0
        for _ in range(READINGS_MAX):
            fresh_as_of = self.fresh_as_of(person_id)
            version, _ = await self.handler.read(person_id)
            history = [event async for event in self.handler.events(person_id, version)]
            command = RecordPaperEntry(
                person_id=person_id,
                attempt_id=attempt_id,
                contract_no=contract_no,
                decided_by=decided_by,
                entered_at=entered_at,
                stood=stood(history, entered_at),
                at=self.clock.now(),
                fresh_as_of=fresh_as_of,
            )
            with suppress(VersionConflict):  # Something came in while the history was read.
                return await self.handler.handle(person_id, command, key=key, expected_version=version)
        raise VersionConflict(version)

    def fresh_as_of(self, person_id: UUID) -> datetime | None:
        """Everything recorded about the person until then is known. None: an attempt made now would be refused as stale."""
        stamp = self.freshness.stamp(shard_of(person_id))
        return stamp.fresh_as_of if stamp else None

    def _question(self, person_id: UUID, contract_no: str, kind: EntryKind, stamp: Stamp | None) -> Attempt:
        at, fresh_as_of = self.clock.now(), stamp.fresh_as_of if stamp else None
        # Days of isolation are counted by this clock: one that disagrees with the database's decides nothing.
        if fresh_as_of is not None and abs(at - fresh_as_of) > self.freshness.bound + CLOCKS_DIFFER_MAX:
            fresh_as_of = None
        return Attempt(
            person_id=person_id,
            attempt_id=uuid4(),
            contract_no=contract_no,
            kind=kind,
            at=at,
            fresh_as_of=fresh_as_of,
        )

    async def _record(self, command: Attempt | Confirm, key: CommandKey | None) -> Outcome[EntryAttempted]:
        attempt = command.attempt if isinstance(command, Confirm) else command
        if attempt.fresh_as_of is None:
            return await self.handler.handle(attempt.person_id, command, key=key)
        try:
            not_after = self.freshness.not_after(attempt.fresh_as_of)
            return await self.handler.handle(attempt.person_id, command, key=key, not_after=not_after)
        except TooLate:
            # Decided on a view that is too old by now: as good as no view. That refusal has no deadline.
            stale = replace(attempt, fresh_as_of=None)
            return await self._record(Confirm(stale) if isinstance(command, Confirm) else stale, key)
