"""每日健康登记 of a whole team on one screen: whoever has no report of today, one temperature after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.consistency import ConsistencyToken
from chassis.web import Router
from contracts.access import Action
from contracts.times import SHANGHAI
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.health import REPORT_FIELDS, celsius, shanghai_moment
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.health import SERVICE as HEALTH
from portal.upstream.registration import ROWS_MAX, PreRegistration
from portal.visits import PAGE, Remember, Visit, page

router = Router(prefix="/contracts/{contract_no}/morning-round", tags=["pages"])

PEOPLE_MAX = 100
"""On one screen; the others come when these are done."""
AT_ONCE_MAX = 8
"""Reports that are under way at the same time."""
READING = "reading-"
"""A row's field: this, and whose it is."""


@dataclass(frozen=True)
class Missed:
    """Somebody without a report of today."""

    person_id: UUID
    known: PreRegistration | None

    @property
    def field(self) -> str:
        return f"{READING}{self.person_id}"


@router.get("", **PAGE)
@page(Action.REPORT_HEALTH)
async def show_round(visit: Visit, done: int | None = None) -> Response:
    """Nobody is filled in beforehand but the time, which is now."""
    now = visit.portal.clock.now().astimezone(SHANGHAI)
    visit.form = Form({"read_at": [f"{now:%Y-%m-%dT%H:%M:%S}"], "method": ["forehead"]})
    return await _round(visit, done=done)


@router.post("", **PAGE)
@page(Action.REPORT_HEALTH)
async def report_round(visit: Visit) -> Response:
    """A report for each row that has a temperature, each once however often this is sent; rows without one are left alone."""
    read_at, readings, errors = _typed(visit)
    if errors or read_at is None:
        return await _round(visit, errors=errors, key=visit.form.text("key"))
    at_once, tokens = asyncio.Semaphore(AT_ONCE_MAX), list[ConsistencyToken]()

    async def remember(service: str, token: str) -> None:
        tokens.append(ConsistencyToken.parse(token))

    async def report(person_id: UUID, reading: float) -> FieldError | None:
        body = {
            "contract_no": visit.contract_no,
            "read_at": read_at.isoformat(),
            "reading_celsius": reading,
            "method": visit.form.text("method") or "forehead",
            "symptoms": ["none"],
        }
        async with at_once:
            return await _report(visit, remember, person_id, body)

    wrong = [each for each in await asyncio.gather(*(report(*row) for row in readings.items())) if each is not None]
    # All of them at once: one token would stand for the last person alone, and the others would still be on the list.
    if (seen := ConsistencyToken.merged(tokens)) is not None:
        await visit.remember(HEALTH, str(seen))
    if wrong:
        return await _round(visit, errors=wrong, key=visit.form.text("key"), done=len(readings) - len(wrong))
    return visit.go(f"{visit.site}/morning-round?done={len(readings)}")


async def _report(visit: Visit, remember: Remember, person_id: UUID, body: Mapping[str, Any]) -> FieldError | None:
    """What is wrong with this row. Its key is the form's and his own, so that nobody is reported twice."""
    field = f"{READING}{person_id}"
    reading = round(float(body["reading_celsius"]) * 10)
    try:
        # With the reading in it: after a correction the row is another report, before it the same.
        await visit.services(remember).health.report(person_id, body, key=f"{visit.form.text('key')}-{person_id}-{reading}")
    except (UpstreamRefused, UpstreamAway) as refused:
        return FieldError(field, visit.wrong(refused, REPORT_FIELDS)[0].message)
    return None


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
        else:
            readings[person_id] = reading
    if not readings and not errors:
        errors.append(FieldError("", visit.text(_("还没有填写任何人的体温"))))
    if form.text("all_normal") != "true":
        errors.append(FieldError("all_normal", visit.text(_("请确认填写体温的人员均无异常症状"))))
    return read_at, readings, errors


async def _round(
    visit: Visit, *, errors: list[FieldError] | None = None, key: str | None = None, done: int | None = None
) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    missing, listed = await asyncio.gather(
        services.health.missing(contract_no, limit=PEOPLE_MAX),
        services.registration.pre_registrations(contract_no, state="open", limit=ROWS_MAX),
    )
    known = {each.person_id: each for each in listed.items}
    return visit.render(
        "morning_round.html",
        status=422 if errors else 200,
        errors=errors or (),
        missed=[Missed(each, known.get(each)) for each in missing.items],
        more=missing.next is not None,
        day=missing.date,
        key=key,
        done=done,
    )
