"""Who may add to what, from when on, and that a draft is adopted once."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.testing.specification import Specification
from contracts.health import PolicyAdopted
from contracts.policy import Authority, PolicyTerms
from health.domain import adoption
from health.domain.adoption import Adoptions, AdoptPolicy, ExtrasAreForbidden, PolicyBeginsInThePast, TooManyPolicies
from health.wiring import ADOPTION_DECIDER
from tests.health.facts import NOW, TODAY, added, terms

policy: Specification[AdoptPolicy, Adoptions, PolicyAdopted] = Specification(ADOPTION_DECIDER)
DRAFT = UUID(int=9)
TOMORROW = TODAY + timedelta(days=1)


def adopt(decided: PolicyTerms, *, draft_id: UUID = DRAFT) -> AdoptPolicy:
    return AdoptPolicy(draft_id=draft_id, terms=decided, reference="沪建质安〔2020〕28号", at=NOW)


def adopted(version: int, decided: PolicyTerms, *, draft_id: UUID | None = None) -> PolicyAdopted:
    return PolicyAdopted(
        version=version,
        draft_id=draft_id or uuid4(),
        terms=decided,
        reference="沪建质安〔2020〕28号",
        adopted_at=NOW,
    )


CITY = terms(valid_from=TODAY)
CLOSED = terms(valid_from=TODAY, allows_extras=False)


class TestAdoptPolicy:
    def test_is_the_next_version_whoever_decides(self) -> None:
        policy.when(adopt(CITY)).then(adopted(2, CITY, draft_id=DRAFT))
        policy.given(adopted(2, CITY), adopted(3, added())).when(adopt(CITY)).then(adopted(4, CITY, draft_id=DRAFT))

    def test_does_nothing_when_repeated(self) -> None:
        policy.given(adopted(2, CITY, draft_id=DRAFT)).when(adopt(CITY)).then_nothing()

    def test_is_refused_for_a_day_that_is_over_in_shanghai(self) -> None:
        policy.when(adopt(terms(valid_from=TODAY - timedelta(days=1)))).then_rejected(PolicyBeginsInThePast)

    @pytest.mark.parametrize("decided", [added(), added(Authority.SITE)])
    def test_is_refused_where_the_city_forbids_extras(self, decided: PolicyTerms) -> None:
        policy.given(adopted(2, CLOSED)).when(adopt(decided)).then_rejected(ExtrasAreForbidden)

    def test_is_refused_to_a_site_where_its_district_forbids_extras(self) -> None:
        stream = policy.given(adopted(2, added(allows_extras=False)))
        stream.when(adopt(added(Authority.SITE))).then_rejected(ExtrasAreForbidden)
        elsewhere = added(Authority.SITE, district="310115")
        stream.when(adopt(elsewhere)).then(adopted(3, elsewhere, draft_id=DRAFT))

    @pytest.mark.parametrize(
        "closed",
        [
            terms(valid_from=TODAY, valid_until=TODAY, allows_extras=False),
            terms(valid_from=TODAY + timedelta(days=2), allows_extras=False),
        ],
    )
    def test_is_taken_where_extras_are_forbidden_on_other_days_only(self, closed: PolicyTerms) -> None:
        decided = added(valid_from=TOMORROW)
        policy.given(adopted(2, closed)).when(adopt(decided)).then(adopted(3, decided, draft_id=DRAFT))

    def test_is_refused_beyond_the_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adoption, "ADOPTED_MAX", 1)
        policy.given(adopted(2, CITY)).when(adopt(CITY)).then_rejected(TooManyPolicies)

    def test_of_a_later_day_leaves_today_as_it_is(self) -> None:
        later = terms(valid_from=date(2020, 3, 1), allows_extras=False)
        policy.given(adopted(2, later)).when(adopt(added())).then(adopted(3, added(), draft_id=DRAFT))
