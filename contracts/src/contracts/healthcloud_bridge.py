"""Facts of `healthcloud-bridge`: what people declared in Health Cloud (健康云 来沪人员健康登记)."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.codes import Account, Code, DeclarationVersion, RegionCode
from contracts.event import Event
from contracts.sealing import Fingerprint, Sealed
from contracts.times import Day, UtcTime


class DeclarationReceived(Event):
    """A person, or somebody for them, declared in Health Cloud.

    Every version is kept. Contradictions are flagged, never fixed or refused.
    """

    TYPE: ClassVar[Literal["gatehouse.healthcloud-bridge.declaration-received.v1"]] = (
        "gatehouse.healthcloud-bridge.declaration-received.v1"
    )
    person_id: UUID
    """The subject of the declaration, who is also the stream. Not necessarily the declarant."""
    declaration_version: DeclarationVersion
    """Counts the person's declarations as they reached us."""
    reported_on: Day
    """上报时间, day in Shanghai."""
    report_place: Sealed
    """上报地址 as given."""
    temperature_celsius: float | None = None
    """体温 as declared, °C, unbounded: declared readings are accepted and flagged."""
    health_text: Sealed
    """健康状况 as given."""
    departed_on: Day | None = None
    """出行时间, day of departure."""
    travel: Sealed
    """出行方式 as given, such as train and number."""
    from_hubei: bool
    """是否湖北出发."""
    from_wuhan: bool
    """是否武汉出发."""
    stopover: bool
    """是否经停."""
    stopover_place: Sealed | None = None
    """停留地点 as given."""
    stopover_code: RegionCode | None = None
    """停留地点 as far as it was recognised. Absent with a stopover means an unknown place."""
    stay_address: Sealed
    """居住地址 as given."""
    mobile: Sealed | None = None
    """手机号, which may be missing."""
    name_fingerprint: Fingerprint
    """Of the folded name under the person's key, to compare with the name that a registrar types."""
    source_fingerprint: Fingerprint | None = None
    """Of the submission as Health Cloud holds it, number and content, under the person's key: each is received once."""
    contradictions: Annotated[tuple[Code, ...], Field(max_length=32)] = ()
    """What does not agree within the declaration, in codes. The stricter fact counts."""
    channel: Code
    """Through what it was declared: `app` or `wechat`."""
    relation: Code
    """What the declarant is to the subject: `self`, or a relation as Health Cloud names it."""
    received_at: UtcTime
    """UTC, when the bridge fetched it."""


class LookUpPurpose(StrEnum):
    """What somebody says he needs a declaration for."""

    PRE_REGISTRATION = "pre_registration"  # 进场预登记
    FAMILY = "family"  # 携带家属登记
    CORRECTION = "correction"  # of a pre-registration


class LookUpOutcome(StrEnum):
    """What a look-up found. The last two are answered alike."""

    SHOWN = "shown"
    NOT_DECLARED = "not_declared"
    NAME_DIFFERS = "name_differs"


class DeclarationLookedUp(Event):
    """Somebody asked what a person declared. It is on record before the answer goes out, whatever the answer is."""

    TYPE: ClassVar[Literal["gatehouse.healthcloud-bridge.declaration-looked-up.v1"]] = (
        "gatehouse.healthcloud-bridge.declaration-looked-up.v1"
    )
    person_id: UUID
    """The person asked about, who is also the stream."""
    account: Account
    """Who asked."""
    purpose: LookUpPurpose
    """As stated by who asked."""
    outcome: LookUpOutcome
    """What the look-up found."""
    looked_up_at: UtcTime
    """UTC, when it was asked."""


HealthcloudBridgeEvent = DeclarationReceived | DeclarationLookedUp
"""Every fact that healthcloud-bridge tells."""
