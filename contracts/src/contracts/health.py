"""Facts of `health`: judgements of arrivals, readings, holds and human decisions. All belong to the person, not to a contract."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.codes import Account, Code, DeclarationVersion, PolicyVersion, RegionCode
from contracts.districts import DistrictCode
from contracts.event import Event
from contracts.firms import ContractNo
from contracts.invalid import Flaw, InvalidValue
from contracts.policy import ISOLATION_DAYS_MAX, PolicyTerms
from contracts.sealing import Sealed
from contracts.symptoms import Symptoms, TemperatureMethod
from contracts.temperatures import parse_measured
from contracts.texts import VisibleText
from contracts.times import Day, UtcTime

QUESTIONS_MAX = 8
"""Questions that one judgement may leave open."""

CAME_FROM_MAX = 8
"""Regions that one person may have named: 出发地, 湖北, 武汉, 停留地点."""


class IsolationReason(StrEnum):
    """Which statement of the person named a key area."""

    KEY_AREA_ORIGIN = "key_area_origin"  # 出发地 of the pre-registration
    KEY_AREA_DECLARED = "key_area_declared"  # 是否湖北出发, 是否武汉出发
    KEY_AREA_STOPOVER = "key_area_stopover"  # 停留地点


class ReadingSource(StrEnum):
    """Who took the reading."""

    REGISTRAR = "registrar"  # somebody at the site, with the form 新增健康状态
    GATE = "gate"  # a turnstile
    DECLARATION = "declaration"  # the person, in Health Cloud


class Hold(StrEnum):
    """What keeps somebody out until a better reading."""

    FEVER = "fever"
    SYMPTOMS = "symptoms"


class Disposition(StrEnum):
    """What somebody responsible has decided about a person (处置方式)."""

    ADMISSIBLE = "admissible"  # 可进场
    QUARANTINE_REQUIRED = "quarantine_required"  # 需隔离
    SUSPECTED = "suspected"  # 疑似
    CONFIRMED = "confirmed"  # 确诊


class IsolationMethod(StrEnum):
    """Where somebody is isolated or treated (隔离/就医方式)."""

    HOME = "home"  # 居家隔离
    CENTRAL = "central"  # 集中隔离
    ON_SITE = "on_site"  # 工地隔离
    HOSPITAL = "hospital"  # 定点医院就医


class CameFrom(BaseModel):
    """A region that the person came from or through."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reason: IsolationReason
    """Which statement names it."""
    code: RegionCode
    """Which region."""


class ArrivalAssessed(Event):
    """A pinned declaration was judged by a policy, also when nothing follows from it; judged anew once a question is answered."""

    TYPE: ClassVar[Literal["gatehouse.health.arrival-assessed.v1"]] = "gatehouse.health.arrival-assessed.v1"
    person_id: UUID
    """The person, who is also the stream."""
    pre_registration_id: UUID
    """The `PersonPreRegistered` or `PersonDetailsCorrected` that was judged, by its event id."""
    contract_no: ContractNo
    """The contract whose pre-registration pinned the declaration."""
    declaration_version: DeclarationVersion
    """Which declaration was judged."""
    policy_version: PolicyVersion
    """By which policy set."""
    order_ids: Annotated[tuple[UUID, ...], Field(max_length=16)] = ()
    """The isolation orders that follow from it, made now or before."""
    questions: Annotated[tuple[Code, ...], Field(max_length=QUESTIONS_MAX)] = ()
    """What the declaration leaves open, such as `stopover_unknown`. A question is not a pass."""
    departed_on: Day | None = None
    """Day of departure of the journey that the declaration tells of, if it was ever declared."""
    arrived_on: Day | None = None
    """Day 0 of that journey, in Shanghai, as judged. A later declaration of the same journey does not move it."""
    district: DistrictCode | None = None
    """Where the contract lies. Absent in what was judged before districts could add to the policy."""
    extra_policy_versions: Annotated[tuple[PolicyVersion, ...], Field(min_length=1, max_length=2)] | None = None
    """What the district and the site added to the policy set on that day. Absent: nothing."""
    came_from: Annotated[tuple[CameFrom, ...], Field(max_length=CAME_FROM_MAX)] | None = None
    """All that was judged, in key areas or not: on it another policy can be rehearsed. Absent in what was judged before that."""
    assessed_at: UtcTime
    """UTC, taken from the fact that was judged."""


class IsolationOrdered(Event):
    """The person has to isolate before entry."""

    TYPE: ClassVar[Literal["gatehouse.health.isolation-ordered.v1"]] = "gatehouse.health.isolation-ordered.v1"
    person_id: UUID
    """The person, who is also the stream."""
    order_id: UUID
    """The same reason and anchor give the same order, so that an order is made once."""
    reason: IsolationReason
    """Which statement of the person named a key area."""
    anchor_date: Day
    """Day 0, in Shanghai: the day of arrival."""
    days: Annotated[int, Field(ge=0, le=ISOLATION_DAYS_MAX)]
    """Calendar days to isolate, 0–90."""
    admissible_on: Day
    """The first day, in Shanghai, on which this order no longer bans: anchor plus days."""
    policy_version: PolicyVersion
    """The policy set that asks it, or what a district or site added where that alone does."""
    declaration_version: DeclarationVersion
    """The declaration from which it follows."""
    ordered_at: UtcTime
    """UTC, taken from the fact that was judged."""


class IsolationOrderWithdrawn(Event):
    """An isolation order was made from a wrong fact and binds nobody any more."""

    TYPE: ClassVar[Literal["gatehouse.health.isolation-order-withdrawn.v1"]] = "gatehouse.health.isolation-order-withdrawn.v1"
    person_id: UUID
    """The person, who is also the stream."""
    order_id: UUID
    """Which order. The declarations that were judged by then do not make it again; a later one may."""
    reason_code: Code
    """Why, in codes."""
    evidence: Sealed
    """What shows that the fact was wrong, in words."""
    withdrawn_by: Account | None = None
    """Who decided that. Absent in what was told before accounts were."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""


class TravelClarified(Event):
    """Somebody answered where the stop-over was that a declaration left unknown. What follows is judged anew."""

    TYPE: ClassVar[Literal["gatehouse.health.travel-clarified.v1"]] = "gatehouse.health.travel-clarified.v1"
    person_id: UUID
    """The person, who is also the stream."""
    declaration_version: DeclarationVersion
    """The declaration that left the question open."""
    question: Code
    """Which question: `stopover_unknown`."""
    stopover_code: RegionCode | None = None
    """停留地点 as it was found out. Absent: there was no stop-over."""
    evidence: Sealed
    """What the answer rests on, in words."""
    clarified_by: Account | None = None
    """Who answered. Absent in what was told before accounts were."""
    clarified_at: UtcTime
    """UTC, taken from the command."""


class HealthReported(Event):
    """One reading of a person's temperature, with the symptoms that were asked for. A correction is another report."""

    TYPE: ClassVar[Literal["gatehouse.health.health-reported.v1"]] = "gatehouse.health.health-reported.v1"
    person_id: UUID
    """The person, who is also the stream."""
    report_id: UUID
    """Names this report for corrections and holds."""
    contract_no: ContractNo | None = None
    """On whose list it was reported. Absent for a declared reading."""
    reading_celsius: float
    """°C, 30.0–45.0 in steps of 0.1 where it was measured. As declared, unbounded, where the source is a declaration."""
    method: TemperatureMethod | None = None
    """Where on the body. Absent where it was not told."""
    symptoms: Symptoms = ()
    """What was ticked: at least one by a registrar, none where nobody was asked."""
    source: ReadingSource
    """Who took the reading."""
    corrects: UUID | None = None
    """The report that this one replaces. The replaced one no longer counts."""
    reason: Sealed | None = None
    """Of a correction: why, in words. Absent in corrections of before reasons were asked for."""
    latest_read_at: UtcTime | None = None
    """Of a correction: reading time of the latest reading that counts now, UTC. What was replaced may have been the latest."""
    read_at: UtcTime
    """Reading time, UTC. The latest reading is the one with the latest reading time."""
    reported_by: Account | None = None
    """Who reported it. Absent for a declared reading, and in what was told before accounts were."""
    reported_at: UtcTime
    """UTC, taken from the command."""

    @model_validator(mode="after")
    def _plausible(self) -> Self:
        if self.source is not ReadingSource.DECLARATION:
            parse_measured(self.reading_celsius)
        if self.source is ReadingSource.REGISTRAR and not self.symptoms:
            raise InvalidValue(Flaw.SYMPTOMS_MISSING)
        return self


class HealthHoldPlaced(Event):
    """A reading keeps the person out of every site."""

    TYPE: ClassVar[Literal["gatehouse.health.health-hold-placed.v1"]] = "gatehouse.health.health-hold-placed.v1"
    person_id: UUID
    """The person, who is also the stream."""
    hold: Hold
    """Which hold; at most one of each kind is open."""
    report_id: UUID
    """The report from which it follows."""
    policy_version: PolicyVersion
    """The policy set by which the readings were judged."""
    placed_at: UtcTime
    """UTC, taken from the command."""


class HealthHoldWithdrawn(Event):
    """A later reading lifted the hold, or a correction of the one that it followed from."""

    TYPE: ClassVar[Literal["gatehouse.health.health-hold-withdrawn.v1"]] = "gatehouse.health.health-hold-withdrawn.v1"
    person_id: UUID
    """The person, who is also the stream."""
    hold: Hold
    """Which hold."""
    report_id: UUID
    """The report that lifted it; where that is a correction, it says who made it and why."""
    policy_version: PolicyVersion
    """The policy set by which the readings were judged."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""


class DispositionChanged(Event):
    """Somebody responsible decided about the person. It binds all contracts and all gates alike."""

    TYPE: ClassVar[Literal["gatehouse.health.disposition-changed.v1"]] = "gatehouse.health.disposition-changed.v1"
    person_id: UUID
    """The person, who is also the stream."""
    disposition: Disposition
    """What was decided."""
    contract_no: ContractNo | None = None
    """On whose list the person stood. A ban holds everywhere; whoever banned goes on answering for it, also once nobody expects the
    person. Absent in what was told before that."""
    isolation_from: Day | None = None
    """隔离/就医时间, first day in Shanghai. Always with a ban."""
    isolation_until: Day | None = None
    """Last day in Shanghai, if known. Tells when it should be over; lifts nothing by itself."""
    method: IsolationMethod | None = None
    """隔离/就医方式. Always with a ban."""
    reason_code: Code
    """Why, in codes."""
    evidence: Sealed | None = None
    """Why, in words."""
    review_on: Day | None = None
    """Until when somebody has to look at the ban again, a day in Shanghai. Lifts nothing. Absent in bans of before reviews."""
    release_document: Sealed | None = None
    """Reference of the document that releases from 疑似 or 确诊. Always with a step out of them."""
    decided_by: Annotated[tuple[Account, ...], Field(min_length=1, max_length=2)] | None = None
    """Who decided; of many people at once, who proposed it and who approved it. Absent in what was told before accounts were."""
    changed_at: UtcTime
    """UTC, taken from the command."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.disposition is not Disposition.ADMISSIBLE and (self.isolation_from is None or self.method is None):
            raise InvalidValue(Flaw.ISOLATION_INCOMPLETE)
        return self


class BanReviewed(Event):
    """Somebody responsible looked at a ban again, and it stays. To lift it is a `DispositionChanged`."""

    TYPE: ClassVar[Literal["gatehouse.health.ban-reviewed.v1"]] = "gatehouse.health.ban-reviewed.v1"
    person_id: UUID
    """The person, who is also the stream."""
    review_on: Day
    """Until when it has to be looked at again, a day in Shanghai."""
    evidence: Sealed
    """What the ban still rests on, in words."""
    reviewed_by: Account | None = None
    """Who looked. Absent in what was told before accounts were."""
    reviewed_at: UtcTime
    """UTC, taken from the command."""


class BanObjected(Event):
    """The banned person says that the ban is wrong. It stays until somebody decides, and is due for a review at once."""

    TYPE: ClassVar[Literal["gatehouse.health.ban-objected.v1"]] = "gatehouse.health.ban-objected.v1"
    person_id: UUID
    """The person, who is also the stream."""
    note: Sealed
    """What the person says, in words."""
    noted_by: Account | None = None
    """Who noted it for the person. Absent in what was told before accounts were."""
    objected_at: UtcTime
    """UTC, taken from the command."""


HealthEvent = (
    ArrivalAssessed
    | IsolationOrdered
    | IsolationOrderWithdrawn
    | TravelClarified
    | HealthReported
    | HealthHoldPlaced
    | HealthHoldWithdrawn
    | DispositionChanged
    | BanReviewed
    | BanObjected
)
"""Every fact that health tells of a person."""


class PolicyDrafted(Event):
    """An authority wrote down what it may decide. Nobody is judged by it."""

    TYPE: ClassVar[Literal["gatehouse.health.policy-drafted.v1"]] = "gatehouse.health.policy-drafted.v1"
    draft_id: UUID
    """The draft, which is also the stream."""
    terms: PolicyTerms
    """What it would decide."""
    drafted_at: UtcTime
    """UTC, taken from the command."""


class PolicyAdopted(Event):
    """An authority decided by which values people are judged, from when until when. Nobody who was judged is judged anew."""

    TYPE: ClassVar[Literal["gatehouse.health.policy-adopted.v1"]] = "gatehouse.health.policy-adopted.v1"
    version: Annotated[int, Field(ge=2)]
    """Which one of all, whoever decided: the shipped terms are 1. Where two are valid on the same day, the later one holds."""
    draft_id: UUID
    """The draft that was activated."""
    terms: PolicyTerms
    """What was decided."""
    reference: VisibleText
    """The paper of the authority that it carries out."""
    adopted_at: UtcTime
    """UTC, taken from the command."""


PolicyEvent = PolicyDrafted | PolicyAdopted
"""Every fact that health tells of policies."""
