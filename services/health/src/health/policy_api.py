"""Policies over HTTP: what is in force, and how an authority drafts and adopts another."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey
from chassis.faults import NotFound
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, etag, problems
from contracts.access import Action, Site, covers, decides_for
from contracts.policy import SHIPPED, SHIPPED_VERSION, Policies, PolicyTerms, Switch, Switches
from contracts.streams import POLICY_STREAM
from contracts.texts import VisibleText
from contracts.times import shanghai_date
from health.adopted_policies import adoptions
from health.domain.adoption import AdoptPolicy, DraftPolicy, ExtrasAreForbidden, PolicyBeginsInThePast, TooManyPolicies
from health.domain.rehearsal import Rehearsal, Standing, is_told_in_part, ordered_until
from health.domain.state import HealthPerson
from health.rehearsing import NOBODY
from health.wired import Parts, Wired

REHEARSED_ITEMS_MAX = 1_000

PAGE_ITEMS_MAX = 50
"""Policies in one answer: each may name hundreds of areas."""

router = Router(prefix="/v1/policies", tags=["policies"])

Reader = Annotated[Principal, Depends(allowed(Action.VIEW_POLICIES))]
Officer = Annotated[Principal, Depends(allowed(Action.DECIDE_POLICY))]


class PolicyItem(BaseModel):
    """One version of the rules' values."""

    version: int
    terms: PolicyTerms
    reference: str | None
    """The paper that it carries out. None: shipped."""
    adopted_at: datetime | None
    """None: shipped."""
    in_force: bool
    """Whether it counts for what is judged today. A district's or site's: for arrivals there."""


class PoliciesAnswer(BaseModel):
    """A page, the oldest first. Every judgement names the versions on which it rests."""

    items: list[PolicyItem]
    next: int | None
    """`after` of the next page. None: this was the last one."""


class DraftBody(StrictModel):
    """What an authority may decide."""

    terms: PolicyTerms


class DraftAnswer(BaseModel):
    """The draft, as stored. Nobody is judged by it."""

    draft_id: UUID
    terms: PolicyTerms
    drafted_at: datetime


class ReadDraftAnswer(BaseModel):
    """The draft, as stored. Nobody is judged by it."""

    draft_id: UUID
    terms: PolicyTerms


class ActivationBody(StrictModel):
    """On what the decision rests."""

    reference: VisibleText
    """The paper of the authority that it carries out."""


class ActivationAnswer(BaseModel):
    """The policy, as adopted."""

    version: int
    """What judgements by it will name."""
    draft_id: UUID
    terms: PolicyTerms


class StandingAnswer(BaseModel):
    """What policies hold against somebody, whether or not anybody has judged by them."""

    model_config = ConfigDict(from_attributes=True)

    fever: Switch | None
    """What the gate makes of it. None: the person has none."""
    symptoms: Switch | None
    """Likewise."""
    admissible_on: date | None
    """The first day on which no isolation bans any more. None: none bans on the day that was rehearsed."""


class RehearsedItem(BaseModel):
    """Somebody of whom the draft says something else."""

    person_id: UUID
    now: StandingAnswer
    then: StandingAnswer


class SwitchedRule(BaseModel):
    """A rule of the gate of which the draft makes something else."""

    rule: str
    now: Switch
    then: Switch


class RehearsalAnswer(BaseModel):
    """Who would change, of some of today's people: those who come next by id."""

    day: date
    """For which it was rehearsed, in Shanghai: the draft's first, or today."""
    looked_at: int
    """People, of whom the items are those that would change."""
    told_in_part: int
    """Of these, those with a journey that was judged before it was kept what was judged: of it nothing can be rehearsed."""
    switched: list[SwitchedRule]
    """For whom these matter depends on who comes to the gate, but for fever and symptoms."""
    items: list[RehearsedItem]
    next: UUID | None
    """`after` of the next request. None: these were the last."""


class ProposedItem(BaseModel):
    """Somebody whom the policy in force would isolate otherwise than was ordered."""

    person_id: UUID
    ordered: date | None
    """The first day on which no order that was made bans any more. None: none bans today."""
    proposed: date | None
    """The same by what is in force today."""


class ProposalsAnswer(BaseModel):
    """Of some of today's people, those who come next by id."""

    looked_at: int
    told_in_part: int
    """People with a journey of which nothing can be said, see the rehearsal."""
    items: list[ProposedItem]
    next: UUID | None
    """`after` of the next page. None: these were the last."""


@router.get("")
async def list_policies(
    reader: Reader,
    seen: Consistency,
    parts: Parts,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_MAX,
) -> PoliciesAnswer:
    """The values by which people are judged, as dated data, whoever decided them."""
    await parts.wait_for(seen)
    policies = await parts.policies.look()
    counting = _counting(policies, parts)
    shipped = PolicyItem(
        version=SHIPPED_VERSION,
        terms=SHIPPED,
        reference=None,
        adopted_at=None,
        in_force=SHIPPED_VERSION in counting,
    )
    adopted = [
        PolicyItem(
            version=each.version,
            terms=each.terms,
            reference=each.reference,
            adopted_at=each.adopted_at,
            in_force=each.version in counting,
        )
        for each in await adoptions(parts.pool, after=max(after, SHIPPED_VERSION), limit=limit + 1)
    ]
    items = ([shipped] if after < SHIPPED_VERSION else []) + adopted
    return PoliciesAnswer(items=items[:limit], next=items[limit - 1].version if len(items) > limit else None)


@router.post("/drafts", status_code=201)
async def draft_policy(
    body: DraftBody, key: IdempotencyKey, officer: Officer, seen: Consistency, parts: Parts, response: Response
) -> DraftAnswer:
    """Write down what the own authority may decide: to be rehearsed, and activated."""
    _require_own(officer, body.terms)
    await parts.wait_for(seen)
    draft_id = uuid4()
    command = DraftPolicy(draft_id=draft_id, terms=body.terms, at=parts.clock.now())
    outcome = await parts.drafts.handle(draft_id, command, key=_key(officer, key))
    _tell(response, outcome, outcome.token)
    return DraftAnswer(**dict(outcome.events[0]))


@router.get("/drafts/{draft_id}")
async def read_draft(draft_id: UUID, officer: Officer, seen: Consistency, parts: Parts) -> ReadDraftAnswer:
    """A draft of the own authority, to be looked at before it is rehearsed and activated."""
    await parts.wait_for(seen)
    return ReadDraftAnswer(draft_id=draft_id, terms=await own_draft(officer, draft_id, parts))


@router.post(
    "/drafts/{draft_id}/activation",
    status_code=201,
    responses=problems(PolicyBeginsInThePast, ExtrasAreForbidden, TooManyPolicies),
)
async def activate_draft(
    draft_id: UUID,
    body: ActivationBody,
    key: IdempotencyKey,
    officer: Officer,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> ActivationAnswer:
    """Adopt a draft: whatever is judged from its first day on, is judged by it. Activated twice, it is adopted once."""
    await parts.wait_for(seen)
    terms = await own_draft(officer, draft_id, parts)
    command = AdoptPolicy(draft_id=draft_id, terms=terms, reference=body.reference, at=parts.clock.now())
    outcome = await parts.adoptions.handle(POLICY_STREAM, command, key=_key(officer, key))
    _, known = await parts.adoptions.read(POLICY_STREAM)
    adopted = known.of(draft_id)
    if adopted is None:
        raise AssertionError("this command, or one before it, has adopted the draft")
    token = await parts.adoptions.token_at(POLICY_STREAM, version=adopted.version - SHIPPED_VERSION)
    _tell(response, outcome, token)
    return ActivationAnswer(version=adopted.version, draft_id=draft_id, terms=terms)


@router.post("/drafts/{draft_id}/rehearsal")
async def rehearse_draft(
    draft_id: UUID,
    officer: Officer,
    seen: Consistency,
    parts: Parts,
    after: Annotated[UUID, Query(description="`next` of the request before.")] = NOBODY,
    limit: Annotated[int, Query(ge=1, le=REHEARSED_ITEMS_MAX)] = 200,
) -> RehearsalAnswer:
    """Run a draft over today's people and say who would be judged otherwise. Nothing is stored.

    It compares what the policies say with the draft and without it, on the same day. One request goes through some thousands
    of people, and ends early once it has found `limit`; the next one goes on.
    """
    await parts.wait_for(seen)
    terms = await own_draft(officer, draft_id, parts)
    policies = await parts.policies.look()
    day = max(shanghai_date(parts.clock.now()), terms.valid_from)
    now, then = Rehearsal(policies, day), Rehearsal(policies.adopted(policies.latest_version + 1, terms), day)
    told_in_part = 0

    def change(person: HealthPerson) -> tuple[Standing, Standing] | None:
        nonlocal told_in_part
        told_in_part += is_told_in_part(person)
        standings = now.standing(person), then.standing(person)
        return standings if standings[0] != standings[1] else None

    window = await parts.people.window(change, after=after, found_max=limit)
    return RehearsalAnswer(
        day=day,
        looked_at=window.looked_at,
        told_in_part=told_in_part,
        switched=_switched(now.switches, then.switches),
        items=[_rehearsed(person_id, *standings) for person_id, standings in window.found],
        next=window.next_after,
    )


@router.get("/proposals")
async def list_proposals(
    officer: Officer,
    seen: Consistency,
    parts: Parts,
    after: Annotated[UUID, Query(description="`next` of the page before.")] = NOBODY,
    limit: Annotated[int, Query(ge=1, le=REHEARSED_ITEMS_MAX)] = 200,
) -> ProposalsAnswer:
    """Who was judged before today's policy was adopted, and would be isolated otherwise by it: what follows, people decide.

    A district's officer sees those who arrived there.
    """
    await parts.wait_for(seen)
    policies = await parts.policies.look()
    today = Rehearsal(policies, shanghai_date(parts.clock.now()))
    told_in_part = 0

    def proposal(person: HealthPerson) -> tuple[date | None, date | None] | None:
        nonlocal told_in_part
        if not _is_within_reach(officer, person):
            return None
        told_in_part += is_told_in_part(person)
        days = ordered_until(person, today.day), today.admissible_on(person)
        return days if days[0] != days[1] else None

    window = await parts.people.window(proposal, after=after, found_max=limit)
    return ProposalsAnswer(
        looked_at=window.looked_at,
        told_in_part=told_in_part,
        items=[ProposedItem(person_id=person_id, ordered=days[0], proposed=days[1]) for person_id, days in window.found],
        next=window.next_after,
    )


def _is_within_reach(officer: Principal, person: HealthPerson) -> bool:
    sites = (Site(arrival.contract_no, district=arrival.district) for arrival in person.arrivals)
    return any(covers(officer.role, officer.grants, site) for site in sites)


def _switched(now: Switches, then: Switches) -> list[SwitchedRule]:
    pairs = ((rule, getattr(now, rule), getattr(then, rule)) for rule in Switches.model_fields)
    return [SwitchedRule(rule=rule, now=before, then=after) for rule, before, after in pairs if before is not after]


def _rehearsed(person_id: UUID, now: Standing, then: Standing) -> RehearsedItem:
    return RehearsedItem(
        person_id=person_id,
        now=StandingAnswer.model_validate(now),
        then=StandingAnswer.model_validate(then),
    )


async def own_draft(officer: Principal, draft_id: UUID, parts: Wired) -> PolicyTerms:
    """The terms of a draft of the officer's authority. Raises: NotFound; another's answers like none."""
    _, draft = await parts.drafts.read(draft_id)
    if draft.terms is None:
        raise NotFound
    _require_own(officer, draft.terms)
    return draft.terms


def _require_own(officer: Principal, terms: PolicyTerms) -> None:
    if not decides_for(officer.role, officer.grants, terms.authority, terms.district):
        raise NotFound


def _counting(policies: Policies, parts: Wired) -> set[int]:
    """Versions that count today, wherever."""
    today = shanghai_date(parts.clock.now())
    places = {(each.terms.district, each.terms.contract_no) for each in policies.extras}
    extras = (policies.extras_on(today, district=district, contract_no=contract_no or "") for district, contract_no in places)
    return {policies.on(today).version, *(each.version for some in extras for each in some)}


def _key(officer: Principal, key: str) -> CommandKey:
    return command_key(principal=officer.subject, key=key, body=request_context().content)


def _tell(response: Response, outcome: Outcome[Any], token: ConsistencyToken | None) -> None:
    response.headers["ETag"] = etag(outcome.version)
    if token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(token)
