"""What supervision asks over HTTP (实名制作业人员信息查询 → 合同查询)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Query
from pydantic import BaseModel, ConfigDict

from chassis.auth import Principal, allowed
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken, MalformedToken
from chassis.faults import NotFound
from chassis.problems import CONSISTENCY_TOKEN_MALFORMED, Refused
from chassis.web import Router
from contracts.access import SCOPES, Action, Scope
from contracts.firms import ContractNo
from contracts.texts import VISIBLE_TEXT_CHARS_MAX
from reporting.supervision import PAGE_ROWS, Filter, Reach, Table, employers_of, supervision_table
from reporting.wired import Wired, wired

PAGE_MAX = 100_000
TOKENS_MAX = 4
"""Logs that one answer may be asked to have seen."""

router = Router(prefix="/v1/supervision", tags=["supervision"])

Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
Text = Annotated[str | None, Query(min_length=1, max_length=VISIBLE_TEXT_CHARS_MAX)]

Parts = Annotated[Wired, Depends(wired)]


async def _seen(
    parts: Parts,
    tokens: Annotated[
        str | None,
        Header(
            alias=CONSISTENCY_TOKEN,
            description="From earlier answers, of several services separated by a space. This answer has seen them, or is a 503.",
        ),
    ] = None,
) -> None:
    """Return once the read models have seen what the client has. The answer rests on two logs, hence the several tokens."""
    try:
        wanted = [ConsistencyToken.parse(token) for token in (tokens or "").split()]
    except MalformedToken:
        raise Refused(CONSISTENCY_TOKEN_MALFORMED) from None
    if len(wanted) > TOKENS_MAX:
        raise Refused(CONSISTENCY_TOKEN_MALFORMED)
    await parts.wait_for(wanted)


Seen = Annotated[None, Depends(_seen)]


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
    caller: Supervisor,
    seen: Seen,
    parts: Parts,
    contract_no: Text = None,
    project_name: Text = None,
    general_contractor: Text = None,
    station: Text = None,
    page: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 1,
) -> SupervisionAnswer:
    """合同查询. The filters take a part of the text, 所在监督站 its whole name."""
    wanted = Filter(contract_no=contract_no, project_name=project_name, general_contractor=general_contractor, station=station)
    return _answer(await supervision_table(parts.pool, _reach(caller), wanted, page=page))


@router.get("/contracts/{contract_no}")
async def read_supervised_contract(
    contract_no: ContractNo, caller: Supervisor, seen: Seen, parts: Parts
) -> SupervisedContractAnswer:
    """详情 查看."""
    table = await supervision_table(parts.pool, _reach(caller), Filter(exactly=contract_no), page=1)
    if not table.rows:
        raise NotFound
    return SupervisedContractAnswer(
        **RowAnswer.model_validate(table.rows[0]).model_dump(),
        as_of=table.as_of,
        employed_by=[
            EmployerAnswer(credit_code=credit_code, name=name) for credit_code, name in await employers_of(parts.pool, contract_no)
        ],
    )


def _reach(caller: Principal) -> Reach:
    """What the caller's role and grants let him see at all."""
    match SCOPES[caller.role]:
        case Scope.ALL:
            return Reach(stations=None, districts=None)
        case Scope.STATIONS:
            return Reach(stations=sorted(caller.stations), districts=None)
        case Scope.DISTRICTS:
            return Reach(stations=None, districts=sorted(caller.districts))
        case _:
            return Reach(stations=[], districts=[])


def _answer(table: Table) -> SupervisionAnswer:
    return SupervisionAnswer(
        as_of=table.as_of,
        header=HeaderAnswer.model_validate(table.header),
        header_text=table.header.text,
        rows=[RowAnswer.model_validate(row) for row in table.rows],
        page=table.page,
        pages=-(-table.header.contracts // PAGE_ROWS),
        page_text=table.page_text,
    )
