"""批量导入: forms and old rosters as a file. Tried first, followed while it is worked on, a verdict for each row."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from starlette.responses import Response, StreamingResponse

from chassis.admission import aside
from chassis.faults import NotFound
from chassis.strict_json import UPLOAD_BYTES_MAX
from chassis.web import Router
from contracts.access import Action, may
from portal import labels
from portal.forms import FieldError
from portal.languages import _
from portal.rendering import HEADERS
from portal.upstream.calls import Download, File, UpstreamAway, UpstreamRefused
from portal.upstream.imports import Import
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/imports", tags=["pages"])

XLSX, CSV = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "text/csv"
FORM_BYTES_MAX = 16 * 1024
"""Of whatever a form carries beside its file."""
PROGRESS_EVERY_S, PROGRESS_S_MAX = 1.0, 30.0
"""How long one answer tells of progress. A browser asks again by itself; without a script it reloads the page."""


@router.get("", **PAGE)
@page(Action.PRE_REGISTER)
async def show_imports(visit: Visit) -> Response:
    """Templates, and a file to hand in."""
    return _upload(visit)


@router.get("/templates/{kind}", **PAGE)
@page(Action.PRE_REGISTER)
async def download_template(visit: Visit, kind: str) -> Response:
    """An empty workbook, with lists to choose from."""
    if kind not in _kinds(visit):
        raise NotFound
    return _file(await visit.services().imports.template(str(visit.contract_no), kind))


@router.post("", max_body_size=UPLOAD_BYTES_MAX + FORM_BYTES_MAX, **PAGE)
@page(Action.PRE_REGISTER, takes_file=True)
async def hand_in(visit: Visit) -> Response:
    """试运行 or 正式导入. What a file is, its content says: browsers guess."""
    form, kinds = visit.form, _kinds(visit)
    given, kind, mode = form.files.get("file"), form.text("kind"), form.text("mode")
    wrong = [] if kind in kinds else [FieldError("kind", visit.text(_("请选择导入的内容")))]
    if not given:
        wrong.append(FieldError("file", visit.text(_("请选择文件"))))
    if wrong or not given:
        return _upload(visit, errors=wrong)
    file = File(XLSX if given.startswith(b"PK") else CSV, given)
    try:
        made = await visit.services().imports.hand_in(
            str(visit.contract_no), kind, file, is_dry_run=mode != "real", key=form.text("key")
        )
    except (UpstreamRefused, UpstreamAway) as refused:
        return _upload(visit, errors=[FieldError("file", each.message) for each in visit.wrong(refused, {})])
    return visit.go(f"{visit.site}/imports/{made.import_id}")


@router.get("/{import_id}", **PAGE)
@page(Action.PRE_REGISTER)
async def show_import(visit: Visit, import_id: UUID, outcome: str | None = None, after: int = 0) -> Response:
    """How far it is, and what became of each row."""
    imports = visit.services().imports
    wanted = outcome if outcome in labels.ROW_OUTCOMES else None
    found, rows = await asyncio.gather(_import(visit, import_id), imports.rows(import_id, outcome=wanted, after=after))
    return visit.render("import.html", found=found, rows=rows, outcome=wanted)


@router.get("/{import_id}/refused-rows", **PAGE)
@page(Action.PRE_REGISTER)
async def download_refused_rows(visit: Visit, import_id: UUID) -> Response:
    """The refused rows as they were handed in, with the reason of each: corrected, they can be handed in again."""
    await _import(visit, import_id)
    return _file(await visit.services().imports.refused_rows(import_id))


@router.get("/{import_id}/progress", **PAGE)
@page(Action.PRE_REGISTER)
async def follow_import(visit: Visit, import_id: UUID) -> Response:
    """Server-sent events: rows done, and rows in all, whenever it got further."""
    first = await _import(visit, import_id)
    return StreamingResponse(_progress(visit, first), media_type="text/event-stream", headers=HEADERS)


async def _progress(visit: Visit, first: Import) -> AsyncIterator[bytes]:
    told: Import | None = None
    found = first
    for _n in range(int(PROGRESS_S_MAX / PROGRESS_EVERY_S)):
        if found != told:
            told = found
            data = {"done": found.rows - found.waiting, "rows": found.rows, "finished": found.is_finished}
            yield b"event: progress\ndata: " + json.dumps(data).encode() + b"\n\n"
        if found.is_finished:
            return
        with aside():
            await asyncio.sleep(PROGRESS_EVERY_S)
        try:
            found = await visit.services().imports.read(found.import_id)
        except (UpstreamAway, UpstreamRefused):
            return  # the browser asks again


async def _import(visit: Visit, import_id: UUID) -> Import:
    """Of this contract. Raises: NotFound."""
    found = await visit.services().imports.read(import_id)
    if found.contract_no != visit.contract_no:
        raise NotFound
    return found


def _kinds(visit: Visit) -> list[str]:
    """What he may hand in: an old roster is for the general contractor alone."""
    is_his = visit.principal is not None and may(visit.principal.role, Action.IMPORT_ROSTER)
    return [kind for kind in labels.IMPORT_KINDS if kind != "roster" or is_his]


def _upload(visit: Visit, *, errors: Sequence[FieldError] = ()) -> Response:
    return visit.render("imports.html", errors=errors, kinds=_kinds(visit))


def _file(download: Download) -> Response:
    return Response(download.content, headers=HEADERS | dict(download.headers))
