"""Row by row: what was handed in becomes facts, through the same commands as a single one, and goes on where it was cut short.

Some rows are decided, then their verdicts are recorded. Whoever dies in between decides them again: each row has a command
key of its own, so nothing is done twice, and the verdict is that of the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import orjson
import structlog

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, command_key
from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS
from chassis.event_store import CommandKey
from chassis.faults import Unavailable, VersionConflict
from chassis.key_server import Purpose
from chassis.leases import Lease
from chassis.sealing import Erased, Sealing, Unsealer
from chassis.telemetry import on_behalf_of
from contracts.registration import DeclarationAwaited
from contracts.rejection import Rejection
from contracts.streams import contract_stream
from registration.bodies import ContractRowBody, PreRegistrationBody, RosterRowBody
from registration.domain.contract import Contract, ContractCommand, ContractEvent, EmployerIsMissing
from registration.imports.columns import DOCUMENT_NUMBER, Body, FileHasNoRows, ImportKind, RowIsWrong, read_row, require_columns
from registration.imports.files import Cell
from registration.imports.ledger import KEPT, ROWS_DECIDED, HandedIn, Ledger, Outcome, Row, Verdict
from registration.pre_registering import PreRegistering
from registration.reporting_contracts import ContractReporting
from registration.roster_import import RosterImport, RowOutcome

ACTOR = "registration-import"
"""On record at the key server wherever nobody asked but the import itself."""
ROWS_AT_ONCE = 400
"""Rows between two records of verdicts. The log gathers what is waiting into few transactions."""
LOOK_S = 0.5
"""Between two looks for files while there are none."""
CELLS = "cells"
"""What the cells of a row are sealed as."""
ROW_IS_WRONG, PERSON_STANDS_TWICE = "row-is-wrong", "person-stands-twice"
"""Why a row is refused before it is decided."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Imports:
    """Takes files and works on them."""

    ledger: Ledger
    contracts: CommandHandler[ContractCommand, Contract, ContractEvent]
    reporting: ContractReporting
    roster_import: RosterImport
    pre_registering: PreRegistering
    sealing: Sealing
    clock: Clock

    async def hand_in(self, file: HandedIn, digest: bytes, cells: Sequence[Sequence[Cell]]) -> UUID:
        """Keep a file's rows; the id under which they are worked on. `file` lacks nothing but its header.

        The same file, while it is being worked on, is the same import. Raises: ColumnsAreWrong; FileHasNoRows; Unavailable.
        """
        header = [cell.text for cell in cells[0]] if cells else []
        require_columns(file.kind, header)
        if not any(cell.text for row in cells[1:] for cell in row):
            raise FileHasNoRows
        sealer = await self.sealing.sealer_for([file.import_id])

        def rows() -> list[Row]:
            return [
                Row(row_no, sealer.seal(file.import_id, CELLS, _as_text(row)), PERSON_STANDS_TWICE if twice else None)
                for row_no, row, twice in _numbered(header, cells)
            ]

        made = await self.ledger.hand_in(replace(file, header=header), digest, await asyncio.to_thread(rows))
        if made != file.import_id:
            await self.sealing.destroy(file.import_id)  # Nothing was kept under it.
        return made

    async def run(self, _lease: Lease) -> None:
        """Work until cancelled. Whatever is away delays and loses nothing."""
        while True:
            try:
                if not await self.step():
                    await self.forget()
                    await asyncio.sleep(LOOK_S)
            except (Unavailable, VersionConflict, *DATABASE_ERRORS) as error:
                log.warning("imports.delayed", error_type=type(error).__name__)
                await asyncio.sleep(LOOK_S)

    async def step(self) -> bool:
        """Decide the next rows of the file whose turn it is. False: there is none."""
        file = await self.ledger.take_turn(self.clock.now())
        if file is None:
            return False
        waiting = await self.ledger.waiting(file.import_id, ROWS_AT_ONCE)
        if waiting:
            unsealer = await self.sealing.unwrap([file.import_id], actor=ACTOR, purpose=Purpose.PROCESS)
            rows = [(row_no, opened_cells(file, content, unsealer)) for row_no, content in waiting]
            with on_behalf_of(file.principal, doing="import rows"):
                verdicts = await self._verdicts(file, rows)
            passing(CrashPoint.IMPORT_DECIDED)
            await self.ledger.record(file.import_id, verdicts)
            if not file.is_dry_run:
                for verdict in verdicts:
                    ROWS_DECIDED.labels(file.kind, verdict.outcome).inc()
        if len(waiting) < ROWS_AT_ONCE:
            await self.ledger.finish(file.import_id, self.clock.now())
            log.info("imports.finished", import_id=str(file.import_id))
        return True

    async def forget(self, *, kept: timedelta = KEPT) -> bool:
        """Make unreadable what was kept long enough, some of it. False: there was nothing."""
        now = self.clock.now()
        import_ids = await self.ledger.to_forget(now - kept)
        for import_id in import_ids:
            await self.sealing.destroy(import_id)
            await self.ledger.forget(import_id, now)
        return bool(import_ids)

    async def _verdicts(self, file: HandedIn, rows: Sequence[tuple[int, Sequence[Cell]]]) -> list[Verdict]:
        verdicts: list[Verdict] = []
        readable: list[_ToDecide] = []
        for row_no, cells in rows:
            try:
                body = read_row(file.kind, file.header, cells)
                readable.append(_ToDecide(row_no, body, _key(file.import_id, row_no, cells)))
            except RowIsWrong as wrong:
                verdicts.append(Verdict(row_no, Outcome.REFUSED, ROW_IS_WRONG, wrong.columns))
        if file.kind is ImportKind.CONTRACT:
            return verdicts + await asyncio.gather(*(self._report(file, row) for row in readable))
        _, contract = await self.contracts.read(contract_stream(file.contract_no))
        if file.kind is ImportKind.ROSTER:
            return verdicts + await self._import_roster(file, contract, readable)
        return verdicts + await asyncio.gather(*(self._pre_register(file, contract, row) for row in readable))

    async def _report(self, file: HandedIn, row: _ToDecide) -> Verdict:
        if not isinstance(body := row.body, ContractRowBody):
            raise TypeError(type(body).__name__)
        try:
            if file.is_dry_run:
                events = await self.reporting.rehearse(body)
            else:
                outcome, _ = await self.reporting.report(body, key=row.key)
                events = outcome.events
                if body.employer is not None:
                    of_employer = replace(row.key, key=f"{row.key.key} employer")
                    outcome, _ = await self.reporting.add_employer(body.contract_no, body.employer, key=of_employer)
                    events = [*events, *outcome.events]
        except Rejection as rejection:
            return Verdict(row.row_no, Outcome.REFUSED, rejection.code)
        return Verdict(row.row_no, Outcome.APPLIED if events else Outcome.UNCHANGED)

    async def _import_roster(self, file: HandedIn, contract: Contract, rows: Sequence[_ToDecide]) -> list[Verdict]:
        answers = await self.roster_import.run(
            file.contract_no,
            contract,
            [row.body.to_row() for row in rows if isinstance(row.body, RosterRowBody)],
            keys=[row.key for row in rows],
            is_dry_run=file.is_dry_run,
        )
        return [Verdict(row.row_no, _OUTCOMES[answer.outcome], answer.code) for row, answer in zip(rows, answers, strict=True)]

    async def _pre_register(self, file: HandedIn, contract: Contract, row: _ToDecide) -> Verdict:
        if contract.details is None or not isinstance(row.body, PreRegistrationBody):
            raise TypeError(f"a {type(row.body).__name__} on a contract that was not reported")
        try:
            if file.employer_credit_code not in (None, row.body.employer_credit_code):
                raise EmployerIsMissing  # Other firms' people are not this registrar's to know of.
            contract.require_employer(row.body.employer_credit_code)
            of_one = file.employer_credit_code is not None
            form = row.body.to_form(file.contract_no, contract.details.district, for_one_firm=of_one)
            if file.is_dry_run:
                events = await self.pre_registering.rehearse(form)
                is_awaited = any(isinstance(event, DeclarationAwaited) for event in events)
            else:
                answer = await self.pre_registering.hand_in(form, key=row.key)
                events, is_awaited = answer.outcome.events, answer.declaration_version is None
        except Rejection as rejection:
            return Verdict(row.row_no, Outcome.REFUSED, rejection.code)
        return Verdict(row.row_no, Outcome.AWAITING if is_awaited else Outcome.APPLIED if events else Outcome.UNCHANGED)


@dataclass(frozen=True, slots=True)
class _ToDecide:
    """A row that can be read."""

    row_no: int
    body: Body
    key: CommandKey


_OUTCOMES = {
    RowOutcome.IMPORTED: Outcome.APPLIED,
    RowOutcome.ALREADY_IMPORTED: Outcome.UNCHANGED,
    RowOutcome.REFUSED: Outcome.REFUSED,
}


def opened_cells(file: HandedIn, content: str, unsealer: Unsealer) -> list[Cell]:
    """The cells of a kept row. Raises: SealBroken; Unavailable, where it was forgotten in this moment."""
    opened = unsealer.unseal(file.import_id, CELLS, content)
    if isinstance(opened, Erased):
        raise Unavailable(retry_after_s=1)
    return [Cell(text, is_number) for text, is_number in orjson.loads(opened)]


def _as_text(cells: Sequence[Cell]) -> str:
    return orjson.dumps([(cell.text, cell.is_number) for cell in cells]).decode()


def _key(import_id: UUID, row_no: int, cells: Sequence[Cell]) -> CommandKey:
    """Of one row of one import, for ever."""
    return command_key(principal=f"import {import_id}", key=str(row_no), body=_as_text(cells).encode())


def _numbered(header: Sequence[str], cells: Sequence[Sequence[Cell]]) -> Iterator[tuple[int, Sequence[Cell], bool]]:
    """Number and cells of each row that holds something, and whether its document stood in an earlier one."""
    at = header.index(DOCUMENT_NUMBER.header) if DOCUMENT_NUMBER.header in header else len(header)
    seen: set[str] = set()
    for row_no, row in enumerate(cells[1:], 2):
        if any(cell.text for cell in row):
            number = row[at].text.upper() if at < len(row) else ""
            yield row_no, row, number in seen
            seen |= {number} - {""}
