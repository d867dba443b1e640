"""Which facts of registration the police learns of, and what of them."""

from __future__ import annotations

import pytest

from contracts.people import ArrivalKind, PersonKind
from contracts.registration import (
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
)
from contracts.same_person import PersonLinked, PersonUnlinked
from police_bridge.domain.commands import Share, Withdraw
from police_bridge.policies import erasing_policy, sharing_policy, when_somebody_was_erased, when_the_police_must_know
from police_bridge.wiring import SERVICE
from tests.police_bridge.facts import (
    HERE,
    OTHER,
    PERSON,
    PLAIN,
    erase,
    family_member,
    is_erased,
    later,
    link,
    no_longer_expected,
    particulars,
    pre_registered,
    pretended,
    put_right,
    share,
    withdraw,
)
from tests.told import fact


def test_reads_registration_only() -> None:
    assert ["registration"] == list(SERVICE.reads)


class TestWhenSomebodyIsPreRegistered:
    def test_shares_the_person_in_the_stream_of_the_same_id(self) -> None:
        assert [(PERSON, share())] == when_the_police_must_know(fact(pre_registered()))

    def test_copies_the_envelopes_as_they_are(self) -> None:
        event = pre_registered()
        ((_, command),) = when_the_police_must_know(fact(event))
        assert isinstance(command, Share)
        copied = {field: getattr(command.particulars, field) for field in PLAIN}
        origins = {field: getattr(event, field, None) or getattr(event.declaration, field) for field in PLAIN}
        assert origins == copied

    @pytest.mark.parametrize("told", [pre_registered(same_as=(OTHER,)), family_member(same_as=(OTHER,))])
    def test_says_who_was_known_as_the_same_by_then(self, told: PersonPreRegistered | FamilyMemberPreRegistered) -> None:
        ((_, command),) = when_the_police_must_know(fact(told))
        assert isinstance(command, Share)
        assert (OTHER,) == command.same_as

    @pytest.mark.parametrize("kind", PersonKind)
    def test_tells_worker_from_manager(self, kind: PersonKind) -> None:
        event = pre_registered(person_kind=kind, trade=None)
        assert [(PERSON, share(kind=ArrivalKind(kind)))] == when_the_police_must_know(fact(event))

    def test_leaves_out_what_is_not_known(self) -> None:
        event = pre_registered(arrival_date=None)
        silent = event.declaration.model_copy(update={"travel": None, "stay_address": None})
        expected = particulars(arrival_date=None, travel=None, stay_address=None)
        commands = when_the_police_must_know(fact(event.model_copy(update={"declaration": silent})))
        assert [(PERSON, Share(PERSON, HERE, expected, event.pre_registered_at))] == commands


class TestWhenDetailsAreCorrected:
    def test_shares_the_whole_of_what_holds_without_the_reason(self) -> None:
        event = put_right(mobile=pretended("mobile", "19900000002"))
        assert [(PERSON, share(at=later(), mobile=event.mobile))] == when_the_police_must_know(fact(event))
        assert not hasattr(Share, "reason")


class TestWhenAPreRegistrationIsWithdrawn:
    def test_withdraws_the_person_without_the_reason(self) -> None:
        assert [(PERSON, withdraw())] == when_the_police_must_know(fact(no_longer_expected()))
        assert not hasattr(Withdraw, "reason")


class TestWhenFamilyComesAlong:
    def test_shares_the_family_member_with_whom_he_accompanies(self) -> None:
        event = family_member()
        expected = particulars(
            kind=ArrivalKind.FAMILY, accompanies=event.accompanies, origin_code=None, origin=None, arrival_date=None
        )
        assert [(PERSON, Share(PERSON, HERE, expected, event.pre_registered_at))] == when_the_police_must_know(fact(event))

    def test_corrects_what_was_put_right(self) -> None:
        holds = dict(family_member())
        del holds["same_as"]
        event = FamilyDetailsCorrected(**holds, reason=pretended("reason", "登记错误"), corrected_at=later())
        ((stream_id, command),) = when_the_police_must_know(fact(event))
        assert isinstance(command, Share)
        assert (PERSON, ArrivalKind.FAMILY, later()) == (stream_id, command.particulars.kind, command.at)


class TestWhenSomebodyIsErased:
    def test_erases_the_person(self) -> None:
        assert [(PERSON, erase())] == when_somebody_was_erased(fact(is_erased()))


def test_is_told_of_nothing_else() -> None:
    policies = [make(None) for make in (sharing_policy, erasing_policy)]  # type: ignore[arg-type]  # what they subscribe to does not depend on a handler
    told = {event for policy in policies for event in policy.subscribes}
    family = {FamilyMemberPreRegistered, FamilyDetailsCorrected, FamilyMemberWithdrawn}
    linking = {PersonLinked, PersonUnlinked}
    assert {PersonPreRegistered, PersonDetailsCorrected, PreRegistrationWithdrawn, PersonErased} | family | linking == told


class TestWhenDocumentsAreLinked:
    def test_tells_the_whole_of_what_holds(self) -> None:
        told = PersonLinked(person_id=PERSON, same_as=(OTHER,), linked_at=later(5))
        assert [(PERSON, link(OTHER))] == when_the_police_must_know(fact(told))
        why = pretended("reason", "证件号录错")
        mistaken = PersonUnlinked(person_id=PERSON, not_the_same=(OTHER,), same_as=(), reason=why, unlinked_at=later(5))
        assert [(PERSON, link())] == when_the_police_must_know(fact(mistaken))
