"""Facts of `police-bridge`, sealed, and the messages that the police reads, in plain words.

The two stand side by side because they say the same: what is stored is sealed, and the public topic of a district is
rendered from it, minimised, and can be rendered again after somebody's data were erased: then a message that told who
somebody is has become a withdrawal, which names nobody. Nothing here tells of temperatures or dispositions.
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.codes import RegionCode
from contracts.districts import DistrictCode
from contracts.event import Event
from contracts.firms import ContractNo
from contracts.identity import DocumentType
from contracts.people import ArrivalKind
from contracts.same_person import SameAs
from contracts.sealing import SEALED_CHARS_MAX, Sealed
from contracts.times import Day, UtcTime

PlainText = Annotated[str, Field(max_length=SEALED_CHARS_MAX)]
"""Words as the person or the registrar gave them. As long as anything that can be sealed, so that rendering never fails."""


class _SealedArrival(Event):
    person_id: UUID
    """The person, who is also the stream."""
    kind: ArrivalKind
    """What the person came as."""
    contract_no: ContractNo
    """The contract on which the person, or the accompanied person, is expected."""
    district: DistrictCode
    """The site's: whose police is told."""
    document: Sealed
    """Canonical number of the identity document."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as given."""
    mobile: Sealed | None = None
    """手机号."""
    origin_code: RegionCode | None = None
    """出发地. Absent where only words are known, as for family."""
    origin: Sealed | None = None
    """出发地 in words."""
    travel: Sealed | None = None
    """出行方式 as declared."""
    arrival_date: Day | None = None
    """Day of arrival in Shanghai, if known."""
    stay_address: Sealed | None = None
    """居住地址 as declared."""
    accompanies: UUID | None = None
    """The accompanied person. Of family only."""


class ArrivalShared(_SealedArrival):
    """An arriving person is shared with the police of a district."""

    TYPE: ClassVar[Literal["gatehouse.police-bridge.arrival-shared.v1"]] = "gatehouse.police-bridge.arrival-shared.v1"
    shared_at: UtcTime
    """UTC, taken from the fact that caused it."""


class ArrivalCorrected(_SealedArrival):
    """What was shared about an arriving person holds no longer; this is the whole of what does."""

    TYPE: ClassVar[Literal["gatehouse.police-bridge.arrival-corrected.v1"]] = "gatehouse.police-bridge.arrival-corrected.v1"
    corrected_at: UtcTime
    """UTC, taken from the fact that caused it."""


class ArrivalWithdrawn(Event):
    """A person who was shared with the police is not expected on this contract after all."""

    TYPE: ClassVar[Literal["gatehouse.police-bridge.arrival-withdrawn.v1"]] = "gatehouse.police-bridge.arrival-withdrawn.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """The contract on which the person is no longer expected."""
    district: DistrictCode
    """Whose police was told."""
    withdrawn_at: UtcTime
    """UTC, taken from the fact that caused it."""


class ArrivalLinked(Event):
    """A person of whom the police of a district was told is the same as others, told of or not."""

    TYPE: ClassVar[Literal["gatehouse.police-bridge.arrival-linked.v1"]] = "gatehouse.police-bridge.arrival-linked.v1"
    person_id: UUID
    """The person, who is also the stream."""
    district: DistrictCode
    """Whose police was told, of whatever contract."""
    same_as: SameAs
    """Under which other ids the same person is told of, ascending: the whole of what holds. Empty: under none any more."""
    linked_at: UtcTime
    """UTC, taken from the fact that caused it."""


class ArrivalErased(Event):
    """Nobody can tell any more who a person was of whom the police of a district was told: the key is destroyed."""

    TYPE: ClassVar[Literal["gatehouse.police-bridge.arrival-erased.v1"]] = "gatehouse.police-bridge.arrival-erased.v1"
    person_id: UUID
    """The person, who is also the stream."""
    district: DistrictCode
    """Whose police was told, of whatever contract."""
    erased_at: UtcTime
    """UTC, taken from the fact that caused it."""


class _PlainArrival(Event):
    person_id: UUID
    """Names the person in all messages; shows nothing."""
    kind: ArrivalKind
    """What the person came as."""
    contract_no: ContractNo
    """The contract on which the person, or the accompanied person, is expected."""
    district: DistrictCode
    """The site's."""
    document: PlainText
    """Canonical number of the identity document."""
    document_type: DocumentType
    """Its type."""
    name: PlainText
    """姓名, exactly as given."""
    mobile: PlainText | None = None
    """手机号: 11 digits, or E.164 with its plus."""
    origin_code: RegionCode | None = None
    """出发地."""
    origin: PlainText | None = None
    """出发地 in words."""
    travel: PlainText | None = None
    """出行方式 as declared."""
    arrival_date: Day | None = None
    """Day of arrival in Shanghai, if known."""
    stay_address: PlainText | None = None
    """居住地址 as declared."""
    accompanies: UUID | None = None
    """The `person_id` of the accompanied person. Of family only."""


class PoliceArrivalShared(_PlainArrival):
    """Message to the police: a person is expected on a site of the district."""

    TYPE: ClassVar[Literal["gatehouse.police.arrival-shared.v1"]] = "gatehouse.police.arrival-shared.v1"
    shared_at: UtcTime
    """UTC, when it was first shared."""


class PoliceArrivalCorrected(_PlainArrival):
    """Message to the police: what was shared holds no longer; this is the whole of what does."""

    TYPE: ClassVar[Literal["gatehouse.police.arrival-corrected.v1"]] = "gatehouse.police.arrival-corrected.v1"
    corrected_at: UtcTime
    """UTC, when it was corrected."""


class PoliceArrivalWithdrawn(Event):
    """Message to the police: the person is not expected on this contract after all, or was erased since."""

    TYPE: ClassVar[Literal["gatehouse.police.arrival-withdrawn.v1"]] = "gatehouse.police.arrival-withdrawn.v1"
    person_id: UUID
    """The person as named when shared."""
    contract_no: ContractNo
    """The contract on which the person is no longer expected."""
    district: DistrictCode
    """The site's."""
    withdrawn_at: UtcTime
    """UTC, when it was withdrawn; where the person was erased, when what stood here had been told."""


class PoliceArrivalLinked(Event):
    """Message to the police: the same person is, or will be, told of under other ids, too, each with a document of its own."""

    TYPE: ClassVar[Literal["gatehouse.police.arrival-linked.v1"]] = "gatehouse.police.arrival-linked.v1"
    person_id: UUID
    """The person as named when shared."""
    district: DistrictCode
    """Whose police was told."""
    same_as: SameAs
    """The other ids, ascending: the whole of what holds. Empty: an earlier message of the kind was a mistake."""
    linked_at: UtcTime
    """UTC, when that was known."""


class PoliceArrivalErased(Event):
    """Message to the police: whatever is kept of this person is to be deleted. Nothing is told of the person any more."""

    TYPE: ClassVar[Literal["gatehouse.police.arrival-erased.v1"]] = "gatehouse.police.arrival-erased.v1"
    person_id: UUID
    """The person as named when shared."""
    district: DistrictCode
    """Whose police was told."""
    erased_at: UtcTime
    """UTC, when the person was erased."""


PoliceBridgeEvent = ArrivalShared | ArrivalCorrected | ArrivalWithdrawn | ArrivalLinked | ArrivalErased
"""Every fact that police-bridge keeps, sealed."""

PoliceMessage = PoliceArrivalShared | PoliceArrivalCorrected | PoliceArrivalWithdrawn | PoliceArrivalLinked | PoliceArrivalErased
"""Every message on a topic of the police, in plain words."""
