"""每日健康 of a whole team: who was measured, all without symptoms but those of whom the request says otherwise."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.command_handling import command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, problems
from contracts.access import Action
from contracts.event import shard_of
from contracts.firms import ContractNo
from contracts.health import ReadingSource
from contracts.symptoms import Symptom, Symptoms, TemperatureMethod
from contracts.temperatures import MeasuredCelsius
from contracts.times import UtcTime
from health.domain.commands import ReportHealth
from health.many_people import PEOPLE_MAX, PersonAnswer, PersonIsNamedTwice, done, require_distinct
from health.wired import Parts, Wired

router = Router(prefix="/v1/contracts/{contract_no}", tags=["health"])

Reporter = Annotated[Principal, Depends(allowed(Action.REPORT_HEALTH_ROUND))]


class MeasuredPerson(StrictModel):
    """One of the team."""

    person_id: UUID
    reading_celsius: MeasuredCelsius
    """体温测量. Of each person: a temperature that nobody took is no report."""
    symptoms: Symptoms = (Symptom.NONE,)
    """健康状况, of whoever has some."""
    read_at: UtcTime | None = None
    """When this one was measured, if not at the time of the round."""


class HealthRoundBody(StrictModel):
    """All normal, except …"""

    read_at: UtcTime
    """日期: when it was measured."""
    method: TemperatureMethod | None = None
    people: Annotated[tuple[MeasuredPerson, ...], Field(min_length=1, max_length=PEOPLE_MAX)]


class HealthRoundAnswer(BaseModel):
    """What became of each report."""

    contract_no: str
    people: list[PersonAnswer]


class _Remembered(BaseModel):
    """What a repeat is answered with: ids and codes only."""

    answer: HealthRoundAnswer
    token: str | None


@router.post("/health-rounds", responses=problems(PersonIsNamedTwice))
async def report_health_round(
    contract_no: ContractNo,
    body: HealthRoundBody,
    key: IdempotencyKey,
    caller: Reporter,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> HealthRoundAnswer:
    """每日健康 of a team in one request. One report a person; whoever is refused keeps nobody else from being reported."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    require_distinct([each.person_id for each in body.people])
    command = command_key(principal=caller.subject, key=key, body=request_context().content)
    first = await parts.remembered.reserve(command)
    if first is None:
        known = await parts.known_of(caller, contract_no, [each.person_id for each in body.people])
        reports = {each.person_id: _report(contract_no, body, each, caller, parts) for each in body.people}
        people = await parts.many.each({each: reports[each] if each in known else None for each in reports}, command)
        token = await parts.handler.token_of_shards(map(shard_of, done(people)))
        answer = HealthRoundAnswer(contract_no=contract_no, people=people)
        remembered = _Remembered(answer=answer, token=None if token is None else str(token))
        first = await parts.remembered.complete(command, remembered.model_dump_json().encode())
    told = _Remembered.model_validate_json(first)
    if told.token is not None:
        response.headers[CONSISTENCY_TOKEN] = told.token
    return told.answer


def _report(contract_no: str, body: HealthRoundBody, person: MeasuredPerson, caller: Principal, parts: Wired) -> ReportHealth:
    return ReportHealth(
        person_id=person.person_id,
        report_id=uuid4(),
        contract_no=contract_no,
        reading_celsius=person.reading_celsius,
        method=body.method,
        symptoms=person.symptoms,
        source=ReadingSource.REGISTRAR,
        reported_by=caller.subject,
        read_at=person.read_at or body.read_at,
        at=parts.clock.now(),
    )
