"""Who stood on the roster of before (旧实名制名册) of this contract? Who is on site now, the gate tells."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.registration import RosterMemberImported


@dataclass(slots=True)
class RosterMemberRow:
    """A row. Document and name are sealed."""

    contract_no: str
    person_id: UUID
    person_kind: str
    trade: str | None
    employer_credit_code: str
    document_type: str
    document: str
    name: str


ROSTERED = Table("roster_member_v1", RosterMemberRow, key=("contract_no", "person_id"))


def _imported(rows: Rows, fact: Fact[RosterMemberImported], _: int) -> None:
    event = fact.event
    row = RosterMemberRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        person_kind=event.person_kind,
        trade=event.trade,
        employer_credit_code=event.employer_credit_code,
        document_type=event.document_type,
        document=event.document,
        name=event.name,
    )
    rows.put(ROSTERED, row)


ROSTER_MEMBERS = ReadModel(name="roster_member_v1", tables=(ROSTERED,), folds={RosterMemberImported: _imported})
"""Answers who somebody is whom nobody pre-registered, see `registration.people_here`."""
