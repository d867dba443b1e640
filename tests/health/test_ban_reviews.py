"""When a ban has to be looked at again, and what the banned say: the decider, then the list, then HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from chassis.auth import Principal
from chassis.testing.specification import Specification
from contracts.access import Role
from contracts.health import BanObjected, BanReviewed, Disposition, HealthEvent
from contracts.policy import Policies
from contracts.registration import ContractReported
from health.domain.ban_reviews import REVIEWED_WITHIN_DAYS, REVIEWED_WITHIN_DAYS_MAX, PersonIsNotBanned, ReviewIsOutOfReach
from health.domain.commands import HealthCommand, ObjectToBan, ReviewBan
from health.domain.state import HealthPerson
from health.read_models.ban_reviews import BAN_REVIEWS, page_of_due_reviews
from health.read_models.isolation_ends import ISOLATION_ENDS, Whose
from health.wiring import person_decider
from tests.health.facts import (
    ACCOUNT,
    EMPLOYER,
    NOW,
    OTHER_EMPLOYER,
    PERSON,
    SEALED,
    TODAY,
    dispose,
    disposed,
    pre_registered,
    pre_registration_withdrawn,
)
from tests.health.service import Running
from tests.in_process import Caller
from tests.journeys.worlds import example_of
from tests.told import fact

Person = Specification[HealthCommand, HealthPerson, HealthEvent]
person: Person = Specification(person_decider(Policies))

DAY = timedelta(days=1)
USUAL = TODAY + REVIEWED_WITHIN_DAYS * DAY
NOBODY = UUID(int=0)
BANNED = person.given(disposed(dispose(Disposition.SUSPECTED)))


def review(**changes: Any) -> ReviewBan:
    return ReviewBan(
        **{"person_id": PERSON, "review_on": None, "evidence": SEALED, "reviewed_by": ACCOUNT, "at": NOW + DAY} | changes
    )


def reviewed(person_id: UUID = PERSON, *, review_on: Any = USUAL + DAY) -> BanReviewed:
    return BanReviewed(person_id=person_id, review_on=review_on, evidence=SEALED, reviewed_by=ACCOUNT, reviewed_at=NOW + DAY)


def objected(person_id: UUID = PERSON) -> BanObjected:
    return BanObjected(person_id=person_id, note=SEALED, noted_by=ACCOUNT, objected_at=NOW)


OBJECT = ObjectToBan(person_id=PERSON, note=SEALED, noted_by=ACCOUNT, at=NOW)


class TestBan:
    def test_is_reviewed_in_a_week_unless_it_says_otherwise(self) -> None:
        assert USUAL == BANNED.state.review_on
        sooner = dispose(Disposition.SUSPECTED, review_on=TODAY)
        person.when(sooner).then(disposed(sooner))

    @pytest.mark.parametrize("days", [-1, REVIEWED_WITHIN_DAYS_MAX + 1])
    def test_is_refused_without_a_review_in_reach(self, days: int) -> None:
        person.when(dispose(Disposition.SUSPECTED, review_on=TODAY + days * DAY)).then_rejected(ReviewIsOutOfReach)

    def test_has_no_review_once_it_is_lifted(self) -> None:
        free = dispose(Disposition.ADMISSIBLE, release_document=SEALED, review_on=TODAY)
        assert None is BANNED.given(*BANNED.when(free).events).state.review_on


class TestReviewBan:
    def test_names_the_next_day(self) -> None:
        BANNED.when(review()).then(reviewed())

    @pytest.mark.parametrize("days", [0, REVIEWED_WITHIN_DAYS_MAX])
    def test_may_name_another_one(self, days: int) -> None:
        day = TODAY + (1 + days) * DAY
        BANNED.when(review(review_on=day)).then(reviewed(review_on=day))

    @pytest.mark.parametrize("days", [-1, REVIEWED_WITHIN_DAYS_MAX + 1])
    def test_is_refused_out_of_reach(self, days: int) -> None:
        BANNED.when(review(review_on=TODAY + (1 + days) * DAY)).then_rejected(ReviewIsOutOfReach)

    def test_is_kept_each_time(self) -> None:
        BANNED.given(reviewed()).when(review()).then(reviewed())

    def test_answers_an_objection(self) -> None:
        stream = BANNED.given(reviewed(), objected())
        stream.when(review()).then(reviewed())
        assert (True, False) == (stream.state.objects, stream.given(reviewed()).state.objects)

    def test_is_refused_where_nobody_is_banned(self) -> None:
        person.when(review()).then_rejected(PersonIsNotBanned)


class TestObjectToBan:
    def test_is_kept_each_time_and_lifts_nothing(self) -> None:
        again = BANNED.given(objected())
        again.when(OBJECT).then(objected())
        assert Disposition.SUSPECTED is again.state.decided.disposition

    def test_is_refused_where_nobody_is_banned(self) -> None:
        person.when(OBJECT).then_rejected(PersonIsNotBanned)

    @pytest.mark.parametrize(("decision", "objects"), [(Disposition.CONFIRMED, True), (Disposition.ADMISSIBLE, False)])
    def test_outlives_another_ban_and_not_the_end_of_all(self, decision: Disposition, objects: bool) -> None:
        assert objects is BANNED.given(objected(), disposed(dispose(decision))).state.objects


@pytest.fixture
async def operator(running: Running, person_id: UUID, contract_no: str) -> Caller:
    """Of a contract on which the person is expected."""
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
    assert 200 == (await caller.get(f"/v1/contracts/{contract_no}/ban-reviews", seen=seen)).status_code
    return caller


async def told(running: Running, *events: Any) -> None:
    """As one batch after the other, so that rows are read again."""
    for event in events:
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await BAN_REVIEWS.project(connection, [fact(event)], partition=0)


async def due(running: Running, contract_no: str, day: Any) -> list[UUID]:
    found = await page_of_due_reviews(running.parts.pool, day, Whose(contract_no=contract_no), after=NOBODY, limit=10)
    return [each.person_id for each in found]


def ban_of(person_id: UUID, **changes: Any) -> HealthEvent:
    return disposed(dispose(Disposition.SUSPECTED, person_id=person_id)).model_copy(update=changes)


@pytest.mark.usefixtures("operator")
class TestDueReviews:
    async def test_are_there_from_their_day_on_until_somebody_has_looked(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        await told(running, ban_of(person_id), ban_of(person_id))
        assert [[], [person_id], [person_id]] == [await due(running, contract_no, USUAL + n * DAY) for n in (-1, 0, 30)]
        await told(running, reviewed(person_id))
        assert [[], [person_id]] == [await due(running, contract_no, USUAL + n * DAY) for n in (0, 1)]

    async def test_are_there_at_once_where_somebody_objects(self, running: Running, person_id: UUID, contract_no: str) -> None:
        await told(running, ban_of(person_id), objected(person_id))
        assert [person_id] == await due(running, contract_no, TODAY)
        await told(running, reviewed(person_id))
        assert [] == await due(running, contract_no, TODAY)

    async def test_of_objections_stay_where_the_ban_is_changed_before_anybody_looked(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        worse = disposed(dispose(Disposition.CONFIRMED, person_id=person_id))
        await told(running, ban_of(person_id), objected(person_id), worse)
        assert [person_id] == await due(running, contract_no, TODAY)
        await told(running, reviewed(person_id), worse)
        assert [] == await due(running, contract_no, TODAY)

    async def test_are_gone_with_the_ban(self, running: Running, person_id: UUID, contract_no: str) -> None:
        free = disposed(dispose(Disposition.ADMISSIBLE, person_id=person_id))
        await told(running, ban_of(person_id), free, objected(person_id), reviewed(person_id))
        assert [] == await due(running, contract_no, USUAL + 30 * DAY)

    async def test_of_bans_from_before_reviews_come_as_if_decided_now(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        await told(running, ban_of(person_id, review_on=None))
        assert [[], [person_id]] == [await due(running, contract_no, USUAL + n * DAY) for n in (-1, 0)]


def based_on(read: httpx2.Response) -> dict[str, str]:
    """A header: that this was looked at."""
    return {"If-Match": read.headers["ETag"]}


def ban_body(contract_no: str) -> Mapping[str, Any]:
    return {
        "contract_no": contract_no,
        "disposition": "suspected",
        "isolation_from": "2020-02-18",
        "method": "hospital",
        "reason_code": "contact_of_a_case",
        "evidence": "电话通知",
    }


async def looks_at(running: Running, person_id: UUID) -> list[str]:
    """Who was given this person's key, by the key server's record."""
    owner = await asyncpg.connect(running.keys.owner_dsn)
    looks = "SELECT actor FROM access WHERE $1 = ANY (stream_ids) AND purpose <> 'seal' ORDER BY access_id"
    rows = await owner.fetch(looks, person_id)
    await owner.close()
    return [row["actor"] for row in rows]


class TestOverHttp:
    async def test_a_ban_is_objected_to_and_looked_at_again(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        path, lists = f"/v1/people/{person_id}/dispositions", f"/v1/contracts/{contract_no}/ban-reviews"
        await operator.post(path, ban_body(contract_no))
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        note = {"contract_no": contract_no, "note": "本人未接触病例"}
        first, again = [await registrar.post(f"{path}/objections", note, key="one") for _ in range(2)]
        assert (201, "suspected", True) == (first.status_code, first.json()["disposition"], first.json()["objects"])
        assert first.json() == again.json()
        listed = (await registrar.get(lists, seen=first.headers["consistency-token"])).json()
        assert [(str(person_id), [contract_no], "suspected")] == [
            (each["person_id"], each["contracts"], each["disposition"]) for each in listed["items"]
        ]
        other = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        assert [] == (await other.get(lists)).json()["items"]
        objections = (await operator.get(f"{path}/objections")).json()["items"]
        assert [("本人未接触病例", registrar.principal.subject)] == [(each["note"], each["noted_by"]) for each in objections]
        assert 403 == (await registrar.get(f"{path}/objections")).status_code

        worse = await operator.post(path, {**ban_body(contract_no), "disposition": "confirmed"})
        assert worse.status_code == 201
        listed = (await operator.get(lists, seen=worse.headers["consistency-token"])).json()["items"]
        assert [str(person_id)] == [each["person_id"] for each in listed], "nobody has looked at what he says"
        assert (await operator.get(path)).json()["objects"] is True
        seen = based_on(await operator.get(f"{path}/objections"))
        reviewed = await operator.post(f"{path}/reviews", {"contract_no": contract_no, "evidence": "核酸阳性"}, **seen)
        assert (201, False) == (reviewed.status_code, reviewed.json()["objects"])
        assert [] == (await operator.get(lists, seen=reviewed.headers["consistency-token"])).json()["items"]
        assert [operator.principal.subject] == [
            each.reviewed_by for each in await running.facts(person_id) if isinstance(each, BanReviewed)
        ]
        standing = (await operator.get(path)).json()
        assert ("confirmed", reviewed.json()["review_on"]) == (standing["disposition"], standing["review_on"])

    @pytest.mark.parametrize(
        ("what", "changes", "status", "code"),
        [
            ("objections", {}, 409, "person-is-not-banned"),
            ("reviews", {}, 409, "person-is-not-banned"),
            ("objections", {"contract_no": "W-elsewhere"}, 404, "not-found"),
            ("reviews", {"review_on": "2020-02-30"}, 422, "invalid-request"),
        ],
    )
    async def test_refusals_change_nothing(
        self,
        running: Running,
        operator: Caller,
        person_id: UUID,
        contract_no: str,
        what: str,
        changes: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        before = await running.facts(person_id)
        body = {"contract_no": contract_no, "note" if what == "objections" else "evidence": "说明", **changes}
        response = await operator.post(f"/v1/people/{person_id}/dispositions/{what}", body, **{"If-Match": f'"{len(before)}"'})
        assert (status, code) == (response.status_code, response.json()["code"])
        assert before == await running.facts(person_id)

    @pytest.mark.parametrize("since", ["objections", "dispositions"])
    async def test_a_review_answers_nothing_that_came_after_what_was_looked_at(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, since: str
    ) -> None:
        path = f"/v1/people/{person_id}/dispositions"
        await operator.post(path, ban_body(contract_no))
        looked_at = based_on(await operator.get(path))
        worse = {**ban_body(contract_no), "disposition": "confirmed"}
        objection = {"contract_no": contract_no, "note": "本人未接触病例"}
        body = objection if since == "objections" else worse
        await operator.post(path if since == "dispositions" else f"{path}/{since}", body)
        before = await running.facts(person_id)

        review = {"contract_no": contract_no, "evidence": "核酸阳性"}
        late = await operator.post(f"{path}/reviews", review, **looked_at)
        assert (412, "version-mismatch") == (late.status_code, late.json()["code"])
        blind = await operator.post(f"{path}/reviews", review)
        assert (428, "if-match-missing") == (blind.status_code, blind.json()["code"])
        assert before == await running.facts(person_id)

        seen = based_on(await operator.get(path))
        first, again = [await operator.post(f"{path}/reviews", review, key="one", **seen) for _ in range(2)]
        assert (201, 201, first.json()) == (first.status_code, again.status_code, again.json())

    async def test_whoever_decides_reads_on_what_every_decision_rests(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        path = f"/v1/people/{person_id}/dispositions"
        assert [] == (await operator.get(f"{path}/grounds")).json()["items"]
        await operator.post(path, ban_body(contract_no))
        look = {"contract_no": contract_no, "evidence": "核酸阳性"}
        assert (await operator.post(f"{path}/reviews", look, **based_on(await operator.get(path)))).status_code == 201
        free = {"disposition": "admissible", "reason_code": "recovered", "release_document": "沪卫解〔2020〕17号"}
        assert (await operator.post(path, {"contract_no": contract_no, **free})).status_code == 201
        again = {**ban_body(contract_no), "evidence": "再次接触"}
        assert (await operator.post(path, again)).status_code == 201
        me = operator.principal.subject

        grounds = (await operator.get(f"{path}/grounds")).json()["items"]
        assert [
            ("suspected", "再次接触", None, []),
            ("admissible", None, "沪卫解〔2020〕17号", []),
            ("suspected", "电话通知", None, [("核酸阳性", me)]),
        ] == [
            (
                *(each[name] for name in ("disposition", "evidence", "release_document")),
                [(look["evidence"], look["reviewed_by"]) for look in each["reviews"]],
            )
            for each in grounds
        ]
        listed = (await operator.get(path)).json()["items"]
        assert listed == [{name: value for name, value in each.items() if name in listed[0]} for each in grounds]
        newest = (await operator.get(f"{path}/grounds", limit=1)).json()
        older = (await operator.get(f"{path}/grounds", limit=2, before=newest["next_before"])).json()
        assert grounds == newest["items"] + older["items"]

    async def test_who_read_the_grounds_is_recorded(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        path = f"/v1/people/{person_id}/dispositions"
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        assert 404 == (await running.caller(Role.SITE_OPERATOR, f"{contract_no}-2").get(f"{path}/grounds")).status_code
        assert 403 == (await registrar.get(f"{path}/grounds")).status_code
        await operator.post(path, ban_body(contract_no))
        before = await looks_at(running, person_id)
        await operator.get(f"{path}/grounds")
        assert [*before, operator.principal.subject] == await looks_at(running, person_id)

    async def test_a_review_is_not_for_employers(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        await operator.post(f"/v1/people/{person_id}/dispositions", ban_body(contract_no))
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        body = {"contract_no": contract_no, "evidence": "说明"}
        assert (
            403 == (await registrar.post(f"/v1/people/{person_id}/dispositions/reviews", body, **{"If-Match": '"1"'})).status_code
        )

    async def test_authorities_see_what_they_supervise(self, running: Running, operator: Caller, contract_no: str) -> None:
        people = sorted((uuid4() for _ in range(3)), key=str)
        station = await supervised(running, contract_no)
        seen = running.registration.tell(*(pre_registered(each, contract_no=contract_no) for each in people))
        assert 200 == (await operator.get(f"/v1/contracts/{contract_no}/ban-reviews", seen=seen)).status_code
        await told(running, *(ban_of(each) for each in people))
        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({station}))
        first = await shown_to(officer)
        rest = await shown_to(officer, after=first["next"])
        assert [str(each) for each in people] == [each["person_id"] for each in first["items"] + rest["items"]]
        assert [] == (await shown_to(authority(running, Role.STATION_OFFICER, stations=frozenset({"浦东"}))))["items"]
        assert 403 == (await operator.get("/v1/ban-reviews")).status_code


def authority(running: Running, role: Role, **granted: Any) -> Caller:
    return running.service.caller(Principal(f"{role}-{uuid4()}", role, **granted))


async def shown_to(caller: Caller, *, after: str = str(NOBODY), limit: int = 2, seen: object = None) -> Any:
    """What is due a week from the day of the facts."""
    return (await caller.get("/v1/ban-reviews", date=USUAL.isoformat(), limit=limit, after=after, seen=seen)).json()


async def supervised(running: Running, contract_no: str) -> str:
    """The contract gets a station of its own. Its name."""
    station = f"测试{contract_no}"
    reported = example_of(ContractReported, contract_no=contract_no, station_name=station, district="310151")
    async with running.parts.pool.acquire() as connection, connection.transaction():
        await ISOLATION_ENDS.project(connection, [fact(reported, stream_id=uuid4())], partition=0)
    return station


class TestBannedWhomNobodyExpects:
    """The pre-registration was withdrawn after the ban."""

    @pytest.fixture
    async def path(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> str:
        path = f"/v1/people/{person_id}/dispositions"
        await operator.post(path, ban_body(contract_no))
        seen = running.registration.tell(pre_registration_withdrawn(person_id, contract_no=contract_no))
        assert 200 == (await operator.get(f"/v1/contracts/{contract_no}/missing-reports", seen=seen)).status_code
        return path

    async def test_objects_and_is_released_where_he_was_banned(
        self, running: Running, operator: Caller, path: str, person_id: UUID, contract_no: str
    ) -> None:
        objection = {"contract_no": contract_no, "note": "本人未接触病例"}
        firm = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        elsewhere = running.caller(Role.SITE_OPERATOR, f"{contract_no}-2")
        assert 404 == (await firm.post(f"{path}/objections", objection)).status_code, "he is nobody of theirs any more"
        other = {**objection, "contract_no": f"{contract_no}-2"}
        assert 404 == (await elsewhere.post(f"{path}/objections", other)).status_code
        seen = (await operator.post(f"{path}/objections", objection)).headers["consistency-token"]

        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({await supervised(running, contract_no)}))
        for listed in (
            await shown_to(officer, seen=seen),
            (await operator.get(f"/v1/contracts/{contract_no}/ban-reviews", seen=seen)).json(),
        ):
            assert [(str(person_id), [contract_no])] == [(each["person_id"], each["contracts"]) for each in listed["items"]]

        free = {"contract_no": contract_no, "disposition": "admissible", "reason_code": "contact_ruled_out"}
        released = await operator.post(path, {**free, "release_document": "沪疾控解字1号"})
        assert 201 == released.status_code
        assert 404 == (await operator.get(path, seen=released.headers["consistency-token"])).status_code

    async def test_is_on_the_city_s_list_where_nobody_told_who_banned_him(self, running: Running, contract_no: str) -> None:
        person_id = UUID(int=0, version=4)  # the first one of every list
        await told(running, ban_of(person_id, contract_no=None))
        (first, *_) = (await shown_to(authority(running, Role.CITY_SUPERVISOR)))["items"]
        assert (str(person_id), []) == (first["person_id"], first["contracts"])
        station = await supervised(running, contract_no)
        assert [] == (await shown_to(authority(running, Role.STATION_OFFICER, stations=frozenset({station}))))["items"]
        await told(running, disposed(dispose(Disposition.ADMISSIBLE, person_id=person_id)))
