"""The gate's decisions and what follows from them.

A ban and a grant are facts of one stream, ordered by its version: an attempt that was decided before a ban came is a
conflict when it is appended, and is decided anew. Of a person with several documents every record is weighed: an attempt
that was not given all of them says which one it needs (`RecordNeeded`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never
from uuid import UUID

from contracts.gatekeeper import (
    Clearance,
    ClearanceChanged,
    EntryAttempted,
    EntryKind,
    ExitRegistered,
    GatekeeperEvent,
    Outcome,
    PaperEntryRecorded,
    PaperEntrySettled,
    ReasonCode,
)
from contracts.policy import Policies
from contracts.rejection import Rejection
from contracts.times import is_ahead
from gatekeeper.domain.clearances import imported_on_site, updated, with_fact, without_contract
from gatekeeper.domain.commands import (
    Attempt,
    Confirm,
    GateCommand,
    MarkHistory,
    RecordPaperEntry,
    RegisterExit,
    TakeNote,
)
from gatekeeper.domain.same_person import others_of
from gatekeeper.domain.settling import SettlePaperEntry, settle
from gatekeeper.domain.state import GatePerson
from gatekeeper.domain.verdict import Question, Verdict, judge, pre_registration, roster_member

KnownPolicies = Callable[[], Policies]
"""What has been adopted by now. Asked only where something is weighed: to take note of a ban it is not needed."""

GRANT_S = 5
"""How long a grant may be acted on."""

PAPER_HOURS_MAX = 72
"""How long ago a paper entry may have been when it is recorded."""


class PersonIsNotOnSite(Rejection):
    """Only who is on site can leave it."""

    code = "person-is-not-on-site"
    title_zh = "该人员不在场,不能退场登记"
    title_en = "The person is not on site; there is no entry to close"


class PaperEntryNeedsTwoPeople(Rejection):
    """Without the gate two people decide, and neither lets himself in."""

    code = "paper-entry-needs-two-people"
    status = 422
    title_zh = "纸面放行须由两名负责人共同决定,且不能为本人放行"
    title_en = "A paper entry is decided by two different people, neither of whom is the one who enters"


class PaperEntryIsInTheFuture(Rejection):
    """What is recorded has happened; clocks may differ by minutes."""

    code = "paper-entry-is-in-the-future"
    status = 422
    title_zh = "进场时间不能晚于当前时间"
    title_en = "The time of the paper entry lies in the future"


class PaperEntryIsTooOld(Rejection):
    """A paper entry is recorded as soon as the gate is back: until then nobody else knows who is on site."""

    code = "paper-entry-is-too-old"
    title_zh = "纸面放行须在72小时内补录"
    title_en = "A paper entry is recorded within 72 hours"


def decide(command: GateCommand, person: GatePerson, *, policies: KnownPolicies) -> Sequence[GatekeeperEvent]:
    match command:
        case TakeNote():
            clearance = with_fact(person, command.fact, command.cause)
            return _change(person, clearance, command, person_id=command.fact.person_id)
        case MarkHistory():
            clearance = updated(person.clearance, unreadable=command.unreadable)
            return _change(person, clearance, command, person_id=command.person_id)
        case Attempt():
            return [_attempted(command, person, _verdict(command, person, policies))]
        case Confirm():
            return _confirm(command.attempt, person, policies)
        case RecordPaperEntry():
            return [_recorded_on_paper(command, person, policies)]
        case SettlePaperEntry():
            return settle(command)
        case RegisterExit():
            return _register_exit(command, person)
        case _:
            assert_never(command)


def _change(
    person: GatePerson, clearance: Clearance, command: TakeNote | MarkHistory, *, person_id: UUID
) -> Sequence[ClearanceChanged]:
    if clearance == person.clearance:
        return []  # It changes nothing at the door.
    return [ClearanceChanged(person_id=person_id, clearance=clearance, caused_by=command.cause, changed_at=command.at)]


def _confirm(attempt: Attempt, person: GatePerson, policies: KnownPolicies) -> Sequence[EntryAttempted]:
    verdict = _verdict(attempt, person, policies).without(ReasonCode.ALREADY_ENTERED)
    return [] if verdict.admits else [_attempted(attempt, person, verdict)]


def _recorded_on_paper(command: RecordPaperEntry, person: GatePerson, policies: KnownPolicies) -> PaperEntryRecorded:
    """What two people decided has happened, whatever the rules say: where they forbade it, somebody looks at it."""
    others = others_of(command.person_id, command.stood, command.others)
    people = ({command.person_id, *others}, *command.deciders)
    if len(set().union(*people)) < sum(map(len, people)):
        raise PaperEntryNeedsTwoPeople
    if is_ahead(command.entered_at, command.at):
        raise PaperEntryIsInTheFuture
    if command.at - command.entered_at > timedelta(hours=PAPER_HOURS_MAX):
        raise PaperEntryIsTooOld
    is_all_known = command.fresh_as_of is not None and command.fresh_as_of >= command.entered_at
    question = Question(command.contract_no, EntryKind.ENTRY, command.entered_at, is_fresh=is_all_known)
    # Whoever was on site passed the gate: on paper that is no second entry.
    verdict = judge(command.stood, question, policies(), others).without(ReasonCode.ALREADY_ENTERED)
    return PaperEntryRecorded(
        person_id=command.person_id,
        attempt_id=command.attempt_id,
        contract_no=command.contract_no,
        decided_by=command.decided_by,
        reasons=verdict.reasons,
        needs_review=not verdict.admits,
        clearance_version=person.version,
        policy_version=verdict.policy_version,
        fresh_as_of=command.fresh_as_of,
        **_footing(command.stood, command.contract_no),
        entered_at=command.entered_at,
        recorded_at=command.at,
    )


def _register_exit(command: RegisterExit, person: GatePerson) -> Sequence[ExitRegistered]:
    if command.contract_no not in person.on_site:
        raise PersonIsNotOnSite
    return [ExitRegistered(person_id=command.person_id, contract_no=command.contract_no, exited_at=command.at)]


def _verdict(attempt: Attempt, person: GatePerson, policies: KnownPolicies) -> Verdict:
    others = others_of(attempt.person_id, person, attempt.others)
    is_fresh = attempt.fresh_as_of is not None
    return judge(person, Question(attempt.contract_no, attempt.kind, attempt.at, is_fresh), policies(), others)


def _attempted(attempt: Attempt, person: GatePerson, verdict: Verdict) -> EntryAttempted:
    return EntryAttempted(
        person_id=attempt.person_id,
        attempt_id=attempt.attempt_id,
        contract_no=attempt.contract_no,
        kind=attempt.kind,
        outcome=Outcome.ADMITTED if verdict.admits else Outcome.REFUSED,
        reasons=verdict.reasons,
        clearance_version=person.version,
        policy_version=verdict.policy_version,
        fresh_as_of=attempt.fresh_as_of,
        valid_until=attempt.at + timedelta(seconds=GRANT_S) if verdict.admits else None,
        **_footing(person, attempt.contract_no),
        attempted_at=attempt.at,
    )


def _footing(person: GatePerson, contract_no: str) -> Mapping[str, Any]:
    """On what footing, and for whom, the person is expected here, as far as that is known."""
    expected = pre_registration(person, contract_no) or roster_member(person, contract_no)
    if expected is None:
        return {}
    return {
        "person_kind": expected.person_kind,
        "trade": expected.trade,
        "employer_credit_code": expected.employer_credit_code,
    }


def evolve(person: GatePerson, event: GatekeeperEvent) -> GatePerson:
    version = person.version + 1
    match event:
        case ClearanceChanged(clearance=clearance):
            # An import as on site is an entry: it opens once, when it becomes known.
            imported = imported_on_site(clearance) - imported_on_site(person.clearance)
            return replace(
                person, version=version, clearance=clearance, on_site=person.on_site | imported, changed_at=event.changed_at
            )
        case EntryAttempted(kind=EntryKind.ENTRY, outcome=Outcome.ADMITTED):
            return replace(person, version=version, on_site=person.on_site | {event.contract_no})
        case EntryAttempted() | PaperEntrySettled():
            return replace(person, version=version)
        case PaperEntryRecorded():
            left_at = person.left_at.get(event.contract_no)
            has_left_since = left_at is not None and left_at > event.entered_at
            return replace(person, version=version, on_site=person.on_site | (set() if has_left_since else {event.contract_no}))
        case ExitRegistered():
            return _without_whoever_left(person, event, version)
        case _:
            assert_never(event)


def _without_whoever_left(person: GatePerson, event: ExitRegistered, version: int) -> GatePerson:
    return replace(
        person,
        version=version,
        clearance=without_contract(person.clearance, event.contract_no),
        on_site=person.on_site - {event.contract_no},
        left_at={**person.left_at, event.contract_no: event.exited_at},
    )
