"""旧实名制名册: somebody stands on the roster of before of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import RosterMemberImported
from contracts.sealing import Sealed


@dataclass(frozen=True, slots=True)
class ImportRosterMember:
    """The person stands on the contract's old roster."""

    person_id: UUID
    contract_no: str
    employer_credit_code: str
    person_kind: PersonKind
    trade: str | None
    on_site: bool
    document: Sealed
    document_type: DocumentType
    name: Sealed
    at: datetime


def import_member(command: ImportRosterMember) -> Sequence[RosterMemberImported]:
    return [
        RosterMemberImported(
            person_id=command.person_id,
            contract_no=command.contract_no,
            employer_credit_code=command.employer_credit_code,
            person_kind=command.person_kind,
            trade=command.trade,
            on_site=command.on_site,
            document=command.document,
            document_type=command.document_type,
            name=command.name,
            imported_at=command.at,
        )
    ]
