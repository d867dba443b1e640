"""A roster of before (旧实名制名册): many people at once, each still a command and a fact of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler
from chassis.event_store import CommandKey
from chassis.identity import Identities
from chassis.sealing import Sealer, Sealing
from contracts.identity import Document
from contracts.people import PersonKind
from contracts.rejection import Rejection
from registration.domain.contract import Contract
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.roster import ImportRosterMember

ROWS_AT_ONCE = 200
"""Rows that are decided at the same time. The log gathers what is waiting into few transactions."""


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One row as it was handed in, unsealed. It lives until it is decided."""

    document: Document
    name: str
    employer_credit_code: str
    person_kind: PersonKind
    trade: str | None
    on_site: bool


class RowOutcome(StrEnum):
    """What became of a row."""

    IMPORTED = "imported"
    ALREADY_IMPORTED = "already_imported"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of a row, in the order of the rows."""

    outcome: RowOutcome
    code: str | None = None
    """Why it was refused: the `code` of the problem that a single command would have been answered with."""


@dataclass(frozen=True)
class RosterImport:
    """Identify in one go, seal in one go, then a command a row."""

    people: CommandHandler[PersonCommand, Person, PersonEvent]
    identities: Identities
    sealing: Sealing
    clock: Clock

    async def run(
        self,
        contract_no: str,
        contract: Contract,
        rows: Sequence[RosterRow],
        *,
        keys: Sequence[CommandKey],
        is_dry_run: bool,
    ) -> list[RowAnswer]:
        """Import whoever is not on the roster yet. Repeated with the same `keys`, one a row, it answers as the first time. A dry
        run says what would become of each row, and imports nobody.

        Raises: Unavailable: then some rows may be imported already.
        """
        person_ids = await self.identities.identify([row.document for row in rows])
        sealer = await self.sealing.sealer_for(set(person_ids))
        each_row = list(zip(person_ids, rows, keys, strict=True))
        answers: list[RowAnswer] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = each_row[start : start + ROWS_AT_ONCE]
            answers += await asyncio.gather(
                *(self._import(person_id, contract_no, contract, row, sealer, key, is_dry_run) for person_id, row, key in some)
            )
        return answers

    async def _import(
        self,
        person_id: UUID,
        contract_no: str,
        contract: Contract,
        row: RosterRow,
        sealer: Sealer,
        key: CommandKey,
        is_dry_run: bool,
    ) -> RowAnswer:
        try:
            contract.require_employer(row.employer_credit_code)
            command = ImportRosterMember(
                person_id=person_id,
                contract_no=contract_no,
                employer_credit_code=row.employer_credit_code,
                person_kind=row.person_kind,
                trade=row.trade,
                on_site=row.on_site,
                document=sealer.seal(person_id, "document", row.document.number),
                document_type=row.document.type,
                name=sealer.seal(person_id, "name", row.name),
                at=self.clock.now(),
            )
            if is_dry_run:
                makes_facts = bool(self.people.decider.decide(command, (await self.people.read(person_id))[1]))
            else:
                makes_facts = bool((await self.people.handle(person_id, command, key=key)).events)
        except Rejection as rejection:
            return RowAnswer(RowOutcome.REFUSED, rejection.code)
        return RowAnswer(RowOutcome.IMPORTED if makes_facts else RowOutcome.ALREADY_IMPORTED)
