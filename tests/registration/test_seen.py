"""What a row says that it is, its stream says, too: whatever has happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chassis.tables import Rows
from registration.domain.person import Person, PersonEvent
from registration.domain.seen import FAMILY_FORM, FORM, RegistrationHasChanged, etag_of
from registration.read_models.family_members import COMING_ALONG, FAMILY_MEMBERS
from registration.read_models.pre_registrations import PRE_REGISTERED, PRE_REGISTRATIONS
from registration.wiring import PERSON as DECIDER
from tests.registration.facts import (
    TYPED_MOBILE,
    awaited,
    closed,
    corrected,
    declared,
    form_withdrawn,
    pre_registered,
    withdraw,
    withdrawn,
)
from tests.registration.test_family import comes_along, is_awaited, is_put_right, stay_away
from tests.told import fact

OTHER = "0123456789abcdef"
FORMS: Sequence[Sequence[PersonEvent]] = [
    [awaited()],
    [awaited(), awaited(trade="030")],
    [pre_registered()],
    [awaited(), pre_registered()],
    [pre_registered(), corrected(mobile=TYPED_MOBILE)],
    [pre_registered(), corrected(declared(declaration_version=2))],
    [pre_registered(), withdrawn(), pre_registered(trade="030")],
    [awaited(), form_withdrawn(), awaited(trade="030")],
    [pre_registered(), closed(), awaited()],
]
FAMILY: Sequence[Sequence[PersonEvent]] = [
    [is_awaited()],
    [is_awaited(), comes_along()],
    [comes_along(), is_put_right(mobile=TYPED_MOBILE)],
]


def state_after(facts: Sequence[PersonEvent]) -> Person:
    """As it is cached between two commands."""
    return DECIDER.restored(DECIDER.cached(DECIDER.fold(DECIDER.initial, facts)))


def decided(command: Any, facts: Sequence[PersonEvent]) -> Sequence[PersonEvent]:
    return DECIDER.decide(command, state_after(facts))


OF_FORMS = (PRE_REGISTRATIONS, PRE_REGISTERED, FORM, withdraw)
OF_FAMILY = (FAMILY_MEMBERS, COMING_ALONG, FAMILY_FORM, stay_away)


@pytest.mark.parametrize(("of", "facts"), [*((OF_FORMS, facts) for facts in FORMS), *((OF_FAMILY, facts) for facts in FAMILY)])
def test_form_is_what_its_row_says(of: Any, facts: Sequence[PersonEvent]) -> None:
    model, table, fields, command = of
    rows = Rows([table])
    model.fold(rows, map(fact, facts), 0)
    [row] = rows.of(table)
    assert decided(command(based_on=etag_of(row, fields, row.state, row.declaration_version)), facts)
    with pytest.raises(RegistrationHasChanged):
        decided(command(based_on=OTHER), facts)
