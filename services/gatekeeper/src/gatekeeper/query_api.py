"""What the gate would say, without anybody standing at it; who asked; and who is on site."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.contract_places import CONTRACT_PLACES
from chassis.faults import NotFound
from chassis.history import Before, Item, Page, facts_of, next_before
from chassis.web import Consistency, Router, etag
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.gatekeeper import EntryKind, ExitRegistered, Outcome, PaperEntryRecorded, Reason
from gatekeeper.domain.same_person import record_here
from gatekeeper.domain.verdict import Question, earliest, is_known_on, judge
from gatekeeper.read_models.attempts import ATTEMPTS, Listed, Place, Wanted, page_of_attempts
from gatekeeper.read_models.banned_on_site import page_of_banned_on_site
from gatekeeper.read_models.paper_entries import PAPER_ENTRIES, WantedOnPaper, count_paper_entries, page_of_paper_entries
from gatekeeper.read_models.roster import ROSTER, RosterRow, page_of_roster, roster_counts
from gatekeeper.wired import Wired, wired

ROWS_DEFAULT, ROWS_MAX = 50, 200
NOBODY = UUID(int=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = Router(prefix="/v1/contracts/{contract_no}", tags=["gate"])

supervised = Router(prefix="/v1", tags=["gate"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_CLEARANCE))]
Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
Parts = Annotated[Wired, Depends(wired)]
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX)]
IsSettled = Annotated[bool | None, Query(description="Whether an authority has looked; without it, all.")]
OfPerson = Annotated[UUID | None, Query(description="Of this person alone.")]


class ClearanceAnswer(BaseModel):
    """The verdict as it stands, with every reason. Not an attempt: nothing is recorded and nobody is admitted by it."""

    person_id: UUID
    """Of a person with several documents, the record under which he is on site here, or expected."""
    contract_no: str
    kind: EntryKind
    admissible: bool
    reasons: tuple[Reason, ...]
    earliest: date | None
    """The first day, in Shanghai, on which the reasons that have a date no longer stand. None: no date is known."""
    on_site: bool
    """Whether the person has an open entry on this contract."""
    version: int
    """Of the person's stream."""
    policy_version: int
    """The policy set in force."""
    as_of: datetime | None
    """UTC: everything that was recorded until then is considered. None: the gate cannot prove how recent its view is."""


@router.get("/clearances/{person_id}")
async def read_clearance(
    contract_no: ContractNo,
    person_id: UUID,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    response: Response,
    kind: EntryKind = EntryKind.ENTRY,
) -> ClearanceAnswer:
    """准入状态 of somebody who is or was expected or on site here; of nobody else."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    known = await parts.gate.known(person_id)
    if not any(is_known_on(each, contract_no) for each in known.records.values()):
        raise NotFound
    record = record_here(known.records, contract_no)
    person, fresh_as_of = known.records[record], known.fresh_as_of
    question = Question(contract_no, kind, parts.gate.clock.now(), is_fresh=fresh_as_of is not None)
    verdict = judge(person, question, parts.policies.value, known.besides(record))
    response.headers["ETag"] = etag(person.version)
    return ClearanceAnswer(
        person_id=record,
        contract_no=contract_no,
        kind=kind,
        admissible=verdict.admits,
        reasons=verdict.reasons,
        earliest=earliest(verdict.reasons),
        on_site=contract_no in person.on_site,
        version=person.version,
        policy_version=verdict.policy_version,
        as_of=fresh_as_of,
    )


# --- Attempts ---------------------------------------------------------------------------------------------------------


class SettlementAnswer(BaseModel):
    """An authority has looked."""

    model_config = ConfigDict(from_attributes=True)

    finding: str
    """What it found, in codes."""
    measure: str
    """What was done about it, in codes."""
    settled_by: str
    """The account."""
    settled_at: datetime
    """UTC."""


class RecordedAttemptAnswer(BaseModel):
    """One asked entry or gate pass, as it was answered; or an entry that two people decided on paper."""

    attempt_id: UUID
    person_id: UUID
    kind: EntryKind
    outcome: Outcome
    reasons: tuple[Reason, ...]
    earliest: date | None
    decided_by: tuple[UUID, ...]
    """The two people who decided on paper. Empty: the gate did."""
    needs_review: bool
    """待核: let in on paper although a reason forbade it, and nobody has looked yet."""
    settled: SettlementAnswer | None
    """What came of that. None: nothing yet, or it was within the rules."""
    person_kind: str | None
    trade: str | None
    employer_credit_code: str | None
    clearance_version: int
    policy_version: int
    fresh_as_of: datetime | None
    attempted_at: datetime
    """When it was asked; on paper, when the person went in."""
    recorded_at: datetime
    recorded_by: str | None
    """The account that asked, or that recorded it. None: told before facts named one."""


class AttemptsAnswer(BaseModel):
    """A page, the latest first."""

    items: list[RecordedAttemptAnswer]
    next: str | None
    """`after` of the next page. None: this was the last one."""


AfterAttempt = Annotated[
    str, Query(pattern=r"^[0-9]{1,16}_[0-9]{1,2}_[0-9]{1,18}$", description="`next` of the page before; opaque.")
]
"""Microseconds since 1970, shard and position of the last row."""


@router.get("/attempts")
async def list_attempts(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    kind: EntryKind | None = None,
    outcome: Outcome | None = None,
    needs_review: bool | None = None,
    person_id: UUID | None = None,
    after: AfterAttempt | None = None,
    limit: Limit = ROWS_DEFAULT,
) -> AttemptsAnswer:
    """进场请求: every attempt at this gate, admitted or refused, with all its reasons."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen, ATTEMPTS, PAPER_ENTRIES)
    wanted = Wanted(kind, outcome, needs_review, person_id)
    rows = await page_of_attempts(parts.pool, contract_no, wanted, after=_place(after), limit=limit + 1)
    shown = rows[:limit]
    return AttemptsAnswer(items=[_attempt(each) for each in shown], next=_after(shown[-1].place) if len(rows) > limit else None)


def _attempt(found: Listed) -> RecordedAttemptAnswer:
    event, settled = found.event, found.settlement
    own: dict[str, Any] = dict(event)
    if isinstance(event, PaperEntryRecorded):
        own |= {"kind": EntryKind.ENTRY, "outcome": Outcome.ADMITTED, "attempted_at": event.entered_at}
        own |= {"needs_review": event.needs_review and settled is None}
    else:
        own |= {"decided_by": (), "needs_review": False, "recorded_at": event.attempted_at}
    own |= {"recorded_by": found.recorded_by}
    own |= {"settled": SettlementAnswer.model_validate(settled) if settled else None, "earliest": earliest(event.reasons)}
    return RecordedAttemptAnswer(**own)


def _after(place: Place) -> str:
    return f"{(place.at - EPOCH) // timedelta(microseconds=1)}_{place.shard}_{place.pos}"


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    microseconds, shard, pos = map(int, after.split("_"))
    return Place(EPOCH + timedelta(microseconds=microseconds), shard, pos)


class SupervisedPaperEntryItem(RecordedAttemptAnswer):
    """An entry on paper, and where."""

    contract_no: str


class SupervisedPaperEntriesAnswer(BaseModel):
    """A page, the latest first."""

    total: int
    """All that were asked for within reach, whatever the page."""
    items: list[SupervisedPaperEntryItem]
    next: str | None
    """`after` of the next page. None: this was the last one."""


@supervised.get("/paper-entries")
async def list_supervised_paper_entries(
    caller: Supervisor,
    seen: Consistency,
    parts: Parts,
    is_settled: IsSettled = None,
    person_id: OfPerson = None,
    after: AfterAttempt | None = None,
    limit: Limit = ROWS_DEFAULT,
) -> SupervisedPaperEntriesAnswer:
    """待核: let in on paper although a reason forbade it, on all sites of a station, a district or the city, and what came of it.
    A site asks its attempts."""
    await parts.wait_for(seen, PAPER_ENTRIES, CONTRACT_PLACES)
    reach, wanted = caller.reach, WantedOnPaper(is_settled, person_id)
    rows = await page_of_paper_entries(parts.pool, reach, wanted, after=_place(after), limit=limit + 1)
    shown = rows[:limit]
    return SupervisedPaperEntriesAnswer(
        total=await count_paper_entries(parts.pool, reach, wanted),
        items=[SupervisedPaperEntryItem(**dict(_attempt(each)), contract_no=each.event.contract_no) for each in shown],
        next=_after(shown[-1].place) if len(rows) > limit else None,
    )


# --- Roster -----------------------------------------------------------------------------------------------------------


class RosterMemberAnswer(BaseModel):
    """Somebody who was or is on this site."""

    model_config = ConfigDict(from_attributes=True)

    person_id: UUID
    employer_credit_code: str | None
    person_kind: str | None
    trade: str | None
    on_site: bool
    """在场."""
    entered_at: datetime | None
    """The last entry. None: imported, and not entered since."""
    left_at: datetime | None
    """The last exit."""
    disposition: str | None
    """The ban that is in force; None: none."""
    banned_since: datetime | None


class RosterAnswer(BaseModel):
    """A page of 实名制名册, with the numbers of all of it."""

    registered: int
    """总数: ever entered or imported."""
    on_site: int
    """在场数."""
    banned_on_site: int
    """An alarm unless 0: people with a ban who have not left yet."""
    items: list[RosterMemberAnswer]
    next: UUID | None
    """`after` of the next page. None: this was the last one."""


@router.get("/roster")
async def list_roster(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    on_site: bool | None = None,
    banned: bool | None = None,
    after: UUID | None = None,
    limit: Limit = ROWS_DEFAULT,
) -> RosterAnswer:
    """实名制名册. With `on_site` and `banned`: who has to leave. No names: the gate cannot read them."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen, ROSTER)
    counts = await roster_counts(parts.pool, contract_no)
    rows = await page_of_roster(parts.pool, contract_no, on_site=on_site, banned=banned, after=after, limit=limit + 1)
    shown: Sequence[RosterRow] = rows[:limit]
    return RosterAnswer(
        registered=counts.registered,
        on_site=counts.on_site,
        banned_on_site=counts.banned_on_site,
        items=[RosterMemberAnswer.model_validate(row) for row in shown],
        next=shown[-1].person_id if len(rows) > limit else None,
    )


# --- Exits ------------------------------------------------------------------------------------------------------------


class ExitItem(Item):
    """退场登记."""

    exited_at: datetime
    """UTC."""
    recorded_by: str | None
    """The account. None: told before facts named one."""


@router.get("/exits")
async def list_exits(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    person_id: UUID,
    before: Before = None,
    limit: Limit = ROWS_DEFAULT,
) -> Page[ExitItem]:
    """退场 of one person from this site, the last one first."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    of_site = "said ->> 'contract_no' = $6"
    found = await facts_of(parts.pool, person_id, [ExitRegistered], before=before, limit=limit, only=of_site, given=[contract_no])
    items = [
        ExitItem(
            version=each.recorded.version,
            exited_at=each.event.exited_at,
            recorded_by=each.recorded.actor.account if each.recorded.actor else None,
        )
        for each in found
    ]
    return Page(items=items, next_before=next_before(found, limit))


# --- Banned while on site ---------------------------------------------------------------------------------------------


class BannedOnSiteItem(BaseModel):
    """Somebody who has to leave."""

    model_config = ConfigDict(from_attributes=True)

    person_id: UUID
    contracts: list[str]
    """Of those supervised, where the person is on site."""
    disposition: str
    banned_since: datetime


class BannedOnSiteAnswer(BaseModel):
    """A page; an alarm unless the first one is empty."""

    items: list[BannedOnSiteItem]
    next: UUID | None
    """`after` of the next page. None: this was the last one."""


@supervised.get("/banned-on-site")
async def list_banned_on_site(
    caller: Supervisor, seen: Consistency, parts: Parts, after: UUID = NOBODY, limit: Limit = ROWS_DEFAULT
) -> BannedOnSiteAnswer:
    """Whoever is banned and has not left yet, on all sites of a station, a district or the city. A site asks its roster."""
    await parts.wait_for(seen, ROSTER, CONTRACT_PLACES)
    rows = await page_of_banned_on_site(parts.pool, caller.reach, after=after, limit=limit + 1)
    items = [BannedOnSiteItem.model_validate(row) for row in rows[:limit]]
    return BannedOnSiteAnswer(items=items, next=items[-1].person_id if len(rows) > limit else None)
