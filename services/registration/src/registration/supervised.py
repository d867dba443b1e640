"""Who asks for what is open: an employer's registrar for his firm's people, an authority for how much on which of its contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.consistency import ConsistencyToken
from chassis.contract_places import CONTRACT_PLACES, WITHIN
from chassis.subscribers import ReadModel
from chassis.web import Consistency
from contracts.access import Action, Reach, Role
from contracts.firms import ContractNo
from registration.wired import Wired, wired

CONTRACTS_DEFAULT, CONTRACTS_MAX = 50, 200

SUPERVISED = f"(SELECT p.contract_no FROM contract_place_v1 AS p WHERE {WITHIN})"  # noqa: S608 - a constant
"""The contracts within reach."""

I = TypeVar("I", bound="OnContract")  # noqa: E741 - an item

Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]


def own_employer(caller: Principal) -> str | None:
    """The firm whose people alone the caller may see; None: everybody's."""
    # An empty code is nobody's: a registrar whose token names no firm sees nothing.
    return caller.employer_credit_code or "" if caller.role is Role.EMPLOYER_REGISTRAR else None


def by_contract(counted: str, *, total: str) -> str:
    """The query for how much is open on which contract. `counted` has a row for each of those `SUPERVISED` on which something is,
    and `total` is what of a row counts."""
    return f"""
WITH counted AS ({counted})
SELECT everywhere.total, page.*
FROM (SELECT coalesce(sum({total}), 0)::bigint AS total FROM counted) AS everywhere
LEFT JOIN LATERAL (SELECT * FROM counted WHERE contract_no > $3 ORDER BY contract_no LIMIT $4) AS page ON true
ORDER BY page.contract_no
"""  # noqa: S608 - constants


class OnContract(BaseModel):
    """A contract on which something is open."""

    contract_no: str


class ByContract(BaseModel, Generic[I]):
    """Contracts on which something is open, by number."""

    total: int
    """On all contracts within reach, whatever the page."""
    items: list[I]
    next: str | None
    """`after` of the next page. None: this was the last one."""


@dataclass(frozen=True)
class Asked:
    """Which page of which contracts."""

    parts: Wired
    seen: ConsistencyToken | None
    reach: Reach
    after: str
    limit: int

    async def answer(self, query: str, *answering: ReadModel) -> dict[str, Any]:
        """The fields of a `ByContract`. The query is made `by_contract`, and reads from these. Raises: Unavailable."""
        await self.parts.wait_for(self.seen, CONTRACT_PLACES, *answering)
        rows = await self.parts.pool.fetch(query, *self.reach.bounds, self.after, self.limit + 1)
        found = [row for row in rows if row["contract_no"] is not None]
        following = found[self.limit - 1]["contract_no"] if len(found) > self.limit else None
        return {"total": rows[0]["total"], "items": [dict(row) for row in found[: self.limit]], "next": following}


async def _asked(
    caller: Supervisor,
    seen: Consistency,
    parts: Annotated[Wired, Depends(wired)],
    after: Annotated[ContractNo | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=CONTRACTS_MAX)] = CONTRACTS_DEFAULT,
) -> Asked:
    return Asked(parts, seen, caller.reach, after or "", limit)


OfAuthority = Annotated[Asked, Depends(_asked)]
