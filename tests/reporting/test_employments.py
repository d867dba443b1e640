"""Who works where for whom: the same rows, however the two logs come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from chassis.tables import Rows
from contracts.event import Event
from contracts.gatekeeper import EntryAttempted
from contracts.health import Disposition
from contracts.people import PersonKind
from contracts.registration import PersonDetailsCorrected, PersonPreRegistered, RosterMemberImported
from reporting.read_models.employments import PEOPLE_EMPLOYED
from tests.reporting.facts import (
    EMPLOYER,
    LATER,
    NOW,
    OTHER_EMPLOYER,
    SEALED,
    attempted,
    disposed,
    imported,
    on_paper,
    pre_registered,
    withdrawn,
)
from tests.reporting.test_people import interleavings
from tests.told import fact


def rows_after(events: Sequence[Event]) -> dict[str, list[Any]]:
    """By table, in the order of their keys."""
    rows = Rows(PEOPLE_EMPLOYED.tables)
    PEOPLE_EMPLOYED.fold(rows, [fact(event) for event in events], 0)
    return {table.name: sorted(map(table.values_of, rows.of(table)), key=str) for table in PEOPLE_EMPLOYED.tables}


def form(employer: str = EMPLOYER, **changes: Any) -> PersonPreRegistered:
    return pre_registered().model_copy(update={"employer_credit_code": employer, **changes})


def put_right(employer: str = EMPLOYER, **changes: Any) -> PersonDetailsCorrected:
    told = dict(form(employer, **changes))
    del told["taken_up"], told["same_as"]
    return PersonDetailsCorrected(**told, reason=SEALED, corrected_at=LATER)


def on_roster(employer: str = EMPLOYER) -> RosterMemberImported:
    return imported().model_copy(update={"employer_credit_code": employer})


def entry(employer: str | None = EMPLOYER, *, at: datetime = NOW) -> EntryAttempted:
    told = {"employer_credit_code": employer, "person_kind": PersonKind.WORKER, "trade": "020", "attempted_at": at}
    return attempted().model_copy(update=told)


class TestRows:
    @pytest.mark.parametrize(
        ("registration", "gate"),
        [
            ([form()], [entry()]),
            ([on_roster(), form(OTHER_EMPLOYER)], [entry(OTHER_EMPLOYER), entry(EMPLOYER, at=LATER)]),
            ([on_roster(), form(person_kind=PersonKind.MANAGER, trade=None)], [entry(None), on_paper()]),
            ([form(), form(OTHER_EMPLOYER)], [on_paper(at=LATER), entry()]),
            ([form(), put_right(OTHER_EMPLOYER, person_kind=PersonKind.MANAGER, trade=None)], [entry(), entry(OTHER_EMPLOYER)]),
            ([form(), withdrawn(), on_roster(OTHER_EMPLOYER)], [entry(), entry(OTHER_EMPLOYER)]),
        ],
    )
    def test_are_the_same_in_whatever_order_the_two_logs_come(self, registration: list[Event], gate: list[Event]) -> None:
        first, *others = (rows_after(merged) for merged in interleavings(registration, gate))
        assert [first] * len(others) == others

    def test_are_the_same_when_the_facts_come_again(self) -> None:
        events: list[Event] = [on_roster(), form(OTHER_EMPLOYER), entry(OTHER_EMPLOYER), disposed()]
        assert rows_after(events) == rows_after([*events, *events])

    @pytest.mark.parametrize(
        ("events", "count"),
        [
            ([form()], 1),
            ([form(), withdrawn()], 0),
            ([withdrawn()], 0),
            ([form(), form(OTHER_EMPLOYER)], 1),
            ([form(), entry(), form(OTHER_EMPLOYER)], 2),
            ([form(), entry(), withdrawn()], 1),
            ([on_roster(), on_roster(), entry(), entry(at=LATER)], 1),
            ([on_roster(), entry(OTHER_EMPLOYER), on_paper()], 3),
        ],
    )
    def test_are_counted(self, events: list[Event], count: int) -> None:
        assert count == sum(row[-1] for row in rows_after(events)["employment_count_v2"])

    def test_keep_a_mobile_that_the_roster_does_not_tell(self) -> None:
        [person] = rows_after([form(), on_roster()])["person_v1"]
        assert form().mobile == person[-1]

    def test_have_the_latest_decision(self) -> None:
        [decided] = rows_after([disposed(), disposed(disposition=Disposition.ADMISSIBLE)])["disposition_v1"]
        assert "admissible" == decided[-1]
