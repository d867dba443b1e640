"""By which policies does the gate weigh reasons? Each adopted one as health told it.

While the broker is away the gate goes on by those that it knows: unlike a ban, a policy is decided before its first day.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from chassis.watched import Watched
from contracts.health import PolicyAdopted
from contracts.policy import Policies, policies_of

READ_MAX = 50
"""Policies in one answer of the database: each may fill an event."""

SINCE = "SELECT data FROM adopted_policy_v1 WHERE version > $1 ORDER BY version LIMIT $2"


@dataclass(slots=True)
class AdoptedPolicyRow:
    version: int
    data: bytes
    """The whole event."""


ADOPTED = Table("adopted_policy_v1", AdoptedPolicyRow, key=("version",))


def _adopted(rows: Rows, fact: Fact[PolicyAdopted], _: int) -> None:
    rows.put(ADOPTED, AdoptedPolicyRow(fact.event.version, fact.event.encode()))


ADOPTED_POLICIES = ReadModel(name="adopted_policy_v1", tables=(ADOPTED,), folds={PolicyAdopted: _adopted})


def watched_policies(pool: asyncpg.Pool) -> Watched[Policies]:
    """What this process weighs by."""

    async def read(known: Policies) -> Policies:
        while True:
            rows = await pool.fetch(SINCE, known.latest_version, READ_MAX)
            adopted = [PolicyAdopted.decode(row["data"]) for row in rows]
            known = policies_of(((each.version, each.terms) for each in adopted), known)
            if len(rows) < READ_MAX:
                return known

    return Watched("policies", Policies(), read)
