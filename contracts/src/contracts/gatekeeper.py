"""Facts of `gatekeeper`: what the gate knows of a person, and what happened at the gate."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.codes import Account, Code, DeclarationVersion, PolicyVersion
from contracts.event import SHARDS, Event
from contracts.firms import ContractNo, CreditCode
from contracts.health import QUESTIONS_MAX, Disposition, Hold
from contracts.people import PersonKind
from contracts.same_person import SameAs
from contracts.times import Day, UtcTime
from contracts.trades import TradeCode

CONTRACTS_MAX = 32
"""Contracts that one person may be expected on, and may have been imported to. Bounds the size of a clearance."""

ORDERS_MAX = 64
"""Isolation orders that one person may have had."""


class EntryKind(StrEnum):
    """What was asked at the gate."""

    ENTRY = "entry"  # 进场登记; begins being on site
    GATE_PASS = "gate_pass"  # noqa: S105 - 过闸, once through the turnstile


class Outcome(StrEnum):
    """What the gate answered."""

    ADMITTED = "admitted"
    REFUSED = "refused"


class Effect(StrEnum):
    """What a reason does."""

    FORBID = "forbid"
    REMIND = "remind"


class ReasonCode(StrEnum):
    """Why the gate forbids or reminds, in the order in which reasons are told."""

    NOT_PRE_REGISTERED = "not_pre_registered"
    QUARANTINE_REQUIRED = "quarantine_required"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    ARRIVAL_NOT_ASSESSED = "arrival_not_assessed"
    TRAVEL_UNCLEAR = "travel_unclear"
    ISOLATION_NOT_COMPLETED = "isolation_not_completed"
    FEVER = "fever"
    SYMPTOMS = "symptoms"
    NO_REPORT_TODAY = "no_report_today"
    ALREADY_ENTERED = "already_entered"
    ON_SITE_ELSEWHERE = "on_site_elsewhere"
    NOT_ENTERED = "not_entered"
    HISTORY_UNREADABLE = "history_unreadable"
    STATE_STALE = "state_stale"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Cause(_Part):
    """The fact of another service that changed what the gate knows."""

    service: Annotated[str, Field(min_length=1, max_length=40)]
    """Which service told it."""
    event_id: UUID
    """The fact itself."""
    type: Annotated[str, Field(min_length=1, max_length=120)]
    """Its written type name."""
    shard: Annotated[int, Field(ge=0, lt=SHARDS)]
    """Where it stands in that service's log, 0–63."""
    pos: Annotated[int, Field(ge=1)]
    """Position in the shard, from 1."""


class ClearancePreRegistration(_Part):
    """The person is expected on a contract."""

    pre_registration_id: UUID
    """The `PersonPreRegistered` or `PersonDetailsCorrected` that says so, by its event id. Until it is assessed, nobody enters."""
    contract_no: ContractNo
    """Where."""
    declaration_version: DeclarationVersion
    """The declaration that the pre-registration pins."""
    employer_credit_code: CreditCode
    """用人单位 on this contract."""
    person_kind: PersonKind
    """On what footing."""
    trade: TradeCode | None = None
    """工种; of a worker only."""


class ClearanceRosterMember(_Part):
    """The person stands on the roster of before (旧实名制名册) of a contract, and has not left it since."""

    contract_no: ContractNo
    """Whose roster."""
    employer_credit_code: CreditCode
    """用人单位 on this contract."""
    person_kind: PersonKind
    """On what footing."""
    trade: TradeCode | None = None
    """工种; of a worker only."""
    on_site: bool
    """Imported as 在场: an entry is open, and no pre-registration is asked until the exit. Otherwise one is, as of newcomers."""


class ClearanceAssessment(_Part):
    """What the judgement of a pre-registration with its pinned declaration left open."""

    pre_registration_id: UUID
    """The fact of registration that was judged, by its event id: the same declaration may be pinned by another form."""
    contract_no: ContractNo
    """The contract whose pre-registration pins the declaration."""
    declaration_version: DeclarationVersion
    """Which declaration was judged."""
    questions: Annotated[tuple[Code, ...], Field(max_length=QUESTIONS_MAX)] = ()
    """Open questions. Empty: none."""


class ClearanceOrder(_Part):
    """An isolation order."""

    order_id: UUID
    """Which order."""
    admissible_on: Day
    """The first day, in Shanghai, on which it no longer bans."""


class Clearance(_Part):
    """All that a verdict about a person rests on, except who is on site, which the gate's own facts say."""

    pre_registrations: Annotated[tuple[ClearancePreRegistration, ...], Field(max_length=CONTRACTS_MAX)] = ()
    """Open ones, at most one per contract."""
    rostered: Annotated[tuple[ClearanceRosterMember, ...], Field(max_length=CONTRACTS_MAX)] = ()
    """Rosters of before on which the person stands, at most one entry per contract."""
    assessed: Annotated[tuple[ClearanceAssessment, ...], Field(max_length=CONTRACTS_MAX)] = ()
    """Judgements of pinned declarations."""
    disposition: Disposition = Disposition.ADMISSIBLE
    """The current human decision."""
    disposition_id: UUID | None = None
    """The `DispositionChanged` that says so, by its event id. Absent while nobody has decided anything."""
    orders: Annotated[tuple[ClearanceOrder, ...], Field(max_length=ORDERS_MAX)] = ()
    """All isolation orders, past ones too: the day of the question decides."""
    holds: Annotated[tuple[Hold, ...], Field(max_length=len(Hold))] = ()
    """What keeps the person out until a better reading."""
    last_report_at: UtcTime | None = None
    """Latest reading time, UTC."""
    same_as: SameAs | None = None
    """Records of the same person under other documents, ascending: what stands against one counts here, too. Absent: none."""
    unreadable: bool = False
    """Whether a fact about this person could not be applied: then nothing here can be trusted."""


class ClearanceChanged(Event):
    """What the gate knows of the person changed. Carries the whole basis, so that the latest one is enough."""

    TYPE: ClassVar[Literal["gatehouse.gatekeeper.clearance-changed.v1"]] = "gatehouse.gatekeeper.clearance-changed.v1"
    person_id: UUID
    """The person, who is also the stream."""
    clearance: Clearance
    """What the gate knows from now on."""
    caused_by: Cause
    """The fact from which it follows."""
    changed_at: UtcTime
    """UTC, taken from the fact that caused it."""


class Reason(_Part):
    """One reason of a verdict."""

    code: ReasonCode
    """Which rule."""
    effect: Effect
    """Whether it forbids or only reminds."""
    clears: Code
    """What would clear it, in codes."""
    earliest: Day | None = None
    """The first day, in Shanghai, on which it clears by itself. Absent where somebody has to act."""
    record: UUID | None = None
    """The person's record under another document that it rests on. Absent where this one is reason enough."""


class EntryAttempted(Event):
    """Somebody asked to enter or to pass. Only an attempt that is stored admits."""

    TYPE: ClassVar[Literal["gatehouse.gatekeeper.entry-attempted.v1"]] = "gatehouse.gatekeeper.entry-attempted.v1"
    person_id: UUID
    """The person, who is also the stream."""
    attempt_id: UUID
    """Names this attempt."""
    contract_no: ContractNo
    """Whose gate was asked."""
    kind: EntryKind
    """What was asked."""
    outcome: Outcome
    """What was answered."""
    reasons: Annotated[tuple[Reason, ...], Field(max_length=len(ReasonCode))] = ()
    """All of them, reminders too; a refusal has at least one that forbids."""
    clearance_version: Annotated[int, Field(ge=0)]
    """The version of this stream that the answer rested on. 0: nothing was known."""
    policy_version: PolicyVersion
    """The policy set in force."""
    fresh_as_of: UtcTime | None = None
    """UTC: everything that other services recorded until then was known. Absent where the gate could not know how fresh it is."""
    valid_until: UtcTime | None = None
    """UTC, some seconds after the answer. Of a grant only."""
    person_kind: PersonKind | None = None
    """On what footing the person is expected here, if at all."""
    trade: TradeCode | None = None
    """工种, if known."""
    employer_credit_code: CreditCode | None = None
    """用人单位 on this contract, if known."""
    attempted_at: UtcTime
    """UTC, taken from the command."""


class PaperEntryRecorded(Event):
    """Two people let somebody in on paper while the gate could not know (`state_stale`). Recorded afterwards."""

    TYPE: ClassVar[Literal["gatehouse.gatekeeper.paper-entry-recorded.v1"]] = "gatehouse.gatekeeper.paper-entry-recorded.v1"
    person_id: UUID
    """Who was let in, who is also the stream."""
    attempt_id: UUID
    """Names this entry among the attempts."""
    contract_no: ContractNo
    """Through whose gate."""
    decided_by: Annotated[tuple[UUID, ...], Field(min_length=2, max_length=2)]
    """The two who decided, as people: their documents stand on the paper."""
    reasons: Annotated[tuple[Reason, ...], Field(max_length=len(ReasonCode))] = ()
    """What the rules say to the facts as they stood at `entered_at`. `state_stale`: not all of these are known yet."""
    needs_review: bool
    """Whether one of the reasons forbids: somebody has to look at it."""
    clearance_version: Annotated[int, Field(ge=0)]
    """The version of this stream up to which facts were considered, of these the ones that stood at `entered_at`."""
    policy_version: PolicyVersion
    """The policy set in force at `entered_at`."""
    fresh_as_of: UtcTime | None = None
    """UTC: everything that other services recorded until then was known. Absent where the gate could not know how fresh it is."""
    person_kind: PersonKind | None = None
    """On what footing the person was expected there, if at all."""
    trade: TradeCode | None = None
    """工种, if known."""
    employer_credit_code: CreditCode | None = None
    """用人单位 on this contract, if known."""
    entered_at: UtcTime
    """UTC, as it stands on the paper."""
    recorded_at: UtcTime
    """UTC, taken from the command."""


class PaperEntrySettled(Event):
    """An authority looked at an entry on paper against the rules. Nothing changes at the gate."""

    TYPE: ClassVar[Literal["gatehouse.gatekeeper.paper-entry-settled.v1"]] = "gatehouse.gatekeeper.paper-entry-settled.v1"
    person_id: UUID
    """Who was let in, who is also the stream."""
    attempt_id: UUID
    """Which entry."""
    contract_no: ContractNo
    """Through whose gate."""
    finding: Code
    """What was found, in codes."""
    measure: Code
    """What was done about it, in codes."""
    settled_by: Account
    """Who looked."""
    settled_at: UtcTime
    """UTC, taken from the command."""


class ExitRegistered(Event):
    """The person left the site for good (退场登记); the pre-registration is closed."""

    TYPE: ClassVar[Literal["gatehouse.gatekeeper.exit-registered.v1"]] = "gatehouse.gatekeeper.exit-registered.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Which site was left."""
    exited_at: UtcTime
    """UTC, taken from the command."""


GatekeeperEvent = ClearanceChanged | EntryAttempted | PaperEntryRecorded | PaperEntrySettled | ExitRegistered
"""Every fact that gatekeeper tells."""
