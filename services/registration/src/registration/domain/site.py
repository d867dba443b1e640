"""A site's own precautions (工地疫情防控信息): who looks after them, which hospital takes patients, what is held ready,
and the checklists for resuming work that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from contracts.rejection import Rejection
from contracts.sealing import Sealed
from contracts.site_information import (
    CHECKLISTS_MAX,
    ChecklistType,
    CountedSupply,
    EpidemicControlSubmitted,
    ResumptionChecklistUploaded,
    SuppliesCounted,
    Supply,
    TeamMember,
)


@dataclass(frozen=True, slots=True)
class EpidemicControl:
    """What one submission says."""

    team: tuple[TeamMember, ...]
    designated_hospital: Sealed
    supplies: tuple[Supply, ...]


@dataclass(frozen=True, slots=True)
class SubmitEpidemicControl:
    """提交."""

    contract_no: str
    based_on: int
    """The submission that the submitter saw. 0: none."""
    control: EpidemicControl
    at: datetime


@dataclass(frozen=True, slots=True)
class CountSupplies:
    """Somebody counted."""

    contract_no: str
    quantities: Mapping[str, int]
    """By item."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Checklist:
    """A file of 建筑工地复工检查表, as the log knows it."""

    sha256: str
    media_type: ChecklistType
    size_bytes: int
    uploaded_at: datetime


@dataclass(frozen=True, slots=True)
class UploadChecklist:
    """上传建筑工地复工检查表. The file itself is kept before this is handled."""

    contract_no: str
    checklist: Checklist


SiteCommand = SubmitEpidemicControl | CountSupplies | UploadChecklist
SiteEvent = EpidemicControlSubmitted | SuppliesCounted | ResumptionChecklistUploaded


@dataclass(frozen=True)
class Site:
    """Control None: nothing was submitted yet."""

    control: EpidemicControl | None = None
    control_version: int = 0
    submitted_at: datetime | None = None
    stock: Mapping[str, int] = field(default_factory=dict)
    """By item: as it was last submitted or counted."""
    checklists: tuple[Checklist, ...] = ()
    """The first is version 1."""

    def require_control(self) -> EpidemicControl:
        """Raises: SiteInformationIsNotSubmitted."""
        if self.control is None:
            raise SiteInformationIsNotSubmitted
        return self.control

    def version_of(self, sha256: str) -> int | None:
        """Which upload this content is. None: it was not uploaded."""
        return next((version for version, each in enumerate(self.checklists, 1) if each.sha256 == sha256), None)


class SiteInformationIsNotSubmitted(Rejection):
    """What follows the first submission waits for it (manual, (一))."""

    code = "site-information-is-not-submitted"
    title_zh = "请先提交工地疫情防控信息"
    title_en = "Submit the site's epidemic information first"


class SiteInformationHasChanged(Rejection):
    """Nobody overwrites what he has not seen."""

    code = "site-information-has-changed"
    status = 412
    title_zh = "工地疫情防控信息已被他人更新,请刷新后重新提交"
    title_en = "Somebody else has submitted this site's information since you read it"


class SuppliesAreNotThoseSubmitted(Rejection):
    """A count names every supply of the list, and no other: else the history could not be compared."""

    code = "supplies-are-not-those-submitted"
    title_zh = "须填写已提交的每一项防疫物资的数量,且不得填写其他物资"
    title_en = "Count every supply that was submitted, and no other"


class SiteHasTooManyChecklists(Rejection):
    """Bounds what one site can take of the disk."""

    code = "site-has-too-many-checklists"
    title_zh = "该工地上传的复工检查表数量已达上限"
    title_en = "The site cannot upload more checklists"


def decide(command: SiteCommand, site: Site) -> Sequence[SiteEvent]:
    match command:
        case SubmitEpidemicControl():
            return _submit(command, site)
        case CountSupplies():
            return _count(command, site)
        case UploadChecklist():
            return _upload(command, site)
        case _:
            assert_never(command)


def _submit(command: SubmitEpidemicControl, site: Site) -> Sequence[SiteEvent]:
    # Not the stream's version: a count in between changes nothing that was seen.
    if command.based_on != site.control_version:
        raise SiteInformationHasChanged
    return [
        EpidemicControlSubmitted(
            contract_no=command.contract_no,
            control_version=site.control_version + 1,
            team=command.control.team,
            designated_hospital=command.control.designated_hospital,
            supplies=command.control.supplies,
            submitted_at=command.at,
        )
    ]


def _count(command: CountSupplies, site: Site) -> Sequence[SiteEvent]:
    supplies = site.require_control().supplies
    if not supplies or command.quantities.keys() != {supply.item for supply in supplies}:
        raise SuppliesAreNotThoseSubmitted
    counted = tuple(
        CountedSupply(item=supply.item, unit=supply.unit, quantity=command.quantities[supply.item]) for supply in supplies
    )
    return [SuppliesCounted(contract_no=command.contract_no, supplies=counted, counted_at=command.at)]


def _upload(command: UploadChecklist, site: Site) -> Sequence[SiteEvent]:
    site.require_control()
    checklist = command.checklist
    if site.version_of(checklist.sha256) is not None:
        return []  # The same file: the same upload.
    if len(site.checklists) >= CHECKLISTS_MAX:
        raise SiteHasTooManyChecklists
    return [
        ResumptionChecklistUploaded(
            contract_no=command.contract_no,
            checklist_version=len(site.checklists) + 1,
            sha256=checklist.sha256,
            media_type=checklist.media_type,
            size_bytes=checklist.size_bytes,
            uploaded_at=checklist.uploaded_at,
        )
    ]


def evolve(site: Site, event: SiteEvent) -> Site:
    match event:
        case EpidemicControlSubmitted():
            return replace(
                site,
                control=EpidemicControl(event.team, event.designated_hospital, event.supplies),
                control_version=event.control_version,
                submitted_at=event.submitted_at,
                stock={supply.item: supply.quantity for supply in event.supplies},
            )
        case SuppliesCounted():
            return replace(site, stock={supply.item: supply.quantity for supply in event.supplies})
        case ResumptionChecklistUploaded():
            checklist = Checklist(event.sha256, event.media_type, event.size_bytes, event.uploaded_at)
            return replace(site, checklists=(*site.checklists, checklist))
        case _:
            assert_never(event)


def days_of_cover(quantity: int, *, used_per_100_people_daily: int | None, head_count: int) -> int | None:
    """Whole days for which the quantity is enough. None where nobody uses it up."""
    if used_per_100_people_daily is None or head_count == 0:
        return None
    return quantity * 100 // (used_per_100_people_daily * head_count)
