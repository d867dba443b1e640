"""Health reports: what one must say, which one a correction may replace, and which holds follow from all that count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid5

from contracts.health import HealthHoldPlaced, HealthHoldWithdrawn, HealthReported, Hold, ReadingSource
from contracts.rejection import Rejection
from contracts.symptoms import Symptom
from contracts.times import YEAR_MIN, is_ahead, shanghai_midnight
from health.domain.commands import ReportHealth, TakeDeclared
from health.domain.policy_set import PolicySet
from health.domain.readings import has_fever, has_symptoms, with_reading
from health.domain.state import HealthPerson, Reading, Report, Settled

CORRECTABLE_HOURS_MAX = 72
"""How long after it came in a report can be corrected: what was mistyped on a Friday is found on Monday."""
CORRECTABLE_REPORTS_MAX = 24
"""Of these many last reports of a person: each is kept by itself in the state, whoever reports however often."""

_FIRST_DAY = date(YEAR_MIN, 1, 2)
"""The first day whose midnight in Shanghai is a time that an event can hold."""


class ReadingIsInTheFuture(Rejection):
    """A reading was taken before it is reported; clocks may differ by minutes."""

    code = "reading-is-in-the-future"
    status = 422
    title_zh = "测量时间不能晚于当前时间"
    title_en = "The reading time lies in the future"


class NoSymptomIsTicked(Rejection):
    """Nothing is preselected: whoever fills the form in ticks at least one box (manual, (四))."""

    code = "no-symptom-is-ticked"
    status = 422
    title_zh = "请至少选择一项健康状况"
    title_en = "At least one symptom, or 'none', must be ticked"


class NothingToCorrect(Rejection):
    """Only a report of this contract's, not too old, can be corrected. What the person declared, he declares again."""

    code = "nothing-to-correct"
    status = 404
    title_zh = "没有可更正的健康状况，只能更正本合同最近72小时内上报的记录"
    title_en = "There is no such report of this contract's last 72 hours to correct"


class ReportWasCorrected(Rejection):
    """Two corrections of one report would both count. The second one corrects the first."""

    code = "report-was-corrected"
    title_zh = "该健康状况已被更正，请更正最新的一条"
    title_en = "The report was corrected before: correct the one that replaced it"


def report_health(
    command: ReportHealth, person: HealthPerson, policy: PolicySet
) -> Sequence[HealthReported | HealthHoldPlaced | HealthHoldWithdrawn]:
    """The report and what changes with it. Raises: Rejection."""
    _require_complete(command)
    _require_correctable(command, person)
    reported = HealthReported(
        person_id=command.person_id,
        report_id=command.report_id,
        contract_no=command.contract_no,
        reading_celsius=command.reading_celsius,
        method=command.method,
        symptoms=command.symptoms,
        source=command.source,
        corrects=command.corrects.report_id if command.corrects else None,
        reason=command.corrects.reason if command.corrects else None,
        read_at=command.read_at,
        reported_by=command.reported_by,
        reported_at=command.at,
    )
    if command.corrects is not None:
        reported = reported.model_copy(update={"latest_read_at": with_report(person, reported).latest_read_at})
    return [reported, *holds_after(reported, person, policy)]


def take_declared(
    command: TakeDeclared, person: HealthPerson, policy: PolicySet
) -> Sequence[HealthReported | HealthHoldPlaced | HealthHoldWithdrawn]:
    """体温 of a declaration, which counts as a reading at its 上报时间: once, whoever relies on it."""
    report_id = uuid5(command.person_id, f"declaration/{command.declaration_version}")
    if report_id in person.declared:
        return []
    reported = HealthReported(
        person_id=command.person_id,
        report_id=report_id,
        reading_celsius=command.reading_celsius,
        source=ReadingSource.DECLARATION,
        # A day that has not come yet is a slip: then it was declared by now.
        read_at=min(shanghai_midnight(max(command.reported_on, _FIRST_DAY)), command.at),
        reported_at=command.at,
    )
    return [reported, *holds_after(reported, person, policy)]


def _require_complete(command: ReportHealth) -> None:
    if is_ahead(command.read_at, command.at):
        raise ReadingIsInTheFuture
    if command.source is ReadingSource.REGISTRAR and not command.symptoms:
        raise NoSymptomIsTicked


def _require_correctable(command: ReportHealth, person: HealthPerson) -> None:
    if command.corrects is None:
        return
    wrong = command.corrects.report_id
    if wrong in person.corrected:
        raise ReportWasCorrected
    if not any(each.report_id == wrong and _is_correctable(each, command) for each in person.reports):
        raise NothingToCorrect


def _is_correctable(report: Report, command: ReportHealth) -> bool:
    return report.contract_no == command.contract_no and not _is_settled(report, command.at)


def _is_settled(report: Report, at: datetime) -> bool:
    return at - report.reported_at > timedelta(hours=CORRECTABLE_HOURS_MAX)


def holds_after(
    reported: HealthReported, person: HealthPerson, policy: PolicySet
) -> Iterator[HealthHoldPlaced | HealthHoldWithdrawn]:
    """What the report changes: each hold is what follows from all readings that count, whenever they came in."""
    after = with_report(person, reported)
    wanted = {Hold.FEVER: has_fever(after.readings, policy), Hold.SYMPTOMS: has_symptoms(after.symptoms_at, after.no_symptoms_at)}
    for hold, is_wanted in wanted.items():
        follows: dict[str, Any] = {
            "person_id": reported.person_id,
            "hold": hold,
            "report_id": reported.report_id,
            "policy_version": policy.version,
        }
        if is_wanted and hold not in person.holds:
            yield HealthHoldPlaced(**follows, placed_at=reported.reported_at)
        if hold in person.holds and not is_wanted:
            yield HealthHoldWithdrawn(**follows, withdrawn_at=reported.reported_at)


def with_report(person: HealthPerson, event: HealthReported) -> HealthPerson:
    """The person once the report is known, without the one that it corrects.

    What may still be corrected is kept by itself; the rest is settled, and only what can matter of it is kept.
    """
    new = Report(
        report_id=event.report_id,
        contract_no=event.contract_no or "",
        reading=Reading(event.read_at, event.reading_celsius, measured=event.source is not ReadingSource.DECLARATION),
        symptoms=None if not event.symptoms else event.symptoms != (Symptom.NONE,),
        reported_at=event.reported_at,
    )
    if event.source is ReadingSource.DECLARATION:
        return replace(person, settled=_settled(person.settled, new), declared=person.declared | {event.report_id})
    kept = [*(each for each in person.reports if each.report_id != event.corrects), new]
    settled, reports = person.settled, kept[-CORRECTABLE_REPORTS_MAX:]
    for each in kept:
        if each not in reports or _is_settled(each, event.reported_at):
            settled = _settled(settled, each)
    return replace(
        person,
        settled=settled,
        reports=tuple(each for each in reports if not _is_settled(each, event.reported_at)),
        corrected=person.corrected | ({event.corrects} if event.corrects else frozenset()),
    )


def _settled(settled: Settled, report: Report) -> Settled:
    read_at = report.reading.read_at
    return Settled(
        readings=with_reading(settled.readings, report.reading),
        latest_read_at=_latest(settled.latest_read_at, read_at),
        symptoms_at=_latest(settled.symptoms_at, read_at) if report.symptoms is True else settled.symptoms_at,
        no_symptoms_at=_latest(settled.no_symptoms_at, read_at) if report.symptoms is False else settled.no_symptoms_at,
    )


def _latest(known: datetime | None, new: datetime) -> datetime:
    return new if known is None else max(known, new)
