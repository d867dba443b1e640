"""One person with several documents: what each record tells, and that all of them tell it."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx2
import pytest

import chassis.turns
from chassis.consistency import HEADER, ConsistencyToken
from chassis.event_store import Append, AppendResult
from chassis.testing.specification import Specification
from contracts.access import Role
from contracts.event import shard_of
from contracts.identity import Document, DocumentType
from contracts.registration import FamilyMemberPreRegistered
from contracts.same_person import RECORDS_MAX, PersonLinked, PersonUnlinked
from registration.domain.erasure import PersonIsErased
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.replacing import replace_document
from registration.domain.same_person import (
    APART_KEPT_MAX,
    Link,
    Named,
    PersonHasTooManyDocuments,
    Records,
    ReplacedIsNotWithdrawn,
    ReplacingIsForTheSite,
    Unlink,
)
from registration.linking_again import link_again
from registration.wiring import PERSON as PERSON_DECIDER
from registration.wiring import SERVICE
from tests.in_process import Caller
from tests.registration.asking import citizen, declare, form, path, person_id, report
from tests.registration.facts import (
    EMPLOYER,
    NOW,
    OTHER_EMPLOYER,
    PERSON,
    SEALED,
    awaited,
    declared,
    erased,
    pre_register,
    pre_registered,
    take_up,
    withdrawn,
)
from tests.registration.importing import import_roster
from tests.registration.service import Running
from tests.registration.sheets import member
from tests.registration.test_family import come_along
from tests.registration.turns import turns

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))
REASON = {"reason": "护照换发"}


SINCE = NOW + timedelta(hours=1)


def link(*same_as: UUID, reason: str | None = SEALED, named: Named | None = None) -> Link:
    return Link(PERSON, frozenset(same_as), NOW, named, reason)


def unlink(*not_the_same: UUID) -> Unlink:
    return Unlink(PERSON, frozenset(not_the_same), SINCE, SEALED)


def linked(*same_as: UUID, reason: str | None = SEALED, **more: Any) -> PersonLinked:
    return PersonLinked(person_id=PERSON, same_as=same_as, reason=reason, linked_at=NOW, **more)


def unlinked(*not_the_same: UUID, same_as: Sequence[UUID] = ()) -> PersonUnlinked:
    return PersonUnlinked(person_id=PERSON, not_the_same=not_the_same, same_as=tuple(same_as), reason=SEALED, unlinked_at=SINCE)


class TestLink:
    def test_tells_the_whole_of_what_holds(self) -> None:
        person.when(link(TWO)).then(linked(TWO)).when(link(ONE)).then(linked(ONE, TWO))

    def test_keeps_the_document_that_was_named(self) -> None:
        named = Named(SEALED, DocumentType.PASSPORT)
        told = linked(TWO, document=SEALED, document_type=DocumentType.PASSPORT)
        assert named == person.when(link(TWO, named=named)).then(told).state.records.named

    def test_does_nothing_when_repeated_or_of_oneself(self) -> None:
        person.given(linked(TWO)).when(link(TWO)).then_nothing()
        person.when(link(PERSON)).then_nothing()

    def test_is_bounded(self) -> None:
        full = person.given(linked(*(UUID(int=n) for n in range(RECORDS_MAX - 1))))
        full.when(link(UUID(int=99))).then_rejected(PersonHasTooManyDocuments)

    def test_of_whoever_was_erased_is_refused(self) -> None:
        person.given(linked(TWO), erased()).when(link(TWO)).then_rejected(PersonIsErased)


class TestUnlink:
    def test_leaves_the_others(self) -> None:
        person.given(linked(ONE, TWO)).when(unlink(TWO)).then(unlinked(TWO, same_as=[ONE]))

    def test_does_nothing_when_repeated_or_of_oneself(self) -> None:
        person.given(linked(TWO), unlinked(TWO)).when(unlink(TWO)).then_nothing()
        person.when(unlink(PERSON)).then_nothing()
        person.given(linked(TWO), erased()).when(unlink(TWO)).then_nothing()

    def test_is_undone_by_whoever_links_them_again(self) -> None:
        again = person.given(linked(TWO), unlinked(TWO)).when(link(TWO)).then(linked(TWO)).state.records
        assert (frozenset({TWO}), ()) == (again.same_as, again.apart)

    def test_remembers_the_latest_that_were_set_apart(self) -> None:
        strangers = [UUID(int=n) for n in range(10, 10 + APART_KEPT_MAX)]
        told = person.given(*(event for each in (ONE, *strangers) for event in (linked(TWO, each), unlinked(each, same_as=[TWO]))))
        assert tuple(strangers) == told.state.records.apart


class TestErased:
    def test_forgets_his_documents_but_no_other_record(self) -> None:
        named = linked(ONE, TWO, document=SEALED, document_type=DocumentType.PASSPORT)
        known = person.given(named, unlinked(TWO, same_as=[ONE]), erased()).state
        assert Person(is_erased=True, records=Records(frozenset({ONE}), (TWO,))) == known


class TestPreRegister:
    """Whoever is told of the person only now is told of the other records, too."""

    def test_tells_who_is_known_as_the_same_by_then(self) -> None:
        known = person.given(linked(ONE, TWO), unlinked(TWO, same_as=[ONE]))
        known.when(pre_register(declared())).then(pre_registered(same_as=[ONE]))

    def test_tells_it_also_where_a_form_had_waited(self) -> None:
        waits = person.given(awaited(), linked(TWO))
        waits.when(take_up(declared())).then(pre_registered(taken_up=True, same_as=[TWO]))

    def test_tells_it_of_family(self) -> None:
        (event,) = person.given(linked(TWO)).when(come_along(declared())).events
        assert isinstance(event, FamilyMemberPreRegistered)
        assert (TWO,) == event.same_as


class TestReplace:
    def test_links_before_anybody_is_expected(self) -> None:
        anew = replace(pre_register(declared()), replaces=frozenset({TWO, THREE}))
        told = person.when(anew).then(linked(TWO, THREE, reason=None), pre_registered(same_as=[TWO, THREE]))
        told.when(anew).then_nothing()

    def test_links_also_whose_form_waits(self) -> None:
        person.when(replace(pre_register(), replaces=frozenset({TWO}))).then(linked(TWO, reason=None), awaited())

    def test_links_also_whoever_is_expected_already(self) -> None:
        anew = replace(pre_register(declared()), replaces=frozenset({TWO}))
        person.given(pre_registered()).when(anew).then(linked(TWO, reason=None)).when(anew).then_nothing()

    def test_by_a_firm_is_of_whom_a_declaration_agrees_with(self) -> None:
        anew = replace(pre_register(declared()), replaces=frozenset({TWO}), for_one_firm=True)
        person.when(replace(anew, declaration=None)).then_rejected(ReplacingIsForTheSite)
        person.given(pre_registered()).when(anew).then_rejected(ReplacingIsForTheSite)
        person.when(anew).then(linked(TWO, reason=None), pre_registered(same_as=[TWO]))


class TestReplaceDocument:
    """What is asked of which records. Two was registered by mistake, and three is another record of his."""

    COMMAND = pre_register(declared())
    RECORDS: ClassVar[Mapping[UUID, Person]] = {
        PERSON: person.given(linked(ONE)).state,
        ONE: Person(),
        TWO: person.given(linked(THREE), pre_registered(), withdrawn()).state,
        THREE: Person(),
    }

    def test_is_that_all_of_either_are_of_one_person(self) -> None:
        asked = replace_document(self.COMMAND, TWO, self.RECORDS)
        everybody = frozenset({PERSON, ONE, TWO, THREE})
        assert {each: Link(each, everybody - {each}, self.COMMAND.at) for each in (ONE, TWO, THREE)} | {
            PERSON: replace(self.COMMAND, replaces=everybody - {PERSON})
        } == asked

    @pytest.mark.parametrize("known", [[linked(TWO)], [linked(TWO), unlinked(TWO)]], ids=["told", "set apart"])
    def test_is_nothing_where_that_was_said_before(self, known: Sequence[PersonEvent]) -> None:
        records = {**self.RECORDS, PERSON: person.given(*known).state}
        assert {PERSON: self.COMMAND} == replace_document(self.COMMAND, TWO, records)
        assert {PERSON: self.COMMAND} == replace_document(self.COMMAND, PERSON, records)

    def test_is_refused_while_he_is_expected(self) -> None:
        for each in (pre_registered(), awaited()):
            with pytest.raises(ReplacedIsNotWithdrawn):
                replace_document(self.COMMAND, TWO, {**self.RECORDS, TWO: person.given(each).state})

    def test_by_a_firm_is_of_its_own_people_alone(self) -> None:
        of_a_firm = replace(self.COMMAND, for_one_firm=True)
        assert len(self.RECORDS) == len(replace_document(of_a_firm, TWO, self.RECORDS))
        elsewhere = person.given(pre_registered(employer_credit_code=OTHER_EMPLOYER)).state
        with pytest.raises(ReplacingIsForTheSite):
            replace_document(of_a_firm, TWO, {**self.RECORDS, THREE: elsewhere})


# --- Over HTTP --------------------------------------------------------------------------------------------------------


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def registered(running: Running, contract_no: str, operator: Caller, n: int = 0) -> str:
    answered = await operator.post(path(contract_no), form(n), seen=await declare(running, n))
    assert 201 == answered.status_code
    return str(answered.json()["person_id"])


async def same_as(running: Running, record: str | UUID) -> set[str]:
    _, read = await running.wired.people.read(UUID(str(record)))
    return {str(each) for each in read.records.same_as}


def linking(operator: Caller, contract_no: str, record: str, n: int, **more: Any) -> Coroutine[Any, Any, httpx2.Response]:
    return operator.post(f"{path(contract_no)}/{record}/documents", {"document": citizen(n), **REASON}, **more)


def unlinking(running: Running, contract_no: str, record: str, other: object) -> Coroutine[Any, Any, httpx2.Response]:
    supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
    return supervision.post(f"{path(contract_no)}/{record}/documents/{other}/withdrawal", {"reason": "证件号录错"})


def erasing(running: Running, record: object) -> Coroutine[Any, Any, httpx2.Response]:
    return running.caller(Role.CITY_SUPERVISOR).delete(f"/v1/people/{record}/personal-data")


async def stands_for(running: Running, answered: httpx2.Response, *records: object) -> bool:
    """Whether whoever sends the token of the answer sees all that these records tell."""
    heads = await running.heads()
    shards = {shard_of(UUID(str(each))) for each in records}
    return {shard: heads[shard] for shard in shards} == ConsistencyToken.parse(answered.headers[HEADER]).positions


async def known_by(running: Running, n: int) -> UUID | None:
    """Whom the document leads to, if to anybody: nobody becomes known by the question."""
    return await running.wired.identities.find(Document(type=DocumentType.CITIZEN_ID, number=citizen(n)["number"]))


class TestLinkDocument:
    async def test_is_told_by_both_records_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        documents, body = f"{path(contract_no)}/{first}/documents", {"document": citizen(1), **REASON}
        answers = [await operator.post(documents, body, key=key) for key in ("one", "one", "two")]
        assert [201, 201, 200] == [each.status_code for each in answers]
        other = str(await person_id(running, 1))
        assert [[other]] * 3 == [each.json()["same_as"] for each in answers]
        assert ({other}, {first}) == (await same_as(running, first), await same_as(running, other))
        shown = (await operator.get(documents)).json()["items"]
        assert [first, other] == [each["person_id"] for each in shown]
        assert all("*" in each["document_number"] for each in shown)

    async def test_joins_whoever_either_was_linked_to(self, running: Running, contract_no: str, operator: Caller) -> None:
        one, two = [await registered(running, contract_no, operator, n) for n in (0, 2)]
        for record, n in ((one, 1), (two, 3), (one, 2)):
            linked = await operator.post(f"{path(contract_no)}/{record}/documents", {"document": citizen(n), **REASON})
            assert 201 == linked.status_code
        everybody = {str(await person_id(running, n)) for n in range(4)}
        for each in everybody:
            assert everybody - {each} == await same_as(running, each)

    @pytest.mark.parametrize("is_stored", [False, True])
    async def test_cut_short_is_told_by_all_or_by_none(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch, is_stored: bool
    ) -> None:
        first = await registered(running, contract_no, operator)
        other, append = str(await person_id(running, 1)), running.wired.store.append

        async def lose_the_connection(appended: Append) -> AppendResult:
            if is_stored:
                await append(appended)
            raise ConnectionResetError

        with monkeypatch.context() as patch:
            patch.setattr(running.wired.store, "append", lose_the_connection)
            assert 503 == (await linking(operator, contract_no, first, 1, key="one")).status_code
        told = [await same_as(running, each) for each in (first, other)]
        assert ([{other}, {first}] if is_stored else [set(), set()]) == told
        answers = [await linking(operator, contract_no, first, 1, key=key) for key in ("one", "two")]
        assert [201, 200] == [each.status_code for each in answers]
        assert [{other}, {first}] == [await same_as(running, each) for each in (first, other)]
        assert 2 == (await running.facts()).count("person-linked")

    async def test_that_is_repeated_after_an_unlinking_was_answered(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await registered(running, contract_no, operator)
        answers = [await linking(operator, contract_no, first, 1, key="one")]
        assert 204 == (await unlinking(running, contract_no, first, await person_id(running, 1))).status_code
        answers.append(await linking(operator, contract_no, first, 1, key="one"))
        assert [201, 201] == [each.status_code for each in answers]
        assert answers[0].json() == answers[1].json()
        assert set() == await same_as(running, first)
        assert 2 == (await running.facts()).count("person-linked")

    async def test_that_is_repeated_asks_for_nobody_s_document(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        answers = [await linking(operator, contract_no, first, 1, key="one")]
        other = await person_id(running, 1)
        assert 204 == (await unlinking(running, contract_no, first, other)).status_code
        assert 204 == (await erasing(running, other)).status_code
        answers.append(await linking(operator, contract_no, first, 1, key="one"))
        assert [201, 201] == [each.status_code for each in answers]
        assert answers[0].json() == answers[1].json()
        assert None is await known_by(running, 1)

    async def test_of_the_person_s_own_document_is_refused(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        refused = await operator.post(f"{path(contract_no)}/{first}/documents", {"document": citizen(0), **REASON})
        assert (422, "document-is-the-persons-own") == problem(refused)

    async def test_beyond_the_bound_changes_nothing(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        documents = f"{path(contract_no)}/{first}/documents"
        answers = [await operator.post(documents, {"document": citizen(n), **REASON}) for n in range(1, RECORDS_MAX + 1)]
        assert [201] * (RECORDS_MAX - 1) == [each.status_code for each in answers[:-1]]
        assert (409, "person-has-too-many-documents") == problem(answers[-1])
        assert set() == await same_as(running, await person_id(running, RECORDS_MAX))

    async def test_of_nobody_is_not_found_and_is_not_the_firms(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        unknown, known = (f"{path(contract_no)}/{each}/documents" for each in (uuid4(), first))
        answered = await operator.post(unknown, {"document": citizen(1), **REASON})
        assert (404, "person-is-not-pre-registered") == problem(answered) == problem(await operator.get(unknown))
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        assert (404, "person-is-not-pre-registered") == problem(await stranger.get(known))
        assert 403 == (await stranger.post(known, {"document": citizen(1), **REASON})).status_code

    async def test_is_not_done_by_a_request_whose_key_stands_for_another(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await registered(running, contract_no, operator)
        documents = f"{path(contract_no)}/{first}/documents"
        await operator.post(documents, {"document": citizen(1), **REASON}, key="forms-of-today")
        refused = await operator.post(documents, {"document": citizen(2), **REASON}, key="forms-of-today")
        assert (422, "idempotency-key-reused") == problem(refused)
        assert {str(await person_id(running, 1))} == await same_as(running, first)
        assert set() == await same_as(running, str(await person_id(running, 2))), "a refused request changes nothing"


class TestReplaceOverHttp:
    async def test_after_a_withdrawal_is_the_same_person(self, running: Running, contract_no: str, operator: Caller) -> None:
        wrong, seen = await registered(running, contract_no, operator), await declare(running, 1)
        right = form(1, replaces=wrong)
        refused = await operator.post(path(contract_no), right, seen=seen)
        assert (409, "replaced-is-not-withdrawn") == problem(refused)
        await operator.post(f"{path(contract_no)}/{wrong}/withdrawal", {"reason": "证件号录错"})
        unknown = await operator.post(path(contract_no), form(1, replaces=str(uuid4())), seen=seen)
        assert (404, "person-is-not-pre-registered") == problem(unknown)
        assert 0 == (await running.facts()).count("person-linked")
        answered = await operator.post(path(contract_no), right, seen=seen)
        assert (201, str(await person_id(running, 1))) == (answered.status_code, answered.json()["person_id"])

        right_id = answered.json()["person_id"]
        assert ({right_id}, {wrong}) == (await same_as(running, wrong), await same_as(running, right_id))

    async def test_answers_a_token_that_stands_for_both_records(self, running: Running, contract_no: str, operator: Caller) -> None:
        wrong, seen = await registered(running, contract_no, operator), await declare(running, 1)
        await operator.post(f"{path(contract_no)}/{wrong}/withdrawal", {"reason": "证件号录错"})
        right = form(1, replaces=wrong)
        answers = [await operator.post(path(contract_no), right, seen=seen, key=key) for key in ("one", "one", "two")]
        assert [201, 201, 200] == [each.status_code for each in answers]
        records = wrong, answers[0].json()["person_id"]
        assert [True] * 3 == [await stands_for(running, each, *records) for each in answers]

    @pytest.mark.parametrize("is_anew", [False, True])
    async def test_that_is_repeated_is_answered_as_it_was(
        self, running: Running, contract_no: str, operator: Caller, is_anew: bool
    ) -> None:
        """Whoever it was about is erased by then. Of a form that replaces nobody, too."""
        wrong = await registered(running, contract_no, operator)
        await operator.post(f"{path(contract_no)}/{wrong}/withdrawal", {"reason": "证件号录错"})
        seen, handed_in = await declare(running, 1), form(1, replaces=wrong) if is_anew else form(1)
        answers = [await operator.post(path(contract_no), handed_in, seen=seen, key="one")]
        assert 204 == (await erasing(running, answers[0].json()["person_id"])).status_code
        answers.append(await operator.post(path(contract_no), handed_in, seen=seen, key="one"))
        assert [201, 201] == [each.status_code for each in answers]
        assert answers[0].json() == answers[1].json()
        assert None is await known_by(running, 1)

    @pytest.mark.parametrize("is_declared", [False, True])
    @pytest.mark.parametrize("erased", ["member", "worker", "both"])
    async def test_of_family_is_answered_as_it_was(
        self, running: Running, contract_no: str, operator: Caller, is_declared: bool, erased: str
    ) -> None:
        worker = await registered(running, contract_no, operator)
        seen = await declare(running, 1, name="张小四") if is_declared else None
        family, member = f"{path(contract_no)}/{worker}/family-members", {"document": citizen(1), "name": "张小四"}
        answers = [await operator.post(family, member, seen=seen, key="one")]
        known = await known_by(running, 1)
        for each in {"member": [str(known)], "worker": [worker], "both": [str(known), worker]}[erased]:
            assert 204 == (await erasing(running, each)).status_code
        answers.append(await operator.post(family, member, seen=seen, key="one"))
        assert [201 if is_declared else 409] * 2 == [each.status_code for each in answers]
        first, again = ({**each.json(), "trace_id": ""} for each in answers)
        assert first == again
        assert (known if erased == "worker" else None) == await known_by(running, 1)

    async def test_of_whoever_has_too_many_is_refused(self, running: Running, contract_no: str, operator: Caller) -> None:
        wrong = await registered(running, contract_no, operator)
        for n in range(1, RECORDS_MAX):
            await operator.post(f"{path(contract_no)}/{wrong}/documents", {"document": citizen(n), **REASON})
        await operator.post(f"{path(contract_no)}/{wrong}/withdrawal", {"reason": "证件号录错"})
        seen = await declare(running, RECORDS_MAX)
        refused = await operator.post(path(contract_no), form(RECORDS_MAX, replaces=wrong), seen=seen)
        assert (409, "person-has-too-many-documents") == problem(refused)
        assert set() == await same_as(running, await person_id(running, RECORDS_MAX))

    async def test_by_a_firm_is_of_its_own_people_alone(self, running: Running, contract_no: str, operator: Caller) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        wrong, known_elsewhere = [await registered(running, contract_no, registrar, n) for n in (0, 1)]
        for each in (wrong, known_elsewhere):
            await registrar.post(f"{path(contract_no)}/{each}/withdrawal", {"reason": "证件号录错"})
        elsewhere = await report(running)
        imported = await import_roster(running, running.caller(Role.SITE_OPERATOR, elsewhere), elsewhere, member(1))
        assert 1 == imported["applied"]

        right, also_right = form(2, replaces=wrong), form(3, replaces=known_elsewhere)
        refused = await registrar.post(path(contract_no), right)
        assert (409, "replacing-is-for-the-site") == problem(refused), "nobody has declared under that document"
        assert 201 == (await registrar.post(path(contract_no), right, seen=await declare(running, 2))).status_code
        assert {wrong} == await same_as(running, await person_id(running, 2))

        seen = await declare(running, 3)
        refused = await registrar.post(path(contract_no), also_right, seen=seen)
        assert (409, "replacing-is-for-the-site") == problem(refused)
        assert set() == await same_as(running, await person_id(running, 3))
        assert 201 == (await operator.post(path(contract_no), also_right, seen=seen)).status_code


class TestUnlinkDocument:
    async def test_sets_the_records_apart_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        documents = f"{path(contract_no)}/{first}/documents"
        for n in (1, 2):
            await operator.post(documents, {"document": citizen(n), **REASON})
        mistaken, right = [str(await person_id(running, n)) for n in (1, 2)]
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        for _ in range(2):
            assert 204 == (await supervision.post(f"{documents}/{mistaken}/withdrawal", {"reason": "证件号录错"})).status_code
        assert (set(), {right}, {first}) == (
            await same_as(running, mistaken),
            await same_as(running, first),
            await same_as(running, right),
        )
        assert 3 == (await running.facts()).count("person-unlinked")
        nobody = await supervision.post(f"{documents}/{uuid4()}/withdrawal", REASON)
        assert (404, "document-is-not-linked") == problem(nobody)

    async def test_of_itself_leaves_the_others_linked(self, running: Running, contract_no: str, operator: Caller) -> None:
        right, mistaken = [await registered(running, contract_no, operator, n) for n in (0, 2)]
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        withdrawal = f"{path(contract_no)}/{mistaken}/documents/{mistaken}/withdrawal"
        assert (404, "document-is-not-linked") == problem(await supervision.post(withdrawal, REASON))
        for record, n in ((right, 1), (mistaken, 0)):
            await operator.post(f"{path(contract_no)}/{record}/documents", {"document": citizen(n), **REASON})
        other = str(await person_id(running, 1))
        assert {right, other} == await same_as(running, mistaken)
        for _ in range(2):
            assert 204 == (await supervision.post(withdrawal, {"reason": "证件号录错"})).status_code
        assert (set(), {other}, {right}) == (
            await same_as(running, mistaken),
            await same_as(running, right),
            await same_as(running, other),
        )

    async def test_frees_its_place(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        documents = f"{path(contract_no)}/{first}/documents"
        for n in range(1, RECORDS_MAX):
            await operator.post(documents, {"document": citizen(n), **REASON})
        mistaken = await person_id(running, 1)
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        await supervision.post(f"{documents}/{mistaken}/withdrawal", {"reason": "证件号录错"})
        assert 201 == (await operator.post(documents, {"document": citizen(RECORDS_MAX), **REASON})).status_code
        assert RECORDS_MAX - 1 == len(await same_as(running, first))

    async def test_is_supervision_s_because_a_ban_may_end_by_it(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        refused = await operator.post(f"{path(contract_no)}/{first}/documents/{uuid4()}/withdrawal", REASON)
        assert 403 == refused.status_code


class TestErase:
    async def test_of_one_record_is_of_all(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        await operator.post(f"{path(contract_no)}/{first}/documents", {"document": citizen(1), **REASON})
        other = await person_id(running, 1)
        answered = await erasing(running, first)
        assert 204 == answered.status_code
        assert await stands_for(running, answered, first, other)
        assert 2 == (await running.facts()).count("person-erased")
        assert other != await person_id(running, 1), "his other document leads to a stranger, too"

    async def test_cut_short_between_the_keys_and_the_facts_is_done_again(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await registered(running, contract_no, operator)
        await linking(operator, contract_no, first, 1)

        async def lose_the_connection(_: Append) -> AppendResult:
            raise ConnectionResetError

        with monkeypatch.context() as patch:
            patch.setattr(running.wired.store, "append", lose_the_connection)
            assert 503 == (await erasing(running, first)).status_code
        assert 0 == (await running.facts()).count("person-erased")
        assert [204, 204] == [(await erasing(running, first)).status_code for _ in range(2)]
        assert 2 == (await running.facts()).count("person-erased")

    async def test_cut_short_between_two_keys_is_done_again_whoever_is_told_of_meanwhile(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await registered(running, contract_no, operator)
        for n in (1, 2):
            await linking(operator, contract_no, first, n)
        sealing, destroyed = running.wired.sealing, list[UUID]()

        async def die_after_one(stream_id: UUID) -> None:
            if destroyed:
                raise ConnectionResetError
            await destroy(stream_id)
            destroyed.append(stream_id)

        destroy = sealing.destroy
        with monkeypatch.context() as patch:
            patch.setattr(type(sealing), "destroy", lambda _, stream_id: die_after_one(stream_id))
            assert 503 == (await erasing(running, first)).status_code
        assert 1 == len(destroyed)
        assert 1 == await link_again(SERVICE, running.service.parts.settings, Namespace()), "some still name him"
        assert 1 == (await running.facts()).count("person-erased")
        assert [204, 204] == [(await erasing(running, first)).status_code for _ in range(2)]
        assert 3 == (await running.facts()).count("person-erased")

    async def test_reaches_a_document_that_was_linked_by_mistake(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await registered(running, contract_no, operator)
        documents = f"{path(contract_no)}/{first}/documents"
        await operator.post(documents, {"document": citizen(1), **REASON})
        mistaken = await person_id(running, 1)
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        await supervision.post(f"{documents}/{mistaken}/withdrawal", {"reason": "证件号录错"})
        supervisor = running.caller(Role.CITY_SUPERVISOR)
        assert 204 == (await supervisor.delete(f"/v1/people/{mistaken}/personal-data")).status_code
        assert mistaken != await person_id(running, 1)
        assert UUID(first) == await person_id(running), "nobody else is erased"


class TestManyAtOnce:
    async def test_through_one_process_are_each_told_once(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await registered(running, contract_no, operator)
        monkeypatch.delattr(chassis.turns, "_give_way")  # Nobody is outrun.
        answers = await asyncio.gather(*(linking(operator, contract_no, first, n) for n in range(1, RECORDS_MAX)))
        assert {201} == {each.status_code for each in answers}


class TestAtTheSameMoment:
    """Each has read the records before the other appends."""

    @pytest.mark.parametrize("is_linked_first", [True, False])
    async def test_nobody_stays_linked_through_a_third(
        self, running: Running, contract_no: str, operator: Caller, is_linked_first: bool
    ) -> None:
        first, third = [await registered(running, contract_no, operator, n) for n in (0, 2)]
        for record, n in ((first, 1), (third, 3)):
            assert 201 == (await linking(operator, contract_no, record, n)).status_code
        mistaken, fourth = [str(await person_id(running, n)) for n in (1, 3)]
        with turns(running.wired.store) as held:
            link = await held.begin(linking(operator, contract_no, first, 2))
            unlink = await held.begin(unlinking(running, contract_no, first, mistaken))
            order = [link, unlink] if is_linked_first else [unlink, link]
            assert {201, 204} == {(await held.end(each)).status_code for each in order}
            assert [1, 2] == [each.appends for each in order]
        assert set() == await same_as(running, mistaken)
        everybody = {first, third, fourth}
        assert [everybody - {each} for each in everybody] == [await same_as(running, each) for each in everybody]

    async def test_two_do_not_exceed_the_bound(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        for n in range(1, RECORDS_MAX - 1):
            assert 201 == (await linking(operator, contract_no, first, n)).status_code
        with turns(running.wired.store) as held:
            links = [await held.begin(linking(operator, contract_no, first, n)) for n in (20, 21)]
            answers = [await held.end(each) for each in links]
        assert (201, (409, "person-has-too-many-documents")) == (answers[0].status_code, problem(answers[1]))
        assert RECORDS_MAX - 1 == len(await same_as(running, first))
        assert set() == await same_as(running, await person_id(running, 21))

    async def test_two_with_one_key_link_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        with turns(running.wired.store) as held:
            links = [await held.begin(linking(operator, contract_no, first, 1, key="one")) for _ in range(2)]
            answers = [await held.end(each) for each in links]
        assert [201, 201] == [each.status_code for each in answers]
        assert answers[0].json() == answers[1].json()
        assert 2 == (await running.facts()).count("person-linked")

    async def test_nobody_is_replaced_who_is_expected_again(self, running: Running, contract_no: str, operator: Caller) -> None:
        wrong, seen = await registered(running, contract_no, operator), await declare(running, 1)
        await operator.post(f"{path(contract_no)}/{wrong}/withdrawal", {"reason": "证件号录错"})
        with turns(running.wired.store) as held:
            anew = await held.begin(operator.post(path(contract_no), form(1, replaces=wrong), seen=seen))
            again = await held.begin(operator.post(path(contract_no), form()))
            assert 201 == (await held.end(again)).status_code
            assert (409, "replaced-is-not-withdrawn") == problem(await held.end(anew))
        assert 0 == (await running.facts()).count("person-linked")
        assert 2 == (await running.facts()).count("person-pre-registered")

    async def test_whoever_is_linked_while_the_other_is_erased_is_erased(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await registered(running, contract_no, operator)
        other = await person_id(running, 1)
        with turns(running.wired.store) as held:
            link = await held.begin(linking(operator, contract_no, first, 1))
            erase = await held.begin(erasing(running, first))
            assert 201 == (await held.end(link)).status_code
            assert (204, 2) == ((await held.end(erase)).status_code, erase.appends)
        assert 2 == (await running.facts()).count("person-erased")
        assert other != await person_id(running, 1)

    async def test_whoever_is_erased_is_not_linked(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await registered(running, contract_no, operator)
        other = await person_id(running, 1)
        with turns(running.wired.store) as held:
            link = await held.begin(linking(operator, contract_no, first, 1))
            assert 204 == (await held.end(await held.begin(erasing(running, first)))).status_code
            assert 404 == (await held.end(link)).status_code
        assert 0 == (await running.facts()).count("person-linked")
        assert (set(), other) == (await same_as(running, other), await person_id(running, 1))

    async def test_whose_key_is_gone_is_told_of_though_he_was_unlinked(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await registered(running, contract_no, operator)
        await linking(operator, contract_no, first, 1)
        other = await person_id(running, 1)
        with turns(running.wired.store) as held:
            unlink = await held.begin(unlinking(running, contract_no, first, other))
            erase = await held.begin(erasing(running, first))
            assert 204 == (await held.end(unlink)).status_code
            assert 204 == (await held.end(erase)).status_code
        assert 2 == (await running.facts()).count("person-erased")

    @pytest.mark.parametrize("repeated_of", ["the first", "the other"])
    async def test_whose_key_is_gone_is_told_of_though_it_was_cut_short_and_he_was_unlinked(
        self, running: Running, contract_no: str, operator: Caller, repeated_of: str
    ) -> None:
        first = await registered(running, contract_no, operator)
        for n in (1, 2):
            await linking(operator, contract_no, first, n)
        other, apart = [await person_id(running, n) for n in (1, 2)]
        assert 204 == (await unlinking(running, contract_no, first, apart)).status_code
        with turns(running.wired.store) as held:
            unlink = await held.begin(unlinking(running, contract_no, first, other))
            erase = await held.begin(erasing(running, first))
            erase.doing.cancel()  # The keys are gone; what follows is never told.
            assert 204 == (await held.end(unlink)).status_code
        assert 0 == (await running.facts()).count("person-erased")
        assert 204 == (await erasing(running, first if repeated_of == "the first" else other)).status_code
        assert 2 == (await running.facts()).count("person-erased")
        assert apart == await person_id(running, 2), "nobody else is erased"
