"""What a person must look at: when a newer declaration says otherwise, and that somebody has looked."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.review import ReviewItemKind, ReviewItemSettled
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.review import SETTLED_KEPT_MAX, ReviewItem, SettleReviewItem, differences
from registration.wiring import PERSON as PERSON_DECIDER
from tests.registration.facts import ELSEWHERE, HERE, NOW, PERSON, SEALED, TODAY, declared, pre_registered

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
DIFFERS, CONTRADICTS = ReviewItemKind.DECLARATION_DIFFERS, ReviewItemKind.DECLARATION_CONTRADICTS


def settle(kind: ReviewItemKind = DIFFERS, version: int = 2, *, contract_no: str = HERE) -> SettleReviewItem:
    return SettleReviewItem(
        person_id=PERSON,
        contract_no=contract_no,
        item=ReviewItem(kind, version),
        settled_by="user:7",
        note=SEALED,
        at=NOW,
    )


def settled(kind: ReviewItemKind = DIFFERS, version: int = 2, *, contract_no: str = HERE) -> ReviewItemSettled:
    return ReviewItemSettled(
        person_id=PERSON,
        contract_no=contract_no,
        kind=kind,
        declaration_version=version,
        settled_by="user:7",
        note=SEALED,
        settled_at=NOW,
    )


class TestSettle:
    def test_says_once_that_somebody_has_looked(self) -> None:
        person.given(pre_registered()).when(settle()).then(settled()).when(settle()).then_nothing()

    @pytest.mark.parametrize(
        "other", [{"kind": CONTRADICTS}, {"version": 3}, {"contract_no": ELSEWHERE}], ids=["kind", "version", "contract"]
    )
    def test_is_of_one_item(self, other: dict[str, Any]) -> None:
        person.given(pre_registered(), settled()).when(settle(**other)).then(settled(**other))

    def test_keeps_a_bounded_number_in_mind(self) -> None:
        many = person.given(pre_registered(), *(settled(version=n) for n in range(1, SETTLED_KEPT_MAX + 2)))
        assert SETTLED_KEPT_MAX == len(many.state.settled[HERE])
        many.when(settle(version=SETTLED_KEPT_MAX + 1)).then_nothing()


class TestDifferences:
    @pytest.mark.parametrize(
        ("said", "fields"),
        [
            ({"from_hubei": True}, ["from_hubei"]),
            ({"stopover": True, "stopover_code": "420100"}, ["stopover", "stopover_code"]),
            ({"departed_on": None, "from_wuhan": True}, ["departed_on", "from_wuhan"]),
            ({"temperature_celsius": 38.0, "reported_on": TODAY.replace(day=1)}, []),
        ],
    )
    def test_are_those_of_the_journey(self, said: dict[str, Any], fields: list[str]) -> None:
        newer = declared(declaration_version=2, **said)
        assert fields == differences(declared().pinned, newer.pinned, same_name=True)

    def test_are_of_the_name_too(self) -> None:
        assert ["name"] == differences(declared().pinned, declared(declaration_version=2).pinned, same_name=False)
