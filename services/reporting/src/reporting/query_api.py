"""What supervision asks over HTTP (实名制作业人员信息查询): 合同查询, 用工查询, and whatever a number of these counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Header, Query
from pydantic import BaseModel, ConfigDict, WithJsonSchema, model_validator

from chassis.auth import Principal, allowed
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import TOKEN, ConsistencyToken, MalformedToken
from chassis.faults import NotFound
from chassis.problems import CONSISTENCY_TOKEN_MALFORMED, Refused
from chassis.strict_json import StrictModel
from chassis.web import Router
from contracts.access import Action
from contracts.firms import ContractNo, CreditCode
from contracts.health import Disposition
from contracts.identity import Document, PersonName
from contracts.people import PersonKind
from contracts.texts import VISIBLE_TEXT_CHARS_MAX
from contracts.trades import TradeCode
from reporting.supervision.contracts import Order, employers_of, supervision_table
from reporting.supervision.filters import PAGE_ROWS, ContractFilter, page_text, pages_of
from reporting.supervision.firms import FirmKind, firms
from reporting.supervision.people import EmploymentFilter, People, PeopleSet, PersonRow, employments, people
from reporting.supervision.unmasking import Identity, NamesFound, masked, named
from reporting.wired import Wired, wired

PAGE_MAX = 100_000
TOKENS_MAX = 4
"""Logs that one answer may be asked to have seen."""
PEOPLE_ASKED_MAX, ROWS_MAX = 100, 200

router = Router(prefix="/v1/supervision", tags=["supervision"])

Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
Text = Annotated[str | None, Query(min_length=1, max_length=VISIBLE_TEXT_CHARS_MAX)]
Page = Annotated[int, Query(ge=1, le=PAGE_MAX)]

Parts = Annotated[Wired, Depends(wired)]


async def _seen(
    parts: Parts,
    tokens: Annotated[
        str | None,
        Header(
            alias=CONSISTENCY_TOKEN,
            description="From earlier answers, of several services separated by a space. This answer has seen them, or is a 503.",
        ),
        WithJsonSchema({"type": "string", "pattern": f"^{TOKEN}( {TOKEN}){{0,{TOKENS_MAX - 1}}}$"}),
    ] = None,
) -> Sequence[ConsistencyToken]:
    """What the client has seen, once the tables of supervision have. The answer rests on two logs, hence the several tokens."""
    try:
        wanted = [ConsistencyToken.parse(token) for token in tokens.split(" ")] if tokens is not None else []
    except MalformedToken:
        raise Refused(CONSISTENCY_TOKEN_MALFORMED) from None
    if len(wanted) > TOKENS_MAX:
        raise Refused(CONSISTENCY_TOKEN_MALFORMED)
    await parts.wait_for(wanted)
    return wanted


Seen = Annotated[Sequence[ConsistencyToken], Depends(_seen)]


async def _wanted(
    caller: Supervisor,
    contract_no: Text = None,
    project_name: Text = None,
    general_contractor: Text = None,
    station: Text = None,
    of_contract: Annotated[ContractNo | None, Query(description="One contract, by its whole number.")] = None,
    of_contractor: Annotated[CreditCode | None, Query(description="Those of this 总包单位.")] = None,
    of_employer: Annotated[CreditCode | None, Query(description="Those on which this 用工单位 employs people.")] = None,
) -> ContractFilter:
    return ContractFilter(
        reach=caller.reach,
        contract_no=contract_no,
        project_name=project_name,
        general_contractor=general_contractor,
        station=station,
        exactly=of_contract,
        contractor=of_contractor,
        employer=of_employer,
    )


Contracts = Annotated[ContractFilter, Depends(_wanted)]
"""合同信息: a part of 合同报送编号, 项目名称, 总包单位; the whole of 所在监督站. The same for every table."""

# --- 合同查询 ---------------------------------------------------------------------------------------------------------


class HeaderAnswer(BaseModel):
    """统计信息: over all rows of the filter, on whatever page they are."""

    model_config = ConfigDict(from_attributes=True)

    contracts: int
    """合同."""
    general_contractors: int
    """总包单位, by credit code."""
    employers: int
    """用工单位, by credit code."""
    registered: int
    """总登记人数: people × contracts."""
    on_site: int
    """在场人数: people × contracts."""
    banned_on_site: int
    """An alarm unless 0: people with a ban who have not left yet, × contracts."""


class RowAnswer(BaseModel):
    """One contract."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    """序号, from 1 over all pages."""
    contract_no: str
    construction_no: str
    project_name: str
    general_contractor: str
    general_contractor_kind: str
    station: str
    district: str
    employers: int
    """用人单位."""
    pre_registered: int
    """预登记人: not withdrawn, whether entered or left since."""
    on_site: int
    """在场数."""
    registered: int
    """总数: ever entered or imported."""
    banned_on_site: int
    """An alarm unless 0: people with a ban who have not left yet."""


class SupervisionAnswer(BaseModel):
    """A page of the table. Header and rows are of one moment."""

    as_of: datetime
    """That moment, UTC. What happened shortly before may still be on its way here."""
    header: HeaderAnswer
    header_text: str
    rows: list[RowAnswer]
    page: int
    pages: int
    page_text: str


class EmployerAnswer(BaseModel):
    """A firm that employs people on the contract."""

    credit_code: str
    name: str


class SupervisedContractAnswer(RowAnswer):
    """详情 of one contract."""

    as_of: datetime
    employed_by: list[EmployerAnswer]


@router.get("/contracts")
async def list_supervised_contracts(
    wanted: Contracts,
    seen: Seen,
    parts: Parts,
    order_by: Order = Order.CONTRACT_NO,
    descending: bool = False,
    page: Page = 1,
) -> SupervisionAnswer:
    """合同查询. The filters take a part of the text, 所在监督站 its whole name. Names are ordered as in Chinese, by pinyin."""
    table = await supervision_table(parts.pool, wanted, page=page, order=order_by, descending=descending)
    return SupervisionAnswer(
        as_of=table.as_of,
        header=HeaderAnswer.model_validate(table.header),
        header_text=table.header.text,
        rows=[RowAnswer.model_validate(row) for row in table.rows],
        page=table.page,
        pages=pages_of(table.header.contracts),
        page_text=table.page_text,
    )


@router.get("/contracts/{contract_no}")
async def read_supervised_contract(
    contract_no: ContractNo, caller: Supervisor, seen: Seen, parts: Parts
) -> SupervisedContractAnswer:
    """详情 查看."""
    table = await supervision_table(parts.pool, ContractFilter(caller.reach, exactly=contract_no), page=1)
    if not table.rows:
        raise NotFound
    return SupervisedContractAnswer(
        **RowAnswer.model_validate(table.rows[0]).model_dump(),
        as_of=table.as_of,
        employed_by=[
            EmployerAnswer(credit_code=credit_code, name=name) for credit_code, name in await employers_of(parts.pool, contract_no)
        ],
    )


# --- What a number counts ---------------------------------------------------------------------------------------------


class PageAnswer(BaseModel):
    """A page of 15, with exact totals."""

    as_of: datetime
    """When it stood so, UTC."""
    total: int
    """Rows on all pages."""
    page: int
    pages: int
    page_text: str


class FirmAnswer(BaseModel):
    """A firm on some of the contracts."""

    model_config = ConfigDict(from_attributes=True)

    credit_code: str
    name: str
    contracts: int
    """On so many of them."""


class FirmsAnswer(PageAnswer):
    """总包单位 or 用工单位, in Chinese order."""

    rows: list[FirmAnswer]


class PersonAnswer(BaseModel):
    """Somebody on a contract, masked. None: not known, or erased."""

    model_config = ConfigDict(from_attributes=True)

    person_id: UUID
    name: str | None
    document_type: str | None
    document_number: str | None
    contract_no: str
    project_name: str
    employer_credit_code: str | None
    employer: str | None
    person_kind: str | None
    trade: str | None
    pre_registered_at: datetime | None
    """预登记, for this employer; None also where it was withdrawn."""
    entered_at: datetime | None
    """The last entry, for this employer. None of whoever stands on the roster of before alone."""
    left_at: datetime | None
    """The last exit. None while on site."""
    on_site: bool
    """在场."""
    disposition: str
    """处置方式."""


class PeopleAnswer(PageAnswer):
    """People, by contract."""

    rows: list[PersonAnswer]


@router.get("/firms")
async def list_firms(wanted: Contracts, seen: Seen, parts: Parts, kind: FirmKind, page: Page = 1) -> FirmsAnswer:
    """总包单位(n) or 用工单位(n) of the header, under the same filter: each firm once, by its credit code."""
    found = await firms(parts.pool, kind, wanted, page=page)
    rows = [FirmAnswer.model_validate(row) for row in found.rows]
    return FirmsAnswer(**page_fields(found.as_of, found.total, page, len(rows)), rows=rows)


@router.get("/people")
async def list_people(
    wanted: Contracts,
    caller: Supervisor,
    seen: Seen,
    parts: Parts,
    counted: Annotated[PeopleSet, Query(alias="set")],
    page: Page = 1,
) -> PeopleAnswer:
    """Exactly whom a number of the table counts, under the same filter: a row a person and contract, masked."""
    return await _people(parts, caller, await people(parts.pool, counted, wanted, page=page), page)


@router.get("/employments")
async def list_employments(
    wanted: Contracts,
    caller: Supervisor,
    seen: Seen,
    parts: Parts,
    employer: CreditCode | None = None,
    person_kind: PersonKind | None = None,
    trade: TradeCode | None = None,
    disposition: Disposition | None = None,
    on_site: bool | None = None,
    banned: bool | None = None,
    person_id: Annotated[list[UUID] | None, Query(max_length=PEOPLE_ASKED_MAX, description="Of these people alone.")] = None,
    page: Page = 1,
    limit: Annotated[int, Query(ge=1, le=ROWS_MAX, description="Rows of a page.")] = PAGE_ROWS,
) -> PeopleAnswer:
    """用工查询: a row a person, contract and employer, masked. With `on_site` and `banned`: who has to leave."""
    of = EmploymentFilter(employer, person_kind, trade, disposition, on_site, banned, person_id)
    found = await employments(parts.pool, wanted, of, page=page, rows_max=limit)
    return await _people(parts, caller, found, page, limit)


# --- Search -----------------------------------------------------------------------------------------------------------


class PersonSearchBody(StrictModel):
    """A document, or a part of a name on one contract."""

    document: Document | None = None
    name: PersonName | None = None
    contract_no: ContractNo | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.document is None) is (self.name is None) or (self.name is None) is not (self.contract_no is None):
            raise ValueError("either a document, or a name with a contract_no")
        return self


class PersonSearchAnswer(PeopleAnswer):
    """Whom the search found, on the contracts within the caller's reach."""

    is_complete: bool
    """False where a name was found too often, or the contract has too many people: then a longer part of it helps."""


@router.post("/person-searches")
async def search_people(body: PersonSearchBody, caller: Supervisor, seen: Seen, parts: Parts, page: Page = 1) -> PersonSearchAnswer:
    """By a whole document on all contracts, or by a part of a name on one. Masked."""
    wanted = ContractFilter(caller.reach, exactly=body.contract_no)
    found = await _search(parts, caller, body, wanted)
    of = EmploymentFilter(people=found.people)
    answer = await _people(parts, caller, await employments(parts.pool, wanted, of, page=page), page)
    return PersonSearchAnswer(**answer.model_dump(), is_complete=found.is_complete)


async def _search(parts: Wired, caller: Principal, body: PersonSearchBody, wanted: ContractFilter) -> NamesFound:
    if body.document is not None:
        person_id = await parts.identities.find(body.document)
        return NamesFound([person_id] if person_id else [], is_complete=True)
    if body.name is None or body.contract_no is None:
        raise AssertionError("a PersonSearchBody has either")
    if not (await supervision_table(parts.pool, wanted, page=1)).rows:
        raise NotFound
    return await named(parts.pool, parts.sealing, body.contract_no, body.name, actor=caller.subject)


async def _people(parts: Wired, caller: Principal, found: People, page: int, page_rows: int = PAGE_ROWS) -> PeopleAnswer:
    shown = await masked(parts.sealing, found.rows, actor=caller.subject)
    rows = [_person(row, identity) for row, identity in zip(found.rows, shown, strict=True)]
    return PeopleAnswer(**page_fields(found.as_of, found.total, page, len(rows), page_rows), rows=rows)


def _person(row: PersonRow, identity: Identity) -> PersonAnswer:
    told = {name: getattr(row, name) for name in PersonAnswer.model_fields if hasattr(row, name)}
    own = {"name": identity.name, "document_number": identity.document_number}
    return PersonAnswer(**{**told, **own, "employer_credit_code": row.employer_credit_code or None})


def page_fields(as_of: datetime, total: int, page: int, rows: int, page_rows: int = PAGE_ROWS) -> dict[str, Any]:
    return {
        "as_of": as_of,
        "total": total,
        "page": page,
        "pages": pages_of(total, page_rows),
        "page_text": page_text(total, page=page, rows=rows, page_rows=page_rows),
    }
