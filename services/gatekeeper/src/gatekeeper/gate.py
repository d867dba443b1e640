"""One attempt, from the question to the stored answer; and what was decided without the gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import Counter

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.crash_points import CrashPoint, passing
from chassis.event_store import CommandKey
from chassis.faults import OtherStreamMoved, TooLate, VersionConflict
from chassis.turns import Rounds
from contracts import gatekeeper
from contracts.event import shard_of
from contracts.gatekeeper import EntryAttempted, EntryKind, PaperEntryRecorded, PaperEntrySettled
from gatekeeper.domain.commands import Attempt, Confirm, GateCommand, RecordPaperEntry
from gatekeeper.domain.hindsight import stood
from gatekeeper.domain.same_person import RecordNeeded, Records, others_of, record_here
from gatekeeper.domain.settling import Finding, Measure, SettlePaperEntry
from gatekeeper.domain.state import GatePerson
from gatekeeper.freshness import FreshnessView, Stamp

CLOCKS_DIFFER_MAX = timedelta(seconds=10)
"""How far this machine's clock may be from the database's."""

DECISIONS = Counter("gatehouse_gate_decisions_total", "Attempts that were answered, each time anew.", ["kind", "outcome"])
REASONS = Counter(
    "gatehouse_gate_reasons_total",
    "Reasons that the answers gave; one answer may give several, and a grant may remind.",
    ["code", "effect"],
)


@dataclass(frozen=True, slots=True)
class Known:
    """A person under all documents, as read."""

    records: Records
    """The one that was asked for first."""
    stamp: Stamp | None
    """Of whichever record is known least recently."""

    @property
    def fresh_as_of(self) -> datetime | None:
        """Everything recorded about the person until then is known. None: an attempt made now would be refused as stale."""
        return self.stamp.fresh_as_of if self.stamp else None

    def besides(self, person_id: UUID) -> Records:
        return {each: person for each, person in self.records.items() if each != person_id}


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
        async with self.handler.turn(person_id):
            return await self._attempt(person_id, contract_no, kind, key)

    async def _attempt(self, person_id: UUID, contract_no: str, kind: EntryKind, key: CommandKey) -> Outcome[EntryAttempted]:
        outcome, stamp = await self._ask(person_id, contract_no, kind, key=key)
        passing(CrashPoint.ATTEMPT_RECORDED)
        if outcome.events[0].outcome is gatekeeper.Outcome.REFUSED:
            return outcome
        if not outcome.replayed and stamp is not None and self.freshness.is_recent(stamp):
            return outcome
        # A grant of before, or one of whoever was frozen on the way, which a database whose clock was set back let pass.
        # Of the document that is shown: while it is linked, that leads to the record that was acted on.
        refusal, _ = await self._ask(person_id, contract_no, kind, key=None)
        return refusal if refusal.events else outcome

    async def record_on_paper(
        self, person_id: UUID, contract_no: str, *, decided_by: tuple[UUID, UUID], entered_at: datetime, key: CommandKey
    ) -> Outcome[PaperEntryRecorded]:
        """Record an entry that two people decided while the gate could not know, judged by the facts as they then stood.

        Raises: Rejection; IdempotencyKeyReused; VersionConflict; Unavailable.
        """
        attempt_id, version = uuid4(), 0
        needed: set[UUID] = set()  # Who was linked then may be linked no longer.
        deciders = (await self._everyone(decided_by[0]), await self._everyone(decided_by[1]))
        async with self.handler.turn(person_id):
            async for _ in Rounds():
                records = {*(await self.known(person_id)).records, *needed}
                stamp = self._stamp(records)
                read = {each: await self._stood(each, entered_at) for each in records}
                version, person = read.pop(person_id)
                command = RecordPaperEntry(
                    person_id=person_id,
                    attempt_id=attempt_id,
                    contract_no=contract_no,
                    decided_by=decided_by,
                    deciders=deciders,
                    entered_at=entered_at,
                    stood=person,
                    at=self.clock.now(),
                    fresh_as_of=stamp.fresh_as_of if stamp else None,
                    others={each: other for each, (_, other) in read.items()},
                )
                rests_on = [(each, of_other) for each, (of_other, _) in read.items()]
                with suppress(VersionConflict):  # Something came in while the history was read.
                    try:
                        return await self.handler.handle(person_id, command, key=key, expected_version=version, rests_on=rests_on)
                    except RecordNeeded as other:
                        needed.add(other.person_id)
        raise VersionConflict(version)

    async def settle_paper_entry(
        self,
        person_id: UUID,
        attempt_id: UUID,
        contract_no: str,
        *,
        finding: Finding,
        measure: Measure,
        settled_by: str,
        key: CommandKey,
    ) -> Outcome[PaperEntrySettled]:
        """Record what an authority says of an entry on paper against the rules.

        Raises: Rejection; IdempotencyKeyReused; VersionConflict; Unavailable.
        """
        version = 0
        async with self.handler.turn(person_id):
            async for _ in Rounds():
                version, _ = await self.handler.read(person_id)
                history = [event async for event in self.handler.events(person_id, version)]
                said = (each for each in history if isinstance(each, PaperEntrySettled) and each.attempt_id == attempt_id)
                command = SettlePaperEntry(
                    person_id=person_id,
                    attempt_id=attempt_id,
                    contract_no=contract_no,
                    finding=finding,
                    measure=measure,
                    settled_by=settled_by,
                    settled=next(said, None),
                    at=self.clock.now(),
                )
                with suppress(VersionConflict):  # Something came in while the history was read.
                    return await self.handler.handle(person_id, command, key=key, expected_version=version)
        raise VersionConflict(version)

    async def known(self, person_id: UUID) -> Known:
        """The person as he stands in all his records, the one that was asked for first. Raises: Unavailable."""
        stamps = [self._stamp([person_id])]
        _, person = await self.handler.read(person_id)
        read: dict[UUID, GatePerson] = {}
        while True:
            try:
                others = others_of(person_id, person, read)
            except RecordNeeded as needed:
                # The stamp first: whatever was recorded by then is in the state that is read after it.
                stamps.append(self._stamp([needed.person_id]))
                _, read[needed.person_id] = await self.handler.read(needed.person_id)
            else:
                return Known({person_id: person, **others}, _oldest(stamps))

    async def record_here(self, person_id: UUID, contract_no: str) -> UUID:
        """The record under which the person is on site here, or expected; where there is none, the one that was asked for."""
        return record_here((await self.known(person_id)).records, contract_no)

    async def _ask(
        self, person_id: UUID, contract_no: str, kind: EntryKind, *, key: CommandKey | None
    ) -> tuple[Outcome[EntryAttempted], Stamp | None]:
        """Without a key: does what was granted still hold? With what the answer rests on."""
        async for _ in Rounds():
            stamp = self._stamp([person_id])
            with suppress(OtherStreamMoved, RecordNeeded):  # Something came in while the records were read.
                try:
                    return await self._record(self._question(person_id, contract_no, kind, stamp, {}), key), stamp
                except RecordNeeded:  # Few have another one, and nobody else's is read for it.
                    known = await self.known(person_id)
                    here = record_here(known.records, contract_no)
                    question = self._question(here, contract_no, kind, known.stamp, known.besides(here))
                    return await self._record(question, key), known.stamp
        raise VersionConflict(0)

    async def _everyone(self, person_id: UUID) -> Set[UUID]:
        return (await self.known(person_id)).records.keys()

    async def _stood(self, person_id: UUID, at: datetime) -> tuple[int, GatePerson]:
        version, _ = await self.handler.read(person_id)
        history = [event async for event in self.handler.events(person_id, version)]
        return version, stood(history, at)

    def _stamp(self, records: Iterable[UUID]) -> Stamp | None:
        return _oldest([self.freshness.stamp(shard_of(each)) for each in records])

    def _question(self, person_id: UUID, contract_no: str, kind: EntryKind, stamp: Stamp | None, others: Records) -> Attempt:
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
            others=others,
        )

    async def _record(self, attempt: Attempt, key: CommandKey | None) -> Outcome[EntryAttempted]:
        command: GateCommand = attempt if key else Confirm(attempt)
        # A ban under another document, and an entry, are ordered with this one as if all were of one stream.
        rests_on = [(each, other.version) for each, other in attempt.others.items()]
        not_after = self.freshness.not_after(attempt.fresh_as_of) if attempt.fresh_as_of is not None else None
        try:
            outcome = await self.handler.handle(attempt.person_id, command, key=key, not_after=not_after, rests_on=rests_on)
        except TooLate:
            # Decided on a view that is too old by now: as good as no view. That refusal has no deadline.
            return await self._record(replace(attempt, fresh_as_of=None), key)
        if not outcome.replayed:
            _count(outcome.events)
        return outcome


def _count(attempts: Iterable[EntryAttempted]) -> None:
    for attempt in attempts:
        DECISIONS.labels(attempt.kind, attempt.outcome).inc()
        for reason in attempt.reasons:
            REASONS.labels(reason.code, reason.effect).inc()


def _oldest(stamps: Sequence[Stamp | None]) -> Stamp | None:
    """What rests on all of them. None where one of them is none."""
    proved = [each for each in stamps if each is not None]
    if len(proved) < len(stamps):
        return None
    return Stamp(min(each.fresh_as_of for each in proved), min(each.moved_after_s for each in proved))
