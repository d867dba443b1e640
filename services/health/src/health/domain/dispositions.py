"""What a human decision about a person must say (manual, (五) 人员防疫处置情况填写)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from contracts.health import Disposition, DispositionChanged
from contracts.rejection import Rejection
from contracts.times import shanghai_date
from health.domain.ban_reviews import review_day
from health.domain.commands import ChangeDisposition
from health.domain.state import Decided

_SEVERITY = (
    Disposition.ADMISSIBLE,
    Disposition.QUARANTINE_REQUIRED,
    Disposition.SUSPECTED,
    Disposition.CONFIRMED,
)
_NEEDS_RELEASE = frozenset({Disposition.SUSPECTED, Disposition.CONFIRMED})


class IsolationIsIncomplete(Rejection):
    """需隔离, 疑似 and 确诊 are set with 隔离/就医时间 and 隔离/就医方式 (manual, (五))."""

    code = "isolation-is-incomplete"
    status = 422
    title_zh = "请填写隔离/就医时间和隔离/就医方式"
    title_en = "Quarantine, suspicion and confirmation need the first day and the method of isolation"


class IsolationEndsBeforeItBegins(Rejection):
    """The end of an isolation is optional, but not before its beginning."""

    code = "isolation-ends-before-it-begins"
    status = 422
    title_zh = "隔离/就医结束日期不能早于开始日期"
    title_en = "The isolation cannot end before it begins"


class EvidenceIsMissing(Rejection):
    """A ban says what it rests on: officials have used health codes to stop people who were not ill."""

    code = "evidence-is-missing"
    status = 422
    title_zh = "请填写处置依据"
    title_en = "A ban needs a note on what it rests on"


class ReleaseDocumentIsMissing(Rejection):
    """Out of 疑似 and 确诊 leads only a document that releases the person."""

    code = "release-document-is-missing"
    title_zh = "解除疑似或确诊须填写解除证明文件编号"
    title_en = "A suspected or confirmed person is released only with the reference of a release document"


def change_disposition(command: ChangeDisposition, standing: Decided) -> Sequence[DispositionChanged]:
    """The new disposition, or nothing where it stands already. What is sealed is not compared."""
    if _content(command) == standing:
        return []
    _check(command, standing.disposition)
    return [
        DispositionChanged(
            person_id=command.person_id,
            contract_no=command.contract_no,
            disposition=command.disposition,
            isolation_from=command.isolation_from,
            isolation_until=command.isolation_until,
            method=command.method,
            reason_code=command.reason_code,
            evidence=command.evidence,
            review_on=_review_on(command),
            release_document=command.release_document,
            decided_by=command.decided_by,
            changed_at=command.at,
        )
    ]


def _check(command: ChangeDisposition, before: Disposition) -> None:
    """Raises: Rejection."""
    if command.disposition is not Disposition.ADMISSIBLE:
        if command.isolation_from is None or command.method is None:
            raise IsolationIsIncomplete
        if command.evidence is None:
            raise EvidenceIsMissing
    if command.isolation_from and command.isolation_until and command.isolation_until < command.isolation_from:
        raise IsolationEndsBeforeItBegins
    # From 疑似 to 确诊 nobody is released: it must never wait for a document.
    is_released = before in _NEEDS_RELEASE and _SEVERITY.index(command.disposition) < _SEVERITY.index(before)
    if is_released and command.release_document is None:
        raise ReleaseDocumentIsMissing


def _review_on(command: ChangeDisposition) -> date | None:
    """Raises: ReviewIsOutOfReach."""
    if command.disposition is Disposition.ADMISSIBLE:
        return None
    return review_day(command.review_on, shanghai_date(command.at))


def _content(command: ChangeDisposition) -> Decided:
    return Decided(
        disposition=command.disposition,
        isolation_from=command.isolation_from,
        isolation_until=command.isolation_until,
        method=command.method,
        reason_code=command.reason_code,
    )
