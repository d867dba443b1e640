"""Files handed in to registration, and worked on as its worker does it."""

from __future__ import annotations

from typing import Any

import httpx2

from registration.imports.files import CSV
from tests.in_process import Caller
from tests.registration.service import Running
from tests.registration.sheets import Row, as_csv


def rosters(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/roster-imports"


def forms(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/pre-registration-imports"


async def finished(running: Running) -> None:
    """Nothing is left of any file."""
    while await running.wired.imports.step():
        pass


async def worked_on(running: Running, caller: Caller, handed_in: httpx2.Response) -> dict[str, Any]:
    """The import, when nothing is left of it to do."""
    assert 202 == handed_in.status_code, handed_in.text
    await finished(running)
    answer: dict[str, Any] = (await caller.get(f"/v1/imports/{handed_in.json()['import_id']}")).json()
    assert ("finished", 0) == (answer["state"], answer["waiting"])
    assert answer["rows"] == sum(answer[outcome] for outcome in ("applied", "unchanged", "awaiting", "refused"))
    return answer


async def import_roster(running: Running, operator: Caller, contract_no: str, *rows: Row) -> dict[str, Any]:
    """旧实名制名册, as a file; the import, when it is finished."""
    return await worked_on(running, operator, await operator.upload(rosters(contract_no), as_csv(rows), CSV))
