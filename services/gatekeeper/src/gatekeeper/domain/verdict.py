"""The rules of the gate: from what is known of a person to all reasons for and against (manual, (六) 进场登记)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from uuid import UUID

from contracts.gatekeeper import ClearancePreRegistration, ClearanceRosterMember, Effect, EntryKind, Reason, ReasonCode
from contracts.health import Disposition, Hold
from contracts.policy import Policies
from contracts.times import shanghai_date
from gatekeeper.domain.policy_set import effect_of
from gatekeeper.domain.state import GatePerson

CLEARED_BY: Mapping[ReasonCode, str] = MappingProxyType(
    {
        ReasonCode.NOT_PRE_REGISTERED: "pre_registration",
        ReasonCode.QUARANTINE_REQUIRED: "disposition_admissible",
        ReasonCode.SUSPECTED: "disposition_admissible",
        ReasonCode.CONFIRMED: "disposition_admissible",
        ReasonCode.ARRIVAL_NOT_ASSESSED: "arrival_assessment",
        ReasonCode.TRAVEL_UNCLEAR: "answer_to_questions",
        ReasonCode.ISOLATION_NOT_COMPLETED: "end_of_isolation",
        ReasonCode.FEVER: "normal_reading",
        ReasonCode.SYMPTOMS: "report_without_symptoms",
        ReasonCode.NO_REPORT_TODAY: "health_report_today",
        ReasonCode.ALREADY_ENTERED: "exit",
        ReasonCode.ON_SITE_ELSEWHERE: "exit_elsewhere",
        ReasonCode.NOT_ENTERED: "entry",
        ReasonCode.HISTORY_UNREADABLE: "operator",
        ReasonCode.STATE_STALE: "fresh_state",
    }
)
"""What would clear each reason."""

_BANS = MappingProxyType(
    {
        Disposition.QUARANTINE_REQUIRED: ReasonCode.QUARANTINE_REQUIRED,
        Disposition.SUSPECTED: ReasonCode.SUSPECTED,
        Disposition.CONFIRMED: ReasonCode.CONFIRMED,
    }
)
_HOLDS = MappingProxyType({Hold.FEVER: ReasonCode.FEVER, Hold.SYMPTOMS: ReasonCode.SYMPTOMS})

Everyone = Sequence[GatePerson]
"""All records of the person, the one that is shown first."""
NOBODY: Mapping[UUID, GatePerson] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Question:
    """May this person in, here and now?"""

    contract_no: str
    kind: EntryKind
    at: datetime
    """UTC."""
    is_fresh: bool
    """Whether the gate can prove that its view is recent enough."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All reasons, in the order in which they are told."""

    reasons: tuple[Reason, ...]
    policy_version: int
    """Of the policy by which they forbid or remind."""

    @property
    def admits(self) -> bool:
        return all(reason.effect is not Effect.FORBID for reason in self.reasons)

    def without(self, code: ReasonCode) -> Verdict:
        """The same, where this reason is none."""
        return replace(self, reasons=tuple(reason for reason in self.reasons if reason.code is not code))


def judge(person: GatePerson, question: Question, policies: Policies, others: Mapping[UUID, GatePerson] = NOBODY) -> Verdict:
    """Every reason that stands against, or is to be told, by the policy of that day.

    `others`: the person's records under other documents. Whatever stands against one of them stands against this one.
    """
    policy = policies.on(shanghai_date(question.at))
    everyone = [person, *others.values()]
    found: dict[ReasonCode, UUID | None] = {code: None for rule in _ASKED for code in rule(everyone, question)}
    for record, each in [(None, person), *others.items()]:
        for code in (code for rule in _STANDING for code in rule(each, question)):
            found.setdefault(code, record)
    effects = [(code, effect_of(policy.switches, code)) for code in sorted(found, key=_ORDER.__getitem__)]
    admissible_on = max(map(_admissible_on, everyone))
    reasons = tuple(_reason(code, effect, admissible_on, found[code]) for code, effect in effects if effect is not None)
    return Verdict(reasons, policy.version)


def _reason(code: ReasonCode, effect: Effect, admissible_on: date, record: UUID | None) -> Reason:
    earliest = admissible_on if code is ReasonCode.ISOLATION_NOT_COMPLETED else None
    return Reason(code=code, effect=effect, clears=CLEARED_BY[code], earliest=earliest, record=record)


def _admissible_on(person: GatePerson) -> date:
    """The day on which the last of all isolation orders has ended."""
    return max((order.admissible_on for order in person.clearance.orders), default=date.min)


def earliest(reasons: Sequence[Reason]) -> date | None:
    """The latest of the forbidding reasons' dates: before it nothing helps. None where no date is known."""
    dates = [reason.earliest for reason in reasons if reason.effect is Effect.FORBID and reason.earliest is not None]
    return max(dates, default=None)


def pre_registration(person: GatePerson, contract_no: str) -> ClearancePreRegistration | None:
    """The open one on this contract."""
    return next((each for each in person.clearance.pre_registrations if each.contract_no == contract_no), None)


def roster_member(person: GatePerson, contract_no: str) -> ClearanceRosterMember | None:
    """As which the person stands on this contract's roster of before."""
    return next((each for each in person.clearance.rostered if each.contract_no == contract_no), None)


def is_known_on(person: GatePerson, contract_no: str) -> bool:
    """Whether the person is expected on this contract, is on its site, or ever was."""
    return (
        contract_no in person.on_site
        or contract_no in person.left_at
        or pre_registration(person, contract_no) is not None
        or roster_member(person, contract_no) is not None
    )


# --- What is asked of the record that is shown, with whatever the others say ------------------------------------------


def _expected(everyone: Everyone, question: Question) -> Iterator[ReasonCode]:
    member = roster_member(everyone[0], question.contract_no)
    is_exempt = member is not None and member.on_site
    if not is_exempt and pre_registration(everyone[0], question.contract_no) is None:
        yield ReasonCode.NOT_PRE_REGISTERED


def _assessment(everyone: Everyone, question: Question) -> Iterator[ReasonCode]:
    pinned = pre_registration(everyone[0], question.contract_no)
    if pinned is None:
        return
    assessed = everyone[0].clearance.assessed
    assessments = [each for each in assessed if each.pre_registration_id == pinned.pre_registration_id]
    if not assessments:
        yield ReasonCode.ARRIVAL_NOT_ASSESSED
    elif any(each.questions for each in assessments):
        yield ReasonCode.TRAVEL_UNCLEAR


def _daily_report(everyone: Everyone, question: Question) -> Iterator[ReasonCode]:
    days = [shanghai_date(at) for each in everyone if (at := each.clearance.last_report_at) is not None]
    if question.kind is EntryKind.GATE_PASS and max(days, default=date.min) < shanghai_date(question.at):
        yield ReasonCode.NO_REPORT_TODAY


def _entry(everyone: Everyone, question: Question) -> Iterator[ReasonCode]:
    if question.kind is EntryKind.GATE_PASS and question.contract_no not in everyone[0].on_site:
        yield ReasonCode.NOT_ENTERED


def _freshness(everyone: Everyone, question: Question) -> Iterator[ReasonCode]:
    if not question.is_fresh:
        yield ReasonCode.STATE_STALE


# --- What stands against the person, in whichever record --------------------------------------------------------------


def _disposition(person: GatePerson, question: Question) -> Iterator[ReasonCode]:
    if ban := _BANS.get(person.clearance.disposition):
        yield ban


def _isolation(person: GatePerson, question: Question) -> Iterator[ReasonCode]:
    if shanghai_date(question.at) < _admissible_on(person):
        yield ReasonCode.ISOLATION_NOT_COMPLETED


def _health(person: GatePerson, question: Question) -> Iterator[ReasonCode]:
    for hold in person.clearance.holds:
        yield _HOLDS[hold]


def _presence(person: GatePerson, question: Question) -> Iterator[ReasonCode]:
    if question.kind is EntryKind.ENTRY and question.contract_no in person.on_site:
        yield ReasonCode.ALREADY_ENTERED
    if person.on_site - {question.contract_no}:
        yield ReasonCode.ON_SITE_ELSEWHERE


def _readability(person: GatePerson, question: Question) -> Iterator[ReasonCode]:
    if person.clearance.unreadable:
        yield ReasonCode.HISTORY_UNREADABLE


_ASKED: Sequence[Callable[[Everyone, Question], Iterator[ReasonCode]]] = (
    _expected,
    _assessment,
    _daily_report,
    _entry,
    _freshness,
)
_STANDING: Sequence[Callable[[GatePerson, Question], Iterator[ReasonCode]]] = (
    _disposition,
    _isolation,
    _health,
    _presence,
    _readability,
)
_ORDER = {code: n for n, code in enumerate(ReasonCode)}
