"""Facts of `registration`: what is reported about contracts, and who is expected on them."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.codes import DeclarationVersion, RegionCode
from contracts.districts import DistrictCode
from contracts.event import Event
from contracts.firms import ConstructionNo, ContractNo, CreditCode, Firm, FirmName
from contracts.gatekeeper import CONTRACTS_MAX
from contracts.identity import DocumentType
from contracts.operators import OperatorGranted, OperatorWithdrawn
from contracts.people import PersonKind
from contracts.review import ReviewItemSettled
from contracts.same_person import KnownAs, PersonLinked, PersonUnlinked
from contracts.sealing import Fingerprint, Sealed
from contracts.site_information import EpidemicControlSubmitted, ResumptionChecklistUploaded, SuppliesCounted
from contracts.texts import VisibleText
from contracts.times import Day, UtcTime
from contracts.trades import TradeCode

StationName = VisibleText
ProjectName = VisibleText
FamilyRegisteredAt = Annotated[UtcTime, Field(description="UTC, taken from the command that registered the family member.")]


class StationRegistered(Event):
    """A supervision station (监督站) exists and works in a district."""

    TYPE: ClassVar[Literal["gatehouse.registration.station-registered.v1"]] = "gatehouse.registration.station-registered.v1"
    station_name: StationName
    """What the station is called, as users choose it; unique."""
    district: DistrictCode
    """Where it works."""
    registered_at: UtcTime
    """UTC, taken from the command."""


class ContractReported(Event):
    """A construction contract was reported; its site may expect people from now on."""

    TYPE: ClassVar[Literal["gatehouse.registration.contract-reported.v1"]] = "gatehouse.registration.contract-reported.v1"
    contract_no: ContractNo
    """合同报送编号."""
    construction_no: ConstructionNo
    """报建编号."""
    project_name: ProjectName
    """项目名称."""
    general_contractor: Firm
    """总包单位 with its kind (总包单位类型), as reported."""
    station_name: StationName
    """The one supervision station (所在监督站) that supervises the contract."""
    district: DistrictCode
    """Where the site lies; decides which police topic its people go to."""
    reported_at: UtcTime
    """UTC, taken from the command."""


class EmployerAdded(Event):
    """A firm employs people on the contract; it may be chosen as 用人单位 from now on."""

    TYPE: ClassVar[Literal["gatehouse.registration.employer-added.v1"]] = "gatehouse.registration.employer-added.v1"
    contract_no: ContractNo
    """The contract, on which the counts stay."""
    credit_code: CreditCode
    """The employer's."""
    name: FirmName
    """The employer's, as reported."""
    sub_contract_no: ContractNo | None = None
    """The employer's own number, where it has one."""
    added_at: UtcTime
    """UTC, taken from the command."""


class DeclarationAwaited(Event):
    """Somebody could not be pre-registered yet: Health Cloud has no declaration. The form is kept until one appears."""

    TYPE: ClassVar[Literal["gatehouse.registration.declaration-awaited.v1"]] = "gatehouse.registration.declaration-awaited.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Where the person was to be expected."""
    district: DistrictCode
    """The site's, so that taking it up needs nothing else."""
    person_kind: PersonKind
    """On what footing."""
    trade: TradeCode | None = None
    """工种; of a worker only."""
    employer_credit_code: CreditCode
    """用人单位 on this contract."""
    origin_code: RegionCode
    """出发地."""
    origin: Sealed
    """出发地 in words."""
    arrival_date: Day | None = None
    """到沪日期, day in Shanghai, if it was typed."""
    document: Sealed
    """Canonical number of the document that was shown."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as given."""
    mobile: Sealed | None = None
    """手机号, if it was typed."""
    name_fingerprint: Fingerprint | None = None
    """Of the folded name under the person's key: it must agree with the declaration's."""
    complete: bool
    """Whether the form lacked nothing but the declaration, so that it can be taken up without anybody's act."""
    left_at: UtcTime | None = None
    """UTC, the person's last exit from this site: only what is declared since counts. Absent: whatever was declared."""
    left_with_version: DeclarationVersion | None = None
    """The declaration that was pinned until that exit; only later ones count."""
    asked_at: UtcTime
    """UTC, taken from the command."""


class FormWithdrawn(Event):
    """A form that waited for a declaration was a mistake: nothing is to be taken up any more."""

    TYPE: ClassVar[Literal["gatehouse.registration.form-withdrawn.v1"]] = "gatehouse.registration.form-withdrawn.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Where the person was to be expected."""
    district: DistrictCode
    """The site's, as on the form."""
    reason: Sealed
    """Why, in the registrar's words."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""


class PinnedDeclaration(BaseModel):
    """What a pre-registration relied on: one version of a declaration, as far as health and police need it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    version: DeclarationVersion
    """Which declaration of the person."""
    reported_on: Day
    """上报时间, day in Shanghai."""
    departed_on: Day | None = None
    """出行时间, day of departure."""
    from_hubei: bool
    """是否湖北出发."""
    from_wuhan: bool
    """是否武汉出发."""
    stopover: bool
    """是否经停."""
    stopover_code: RegionCode | None = None
    """停留地点 as far as it was recognised. Absent with a stopover means an unknown place, which is a question."""
    temperature_celsius: float | None = None
    """体温 as declared, °C, unbounded: declared readings are accepted and flagged."""
    travel: Sealed | None = None
    """出行方式 as given, such as train and number."""
    stay_address: Sealed | None = None
    """居住地址 as given."""


class _Expected(Event):
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Where the person is expected."""
    district: DistrictCode
    """The site's; decides which police topic the person goes to."""
    person_kind: PersonKind
    """On what footing."""
    trade: TradeCode | None = None
    """工种; of a worker only."""
    employer_credit_code: CreditCode
    """用人单位 on this contract."""
    origin_code: RegionCode
    """出发地."""
    origin: Sealed
    """出发地 in words."""
    arrival_date: Day | None = None
    """到沪日期, day in Shanghai, if it was typed."""
    declaration: PinnedDeclaration
    """What the registrar saw in 健康云返回信息 and relied on."""
    document: Sealed
    """Canonical number of the document that was shown."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as given."""
    name_fingerprint: Fingerprint | None = None
    """Of the folded name under the person's key, to compare with a newer declaration's. Absent in what was told before."""
    mobile: Sealed
    """手机号, from the declaration or typed."""


class PersonPreRegistered(_Expected):
    """Somebody is announced for the site of this contract (进场预登记)."""

    TYPE: ClassVar[Literal["gatehouse.registration.person-pre-registered.v1"]] = "gatehouse.registration.person-pre-registered.v1"
    taken_up: bool
    """Whether nobody acted: an awaited declaration appeared and the kept form was taken up."""
    same_as: KnownAs = None
    pre_registered_at: UtcTime
    """UTC, taken from the command."""


class PersonDetailsCorrected(_Expected):
    """What was said of somebody who is expected was wrong; this is the whole of what holds. The document stays what it was."""

    TYPE: ClassVar[Literal["gatehouse.registration.person-details-corrected.v1"]] = (
        "gatehouse.registration.person-details-corrected.v1"
    )
    reason: Sealed
    """Why, in the registrar's words."""
    pre_registered_at: UtcTime
    """UTC, of the pre-registration that is corrected."""
    corrected_at: UtcTime
    """UTC, taken from the command."""


class PreRegistrationWithdrawn(Event):
    """A pre-registration was a mistake: the person is no longer expected on this contract."""

    TYPE: ClassVar[Literal["gatehouse.registration.pre-registration-withdrawn.v1"]] = (
        "gatehouse.registration.pre-registration-withdrawn.v1"
    )
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Where the person is no longer expected."""
    district: DistrictCode
    """The site's, as when the person was pre-registered."""
    reason: Sealed
    """Why, in the registrar's words."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""


class PreRegistrationClosed(Event):
    """The person left the site for good: to come back takes another pre-registration, with a declaration made since."""

    TYPE: ClassVar[Literal["gatehouse.registration.pre-registration-closed.v1"]] = (
        "gatehouse.registration.pre-registration-closed.v1"
    )
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Which site was left."""
    closed_at: UtcTime
    """UTC, the time of the exit as the gate tells it."""


class _FamilyForm(Event):
    person_id: UUID
    """The family member, who is also the stream."""
    accompanies: UUID
    """The person who is expected to work."""
    contract_no: ContractNo
    """Where that person is expected."""
    district: DistrictCode
    """The site's; decides which police topic the family member goes to."""
    employer_credit_code: CreditCode
    """用人单位 of the accompanied person, whose registrars follow the family, too."""
    relation: Sealed | None = None
    """What the family member is to the accompanied person, in the registrar's words."""
    document: Sealed
    """Canonical number of the document that was shown."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as given."""
    name_fingerprint: Fingerprint
    """Of the folded name under the family member's own key."""


class FamilyDeclarationAwaited(_FamilyForm):
    """Somebody could not come along yet: Health Cloud has no declaration that agrees with the form, which is kept."""

    TYPE: ClassVar[Literal["gatehouse.registration.family-declaration-awaited.v1"]] = (
        "gatehouse.registration.family-declaration-awaited.v1"
    )
    mobile: Sealed | None = None
    """手机号, if it was typed."""
    asked_at: UtcTime
    """UTC, taken from the command."""


class _ComesAlong(_FamilyForm):
    declaration: PinnedDeclaration
    """What the registrar saw in 健康云返回信息 and relied on: also from where somebody comes."""
    mobile: Sealed
    """手机号, from the declaration or typed; of a child the accompanied person's."""


class FamilyMemberPreRegistered(_ComesAlong):
    """Somebody comes along with a person who is expected on the site (携带家属): followed, never admitted."""

    TYPE: ClassVar[Literal["gatehouse.registration.family-member-pre-registered.v1"]] = (
        "gatehouse.registration.family-member-pre-registered.v1"
    )
    same_as: KnownAs = None
    pre_registered_at: FamilyRegisteredAt


class FamilyDetailsCorrected(_ComesAlong):
    """What was said of a family member was wrong; this is the whole of what holds. The document stays what it was."""

    TYPE: ClassVar[Literal["gatehouse.registration.family-details-corrected.v1"]] = (
        "gatehouse.registration.family-details-corrected.v1"
    )
    reason: Sealed
    """Why, in the registrar's words."""
    pre_registered_at: FamilyRegisteredAt
    corrected_at: UtcTime
    """UTC, taken from the command."""


class FamilyMemberWithdrawn(Event):
    """It was a mistake: the family member does not come along, or the form that waits is not to be taken up."""

    TYPE: ClassVar[Literal["gatehouse.registration.family-member-withdrawn.v1"]] = (
        "gatehouse.registration.family-member-withdrawn.v1"
    )
    person_id: UUID
    """The family member, who is also the stream."""
    accompanies: UUID
    """The person who was to be accompanied."""
    contract_no: ContractNo
    """Where that person is expected."""
    district: DistrictCode
    """The site's, as when the family member was pre-registered."""
    reason: Sealed
    """Why, in the registrar's words."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""


class RosterMemberImported(Event):
    """The person stands on this contract's roster of before (旧实名制名册)."""

    TYPE: ClassVar[Literal["gatehouse.registration.roster-member-imported.v1"]] = "gatehouse.registration.roster-member-imported.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """On whose roster the person stands."""
    employer_credit_code: CreditCode
    """用人单位 on this contract."""
    person_kind: PersonKind
    """On what footing."""
    trade: TradeCode | None = None
    """工种; of a worker only."""
    on_site: bool
    """Whether the roster says 在场: then an entry is open, and no pre-registration is asked until the exit."""
    document: Sealed
    """Canonical number of the document on the roster."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as on the roster."""
    imported_at: UtcTime
    """UTC, taken from the command."""


class PersonErased(Event):
    """Nobody can tell any more who this person was: the key is destroyed, and no document leads here. Counts keep the person."""

    TYPE: ClassVar[Literal["gatehouse.registration.person-erased.v1"]] = "gatehouse.registration.person-erased.v1"
    person_id: UUID
    """The person, who is also the stream. Nothing else is ever told of them again."""
    dropped_forms: Annotated[tuple[ContractNo, ...], Field(max_length=CONTRACTS_MAX)]
    """The contracts for which a form still waited for a declaration: nobody waits any more. Ascending."""
    erased_at: UtcTime
    """UTC, taken from the command."""


RegistrationEvent = (
    StationRegistered
    | ContractReported
    | EmployerAdded
    | OperatorGranted
    | OperatorWithdrawn
    | EpidemicControlSubmitted
    | SuppliesCounted
    | ResumptionChecklistUploaded
    | DeclarationAwaited
    | FormWithdrawn
    | PersonPreRegistered
    | PersonDetailsCorrected
    | PreRegistrationWithdrawn
    | PreRegistrationClosed
    | FamilyDeclarationAwaited
    | FamilyMemberPreRegistered
    | FamilyDetailsCorrected
    | FamilyMemberWithdrawn
    | RosterMemberImported
    | ReviewItemSettled
    | PersonLinked
    | PersonUnlinked
    | PersonErased
)
"""Every fact that registration tells."""
