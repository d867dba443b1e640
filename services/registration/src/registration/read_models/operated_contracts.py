"""Of which contracts did a project lead ever say that this person may act there?

An index, and no more: whether he still may stands in the contract's own stream, where a withdrawal counts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.operators import OperatorGranted

CONTRACTS_MAX = 500
"""Of one operator: beyond it the first ones count."""


@dataclass(slots=True)
class OperatedContract:
    operator_id: UUID
    contract_no: str


OPERATED = Table("operated_contract_v1", OperatedContract, key=("operator_id", "contract_no"))


def _granted(rows: Rows, fact: Fact[OperatorGranted], _: int) -> None:
    rows.put(OPERATED, OperatedContract(fact.event.operator_id, fact.event.contract_no))


OPERATED_CONTRACTS = ReadModel(name="operated_contract_v1", tables=(OPERATED,), folds={OperatorGranted: _granted})
"""Answers what somebody may do who signs in."""


async def operated_contracts(pool: asyncpg.Pool, operator_id: UUID) -> Sequence[str]:
    """By number."""
    rows = await pool.fetch(
        "SELECT contract_no FROM operated_contract_v1 WHERE operator_id = $1 ORDER BY contract_no LIMIT $2",
        operator_id,
        CONTRACTS_MAX,
    )
    return [row["contract_no"] for row in rows]
