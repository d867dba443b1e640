"""Whom somebody has to see to on a day: on one contract, and on all that an authority supervises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from chassis.auth import Principal, allowed, covers_contract
from chassis.consistency import ConsistencyToken
from chassis.faults import NotFound
from chassis.history import Limit
from chassis.subscribers import ReadModel
from chassis.web import Consistency, Router
from contracts.access import Action, covers
from contracts.firms import ContractNo
from contracts.health import Disposition
from contracts.times import Day, shanghai_date
from health.query_api import Viewer
from health.read_models.ban_reviews import BAN_REVIEWS, page_of_due_reviews
from health.read_models.isolation_ends import ISOLATION_ENDS, Whose, page_of_isolation_ends, places_of
from health.read_models.missing_reports import MISSING_REPORTS, counted_on, missing_by_contract, page_of_followed, page_of_missing
from health.rehearsing import NOBODY
from health.wired import Parts, Wired, own_firm

site = Router(prefix="/v1/contracts/{contract_no}", tags=["health"])

supervised = Router(prefix="/v1", tags=["health"])

Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
OnDay = Annotated[Day | None, Query(alias="date", description="Day in Shanghai; without it, today.")]

I = TypeVar("I")  # noqa: E741 - an item


class DayList(BaseModel, Generic[I]):
    """Some of the people on a list, by `person_id`."""

    date: date
    """In Shanghai."""
    items: list[I]
    next: UUID | None
    """`after` of the next page. None: this was the last one."""


class IsolationEndItem(BaseModel):
    """Somebody whose isolation is over."""

    person_id: UUID
    contracts: list[str]
    """Those asked for that know the person."""
    anchor_date: date
    """Day 0 of the order that ends last."""
    admissible_on: date
    """The first day on which no order bans the person."""


class DueReviewItem(BaseModel):
    """A ban that somebody has to look at."""

    person_id: UUID
    contracts: list[str]
    """Those asked for that know the person."""
    disposition: Disposition
    banned_at: datetime
    review_on: date
    objected_at: datetime | None


class IsolationEndsAnswer(DayList[IsolationEndItem]):
    """Some of those whose isolation is over on the day."""


class DueReviewsAnswer(DayList[DueReviewItem]):
    """Some of the bans that are due by the day."""


class MissingReportsAnswer(DayList[UUID]):
    """Some of those who have no health report of the day: their `person_id`s."""


class FollowedPersonItem(BaseModel):
    """Somebody who is expected or on site."""

    person_id: UUID
    reported: bool
    """Whether there is a health report of the day."""


class FollowedPeopleAnswer(DayList[FollowedPersonItem]):
    """Some of those who are expected or on site now; `reported` is of the day."""

    followed: int
    """All of them."""
    missing: int
    """Those of all who have no report."""


class MissingOnContractItem(BaseModel):
    """A contract with people who have no health report of the day."""

    contract_no: str
    followed: int
    """People who are expected there or on site."""
    missing: int
    """Those of them without a report: one or more."""


class MissingByContractAnswer(BaseModel):
    """Contracts with people who have no health report of the day, by number."""

    date: date
    """In Shanghai."""
    items: list[MissingOnContractItem]
    """`limit` at most: fewer, or none, where on all contracts that one page looks at the reports are there."""
    next: str | None
    """`after` of the next page. None: all contracts within reach were looked at."""


@dataclass(frozen=True)
class Asked:
    """Which page of which people's list."""

    parts: Wired
    seen: ConsistencyToken | None
    whose: Whose
    day: date
    after: UUID
    limit: int

    async def answer(
        self, page_of: Callable[..., Awaitable[Sequence[Any]]], answering: ReadModel, *, item: Callable[[Any], Any] = asdict
    ) -> dict[str, Any]:
        """The fields of a `DayList`. `page_of` reads at most `limit` items, each with its `person_id`, which orders them: from this
        read model, and those that say who is seen. Raises: Unavailable."""
        await self.parts.wait_for(self.seen, answering)
        found = await page_of(self.parts.pool, self.day, self.whose, after=self.after, limit=self.limit + 1)
        items = found[: self.limit]
        following = items[-1].person_id if len(found) > self.limit else None
        return {"date": self.day, "items": [item(each) for each in items], "next": following}


async def of_site(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    on_day: OnDay = None,
    after: UUID = NOBODY,
    limit: Limit = 50,
) -> Asked:
    covers_contract(caller, contract_no)
    return _asked(Whose(contract_no=contract_no, employer=own_firm(caller)), seen, parts, on_day, after, limit)


async def of_authority(
    caller: Supervisor, seen: Consistency, parts: Parts, on_day: OnDay = None, after: UUID = NOBODY, limit: Limit = 50
) -> Asked:
    return _asked(_supervised_by(caller), seen, parts, on_day, after, limit)


async def of_supervised_site(
    contract_no: ContractNo,
    caller: Supervisor,
    seen: Consistency,
    parts: Parts,
    on_day: OnDay = None,
    after: UUID = NOBODY,
    limit: Limit = 50,
) -> Asked:
    await parts.wait_for(seen)
    place = (await places_of(parts.pool, [contract_no])).get(contract_no)
    if place is None or not covers(caller.role, caller.grants, place):
        raise NotFound
    return _asked(Whose(contract_no=contract_no), seen, parts, on_day, after, limit)


def _supervised_by(caller: Principal) -> Whose:
    return Whose(stations=caller.reach.stations, districts=caller.reach.districts)


def _asked(whose: Whose, seen: Consistency, parts: Wired, on_day: date | None, after: UUID, limit: int) -> Asked:
    return Asked(parts, seen, whose, on_day or shanghai_date(parts.clock.now()), after, limit)


OfSite = Annotated[Asked, Depends(of_site)]
OfAuthority = Annotated[Asked, Depends(of_authority)]
OfSupervisedSite = Annotated[Asked, Depends(of_supervised_site)]


@site.get("/missing-reports")
async def list_missing_reports(asked: OfSite) -> MissingReportsAnswer:
    """未填报: who is expected or on site and has no health report of the day. A declared temperature is none."""
    return MissingReportsAnswer(**await asked.answer(page_of_missing, MISSING_REPORTS, item=attrgetter("person_id")))


@supervised.get("/missing-reports")
async def list_supervised_missing_reports(
    caller: Supervisor,
    seen: Consistency,
    parts: Parts,
    on_day: OnDay = None,
    after: Annotated[ContractNo | None, Query(description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> MissingByContractAnswer:
    """未填报 on all contracts of a station, a district or the city: how many people of which contract."""
    await parts.wait_for(seen, MISSING_REPORTS)
    day = on_day or shanghai_date(parts.clock.now())
    found, following = await missing_by_contract(parts.pool, day, _supervised_by(caller), after=after or "", limit=limit)
    items = [MissingOnContractItem(**asdict(each)) for each in found]
    return MissingByContractAnswer(date=day, items=items, next=following)


@supervised.get("/missing-reports/{contract_no}")
async def list_supervised_missing_people(asked: OfSupervisedSite) -> MissingReportsAnswer:
    """未填报 on one of those contracts: who it is."""
    return MissingReportsAnswer(**await asked.answer(page_of_missing, MISSING_REPORTS, item=attrgetter("person_id")))


@supervised.get("/missing-reports/{contract_no}/followed")
async def list_followed_people(asked: OfSupervisedSite) -> FollowedPeopleAnswer:
    """应登记: whom `followed` counts on one of those contracts, and whether each is reported."""
    page = await asked.answer(page_of_followed, MISSING_REPORTS)
    counted = await counted_on(asked.parts.pool, asked.day, asked.whose)
    return FollowedPeopleAnswer(**page, followed=counted.followed, missing=counted.missing)


@site.get("/isolation-ends")
async def list_isolation_ends(asked: OfSite) -> IsolationEndsAnswer:
    """隔离期满: of whose isolation this is the first free day. The latest end of all orders counts; other bans may stand."""
    return IsolationEndsAnswer(**await asked.answer(page_of_isolation_ends, ISOLATION_ENDS))


@supervised.get("/isolation-ends")
async def list_supervised_isolation_ends(asked: OfAuthority) -> IsolationEndsAnswer:
    """隔离期满 on all contracts of a station, a district or the city."""
    return IsolationEndsAnswer(**await asked.answer(page_of_isolation_ends, ISOLATION_ENDS))


@site.get("/ban-reviews")
async def list_ban_reviews(asked: OfSite) -> DueReviewsAnswer:
    """待复核: bans of this contract's people that are to be looked at by the day, and those that somebody objects to."""
    return DueReviewsAnswer(**await asked.answer(page_of_due_reviews, BAN_REVIEWS))


@supervised.get("/ban-reviews")
async def list_supervised_ban_reviews(asked: OfAuthority) -> DueReviewsAnswer:
    """待复核 on all contracts of a station, a district or the city."""
    return DueReviewsAnswer(**await asked.answer(page_of_due_reviews, BAN_REVIEWS))
