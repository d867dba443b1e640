"""工地疫情防控管理 → 工地疫情防控信息: team, hospital, supplies and how long they last, 建筑工地复工检查表."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from chassis.strict_json import UPLOAD_BYTES_MAX
from chassis.web import Router
from contracts.access import Action
from contracts.site_information import SUPPLIES_MAX, TEAM_MAX, checklist_type
from portal.forms import FieldError, Form
from portal.languages import _
from portal.upstream.calls import STATUS_CHANGED, File, UpstreamAway, UpstreamRefused
from portal.upstream.site_information import EpidemicControl
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/epidemic-control", tags=["pages"])

FORM_AROUND_FILE_BYTES_MAX = 4_096
MEMBER, SUPPLY = ("name", "duty", "phone"), ("item", "unit", "quantity", "used")
"""Fields of a row: `team-0-name`, `supply-0-item`."""


@dataclass
class Typed:
    """The form as a body for registration, and where each part of it stood."""

    body: dict[str, Any]
    fields: dict[str, str]
    errors: list[FieldError] = field(default_factory=list)


@router.get("", **PAGE)
@page(Action.VIEW_SITE)
async def show_site_information(visit: Visit, before: int | None = None, done: str | None = None) -> Response:
    """What was submitted last, to be submitted again."""
    return await _site_information(visit, before=before, done=done)


@router.post("", **PAGE)
@page(Action.SUBMIT_SITE_INFORMATION)
async def submit_site_information(visit: Visit) -> Response:
    """提交. Rows without anything in them are left out."""
    if visit.form.text("more"):
        return await _site_information(visit, typed=visit.form)
    typed = _typed(visit)
    if typed.errors:
        return await _site_information(visit, typed=visit.form, errors=typed.errors)
    information, contract_no = visit.services().site_information, str(visit.contract_no)
    try:
        await information.submit(contract_no, typed.body, based_on=_number(visit.form.text("version")) or 0)
    except UpstreamRefused as refused:
        if refused.status == STATUS_CHANGED:
            return await _changed(visit, typed)
        return await _site_information(visit, typed=visit.form, errors=visit.wrong(refused, typed.fields))
    except UpstreamAway as away:
        return await _site_information(visit, typed=visit.form, errors=visit.wrong(away, {}))
    return visit.go(f"{visit.site}/epidemic-control?done=submitted")


async def _changed(visit: Visit, typed: Typed) -> Response:
    """Somebody submitted meanwhile. If it was this very form, sent twice, all is well; else it is shown beside what was typed,
    and the next 提交 is based on it."""
    latest = await visit.services().site_information.read(str(visit.contract_no))
    if _body_of(latest) == typed.body:
        return visit.go(f"{visit.site}/epidemic-control?done=submitted")
    message = visit.text(_("信息已被他人更新。您填写的内容都在:请对照下方的最新内容,再次提交即以您填写的为准。"))
    return await _site_information(visit, typed=visit.form, errors=[FieldError("", message)], overtaken_by=latest)


@router.post("/counts", **PAGE)
@page(Action.SUBMIT_SITE_INFORMATION)
async def count_supplies(visit: Visit) -> Response:
    """How much there is of everything now."""
    form, errors, quantities = visit.form, list[FieldError](), dict[str, int]()
    for index, item in enumerate(form.many("counted")):
        quantity = _number(form.text(f"count-{index}"))
        if quantity is None:
            errors.append(FieldError(f"count-{index}", visit.text(_("请填写数量(整数)"))))
        else:
            quantities[item] = quantity
    key = form.text("key")
    if not errors:
        try:
            await visit.services().site_information.count_supplies(str(visit.contract_no), quantities, key=key)
        except (UpstreamRefused, UpstreamAway) as refused:
            fields = {f"/supplies/{index}": f"count-{index}" for index in range(len(quantities))}
            return await _site_information(visit, counted=form, errors=visit.wrong(refused, fields), key=visit.key_after(refused))
        return visit.go(f"{visit.site}/epidemic-control?done=counted")
    return await _site_information(visit, counted=form, errors=errors, key=key)


@router.post("/checklists", max_body_size=UPLOAD_BYTES_MAX + FORM_AROUND_FILE_BYTES_MAX, **PAGE)
@page(Action.SUBMIT_SITE_INFORMATION, takes_file=True)
async def upload_checklist(visit: Visit) -> Response:
    """上传建筑工地复工检查表. The same file again is the same version."""
    content = visit.form.files.get("file")
    if not content:
        return await _site_information(visit, errors=[FieldError("file", visit.text(_("请选择文件")))])
    media_type = checklist_type(content)
    if media_type is None:
        return await _site_information(visit, errors=[FieldError("file", visit.text(_("请上传 PDF、JPEG 或 PNG 文件")))])
    file = File(media_type, content)
    try:
        await visit.services().site_information.upload_checklist(str(visit.contract_no), file, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _site_information(visit, errors=[FieldError("file", _why_not(visit, refused))], key=visit.key_after(refused))
    return visit.go(f"{visit.site}/epidemic-control?done=uploaded")


def _why_not(visit: Visit, refused: UpstreamRefused | UpstreamAway) -> str:
    if isinstance(refused, UpstreamAway):
        return visit.text(_("系统暂时没有应答,请再次选择文件并上传(不会重复)。"))
    return refused.title


@router.get("/checklists/{version}", **PAGE)
@page(Action.VIEW_SITE)
async def download_checklist(visit: Visit, version: int) -> Response:
    """The file, to be saved; its headers keep it from being shown in our name."""
    found = await visit.services().site_information.checklist(str(visit.contract_no), version)
    return Response(found.content, headers=dict(found.headers))


# --- What is shown ----------------------------------------------------------------------------------------------------


async def _site_information(
    visit: Visit,
    *,
    typed: Form | None = None,
    counted: Form | None = None,
    before: int | None = None,
    done: str | None = None,
    errors: Sequence[FieldError] = (),
    overtaken_by: EpidemicControl | None = None,
    key: str | None = None,
) -> Response:
    information, contract_no = visit.services().site_information, str(visit.contract_no)
    control, counts, checklists = await asyncio.gather(
        information.read(contract_no),
        information.supply_counts(contract_no, before=before),
        information.checklists(contract_no),
    )
    visit.form = typed or counted or Form()
    if typed is None:
        visit.form = Form({**_filled(control), **visit.form.values})
    more = visit.form.text("more")
    latest = overtaken_by or control
    return visit.render(
        "site_information.html",
        errors=errors,
        control=control,
        counts=counts,
        checklists=checklists,
        members=_rows(visit.form, "team", MEMBER, TEAM_MAX, blank=more == "team"),
        supplies=_rows(visit.form, "supply", SUPPLY, SUPPLIES_MAX, blank=more == "supply"),
        version=latest.version if overtaken_by or typed is None else visit.form.text("version"),
        overtaken_by=overtaken_by,
        more=more,
        done=done,
        key=key,
    )


def _filled(control: EpidemicControl) -> dict[str, list[str]]:
    """The form as it was submitted last."""
    filled = {"hospital": [control.designated_hospital or ""]}
    for row, member in enumerate(control.team):
        filled |= {f"team-{row}-{name}": [getattr(member, name) or ""] for name in MEMBER}
    for row, supply in enumerate(control.supplies):
        used = supply.used_per_100_people_daily
        values = (supply.item, supply.unit, str(supply.quantity), "" if used is None else str(used))
        filled |= {f"supply-{row}-{name}": [value] for name, value in zip(SUPPLY, values, strict=True)}
    return filled


def _rows(form: Form, group: str, names: Sequence[str], rows_max: int, *, blank: bool) -> Sequence[int]:
    """The rows that have something in them or are there to be filled in; at least one, and one more if it is asked for."""
    there = [row for row in range(rows_max) if any(f"{group}-{row}-{name}" in form.values for name in names)]
    count = max(there, default=-1) + 1
    return range(min(max(count + blank, 1), rows_max))


# --- What is typed ----------------------------------------------------------------------------------------------------


def _typed(visit: Visit) -> Typed:
    form = visit.form
    typed = Typed({}, {"/team": "team-0-name", "/supplies": "supply-0-item", "/designated_hospital": "hospital"})
    team = _parts(form, "team", MEMBER, TEAM_MAX)
    for index, row in enumerate(team):
        typed.fields |= {f"/team/{index}/{name}": f"team-{row}-{name}" for name in MEMBER}
    supplies = _parts(form, "supply", SUPPLY, SUPPLIES_MAX)
    for index, row in enumerate(supplies):
        names = dict(zip(SUPPLY, ("item", "unit", "quantity", "used_per_100_people_daily"), strict=True))
        typed.fields |= {f"/supplies/{index}/{pointer}": f"supply-{row}-{name}" for name, pointer in names.items()}
    if not team:
        typed.errors.append(FieldError("team-0-name", visit.text(_("请填写疫情防控小组成员"))))
    if not form.text("hospital").strip():
        typed.errors.append(FieldError("hospital", visit.text(_("请填写对口医院"))))
    typed.body = {
        "team": [{name: form.text(f"team-{row}-{name}") for name in MEMBER} for row in team],
        "designated_hospital": form.text("hospital"),
        "supplies": [_supply(visit, typed, row) for row in supplies],
    }
    return typed


def _parts(form: Form, group: str, names: Sequence[str], rows_max: int) -> list[int]:
    return [row for row in range(rows_max) if any(form.text(f"{group}-{row}-{name}").strip() for name in names)]


def _supply(visit: Visit, typed: Typed, row: int) -> Mapping[str, Any]:
    form = visit.form
    quantity, used = (_number(form.text(f"supply-{row}-{name}")) for name in ("quantity", "used"))
    if quantity is None:
        typed.errors.append(FieldError(f"supply-{row}-quantity", visit.text(_("请填写数量(整数)"))))
    if used is None and form.text(f"supply-{row}-used").strip():
        typed.errors.append(FieldError(f"supply-{row}-used", visit.text(_("请填写整数,或留空"))))
    told = {"item": form.text(f"supply-{row}-item"), "unit": form.text(f"supply-{row}-unit"), "quantity": quantity}
    return told if used is None else {**told, "used_per_100_people_daily": used}


def _body_of(control: EpidemicControl) -> dict[str, Any]:
    """What would have to be submitted to come to this."""
    return {
        "team": [each.model_dump() for each in control.team],
        "designated_hospital": control.designated_hospital,
        "supplies": [each.model_dump(exclude_none=True) for each in control.supplies],
    }


def _number(text: str) -> int | None:
    """A whole number as it is typed; full-width digits are digits here."""
    typed = text.strip()
    return int(typed) if typed.isdecimal() and len(typed) <= 9 else None
