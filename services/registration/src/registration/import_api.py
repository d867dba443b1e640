"""Files of rosters and forms, over HTTP: handed in, watched, and what was refused fetched for correction."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.admission import aside
from chassis.auth import Principal, allowed, covers_contract
from chassis.faults import NotFound
from chassis.key_server import Purpose
from chassis.problems import UNSUPPORTED_MEDIA_TYPE, Refused
from chassis.strict_json import UPLOAD_BYTES_MAX
from chassis.web import Consistency, Router, problems
from contracts.access import Action, Role
from contracts.firms import ContractNo
from contracts.times import SHANGHAI
from registration.imports.columns import ColumnsAreWrong, FileHasNoRows, ImportKind
from registration.imports.files import CSV, XLSX, Cell, FileIsNotReadable, FileIsTooLarge, MediaType, cells_of
from registration.imports.ledger import HandedIn, Outcome
from registration.imports.running import opened_cells
from registration.imports.workbooks import RefusedRow, refused_rows, template
from registration.wired import Wired, wired

ROWS_DEFAULT, ROWS_MAX = 100, 1_000
PROGRESS_EVERY_S = 0.5
PROGRESS_S_MAX = 30.0
"""How long one answer tells of progress. A browser's EventSource asks again by itself."""

SEE_THEIR_OWN = frozenset({Role.EMPLOYER_REGISTRAR, Role.CONTRACT_SYSTEM})

PROGRESS_EVENT = {
    "description": "Of each event.",
    "type": "object",
    "properties": {"event": {"const": "progress"}, "data": {"type": "string", "contentMediaType": "application/json"}},
    "required": ["event", "data"],
}

router = Router(prefix="/v1")

RosterImporter = Annotated[Principal, Depends(allowed(Action.IMPORT_ROSTER))]
Registrar = Annotated[Principal, Depends(allowed(Action.PRE_REGISTER))]
ContractSystem = Annotated[Principal, Depends(allowed(Action.REPORT_CONTRACT))]
Follower = Annotated[Principal, Depends(allowed(Action.FOLLOW_IMPORT))]
Parts = Annotated[Wired, Depends(wired)]
DryRun = Annotated[bool, Query(description="Say what would become of each row, and do nothing.")]

KindOfPeople = Literal["roster", "pre-registration"]

FILE_REFUSALS = (FileIsNotReadable, FileIsTooLarge, ColumnsAreWrong, FileHasNoRows)
FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A workbook whose first sheet is filled in as the template, or the same as CSV (UTF-8 or GB 18030).",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in (XLSX, CSV)},
    }
}


class ImportAnswer(BaseModel):
    """An import. `rows` = `waiting` + `applied` + `unchanged` + `awaiting` + `refused`."""

    import_id: UUID
    kind: ImportKind
    contract_no: str | None
    """None where the rows are contracts."""
    dry_run: bool
    state: Literal["running", "finished"]
    rows: int
    waiting: int
    """Rows whose turn has not come."""
    applied: int
    unchanged: int
    """It was so before."""
    awaiting: int
    """Forms that are kept until the person has declared in Health Cloud."""
    refused: int
    handed_in_at: datetime
    finished_at: datetime | None


class RowAnswer(BaseModel):
    """What became of a row. Nothing of what stands in it."""

    row_no: int
    """As a spreadsheet counts: the header is row 1."""
    outcome: Outcome
    code: str | None
    """Why it was refused."""
    wrong_columns: list[str]
    """The headers of the cells that cannot be read."""


class RowsAnswer(BaseModel):
    """A page, in the order of the file."""

    items: list[RowAnswer]
    next: int | None
    """`after` of the next page. None: this was the last one for now."""


# --- Handing in -------------------------------------------------------------------------------------------------------


@router.post(
    "/contracts/{contract_no}/roster-imports",
    status_code=202,
    tags=["imports"],
    max_body_size=UPLOAD_BYTES_MAX,
    openapi_extra=FILE_BODY,
    responses=problems(*FILE_REFUSALS),
)
async def import_roster(
    contract_no: ContractNo, caller: RosterImporter, parts: Parts, request: Request, dry_run: DryRun = False
) -> ImportAnswer:
    """旧实名制名册, as a file. It is worked on row by row; handed in again meanwhile, it is the same import."""
    return await _hand_in(parts, caller, ImportKind.ROSTER, contract_no, request, dry_run)


@router.post(
    "/contracts/{contract_no}/pre-registration-imports",
    status_code=202,
    tags=["imports"],
    max_body_size=UPLOAD_BYTES_MAX,
    openapi_extra=FILE_BODY,
    responses=problems(*FILE_REFUSALS),
)
async def import_pre_registrations(
    contract_no: ContractNo, caller: Registrar, seen: Consistency, parts: Parts, request: Request, dry_run: DryRun = False
) -> ImportAnswer:
    """进场预登记, many forms as a file. Each row obeys what a single form obeys."""
    await parts.wait_for(seen)
    return await _hand_in(parts, caller, ImportKind.PRE_REGISTRATION, contract_no, request, dry_run)


@router.post(
    "/contract-imports",
    status_code=202,
    tags=["imports"],
    max_body_size=UPLOAD_BYTES_MAX,
    openapi_extra=FILE_BODY,
    responses=problems(*FILE_REFUSALS),
)
async def import_contracts(caller: ContractSystem, parts: Parts, request: Request, dry_run: DryRun = False) -> ImportAnswer:
    """合同报送, as a file: a row a contract, or a row each of its employers."""
    return await _hand_in(parts, caller, ImportKind.CONTRACT, "", request, dry_run)


async def _hand_in(
    parts: Wired, caller: Principal, kind: ImportKind, contract_no: str, request: Request, dry_run: bool
) -> ImportAnswer:
    if kind is not ImportKind.CONTRACT:
        await parts.contract_of(caller, contract_no)
    media_type = _media_type(request)
    content = await request.body()
    file = HandedIn(
        import_id=uuid4(),
        kind=kind,
        contract_no=contract_no,
        account=caller.subject,
        role=caller.role,
        # An empty code is nobody's: a registrar whose token names no firm registers nobody.
        employer_credit_code=caller.employer_credit_code or "" if caller.role is Role.EMPLOYER_REGISTRAR else None,
        is_dry_run=dry_run,
        header=(),
        handed_in_at=parts.clock.now(),
    )
    made = await parts.imports.hand_in(file, hashlib.sha256(content).digest(), await cells_of(content, media_type))
    return await _answer(parts, await _import_of(parts, caller, made))


def _media_type(request: Request) -> MediaType:
    """Raises: Refused (415)."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == XLSX:
        return XLSX
    if given == CSV:
        return CSV
    raise Refused(UNSUPPORTED_MEDIA_TYPE, headers={"Accept": f"{XLSX}, {CSV}"})


@router.get("/import-templates/contract", tags=["imports"], response_class=Response)
async def read_contract_template(_: ContractSystem) -> Response:
    """An empty workbook with the columns of a contract and its employer."""
    return _workbook(await asyncio.to_thread(template, ImportKind.CONTRACT, ()), "contract-template.xlsx")


@router.get("/contracts/{contract_no}/import-templates/{kind}", tags=["imports"], response_class=Response)
async def read_import_template(contract_no: ContractNo, kind: KindOfPeople, caller: Registrar, parts: Parts) -> Response:
    """An empty workbook with the columns of this kind, and lists to choose from, the contract's employers among them."""
    _, contract, _ = await parts.contract_of(caller, contract_no)
    employers = [f"{credit_code} {employer.name}" for credit_code, employer in contract.employers.items()]
    return _workbook(await asyncio.to_thread(template, ImportKind(kind), employers), f"{kind}-template.xlsx")


# --- Watching ---------------------------------------------------------------------------------------------------------


@router.get("/imports/{import_id}", tags=["imports"])
async def read_import(import_id: UUID, caller: Follower, parts: Parts) -> ImportAnswer:
    """How far it is."""
    return await _answer(parts, await _import_of(parts, caller, import_id))


@router.get("/imports/{import_id}/rows", tags=["imports"])
async def list_import_rows(
    import_id: UUID,
    caller: Follower,
    parts: Parts,
    outcome: Outcome | None = None,
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT,
) -> RowsAnswer:
    """What became of each row."""
    await _import_of(parts, caller, import_id)
    rows = await parts.imports.ledger.rows(import_id, after=after, outcome=outcome, limit=limit + 1)
    items = [RowAnswer(**row) for row in rows[:limit]]
    return RowsAnswer(items=items, next=items[-1].row_no if len(rows) > limit else None)


@router.get(
    "/imports/{import_id}/progress",
    tags=["imports"],
    response_class=Response,
    openapi_extra={"responses": {"200": {"content": {"text/event-stream": {"schema": PROGRESS_EVENT}}}}},
)
async def follow_import(import_id: UUID, caller: Follower, parts: Parts) -> Response:
    """Server-sent events `progress`, each an import as above, whenever it got further; the last one is `finished`."""
    file = await _import_of(parts, caller, import_id)
    return StreamingResponse(_progress(parts, file), media_type="text/event-stream")


async def _progress(parts: Wired, file: HandedIn) -> AsyncIterator[bytes]:
    told: ImportAnswer | None = None
    for _ in range(int(PROGRESS_S_MAX / PROGRESS_EVERY_S)):
        answer = await _answer(parts, await parts.imports.ledger.file(file.import_id) or file)
        if answer != told:
            yield b"event: progress\ndata: " + answer.model_dump_json().encode() + b"\n\n"
            told = answer
        if answer.state == "finished":
            return
        with aside():
            await asyncio.sleep(PROGRESS_EVERY_S)


@router.get("/imports/{import_id}/refused-rows", tags=["imports"], response_class=Response)
async def read_refused_rows(import_id: UUID, caller: Follower, parts: Parts) -> Response:
    """A workbook of the refused rows as they were handed in, with the reason of each, for seven days. That it was taken is
    recorded."""
    file = await _import_of(parts, caller, import_id)
    refused = await parts.imports.ledger.refused(import_id)
    unsealer = await parts.sealing.unwrap([import_id], actor=caller.subject, purpose=Purpose.REVEAL)
    rows = [RefusedRow(_texts(opened_cells(file, row["content"], unsealer)), row["code"], row["wrong_columns"]) for row in refused]
    watermark = f"{caller.subject} {parts.clock.now().astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    content = await asyncio.to_thread(lambda: refused_rows(file.header, rows, watermark=watermark))
    return _workbook(content, "refused-rows.xlsx")


# ----------------------------------------------------------------------------------------------------------------------


async def _import_of(parts: Wired, caller: Principal, import_id: UUID) -> HandedIn:
    """Raises: NotFound where it is not there, or not the caller's to see. Some see only what they handed in themselves."""
    file = await parts.imports.ledger.file(import_id)
    if file is None or (caller.role in SEE_THEIR_OWN and file.account != caller.subject):
        raise NotFound
    if file.kind is not ImportKind.CONTRACT:
        covers_contract(caller, file.contract_no)
    elif caller.role is not Role.CONTRACT_SYSTEM:
        raise NotFound
    return file


async def _answer(parts: Wired, file: HandedIn) -> ImportAnswer:
    counts = await parts.imports.ledger.counts(file.import_id)
    return ImportAnswer(
        import_id=file.import_id,
        kind=file.kind,
        contract_no=file.contract_no or None,
        dry_run=file.is_dry_run,
        state="finished" if file.finished_at else "running",
        rows=sum(counts.values()),
        waiting=counts.get("waiting", 0),
        **{outcome.value: counts.get(outcome, 0) for outcome in Outcome},
        handed_in_at=file.handed_in_at,
        finished_at=file.finished_at,
    )


def _texts(cells: Sequence[Cell]) -> list[str]:
    return [cell.text for cell in cells]


def _workbook(content: bytes, name: str) -> Response:
    return Response(content, media_type=XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})
