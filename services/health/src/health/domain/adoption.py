"""How a policy comes about: an authority drafts terms, and adopts a draft. Drafts are streams of their own; what was adopted
is one stream of all authorities, so that what the higher one forbids and what the lower one decides come one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from contracts.health import PolicyAdopted, PolicyDrafted
from contracts.policy import SHIPPED, SHIPPED_VERSION, Authority, PolicyTerms
from contracts.rejection import Rejection
from contracts.times import shanghai_date

ADOPTED_MAX = 1_000
"""Policies that may ever be adopted: every process holds all of them, and looks through them for each judgement."""


class PolicyBeginsInThePast(Rejection):
    """Whoever was judged before was judged by what was in force then."""

    code = "policy-begins-in-the-past"
    title_zh = "政策生效日期不能早于今天"
    title_en = "A policy begins today at the earliest"


class ExtrasAreForbidden(Rejection):
    """A district or site adds to the policy only while those above allow it."""

    code = "extras-are-forbidden"
    title_zh = "上级政策不允许另行加码"
    title_en = "The higher authority's policy forbids extras"


class TooManyPolicies(Rejection):
    """What every judgement looks through has a bound."""

    code = "too-many-policies"
    title_zh = "政策数量已达上限"
    title_en = "No more policies can be adopted"


@dataclass(frozen=True, slots=True)
class DraftPolicy:
    """An authority writes down what it may decide."""

    draft_id: UUID
    terms: PolicyTerms
    at: datetime


@dataclass(frozen=True, slots=True)
class AdoptPolicy:
    """An authority decides what it drafted."""

    draft_id: UUID
    terms: PolicyTerms
    reference: str
    at: datetime


@dataclass(frozen=True)
class Draft:
    """What was written down."""

    terms: PolicyTerms | None = None


@dataclass(frozen=True)
class Adopted:
    """As much of a policy as the next decision needs."""

    version: int
    draft_id: UUID | None
    """None: shipped."""
    authority: Authority
    district: str | None
    contract_no: str | None
    valid_from: date
    valid_until: date | None
    allows_extras: bool


def _adopted(version: int, draft_id: UUID | None, terms: PolicyTerms) -> Adopted:
    return Adopted(
        version=version,
        draft_id=draft_id,
        authority=terms.authority,
        district=terms.district,
        contract_no=terms.contract_no,
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        allows_extras=terms.allows_extras,
    )


@dataclass(frozen=True)
class Adoptions:
    """Everything that was adopted, in the order of the versions."""

    policies: tuple[Adopted, ...] = (_adopted(SHIPPED_VERSION, None, SHIPPED),)

    def of(self, draft_id: UUID) -> Adopted | None:
        """What became of the draft."""
        return next((each for each in self.policies if each.draft_id == draft_id), None)

    def in_force(self, day: date, authority: Authority, district: str | None) -> Adopted | None:
        found = (each for each in reversed(self.policies) if (each.authority, each.district) == (authority, district))
        return next((each for each in found if each.valid_from <= day and (each.valid_until or day) >= day), None)


def draft_policy(command: DraftPolicy, draft: Draft) -> Sequence[PolicyDrafted]:
    return [PolicyDrafted(draft_id=command.draft_id, terms=command.terms, drafted_at=command.at)]


def with_draft(draft: Draft, event: PolicyDrafted) -> Draft:
    return replace(draft, terms=event.terms)


def adopt_policy(command: AdoptPolicy, adoptions: Adoptions) -> Sequence[PolicyAdopted]:
    """The adoption; nothing where the draft was adopted before."""
    if adoptions.of(command.draft_id) is not None:
        return []
    terms = command.terms
    if terms.valid_from < shanghai_date(command.at):
        raise PolicyBeginsInThePast
    if not all(above.allows_extras for above in _above(terms, adoptions)):
        raise ExtrasAreForbidden
    if len(adoptions.policies) > ADOPTED_MAX:
        raise TooManyPolicies
    adopted = PolicyAdopted(
        version=adoptions.policies[-1].version + 1,
        draft_id=command.draft_id,
        terms=terms,
        reference=command.reference,
        adopted_at=command.at,
    )
    return [adopted]


def _above(terms: PolicyTerms, adoptions: Adoptions) -> Sequence[Adopted]:
    """Whose word counts more on the first day. What they decide later holds then, whatever was adopted here."""
    above: list[tuple[Authority, str | None]] = []
    if terms.authority is not Authority.CITY:
        above.append((Authority.CITY, None))
    if terms.authority is Authority.SITE:
        above.append((Authority.DISTRICT, terms.district))
    found = (adoptions.in_force(terms.valid_from, *each) for each in above)
    return [each for each in found if each is not None]


def with_adoption(adoptions: Adoptions, event: PolicyAdopted) -> Adoptions:
    return replace(adoptions, policies=(*adoptions.policies, _adopted(event.version, event.draft_id, event.terms)))
