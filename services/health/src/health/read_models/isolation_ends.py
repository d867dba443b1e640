"""Whose isolation is over on this day, on one contract or on all that an authority supervises?

The latest end of all orders that bind counts: whoever has another one that goes on is not on the list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from chassis.contract_places import PLACES, placed
from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.access import Site
from contracts.health import IsolationOrdered, IsolationOrderWithdrawn
from contracts.registration import ContractReported


@dataclass(slots=True)
class OrderRow:
    """An order that binds. Absent once it was withdrawn."""

    person_id: UUID
    order_id: UUID
    anchor_date: date
    admissible_on: date


ORDERS = Table("isolation_order_v1", OrderRow, key=("person_id", "order_id"))


def _ordered(rows: Rows, fact: Fact[IsolationOrdered], _: int) -> None:
    event = fact.event
    rows.put(ORDERS, OrderRow(event.person_id, event.order_id, event.anchor_date, event.admissible_on))


def _withdrawn(rows: Rows, fact: Fact[IsolationOrderWithdrawn], _: int) -> None:
    rows.remove(ORDERS, (fact.event.person_id, fact.event.order_id))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if isinstance(fact.event, IsolationOrderWithdrawn):
        yield ORDERS, (fact.event.person_id, fact.event.order_id)


ISOLATION_ENDS = ReadModel(
    name="isolation_ends_v1",
    tables=(ORDERS, PLACES),
    folds={IsolationOrdered: _ordered, IsolationOrderWithdrawn: _withdrawn, ContractReported: placed},
    reads=_read,
)


async def places_of(pool: asyncpg.Pool, contract_nos: Collection[str]) -> Mapping[str, Site]:
    """By contract: who supervises it. One that was never reported is left out."""
    query = "SELECT contract_no, station_name, district FROM contract_place_v1 WHERE contract_no = ANY($1)"
    return {row["contract_no"]: Site(**row) for row in await pool.fetch(query, list(contract_nos))}


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose people are asked for. None: no bound of that kind."""

    contract_no: str | None = None
    employer: str | None = None
    stations: Collection[str] | None = None
    districts: Collection[str] | None = None

    @property
    def bounds(self) -> Sequence[object]:
        """What `WITHIN` takes."""
        stations = None if self.stations is None else sorted(self.stations)
        districts = None if self.districts is None else sorted(self.districts)
        return self.contract_no, self.employer, stations, districts


WITHIN = """($3::text IS NULL OR k.contract_no = $3)
  AND ($4::text IS NULL OR $4 IN (k.pre_registered_for, k.rostered_for))
  AND ($5::text[] IS NULL OR p.station_name = ANY ($5))
  AND ($6::text[] IS NULL OR p.district = ANY ($6))"""
"""Of somebody whom a contract knows as `k`, at the place `p`."""


@dataclass(frozen=True, slots=True)
class IsolationEnd:
    """Somebody who is admissible again, as far as isolation goes."""

    person_id: UUID
    contracts: Sequence[str]
    """Those asked for that know the person, ascending."""
    anchor_date: date
    """Day 0 of the order that ends last."""
    admissible_on: date


PAGE = f"""
SELECT o.person_id, array_agg(DISTINCT k.contract_no ORDER BY k.contract_no) AS contracts,
       max(o.anchor_date) AS anchor_date, o.admissible_on
FROM isolation_order_v1 AS o
JOIN known_person_v1 AS k USING (person_id)
LEFT JOIN contract_place_v1 AS p USING (contract_no)
WHERE o.admissible_on = $1 AND o.person_id > $2
  AND NOT EXISTS (
      SELECT FROM isolation_order_v1 AS later WHERE later.person_id = o.person_id AND later.admissible_on > o.admissible_on
  )
  AND {WITHIN}
GROUP BY o.person_id, o.admissible_on
ORDER BY o.person_id
LIMIT $7
"""  # noqa: S608 - constants


async def page_of_isolation_ends(pool: asyncpg.Pool, day: date, whose: Whose, *, after: UUID, limit: int) -> Sequence[IsolationEnd]:
    """At most `limit` people whom no order bans from this day on, and one did until then; by `person_id`."""
    rows = await pool.fetch(PAGE, day, after, *whose.bounds, limit)
    return [IsolationEnd(**row) for row in rows]
