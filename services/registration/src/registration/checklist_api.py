"""建筑工地复工检查表 over HTTP: uploaded, listed, and fetched again as what it is."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.faults import NotFound
from chassis.problems import UNSUPPORTED_MEDIA_TYPE, Refused
from chassis.strict_json import UPLOAD_BYTES_MAX
from chassis.web import IdempotencyKey, Router, etag, problems, unchanged
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.site_information import CHECKLISTS_MAX
from contracts.streams import site_stream
from registration.checklist_files import ChecklistIsNotRecognised, digest_of, recognised
from registration.domain.site import Checklist, SiteHasTooManyChecklists, SiteInformationIsNotSubmitted, UploadChecklist
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}/resumption-checklists", tags=["site information"])

Submitter = Annotated[Principal, Depends(allowed(Action.SUBMIT_SITE_INFORMATION))]
Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Parts = Annotated[Wired, Depends(wired)]
Version = Annotated[int, Path(ge=1, le=CHECKLISTS_MAX)]

SUFFIXES = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A scan or a photo; its content says which. Several files are several uploads.",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in SUFFIXES},
    }
}
DOWNLOAD = {
    "responses": {"200": {"content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in SUFFIXES}}}
}


class ChecklistAnswer(BaseModel):
    """An upload."""

    version: int
    """Which upload, from 1."""
    media_type: str
    """As its content says."""
    size_bytes: int
    sha256: str
    uploaded_at: datetime


class ChecklistsAnswer(BaseModel):
    """All of them, the first first."""

    items: list[ChecklistAnswer]


@router.post(
    "",
    status_code=201,
    max_body_size=UPLOAD_BYTES_MAX,
    openapi_extra=FILE_BODY,
    responses=unchanged(ChecklistAnswer)
    | problems(SiteInformationIsNotSubmitted, ChecklistIsNotRecognised, SiteHasTooManyChecklists),
)
async def upload_resumption_checklist(
    contract_no: ContractNo, key: IdempotencyKey, caller: Submitter, parts: Parts, request: Request, response: Response
) -> ChecklistAnswer:
    """上传建筑工地复工检查表, after the first 提交. Each file is a version; the same file again is the same version (200)."""
    await parts.contract_of(caller, contract_no)
    _require_media_type(request)
    content = await request.body()
    sha256 = await asyncio.to_thread(digest_of, content)
    command_id = command_key(principal=caller.subject, key=key, body=f"{contract_no}\n{sha256}".encode())
    await parts.require_own_key(command_id)
    checklist = Checklist(sha256, recognised(content), len(content), parts.clock.now())
    command, stream_id = UploadChecklist(contract_no, checklist), site_stream(contract_no)
    _, site = await parts.sites.read(stream_id)
    # The file is kept first, and a refused request changes nothing: so all that may refuse it is asked beforehand.
    events = parts.sites.decider.decide(command, site)
    not_after = await parts.checklist_files.keep(stream_id, sha256, content) if events else None
    outcome = await parts.sites.handle(stream_id, command, key=command_id, not_after=not_after)
    _, site = await parts.sites.read(stream_id)
    response.headers["ETag"] = etag(outcome.version)
    token = await parts.sites.token_after(outcome)
    if token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(token)
    if not outcome.events:
        response.status_code = 200
    version = site.version_of(sha256) or 0
    return _answer(version, site.checklists[version - 1])


@router.get("")
async def list_resumption_checklists(contract_no: ContractNo, caller: Viewer, parts: Parts) -> ChecklistsAnswer:
    """What was uploaded so far."""
    await parts.contract_of(caller, contract_no)
    _, site = await parts.sites.read(site_stream(contract_no))
    return ChecklistsAnswer(items=[_answer(version, each) for version, each in enumerate(site.checklists, 1)])


@router.get("/{version}", response_class=Response, openapi_extra=DOWNLOAD)
async def read_resumption_checklist(contract_no: ContractNo, version: Version, caller: Viewer, parts: Parts) -> Response:
    """The file, to be saved, never to be shown in our name: whoever uploaded it may have hidden a page in it."""
    await parts.contract_of(caller, contract_no)
    _, site = await parts.sites.read(site_stream(contract_no))
    if version > len(site.checklists):
        raise NotFound
    checklist = site.checklists[version - 1]
    content = await parts.checklist_files.read(site_stream(contract_no), checklist.sha256)
    headers = {
        "Content-Disposition": f'attachment; filename="resumption-checklist-{version}.{SUFFIXES[checklist.media_type]}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return Response(content, media_type=checklist.media_type, headers=headers)


def _require_media_type(request: Request) -> None:
    """Raises: Refused (415)."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in SUFFIXES:
        raise Refused(UNSUPPORTED_MEDIA_TYPE, headers={"Accept": ", ".join(SUFFIXES)})


def _answer(version: int, checklist: Checklist) -> ChecklistAnswer:
    return ChecklistAnswer(
        version=version,
        media_type=checklist.media_type,
        size_bytes=checklist.size_bytes,
        sha256=checklist.sha256,
        uploaded_at=checklist.uploaded_at,
    )
