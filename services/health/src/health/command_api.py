"""Health reports, dispositions, and what is put right after a judgement, over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, Path
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.history import VERSION_MAX, facts_of
from chassis.preferences import PREFERENCE_APPLIED, Wait
from chassis.strict_json import StrictModel
from chassis.web import IfMatchWhereGiven, Router, problems
from contracts.access import Action, Role
from contracts.codes import Code, RegionCode
from contracts.firms import ContractNo
from contracts.health import (
    Disposition,
    DispositionChanged,
    Hold,
    IsolationMethod,
    IsolationOrdered,
    IsolationReason,
    ReadingSource,
)
from contracts.symptoms import Symptom, Symptoms, TemperatureMethod
from contracts.temperatures import MeasuredCelsius
from contracts.texts import VisibleText
from contracts.times import Day, UtcTime
from health.acting import Act, Acting
from health.domain.ban_reviews import ReviewIsOutOfReach
from health.domain.commands import ChangeDisposition, ClarifyTravel, Correction, ReportHealth, WithdrawOrder
from health.domain.corrections import IsolationOrderIsUnknown, NoQuestionIsOpen
from health.domain.dispositions import (
    EvidenceIsMissing,
    IsolationEndsBeforeItBegins,
    IsolationIsIncomplete,
    ReleaseDocumentIsMissing,
)
from health.domain.reports import NoSymptomIsTicked, NothingToCorrect, ReadingIsInTheFuture, ReportWasCorrected
from health.wired import Wired

router = Router(prefix="/v1/people/{person_id}", tags=["health"])

Reporter = Annotated[Principal, Depends(allowed(Action.REPORT_HEALTH))]
Decider = Annotated[Principal, Depends(allowed(Action.SET_DISPOSITION))]
Corrector = Annotated[Principal, Depends(allowed(Action.CORRECT_JUDGEMENT))]


class HealthReportBody(StrictModel):
    """新增健康状态."""

    contract_no: ContractNo
    """On whose list the person stands."""
    read_at: UtcTime
    """日期: when it was measured."""
    reading_celsius: MeasuredCelsius
    """体温测量."""
    method: TemperatureMethod | None = None
    symptoms: Symptoms = ()
    """健康状况: at least one unless a turnstile reports; `none` only alone."""


class CorrectionBody(HealthReportBody):
    """更正每日健康: what is right, whole."""

    reason: VisibleText
    """Why the report was wrong. It may have kept somebody out."""


class HealthReportAnswer(BaseModel):
    """The report, as stored."""

    report_id: UUID
    person_id: UUID
    contract_no: str | None
    reading_celsius: float
    method: TemperatureMethod | None
    symptoms: tuple[Symptom, ...]
    source: ReadingSource
    corrects: UUID | None
    """The report that it replaces."""
    read_at: datetime
    reported_at: datetime
    holds: tuple[Hold, ...]
    """What keeps the person out now, whichever report it follows from."""


class DispositionBody(StrictModel):
    """处置方式."""

    contract_no: ContractNo
    """On whose list the person stands. The disposition holds at every contract."""
    disposition: Disposition
    isolation_from: Day | None = None
    """隔离/就医时间. Always with a ban."""
    isolation_until: Day | None = None
    """It informs and never lifts a ban."""
    method: IsolationMethod | None = None
    """隔离/就医方式. Always with a ban."""
    reason_code: Code
    evidence: VisibleText | None = None
    """What a ban rests on. Always with a ban."""
    review_on: Day | None = None
    """复核日期: until when a ban has to be looked at again, within 30 days; without it, in a week."""
    release_document: VisibleText | None = None
    """Reference of the document that releases from 疑似 or 确诊."""


class DispositionAnswer(BaseModel):
    """The disposition that stands."""

    person_id: UUID
    disposition: Disposition
    isolation_from: date | None
    isolation_until: date | None
    method: IsolationMethod | None
    reason_code: str | None
    version: int
    """Of the person's stream."""
    in_force_at: datetime | None
    """Since when every gate knows it, UTC by the gatekeeper's clock: nobody who asks at one after this was read is admitted
    against it. None: not yet; `GET` tells later."""


class AnswerBody(StrictModel):
    """What was found out about an unknown stop-over."""

    contract_no: ContractNo
    """On whose list the person stands."""
    stopover_code: RegionCode | None
    """停留地点. None: there was no stop-over."""
    evidence: VisibleText
    """What the answer rests on."""


class OrderAnswer(BaseModel):
    """An isolation order, as it is in force."""

    order_id: UUID
    reason: IsolationReason
    admissible_on: date
    """The first day, in Shanghai, on which it no longer bans."""


class ClarifiedAnswer(BaseModel):
    """The answer, as stored."""

    person_id: UUID
    declaration_version: int
    stopover_code: str | None
    orders: list[OrderAnswer]
    """Those that the answer made."""


class OrderWithdrawalBody(StrictModel):
    """Why an isolation order does not bind."""

    contract_no: ContractNo
    """On whose list the person stands. The withdrawal holds at every contract."""
    reason_code: Code
    evidence: VisibleText
    """What shows that it was made from a wrong fact."""


@router.post("/health-reports", status_code=201, responses=problems(ReadingIsInTheFuture, NoSymptomIsTicked))
async def report_health(person_id: UUID, body: HealthReportBody, caller: Reporter, act: Acting) -> HealthReportAnswer:
    """每日健康. Several a day are normal. Holds follow from all readings, by the time at which they were taken."""
    await act.require_known(caller, person_id, body.contract_no)
    return await _reported(person_id, body, None, caller, act)


@router.post(
    "/health-reports/{report_id}/corrections",
    status_code=201,
    responses=problems(NothingToCorrect, ReportWasCorrected, ReadingIsInTheFuture, NoSymptomIsTicked),
)
async def correct_health_report(
    person_id: UUID, report_id: UUID, body: CorrectionBody, caller: Corrector, act: Acting
) -> HealthReportAnswer:
    """更正每日健康: a report in place of one of this contract's of the last 72 hours, which no longer counts.

    What followed from the wrong one is undone with it: holds are placed and withdrawn by what counts now.
    """
    await act.require_known(caller, person_id, body.contract_no)
    corrects = Correction(report_id, await act.seal(person_id, "reason", body.reason))
    return await _reported(person_id, body, corrects, caller, act)


async def _reported(
    person_id: UUID, body: HealthReportBody, corrects: Correction | None, caller: Principal, act: Act
) -> HealthReportAnswer:
    command = ReportHealth(
        person_id=person_id,
        report_id=uuid4(),
        contract_no=body.contract_no,
        reading_celsius=body.reading_celsius,
        method=body.method,
        symptoms=body.symptoms,
        source=ReadingSource.GATE if caller.role is Role.GATE_DEVICE else ReadingSource.REGISTRAR,
        reported_by=caller.subject,
        read_at=body.read_at,
        at=act.parts.clock.now(),
        corrects=corrects,
    )
    outcome = await act.handle(caller, command)
    _, person = await act.parts.handler.read(person_id)
    return HealthReportAnswer(**dict(outcome.events[0]), holds=tuple(sorted(person.holds)))


@router.post(
    "/dispositions",
    status_code=201,
    responses={
        200: {"description": "Asked to wait (`Prefer: wait=5`): it is in force at all gates."},
        202: {"description": "Asked to wait: it is stored, and the gates do not know it yet."},
        **problems(
            IsolationIsIncomplete, IsolationEndsBeforeItBegins, EvidenceIsMissing, ReleaseDocumentIsMissing, ReviewIsOutOfReach
        ),
    },
)
async def change_disposition(
    person_id: UUID, body: DispositionBody, caller: Decider, wait: Wait, act: Acting, based_on: IfMatchWhereGiven = None
) -> DispositionAnswer:
    """处置方式. Holds for the person at every contract; 可进场 does not close an isolation order.

    With `Prefer: wait=5` it is answered once every gate knows it (200), or when the time is up (202). A repeat is answered
    with the state of what stands. `If-Match` is the `ETag` of the dispositions that were looked at: whoever sends it decides
    over nothing that came after, a report among it (412), and looks again.
    """
    await act.require_known(caller, person_id, body.contract_no)
    command = await _sealed(body, person_id, caller, act.parts)
    outcome = await act.handle(caller, command, based_on=based_on)
    (decided,) = await facts_of(act.parts.pool, person_id, [DispositionChanged], before=outcome.version + 1, limit=1)
    in_force_at = await act.parts.in_force.since(decided.recorded.event_id, within_s=wait or 0)
    if wait is not None:
        act.response.headers[PREFERENCE_APPLIED] = f"wait={wait}"
        act.response.status_code = 202 if in_force_at is None else 200
    return DispositionAnswer(
        person_id=person_id,
        disposition=body.disposition,
        isolation_from=body.isolation_from,
        isolation_until=body.isolation_until,
        method=body.method,
        reason_code=body.reason_code,
        version=outcome.version,
        in_force_at=in_force_at,
    )


@router.post("/assessments/{version}/answers", status_code=201, responses=problems(NoQuestionIsOpen))
async def clarify_travel(
    person_id: UUID, version: Annotated[int, Path(ge=1, le=VERSION_MAX)], body: AnswerBody, caller: Corrector, act: Acting
) -> ClarifiedAnswer:
    """Answer the question `stopover_unknown` of a judgement; `version` is the declaration's. What follows is judged anew."""
    await act.require_known(caller, person_id, body.contract_no)
    command = ClarifyTravel(
        person_id=person_id,
        declaration_version=version,
        stopover_code=body.stopover_code,
        evidence=await act.seal(person_id, "evidence", body.evidence),
        clarified_by=caller.subject,
        at=act.parts.clock.now(),
    )
    outcome = await act.handle(caller, command)
    orders = [OrderAnswer(**dict(event)) for event in outcome.events if isinstance(event, IsolationOrdered)]
    return ClarifiedAnswer(person_id=person_id, declaration_version=version, stopover_code=body.stopover_code, orders=orders)


@router.post("/isolation-orders/{order_id}/withdrawal", status_code=204, responses=problems(IsolationOrderIsUnknown))
async def withdraw_isolation_order(
    person_id: UUID, order_id: UUID, body: OrderWithdrawalBody, caller: Corrector, act: Acting
) -> None:
    """Withdraw an order that was made from a wrong fact. Sending it twice withdraws once."""
    await act.require_known(caller, person_id, body.contract_no)
    command = WithdrawOrder(
        person_id=person_id,
        order_id=order_id,
        reason_code=body.reason_code,
        evidence=await act.seal(person_id, "evidence", body.evidence),
        withdrawn_by=caller.subject,
        at=act.parts.clock.now(),
    )
    await act.handle(caller, command)


async def _sealed(body: DispositionBody, person_id: UUID, caller: Principal, parts: Wired) -> ChangeDisposition:
    sealer = await parts.sealing.sealer_for([person_id])
    return ChangeDisposition(
        person_id=person_id,
        contract_no=body.contract_no,
        disposition=body.disposition,
        isolation_from=body.isolation_from,
        isolation_until=body.isolation_until,
        method=body.method,
        reason_code=body.reason_code,
        review_on=body.review_on,
        evidence=sealer.seal(person_id, "evidence", body.evidence) if body.evidence else None,
        release_document=sealer.seal(person_id, "release_document", body.release_document) if body.release_document else None,
        decided_by=(caller.subject,),
        at=parts.clock.now(),
    )
