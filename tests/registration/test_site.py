"""What a site may say of its own precautions."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.site_information import (
    CHECKLISTS_MAX,
    CountedSupply,
    EpidemicControlSubmitted,
    ResumptionChecklistUploaded,
    SuppliesCounted,
    Supply,
    TeamMember,
)
from registration.domain.site import (
    Checklist,
    CountSupplies,
    EpidemicControl,
    Site,
    SiteCommand,
    SiteEvent,
    SiteHasTooManyChecklists,
    SiteInformationHasChanged,
    SiteInformationIsNotSubmitted,
    SubmitEpidemicControl,
    SuppliesAreNotThoseSubmitted,
    UploadChecklist,
    days_of_cover,
)
from registration.wiring import SITE
from tests.registration.facts import HERE, NOW, SEALED

site: Specification[SiteCommand, Site, SiteEvent] = Specification(SITE)

TEAM = (TeamMember(name=SEALED, duty=SEALED, phone=SEALED),)
MASKS = Supply(item="口罩", unit="只", quantity=600, used_per_100_people_daily=200)
THERMOMETERS = Supply(item="额温枪", unit="把", quantity=4)


def submit(based_on: int = 0, *supplies: Supply) -> SubmitEpidemicControl:
    control = EpidemicControl(team=TEAM, designated_hospital=SEALED, supplies=supplies or (MASKS, THERMOMETERS))
    return SubmitEpidemicControl(contract_no=HERE, based_on=based_on, control=control, at=NOW)


def submitted(version: int = 1, *supplies: Supply) -> EpidemicControlSubmitted:
    return EpidemicControlSubmitted(
        contract_no=HERE,
        control_version=version,
        team=TEAM,
        designated_hospital=SEALED,
        supplies=supplies or (MASKS, THERMOMETERS),
        submitted_at=NOW,
    )


def count(**quantities: int) -> CountSupplies:
    return CountSupplies(contract_no=HERE, quantities=quantities, at=NOW)


def counted(masks: int, thermometers: int) -> SuppliesCounted:
    supplies = (
        CountedSupply(item="口罩", unit="只", quantity=masks),
        CountedSupply(item="额温枪", unit="把", quantity=thermometers),
    )
    return SuppliesCounted(contract_no=HERE, supplies=supplies, counted_at=NOW)


def upload(n: int) -> UploadChecklist:
    """Of the n-th file."""
    return UploadChecklist(contract_no=HERE, checklist=Checklist(f"{n:064x}", "application/pdf", 4, NOW))


def uploaded(version: int, n: int) -> ResumptionChecklistUploaded:
    return ResumptionChecklistUploaded(
        contract_no=HERE,
        checklist_version=version,
        sha256=f"{n:064x}",
        media_type="application/pdf",
        size_bytes=4,
        uploaded_at=NOW,
    )


class TestSubmitEpidemicControl:
    def test_is_a_version_each_time(self) -> None:
        site.when(submit()).then(submitted()).when(submit(1)).then(submitted(2))

    def test_is_refused_where_another_came_first(self) -> None:
        site.given(submitted()).when(submit(0)).then_rejected(SiteInformationHasChanged)
        site.when(submit(1)).then_rejected(SiteInformationHasChanged)

    def test_is_not_disturbed_by_a_count(self) -> None:
        site.given(submitted(), counted(540, 4)).when(submit(1)).then(submitted(2))


class TestCountSupplies:
    def test_waits_for_the_first_submission(self) -> None:
        site.when(count(口罩=1)).then_rejected(SiteInformationIsNotSubmitted)

    def test_is_kept_each_time_in_the_order_of_the_list(self) -> None:
        again = site.given(submitted()).when(count(额温枪=4, 口罩=540)).then(counted(540, 4)).when(count(口罩=540, 额温枪=4))
        again.then(counted(540, 4))

    @pytest.mark.parametrize("quantities", [{"口罩": 1}, {"口罩": 1, "额温枪": 1, "体温计": 1}, {"口罩": 1, "体温计": 1}])
    def test_names_every_supply_and_no_other(self, quantities: dict[str, int]) -> None:
        site.given(submitted()).when(count(**quantities)).then_rejected(SuppliesAreNotThoseSubmitted)

    def test_follows_the_latest_list(self) -> None:
        site.given(submitted(), submitted(2, MASKS)).when(count(口罩=1, 额温枪=4)).then_rejected(SuppliesAreNotThoseSubmitted)

    def test_is_what_there_is_until_the_next(self) -> None:
        assert {"口罩": 540, "额温枪": 4} == site.given(submitted(), counted(540, 4)).state.stock
        assert {"口罩": 600} == site.given(submitted(), counted(540, 4), submitted(2, MASKS)).state.stock


class TestUploadChecklist:
    def test_waits_for_the_first_submission(self) -> None:
        site.when(upload(1)).then_rejected(SiteInformationIsNotSubmitted)

    def test_is_a_version_each_time_but_for_the_same_file(self) -> None:
        first = site.given(submitted()).when(upload(1)).then(uploaded(1, 1))
        first.when(upload(2)).then(uploaded(2, 2)).when(upload(1)).then_nothing()

    def test_is_found_by_its_content(self) -> None:
        state = site.given(submitted(), uploaded(1, 1), uploaded(2, 2)).state
        assert (2, None) == (state.version_of(f"{2:064x}"), state.version_of(f"{3:064x}"))

    def test_is_refused_beyond_the_bound(self) -> None:
        full = site.given(submitted(), *(uploaded(n, n) for n in range(1, CHECKLISTS_MAX + 1)))
        full.when(upload(CHECKLISTS_MAX + 1)).then_rejected(SiteHasTooManyChecklists)
        full.when(upload(1)).then_nothing()


class TestDaysOfCover:
    @pytest.mark.parametrize(
        ("quantity", "use", "people", "days"),
        [
            (600, 200, 100, 3),
            (600, 200, 101, 2),
            (0, 200, 5, 0),
            (1, 1, 1, 100),
            (600, 200, 0, None),
            (600, None, 100, None),
        ],
    )
    def test_are_whole_ones(self, quantity: int, use: Any, people: int, days: int | None) -> None:
        assert days == days_of_cover(quantity, used_per_100_people_daily=use, head_count=people)
