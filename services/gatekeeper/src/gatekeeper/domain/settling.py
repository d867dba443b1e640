"""待核: an entry on paper against the rules. An authority looks at it, and says what it found and what was done, once.

In codes: the gate can seal no words (ADR 50). It has happened all the same, and nothing changes at the door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contracts.gatekeeper import PaperEntrySettled
from contracts.rejection import Rejection


class Finding(StrEnum):
    """What there was to an entry on paper against the rules (核实结论)."""

    AGAINST_THE_RULES = "against_the_rules"  # he should not have been let in
    EMERGENCY = "emergency"  # rescue, urgent repair: he was let in for that
    FACTS_CAME_LATE = "facts_came_late"  # nothing stood against him; it was only registered later
    RECORDED_WRONGLY = "recorded_wrongly"  # another person, another time than what stands on the paper


class Measure(StrEnum):
    """What was done about it (处理措施)."""

    NONE = "none"
    PERSON_LEFT = "person_left"  # 退场登记
    PERSON_ISOLATED = "person_isolated"
    SITE_INSTRUCTED = "site_instructed"  # told to put its way of letting people in right
    HANDED_OVER = "handed_over"  # to whoever may punish


class PaperEntryIsUnknown(Rejection):
    """There is no such entry on paper against the rules, or another authority supervises the site."""

    code = "paper-entry-is-unknown"
    status = 404
    title_zh = "没有该待核的纸面放行"
    title_en = "There is no such entry on paper to be looked at"


class PaperEntryIsSettled(Rejection):
    """What was found is said once; a repeat says the same."""

    code = "paper-entry-is-settled"
    title_zh = "该纸面放行已核实"
    title_en = "The entry on paper was settled before, otherwise"


class MeasureIsMissing(Rejection):
    """Where the rules were broken, something follows."""

    code = "measure-is-missing"
    status = 422
    title_zh = "违反规定放行的,须说明处理措施"
    title_en = "An entry against the rules is settled with what was done about it"


@dataclass(frozen=True, slots=True)
class SettlePaperEntry:
    """An authority has looked."""

    person_id: UUID
    attempt_id: UUID
    contract_no: str
    finding: Finding
    measure: Measure
    settled_by: str
    """The account."""
    settled: PaperEntrySettled | None
    """What was said of this entry before. Read from the stream, so that the state of whoever passes every day stays small."""
    at: datetime


def settle(command: SettlePaperEntry) -> Sequence[PaperEntrySettled]:
    before = command.settled
    if before is not None:
        if (before.finding, before.measure) != (command.finding, command.measure):
            raise PaperEntryIsSettled
        return []
    if command.finding is Finding.AGAINST_THE_RULES and command.measure is Measure.NONE:
        raise MeasureIsMissing
    return [
        PaperEntrySettled(
            person_id=command.person_id,
            attempt_id=command.attempt_id,
            contract_no=command.contract_no,
            finding=command.finding,
            measure=command.measure,
            settled_by=command.settled_by,
            settled_at=command.at,
        )
    ]
