"""Who is banned and has not left yet, on all sites that an authority supervises?

Who is on site and who is banned, the roster says (`roster.py`); where each contract hangs, `chassis.contract_places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from chassis.contract_places import WITHIN, by_station
from chassis.measuring import LabelledGauge
from contracts.access import Reach
from contracts.health import Disposition
from gatekeeper.read_models.roster import BANNED_PEOPLE

COUNT_EVERY_S = 5.0
"""An alarm needs no younger number: whoever asks is answered from the rows."""
BANNED_ON_SITE = Gauge(
    "gatehouse_banned_on_site", "People with a ban who have not left. The same of every worker: take the greatest."
)
BANNED_AT_STATIONS = LabelledGauge(
    Gauge(
        "gatehouse_station_banned_on_site",
        "The same by where their sites hang: somebody on several counts on each. The same of every worker: take the greatest.",
        ["district", "station"],
    )
)
BANNED = Gauge(
    "gatehouse_banned_people", "People with a ban, wherever they are. The same of every worker: take the greatest.", ["disposition"]
)


@dataclass(frozen=True, slots=True)
class BannedOnSite:
    """Somebody who has to leave."""

    person_id: UUID
    contracts: Sequence[str]
    """Of those supervised, where the person is on site; ascending."""
    disposition: str
    banned_since: datetime


# Few are banned, and of these few are on site: they lead the way.
PAGE = f"""
SELECT b.person_id, array_agg(r.contract_no ORDER BY r.contract_no) AS contracts, b.disposition, b.since AS banned_since
FROM {BANNED_PEOPLE} AS b JOIN roster_v1 AS r USING (person_id) LEFT JOIN contract_place_v1 AS p USING (contract_no)
WHERE {WITHIN} AND r.on_site AND b.person_id > $3
GROUP BY b.person_id, b.disposition, b.since
ORDER BY b.person_id
LIMIT $4
"""


async def page_of_banned_on_site(pool: asyncpg.Pool, reach: Reach, *, after: UUID, limit: int) -> Sequence[BannedOnSite]:
    """At most `limit` people, by `person_id`."""
    return [BannedOnSite(**row) for row in await pool.fetch(PAGE, *reach.bounds, after, limit)]


async def count_banned_on_site(pool: asyncpg.Pool) -> int:
    """People, wherever they are on site."""
    count: int = await pool.fetchval(
        f"SELECT count(DISTINCT b.person_id) FROM {BANNED_PEOPLE} AS b JOIN roster_v1 AS r USING (person_id) WHERE r.on_site"
    )
    return count


AT_STATIONS = f"""
SELECT p.district, p.station_name, count(b.person_id)
FROM contract_place_v1 AS p
LEFT JOIN (roster_v1 AS r JOIN {BANNED_PEOPLE} AS b USING (person_id)) ON r.contract_no = p.contract_no AND r.on_site
GROUP BY 1, 2
"""


async def count_bans(pool: asyncpg.Pool) -> None:
    """Tell the numbers as metrics."""
    BANNED_ON_SITE.set(await count_banned_on_site(pool))
    BANNED_AT_STATIONS.tell(by_station(map(tuple, await pool.fetch(AT_STATIONS))))
    rows = await pool.fetch("SELECT disposition, count(*) FROM banned_v1 GROUP BY disposition")
    banned = {row["disposition"]: row["count"] for row in rows}
    for disposition in set(Disposition) - {Disposition.ADMISSIBLE}:
        BANNED.labels(disposition).set(banned.get(disposition, 0))
