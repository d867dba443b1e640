"""What leaves a record: somebody is shown unmasked, a table is taken away."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.faults import NotFound
from chassis.strict_json import StrictModel
from chassis.web import Router, problems
from contracts.access import Action
from contracts.firms import ContractNo, CreditCode
from contracts.health import Disposition
from contracts.people import PersonKind
from contracts.texts import VisibleText
from contracts.trades import TradeCode
from reporting.query_api import Seen, Supervisor
from reporting.supervision.exporting import ExportIsTooLarge, export_contracts, export_employments, export_people
from reporting.supervision.filters import ContractFilter
from reporting.supervision.people import EmploymentFilter, PeopleSet, employments
from reporting.supervision.unmasking import Reveal, RevealReason, revealed
from reporting.wired import Wired, wired

router = Router(prefix="/v1", tags=["supervision"])

Revealer = Annotated[Principal, Depends(allowed(Action.REVEAL_PERSON))]
Parts = Annotated[Wired, Depends(wired)]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK: dict[int | str, dict[str, Any]] = {
    200: {"description": "The workbook", "content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}}
}
Reference = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z][0-9A-Z/-]{0,39}$")]
"""File number of the case. Not for names: it is recorded as it is."""


class RevealBody(StrictModel):
    """Whom to show, and why."""

    person_id: UUID
    contract_no: ContractNo
    """A contract on which the person is, within the caller's reach."""
    reason: RevealReason
    reference: Reference | None = None


class RevealAnswer(BaseModel):
    """Unmasked. None: not known, or erased."""

    model_config = ConfigDict(from_attributes=True)

    person_id: UUID
    name: str | None
    document_type: str | None
    document_number: str | None
    mobile: str | None


@router.post("/reveals")
async def reveal_person(body: RevealBody, caller: Revealer, seen: Seen, parts: Parts) -> RevealAnswer:
    """Name, number and mobile of somebody on a contract. Who saw whom and why is recorded before anything is shown."""
    wanted = ContractFilter(caller.reach, exactly=body.contract_no)
    found = await employments(parts.pool, wanted, EmploymentFilter(people=[body.person_id]), page=1)
    if not found.rows:
        raise NotFound
    reveal = Reveal(caller.subject, caller.role, body.person_id, body.contract_no, body.reason, body.reference)
    identity = await revealed(parts.pool, parts.sealing, found.rows[0], reveal)
    return RevealAnswer(
        person_id=body.person_id,
        name=identity.name,
        document_type=identity.document_type,
        document_number=identity.document_number,
        mobile=identity.mobile,
    )


class ExportBody(StrictModel):
    """Which table, and which of its rows. The last six are of 用工查询 only."""

    table: Literal["contracts", "employments", "people"]
    """合同查询, 用工查询, or the people behind a number."""
    set: PeopleSet | None = None
    """Whom that number counts: of `people`, and of these always."""
    contract_no: VisibleText | None = None
    """A part of it."""
    project_name: VisibleText | None = None
    """A part of it."""
    general_contractor: VisibleText | None = None
    """A part of its name."""
    station: VisibleText | None = None
    """Its whole name."""
    of_contract: ContractNo | None = None
    """One contract, by its whole number."""
    of_contractor: CreditCode | None = None
    """Those of this 总包单位."""
    of_employer: CreditCode | None = None
    """Those on which this 用工单位 employs people."""
    employer: CreditCode | None = None
    person_kind: PersonKind | None = None
    trade: TradeCode | None = None
    disposition: Disposition | None = None
    on_site: bool | None = None
    banned: bool | None = None

    @property
    def employments(self) -> EmploymentFilter:
        return EmploymentFilter(self.employer, self.person_kind, self.trade, self.disposition, self.on_site, self.banned)

    @model_validator(mode="after")
    def _of_its_table(self) -> Self:
        if self.table != "employments" and self.employments != EmploymentFilter():
            raise ValueError("only 用工查询 is filtered by people")
        if (self.set is None) == (self.table == "people"):
            raise ValueError("a number is told of people, and of nothing else")
        return self


@router.post("/exports", responses=problems(ExportIsTooLarge) | WORKBOOK)
async def export_table(body: ExportBody, caller: Supervisor, seen: Seen, parts: Parts) -> Response:
    """All rows of a table as a workbook (XLSX), masked like the screen and marked with who took it. Recorded before it is given."""
    wanted = ContractFilter(
        reach=caller.reach,
        contract_no=body.contract_no,
        project_name=body.project_name,
        general_contractor=body.general_contractor,
        station=body.station,
        exactly=body.of_contract,
        contractor=body.of_contractor,
        employer=body.of_employer,
    )
    if body.table == "contracts":
        export = await export_contracts(parts.pool, wanted, by=caller)
    elif body.set is not None:
        export = await export_people(parts.pool, parts.sealing, body.set, wanted, by=caller)
    else:
        export = await export_employments(parts.pool, parts.sealing, wanted, body.employments, by=caller)
    headers = {"Content-Disposition": f'attachment; filename="{export.export_id}.xlsx"', "X-Content-Type-Options": "nosniff"}
    return Response(export.content, media_type=XLSX, headers=headers)
