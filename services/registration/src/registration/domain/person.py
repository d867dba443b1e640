"""A person: expected on contracts (进场预登记), or on their old rosters (旧实名制名册).

Two sealed texts are never compared: every sealing gives another envelope. Whether two names agree is told by their
fingerprints; whether the document is the same one need not be asked, because it led to this stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.gatekeeper import CONTRACTS_MAX
from contracts.registration import (
    DeclarationAwaited,
    FamilyDeclarationAwaited,
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    FormWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationClosed,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.rejection import Rejection
from contracts.review import ReviewItemSettled
from contracts.same_person import PersonLinked, PersonUnlinked, SameAs
from registration.domain import family, review, same_person, waiting
from registration.domain.corrections import Correct, PreRegistrationIsNotOpen, correct, details_of
from registration.domain.declaration import Declaration, DeclarationHasChanged, MobileIsMissing
from registration.domain.erasure import Erase, PersonIsErased, erase
from registration.domain.form import Form, Left, expected, kept_form_of
from registration.domain.lacking import WaitsFor, waits_for
from registration.domain.pre_registration import Close, PreRegistration, Withdraw
from registration.domain.roster import ImportRosterMember, import_member
from registration.domain.seen import FORM, require_seen
from registration.domain.waiting import TakeUp

# --- What happened and what may be asked ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreRegister:
    """A registrar hands in the form."""

    person_id: UUID
    form: Form
    declaration: Declaration | None
    """The latest one that is known. None: the person has not declared."""
    declaration_version_seen: int | None
    """The one that the registrar was shown (获取健康云信息), if any."""
    at: datetime
    for_one_firm: bool = False
    """Whether the registrar may register this firm's people only."""
    replaces: frozenset[UUID] = frozenset()
    """The records of whoever was registered under a wrong document: the same person's. None where that was said before."""


PersonCommand = (
    PreRegister
    | TakeUp
    | Correct
    | Withdraw
    | Close
    | family.PreRegisterFamilyMember
    | family.FamilyChange
    | ImportRosterMember
    | review.SettleReviewItem
    | same_person.LinkCommand
    | Erase
)
PersonEvent = (
    DeclarationAwaited
    | FormWithdrawn
    | PersonPreRegistered
    | PersonDetailsCorrected
    | PreRegistrationWithdrawn
    | PreRegistrationClosed
    | family.FamilyEvent
    | RosterMemberImported
    | ReviewItemSettled
    | PersonLinked
    | PersonUnlinked
    | PersonErased
)


NO_OTHERS = same_person.Records()


@dataclass(frozen=True)
class Person:
    """Everything by contract number."""

    awaited: Mapping[str, Form] = field(default_factory=dict)
    """Forms that wait for a declaration."""
    withdrawn_forms: Mapping[str, str] = field(default_factory=dict)
    """The employer of each form that was withdrawn while it waited, where nothing has followed since."""
    pre_registrations: Mapping[str, PreRegistration] = field(default_factory=dict)
    family: Mapping[str, family.FamilyMember] = field(default_factory=dict)
    """Whom the person accompanies."""
    rostered: Mapping[str, bool] = field(default_factory=dict)
    """True where imported as on site."""
    settled: Mapping[str, tuple[review.ReviewItem, ...]] = field(default_factory=dict)
    """What somebody has looked at, the latest last."""
    records: same_person.Records = NO_OTHERS
    """Under which other documents the person is known."""
    is_erased: bool = False
    """Then all but his other records is forgotten, for ever: an erasure that is repeated reaches those that it did not before."""

    @property
    def contracts(self) -> set[str]:
        """Wherever the person ever was, or is to be, expected."""
        return {*self.awaited, *self.withdrawn_forms, *self.pre_registrations, *self.family, *self.rostered}

    def employer_on(self, contract_no: str) -> str | None:
        """Credit code of the firm for which the person was last registered there. None: for none."""
        if form := self.awaited.get(contract_no):
            return form.employer_credit_code
        known = self.pre_registrations.get(contract_no)
        return self.withdrawn_forms.get(contract_no) or (known.employer_credit_code if known else None)

    def is_expected_on(self, contract_no: str) -> bool:
        """Whether a pre-registration is open there."""
        known = self.pre_registrations.get(contract_no)
        return known is not None and known.state == "open"

    def is_to_be_expected_on(self, contract_no: str) -> bool:
        """Whether a pre-registration is open there, or a form waits."""
        return contract_no in self.awaited or self.is_expected_on(contract_no)

    def is_family_on(self, contract_no: str) -> bool:
        """Whether the person comes along with somebody there. A form that waits for that keeps nobody from working."""
        known = self.family.get(contract_no)
        return known is not None and known.state == "open"


# --- What is refused --------------------------------------------------------------------------------------------------


class PersonIsNotPreRegistered(Rejection):
    """There is nothing to withdraw."""

    code = "person-is-not-pre-registered"
    status = 404
    title_zh = "该人员没有进场预登记"
    title_en = "The person is not pre-registered on this contract"


class PersonHasEntered(Rejection):
    """A pre-registration can be withdrawn only before entry."""

    code = "person-has-entered"
    title_zh = "该人员已进场,不能撤销预登记"
    title_en = "The person has entered; the pre-registration can no longer be withdrawn"


class PersonIsOnTooManyContracts(Rejection):
    """What the gate keeps of one person is bounded (`contracts.gatekeeper.CONTRACTS_MAX`)."""

    code = "person-is-on-too-many-contracts"
    title_zh = "该人员登记的合同数量已达上限"
    title_en = "The person cannot be registered on more contracts"


# --- Deciding ---------------------------------------------------------------------------------------------------------


def decide(command: PersonCommand, person: Person) -> Sequence[PersonEvent]:
    match command:
        case PreRegister():
            return _pre_register(command, person)
        case TakeUp():
            return _take_up(command, person)
        case Correct():
            return _correct(command, person)
        case Withdraw():
            return _withdraw(command, person)
        case Close():
            return _close(command, person)
        case family.PreRegisterFamilyMember():
            return _pre_register_family_member(command, person)
        case family.CorrectFamilyMember() | family.WithdrawFamilyMember():
            return family.change(command, person.family.get(command.contract_no))
        case ImportRosterMember():
            return _import(command, person)
        case review.SettleReviewItem():
            return review.settle(command, person.settled.get(command.contract_no, ()))
        case same_person.Link():
            return _link(command, person)
        case same_person.Unlink():
            return [] if person.is_erased else same_person.unlink(command, person.records)
        case Erase():
            is_known = person != Person()
            waiting_forms = [*person.awaited, *family.awaited_in(person.family)]
            return erase(command, waiting=waiting_forms, is_known=is_known, is_erased=person.is_erased)
        case _:
            assert_never(command)


def _pre_register(command: PreRegister, person: Person) -> Sequence[PersonEvent]:
    form, declaration, seen = command.form, command.declaration, command.declaration_version_seen
    if person.is_expected_on(form.contract_no):
        return _replaced(command, person, opens=False)
    if person.is_family_on(form.contract_no):
        raise family.PersonIsRegisteredOtherwise
    _require_room(person, form.contract_no)
    if seen not in (None, declaration.version if declaration else None):
        raise DeclarationHasChanged
    before = person.pre_registrations.get(form.contract_no)
    form = replace(form, left=before.left if before else None)
    lacks = waits_for(form, declaration, command.at)
    if lacks is WaitsFor.MOBILE:
        raise MobileIsMissing  # Typed in a moment: nothing to wait for.
    linked = _replaced(command, person, opens=declaration is not None and lacks is None)
    if declaration is None or lacks is not None:
        waiting.require_place(form, person.awaited.get(form.contract_no), for_one_firm=command.for_one_firm)
        waits = waiting.wait(command.person_id, form, person.awaited.get(form.contract_no), command.at)
        return [*linked, *waits]
    same_as = linked[0].same_as if linked else person.records.told
    return [*linked, _pre_registered(command.person_id, form, declaration, same_as, taken_up=False, at=command.at)]


def _replaced(command: PreRegister, person: Person, *, opens: bool) -> Sequence[PersonLinked]:
    """Linked before somebody is expected: the gate never knows of the one without the other."""
    if not command.replaces:
        return []
    if command.for_one_firm and not opens:  # Before a declaration agrees with what was typed, a firm says nothing of whose it is.
        raise same_person.ReplacingIsForTheSite
    return same_person.link(same_person.Link(command.person_id, command.replaces, command.at), person.records)


def _take_up(command: TakeUp, person: Person) -> Sequence[PersonEvent]:
    person_id, declaration, same_as = command.person_id, command.declaration, person.records.told
    forms = waiting.lacking_nothing(command, person.awaited)
    work = [_pre_registered(person_id, each, declaration, same_as, taken_up=True, at=command.at) for each in forms]
    along = {on: each for on, each in person.family.items() if on in command.along and not person.is_to_be_expected_on(on)}
    return [*work, *family.take_up(person_id, declaration, along, same_as, command.at)]


def _correct(command: Correct, person: Person) -> Sequence[PersonDetailsCorrected]:
    known = person.pre_registrations.get(command.contract_no)
    if known is None:
        raise PersonIsNotPreRegistered
    if known.state != "open":
        raise PreRegistrationIsNotOpen
    return correct(command, known.details)


def _withdraw(command: Withdraw, person: Person) -> Sequence[PersonEvent]:
    known, form = person.pre_registrations.get(command.contract_no), person.awaited.get(command.contract_no)
    if form is not None:
        require_seen(command.based_on, form, FORM, "awaiting", None)
        return waiting.withdraw(command.person_id, form, command.reason, command.at)
    if command.contract_no in person.withdrawn_forms:
        return []
    if known is None:
        raise PersonIsNotPreRegistered
    if known.state == "withdrawn":
        return []
    if known.state == "closed" or _is_in(person, known, command):
        raise PersonHasEntered
    require_seen(command.based_on, known.details.form, FORM, known.state, known.declaration_version)
    return [
        PreRegistrationWithdrawn(
            person_id=command.person_id,
            contract_no=command.contract_no,
            district=known.district,
            reason=command.reason,
            withdrawn_at=command.at,
        )
    ]


def _is_in(person: Person, known: PreRegistration, command: Withdraw) -> bool:
    """Whether the person entered and has not left since. Both times are the gate's."""
    if known.left is None:
        return command.entered_at is not None or person.rostered.get(command.contract_no, False)
    return command.entered_at is not None and command.entered_at > known.left.at


def _close(command: Close, person: Person) -> Sequence[PersonEvent]:
    if not person.is_expected_on(command.contract_no):
        return []  # Closed before; or in by the old roster alone, which a pre-registration follows anyway.
    return [PreRegistrationClosed(person_id=command.person_id, contract_no=command.contract_no, closed_at=command.exited_at)]


def _pre_register_family_member(command: family.PreRegisterFamilyMember, person: Person) -> Sequence[PersonEvent]:
    contract_no = command.form.contract_no
    if person.is_expected_on(contract_no) or contract_no in person.awaited:
        raise family.PersonIsRegisteredOtherwise
    _require_room(person, contract_no)
    return family.pre_register(command, person.family.get(contract_no), person.records.told)


def _import(command: ImportRosterMember, person: Person) -> Sequence[PersonEvent]:
    if command.contract_no in person.rostered:
        return []
    _require_room(person, command.contract_no)
    return import_member(command)


def _link(command: same_person.Link, person: Person) -> Sequence[PersonLinked]:
    if person.is_erased:
        raise PersonIsErased
    return same_person.link(command, person.records)


def _require_room(person: Person, contract_no: str) -> None:
    if person.is_erased:
        raise PersonIsErased
    if len(person.contracts | {contract_no}) > CONTRACTS_MAX:
        raise PersonIsOnTooManyContracts


def _pre_registered(
    person_id: UUID, form: Form, declaration: Declaration, same_as: SameAs | None, *, taken_up: bool, at: datetime
) -> PersonPreRegistered:
    told = expected(replace(form, mobile=declaration.mobile or form.mobile), declaration.pinned)
    return PersonPreRegistered(person_id=person_id, **told, taken_up=taken_up, same_as=same_as, pre_registered_at=at)


# --- What follows from a fact -----------------------------------------------------------------------------------------


def evolve(person: Person, event: PersonEvent) -> Person:
    match event:
        case DeclarationAwaited():
            awaiting = _without_form(person, event.contract_no)
            return replace(awaiting, awaited={**awaiting.awaited, event.contract_no: kept_form_of(event)})
        case FormWithdrawn():
            employer = person.awaited[event.contract_no].employer_credit_code
            dropped = _without_form(person, event.contract_no)
            return replace(dropped, withdrawn_forms={**dropped.withdrawn_forms, event.contract_no: employer})
        case PersonPreRegistered():
            before = person.pre_registrations.get(event.contract_no)
            opened = PreRegistration(details_of(event), state="open", left=before.left if before else None)
            known_now = {**person.pre_registrations, event.contract_no: opened}
            return replace(_without_form(person, event.contract_no), pre_registrations=known_now)
        case PersonDetailsCorrected():
            known = person.pre_registrations[event.contract_no]
            corrected = replace(known, details=known.details.corrected(event))
            return replace(person, pre_registrations={**person.pre_registrations, event.contract_no: corrected})
        case PreRegistrationWithdrawn():
            withdrawn = replace(person.pre_registrations[event.contract_no], state="withdrawn")
            return replace(person, pre_registrations={**person.pre_registrations, event.contract_no: withdrawn})
        case PreRegistrationClosed():
            known = person.pre_registrations[event.contract_no]
            closed = replace(known, state="closed", left=Left(event.closed_at, known.declaration_version))
            return replace(person, pre_registrations={**person.pre_registrations, event.contract_no: closed})
        case FamilyDeclarationAwaited() | FamilyMemberPreRegistered() | FamilyDetailsCorrected():
            member = family.told_of(event, person.family.get(event.contract_no))
            return replace(person, family={**person.family, event.contract_no: member})
        case FamilyMemberWithdrawn():
            withdrawn_member = replace(person.family[event.contract_no], state="withdrawn")
            return replace(person, family={**person.family, event.contract_no: withdrawn_member})
        case RosterMemberImported():
            return replace(person, rostered={**person.rostered, event.contract_no: event.on_site})
        case ReviewItemSettled():
            settled = review.with_settled(person.settled.get(event.contract_no, ()), event)
            return replace(person, settled={**person.settled, event.contract_no: settled})
        case PersonLinked():
            return replace(person, records=same_person.linked(person.records, event))
        case PersonUnlinked():
            return replace(person, records=same_person.unlinked(person.records, event))
        case PersonErased():
            return Person(is_erased=True, records=replace(person.records, named=None))
        case _:
            assert_never(event)


def _without_form(person: Person, contract_no: str) -> Person:
    """Nothing waits there, nor is remembered as withdrawn while it waited."""
    awaited = {number: form for number, form in person.awaited.items() if number != contract_no}
    withdrawn = {number: employer for number, employer in person.withdrawn_forms.items() if number != contract_no}
    return replace(person, awaited=awaited, withdrawn_forms=withdrawn)
