"""每日健康登记 of a whole team on one screen: whoever has no report of today, one temperature after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from contracts.invalid import InvalidValue
from contracts.temperatures import parse_measured
from contracts.times import SHANGHAI
from portal.forms import FieldError, Form
from portal.labels import ROUND_REFUSALS, flaw_title
from portal.languages import _
from portal.pages.health import REPORT_FIELDS, celsius, people_of, shanghai_moment
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.health import RoundOutcome
from portal.upstream.registration import PersonHere
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/morning-round", tags=["pages"])

PEOPLE_MAX = 100
"""On one screen; the others come when these are done."""
READING = "reading-"
"""A row's field: this, and whose it is."""


@dataclass(frozen=True)
class Missed:
    """Somebody without a report of today."""

    person_id: UUID
    known: PersonHere | None

    @property
    def field(self) -> str:
        return f"{READING}{self.person_id}"


@router.get("", **PAGE)
@page(Action.REPORT_HEALTH_ROUND)
async def show_round(visit: Visit, done: int | None = None) -> Response:
    """Nobody is filled in beforehand but the time, which is now."""
    now = visit.portal.clock.now().astimezone(SHANGHAI)
    visit.form = Form({"read_at": [f"{now:%Y-%m-%dT%H:%M:%S}"], "method": ["forehead"]})
    return await _round(visit, done=done)


@router.post("", **PAGE)
@page(Action.REPORT_HEALTH_ROUND)
async def report_round(visit: Visit) -> Response:
    """One request for all rows that have a temperature; rows without one are left alone. Sent again under the same key after a
    silence, it is answered as before: nobody is reported twice."""
    read_at, readings, errors = _typed(visit)
    if errors or read_at is None:
        return await _round(visit, errors=errors, key=visit.form.text("key"))
    body = {
        "read_at": read_at.isoformat(),
        "method": visit.form.text("method") or "forehead",
        "people": [{"person_id": str(each), "reading_celsius": reading} for each, reading in readings.items()],
    }
    try:
        told = await visit.services().health.report_round(str(visit.contract_no), body, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _round(visit, errors=visit.wrong(refused, _fields(readings)), key=visit.key_after(refused))
    wrong = [FieldError(f"{READING}{each.person_id}", _why_not(visit, each)) for each in told.people if each.outcome == "refused"]
    if wrong:
        return await _round(visit, errors=wrong, done=len(readings) - len(wrong))
    return visit.go(f"{visit.site}/morning-round?done={len(readings)}")


def _fields(readings: Mapping[UUID, float]) -> dict[str, str]:
    """Health's pointers → fields of the form."""
    rows = {f"/people/{index}": f"{READING}{person_id}" for index, person_id in enumerate(readings)}
    return {**REPORT_FIELDS, **rows}


def _why_not(visit: Visit, refused: RoundOutcome) -> str:
    return visit.text(ROUND_REFUSALS.get(refused.code or "", ROUND_REFUSALS[""]))


def _typed(visit: Visit) -> tuple[datetime | None, dict[UUID, float], list[FieldError]]:
    """When, whose temperature, and what is wrong with what was typed."""
    form, readings, errors = visit.form, dict[UUID, float](), list[FieldError]()
    read_at = shanghai_moment(form.text("read_at"))
    if read_at is None:
        errors.append(FieldError("read_at", visit.text(_("请填写日期和时间"))))
    for name in form.values:
        if not name.startswith(READING) or not form.text(name).strip():
            continue
        reading = celsius(form.text(name))
        try:
            person_id = UUID(name.removeprefix(READING))
        except ValueError:
            continue
        if reading is None:
            errors.append(FieldError(name, visit.text(_("请填写体温,例如 36.5"))))
        elif (flaw := _flaw(reading)) is not None:
            errors.append(FieldError(name, flaw_title(flaw, visit.language)))
        else:
            readings[person_id] = reading
    if not readings and not errors:
        errors.append(FieldError("", visit.text(_("还没有填写任何人的体温"))))
    if form.text("all_normal") != "true":
        errors.append(FieldError("all_normal", visit.text(_("请确认填写体温的人员均无异常症状"))))
    return read_at, readings, errors


def _flaw(reading: float) -> str | None:
    """Of one row before all are sent: health would refuse the others with it."""
    try:
        parse_measured(reading)
    except InvalidValue as invalid:
        return invalid.type
    return None


async def _round(visit: Visit, *, errors: Sequence[FieldError] = (), key: str | None = None, done: int | None = None) -> Response:
    missing = await visit.services().health.missing(str(visit.contract_no), limit=PEOPLE_MAX)
    known = await people_of(visit, missing.items)
    return visit.render(
        "morning_round.html",
        errors=errors,
        missed=[Missed(each, known.get(each)) for each in missing.items],
        more=missing.next is not None,
        day=missing.date,
        key=key,
        done=done,
    )
