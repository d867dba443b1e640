"""Facts of `registration` about a site's own precautions (工地疫情防控信息). They belong to `contracts.registration`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.event import Event
from contracts.firms import ContractNo
from contracts.sealing import Sealed
from contracts.texts import VisibleText
from contracts.times import UtcTime

TEAM_MAX = 20
"""People of one team."""
SUPPLIES_MAX = 50
"""Items of one list. With `TEAM_MAX` and the lengths of texts it keeps an event below `EVENT_BYTES_MAX`."""
ITEM_CHARS_MAX = 30
UNIT_CHARS_MAX = 10
CHECKLISTS_MAX = 100
"""Uploads of one contract."""
CHECKLIST_BYTES_MAX = 10 * 1024 * 1024
"""Of one file."""
QUANTITY_MAX = 100_000_000

SupplyName = Annotated[VisibleText, Field(max_length=ITEM_CHARS_MAX)]
"""What is held ready, such as 口罩. Not sealed: counts are told apart by it."""
SupplyUnit = Annotated[VisibleText, Field(max_length=UNIT_CHARS_MAX)]
"""In what it is counted, such as 只."""
Quantity = Annotated[int, Field(ge=0, le=QUANTITY_MAX)]
DailyUse = Annotated[int, Field(ge=1, le=QUANTITY_MAX)]


ChecklistType = Literal["application/pdf", "image/jpeg", "image/png"]
"""What a scan or a photo may be."""
CHECKLIST_BEGINS: Mapping[ChecklistType, bytes] = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
}
"""By which it is told: not by its name, nor by what a browser takes it for."""


def checklist_type(content: bytes) -> ChecklistType | None:
    """What the file is; None: none of these."""
    return next((each for each, begin in CHECKLIST_BEGINS.items() if content.startswith(begin)), None)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class TeamMember(_Part):
    """Somebody of the team (疫情防控小组)."""

    name: Sealed
    """姓名, as given."""
    duty: Sealed
    """What the member answers for."""
    phone: Sealed
    """Where the member is reached."""


class Supply(_Part):
    """Something held ready (防疫物资)."""

    item: SupplyName
    """What; once in a list."""
    unit: SupplyUnit
    """In what it is counted."""
    quantity: Quantity
    """How much is there, in units."""
    used_per_100_people_daily: DailyUse | None = None
    """Units that a hundred people use in a day. Absent: it is not used up by the day, and covers no number of days."""


class CountedSupply(_Part):
    """How much there is of something."""

    item: SupplyName
    """As in the list that was submitted last."""
    unit: SupplyUnit
    """Likewise."""
    quantity: Quantity
    """In units."""


class EpidemicControlSubmitted(Event):
    """A site said who looks after its precautions, which hospital takes its patients, and what it holds ready (提交)."""

    TYPE: ClassVar[Literal["gatehouse.registration.epidemic-control-submitted.v1"]] = (
        "gatehouse.registration.epidemic-control-submitted.v1"
    )
    contract_no: ContractNo
    """Whose site."""
    control_version: Annotated[int, Field(ge=1)]
    """Which submission of this contract, from 1. The latest counts, all are kept."""
    team: Annotated[tuple[TeamMember, ...], Field(min_length=1, max_length=TEAM_MAX)]
    """疫情防控小组."""
    designated_hospital: Sealed
    """对口医院."""
    supplies: Annotated[tuple[Supply, ...], Field(max_length=SUPPLIES_MAX)]
    """防疫物资 with what is there now: its quantities count as `SuppliesCounted` does."""
    submitted_at: UtcTime
    """UTC, taken from the command."""


class SuppliesCounted(Event):
    """Somebody counted what the site holds ready."""

    TYPE: ClassVar[Literal["gatehouse.registration.supplies-counted.v1"]] = "gatehouse.registration.supplies-counted.v1"
    contract_no: ContractNo
    """Whose site."""
    supplies: Annotated[tuple[CountedSupply, ...], Field(min_length=1, max_length=SUPPLIES_MAX)]
    """Every item of the list that was submitted last, in its order."""
    counted_at: UtcTime
    """UTC, taken from the command."""


class ResumptionChecklistUploaded(Event):
    """A site handed in its checklist for resuming work (建筑工地复工检查表). The file is kept outside the log."""

    TYPE: ClassVar[Literal["gatehouse.registration.resumption-checklist-uploaded.v1"]] = (
        "gatehouse.registration.resumption-checklist-uploaded.v1"
    )
    contract_no: ContractNo
    """Whose site."""
    checklist_version: Annotated[int, Field(ge=1, le=CHECKLISTS_MAX)]
    """Which upload of this contract, from 1."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file's content, in hex; under it the file is kept."""
    media_type: ChecklistType
    """As the content says."""
    size_bytes: Annotated[int, Field(ge=1, le=CHECKLIST_BYTES_MAX)]
    """Length of the file."""
    uploaded_at: UtcTime
    """UTC, taken from the command."""
