"""Who has no report of the day: facts, then rows, whatever the order in which the services tell them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.auth import Principal
from chassis.clock import SystemClock
from contracts.access import Role
from contracts.event import Event
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded
from contracts.health import ReadingSource
from contracts.registration import ContractReported
from health.domain.commands import Correction
from health.read_models import missing_reports
from health.read_models.isolation_ends import Whose
from health.read_models.missing_reports import MISSING_REPORTS, count_missing, page_of_followed, page_of_missing
from tests.health.facts import (
    EMPLOYER,
    NOW,
    OTHER_EMPLOYER,
    REPORT,
    SEALED,
    TODAY,
    family_member,
    family_member_withdrawn,
    imported,
    pre_registered,
    pre_registration_withdrawn,
    report,
    reported,
)
from tests.health.service import Running
from tests.in_process import Caller
from tests.journeys.worlds import example_of
from tests.measured import measured
from tests.told import fact

HOUR = timedelta(hours=1)
NOBODY = UUID(int=0)


def entered(person_id: UUID, contract_no: str, at: datetime, *, outcome: Outcome = Outcome.ADMITTED) -> EntryAttempted:
    return EntryAttempted(
        person_id=person_id,
        attempt_id=uuid4(),
        contract_no=contract_no,
        kind=EntryKind.ENTRY,
        outcome=outcome,
        clearance_version=1,
        policy_version=1,
        attempted_at=at,
    )


def entered_on_paper(person_id: UUID, contract_no: str, at: datetime) -> PaperEntryRecorded:
    return PaperEntryRecorded(
        person_id=person_id,
        attempt_id=uuid4(),
        contract_no=contract_no,
        decided_by=(uuid4(), uuid4()),
        needs_review=False,
        clearance_version=1,
        policy_version=1,
        entered_at=at,
        recorded_at=at,
    )


def left(person_id: UUID, contract_no: str, at: datetime) -> ExitRegistered:
    return ExitRegistered(person_id=person_id, contract_no=contract_no, exited_at=at)


def measured_at(person_id: UUID, contract_no: str, read_at: datetime, **changes: Any) -> Event:
    return reported(report(read_at=read_at, contract_no=contract_no, person_id=person_id, **changes))


async def told(running: Running, events: Sequence[Event]) -> None:
    """As one batch after the other, so that rows are read again."""
    for event in events:
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await MISSING_REPORTS.project(connection, [fact(event)], partition=0)


@pytest.fixture
async def known(running: Running, person_id: UUID, contract_no: str) -> None:
    """The person stands on the contract's roster, off site: health may be asked, and nobody waits for a report."""
    seen = running.registration.tell(imported(person_id, contract_no=contract_no).model_copy(update={"on_site": False}))
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    assert 200 == (await caller.get(f"/v1/contracts/{contract_no}/missing-reports", seen=seen)).status_code


async def missing(running: Running, contract_no: str, day: date = TODAY) -> Sequence[UUID]:
    found = await page_of_missing(running.parts.pool, day, Whose(contract_no=contract_no), after=NOBODY, limit=10)
    return [each.person_id for each in found]


CORRECTED = Correction(REPORT, SEALED)


@pytest.mark.usefixtures("known")
class TestMissingReports:
    async def test_are_not_asked_of_somebody_off_site(self, running: Running, contract_no: str) -> None:
        assert [] == await missing(running, contract_no)

    async def test_are_asked_of_whoever_is_expected(self, running: Running, person_id: UUID, contract_no: str) -> None:
        await told(running, [pre_registered(person_id, contract_no=contract_no)])
        assert [person_id] == await missing(running, contract_no)
        await told(running, [pre_registration_withdrawn(person_id, contract_no=contract_no)])
        assert [] == await missing(running, contract_no)

    @pytest.mark.parametrize("page_of", [page_of_missing, page_of_followed])
    async def test_are_asked_of_an_employer_for_its_own_people(
        self, running: Running, person_id: UUID, contract_no: str, page_of: Any
    ) -> None:
        await told(running, [pre_registered(person_id, contract_no=contract_no)])
        asked = [Whose(contract_no=contract_no, employer=each) for each in (None, EMPLOYER, OTHER_EMPLOYER)]
        found = [await page_of(running.parts.pool, TODAY, each, after=NOBODY, limit=10) for each in asked]
        assert [[person_id], [person_id], []] == [[each.person_id for each in page] for page in found]

    @pytest.mark.parametrize("way_in", [entered, entered_on_paper])
    async def test_are_asked_of_whoever_is_on_site(self, running: Running, person_id: UUID, contract_no: str, way_in: Any) -> None:
        await told(running, [way_in(person_id, contract_no, NOW)])
        assert [person_id] == await missing(running, contract_no)
        await told(running, [left(person_id, contract_no, NOW + HOUR)])
        assert [] == await missing(running, contract_no)

    async def test_are_not_asked_of_somebody_who_was_refused(self, running: Running, person_id: UUID, contract_no: str) -> None:
        await told(running, [entered(person_id, contract_no, NOW, outcome=Outcome.REFUSED)])
        assert [] == await missing(running, contract_no)

    async def test_do_not_depend_on_the_order_in_which_two_services_tell(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        back = pre_registered(person_id, contract_no=contract_no, pre_registered_at=NOW + 2 * HOUR)
        for events in permutations([entered(person_id, contract_no, NOW), left(person_id, contract_no, NOW + HOUR), back]):
            await running.parts.pool.execute("DELETE FROM followed_person_v2 WHERE person_id = $1", person_id)
            await told(running, events)
            assert [person_id] == await missing(running, contract_no)

    @pytest.mark.parametrize(
        ("at", "day"),
        [
            (datetime(2020, 2, 18, 15, 59, tzinfo=UTC), date(2020, 2, 18)),
            (datetime(2020, 2, 18, 16, 0, tzinfo=UTC), date(2020, 2, 19)),
        ],
    )
    async def test_are_there_once_somebody_was_measured_on_the_day_in_shanghai(
        self, running: Running, person_id: UUID, contract_no: str, at: datetime, day: date
    ) -> None:
        facts = [pre_registered(person_id, contract_no=contract_no), measured_at(person_id, contract_no, at)]
        await told(running, [*facts, *facts])
        assert [] == await missing(running, contract_no, day)
        assert [person_id] == await missing(running, contract_no, day - timedelta(days=1))

    async def test_are_still_missing_where_a_temperature_was_only_declared(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        declared = measured_at(person_id, contract_no, NOW, source=ReadingSource.DECLARATION)
        await told(running, [pre_registered(person_id, contract_no=contract_no), declared])
        assert [person_id] == await missing(running, contract_no)

    async def test_are_missing_again_where_the_report_was_of_another_day(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        wrong = measured_at(person_id, contract_no, NOW)
        right = measured_at(person_id, contract_no, NOW - timedelta(days=1), report_id=UUID(int=5), corrects=CORRECTED, at=NOW)
        facts = [pre_registered(person_id, contract_no=contract_no), wrong, right]
        await told(running, [*facts, *facts])
        assert [person_id] == await missing(running, contract_no)
        assert [] == await missing(running, contract_no, TODAY - timedelta(days=1))


class TestListMissingReports:
    async def test_are_counted_for_all_contracts_as_a_metric(self, running: Running, person_id: UUID, contract_no: str) -> None:
        now = datetime.now(UTC)
        names = "gatehouse_followed_people", "gatehouse_missing_reports"

        async def counted() -> list[float]:
            await count_missing(running.parts.pool, SystemClock())
            return [measured(name) or 0.0 for name in names]

        followed, lacking = await counted()
        await told(running, [entered(person_id, contract_no, now), entered(person_id, "W-elsewhere", now)])
        assert [followed + 1, lacking + 1] == await counted()
        await told(running, [measured_at(person_id, contract_no, now)])
        assert [followed + 1, lacking] == await counted()

    async def test_has_pages_and_forgets_whoever_was_measured(self, running: Running, contract_no: str) -> None:
        path = f"/v1/contracts/{contract_no}/missing-reports"
        people = sorted((uuid4() for _ in range(3)), key=str)
        caller = running.caller(Role.SITE_OPERATOR, contract_no)
        token = running.registration.tell(*(pre_registered(each, contract_no=contract_no) for each in people))
        first = (await caller.get(path, seen=token, limit=2)).json()
        rest = (await caller.get(path, limit=2, after=first["next"])).json()
        assert ([str(each) for each in people], None) == (first["items"] + rest["items"], rest["next"])
        reading = {
            "contract_no": contract_no,
            "read_at": datetime.now(UTC).isoformat(),
            "reading_celsius": 36.5,
            "symptoms": ["none"],
        }
        stored = await caller.post(f"/v1/people/{people[0]}/health-reports", reading)
        after = (await caller.get(path, seen=stored.headers["consistency-token"])).json()
        assert [str(each) for each in people[1:]] == after["items"]

    async def test_shows_family_who_are_then_reported_for_and_dropped_once_withdrawn(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        path = f"/v1/contracts/{contract_no}/missing-reports"
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        other = uuid4()
        seen = running.registration.tell(
            family_member(person_id, contract_no=contract_no), family_member(other, contract_no=contract_no)
        )
        assert sorted(map(str, (person_id, other))) == (await registrar.get(path, seen=seen)).json()["items"]
        reading = {
            "contract_no": contract_no,
            "read_at": datetime.now(UTC).isoformat(),
            "reading_celsius": 36.5,
            "symptoms": ["none"],
        }
        stored = await registrar.post(f"/v1/people/{person_id}/health-reports", reading)
        assert 201 == stored.status_code
        assert [str(other)] == (await registrar.get(path, seen=stored.headers["consistency-token"])).json()["items"]
        seen = running.registration.tell(family_member_withdrawn(other, contract_no=contract_no))
        assert [] == (await registrar.get(path, seen=seen)).json()["items"]

    async def test_shows_an_employer_its_own_people_and_strangers_nothing(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        path = f"/v1/contracts/{contract_no}/missing-reports"
        seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
        own, other = (running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=each) for each in (EMPLOYER, OTHER_EMPLOYER))
        assert [str(person_id)] == (await own.get(path, seen=seen)).json()["items"]
        assert [] == (await running.caller(Role.EMPLOYER_REGISTRAR, contract_no).get(path)).json()["items"]
        assert [] == (await other.get(path)).json()["items"]
        assert 404 == (await running.caller(Role.SITE_OPERATOR, "W-elsewhere").get(path)).status_code
        assert 422 == (await own.get(path, date="2020-02-30")).status_code


class TestListSupervisedMissingReports:
    async def test_counts_by_contract_whoever_is_missing_and_names_them(self, running: Running) -> None:
        station, one, other, done = (f"{each}{uuid4().hex[:12]}" for each in ("测试", "W1", "W2", "W3"))
        places = [(one, station), (other, station), (done, station), (f"W4{uuid4().hex[:12]}", "别处")]
        facts = [example_of(ContractReported, contract_no=no, station_name=of, district="310151") for no, of in places]
        contracts = running.registration.tell(*facts, stream_id=uuid4())
        people = sorted((uuid4() for _ in range(4)), key=str)
        expected = [pre_registered(each, contract_no=no) for each, no in zip(people, (one, one, other, places[3][0]), strict=True)]
        seen = running.registration.tell(*expected, pre_registered(people[0], contract_no=other))
        site = running.caller(Role.SITE_OPERATOR, one)
        reading = {"contract_no": one, "read_at": datetime.now(UTC).isoformat(), "reading_celsius": 36.5, "symptoms": ["none"]}
        assert 200 == (await site.get(f"/v1/contracts/{one}/missing-reports", seen=seen)).status_code
        path = f"/v1/people/{people[0]}/health-reports"
        _, stored = [await site.post(path, reading | {"reading_celsius": each}) for each in (36.5, 36.6)]
        officer = running.service.caller(Principal("officer", Role.STATION_OFFICER, stations=frozenset({station})))
        assert 200 == (await officer.get("/v1/missing-reports", seen=contracts)).status_code
        answer = (await officer.get("/v1/missing-reports", seen=stored.headers["consistency-token"])).json()
        counts = {"followed": 2, "missing": 1}
        assert ([{"contract_no": one, **counts}, {"contract_no": other, **counts}], None) == (answer["items"], answer["next"])
        named = [(await officer.get(f"/v1/missing-reports/{no}")).json()["items"] for no in (one, other, done)]
        assert [[str(people[1])], [str(people[2])], []] == named
        answers = [(await officer.get(f"/v1/missing-reports/{no}/followed")).json() for no in (one, other, done)]
        of_one = [{"person_id": str(people[0]), "reported": True}, {"person_id": str(people[1]), "reported": False}]
        of_other = [{"person_id": str(people[0]), "reported": True}, {"person_id": str(people[2]), "reported": False}]
        assert [of_one, of_other, []] == [each["items"] for each in answers], "as many as are counted, reported twice or not"
        assert [(2, 1), (2, 1), (0, 0)] == [(each["followed"], each["missing"]) for each in answers]
        await count_missing(running.parts.pool, SystemClock())
        assert 2 == measured("gatehouse_station_missing_reports", district="310151", station=station)
        for path in (f"/v1/missing-reports/{places[3][0]}", f"/v1/missing-reports/{places[3][0]}/followed"):
            assert 404 == (await officer.get(path)).status_code
        assert 403 == (await site.get("/v1/missing-reports")).status_code

    async def test_looks_at_so_many_contracts_at_a_time(
        self, running: Running, person_id: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(missing_reports, "CONTRACTS_LOOKED_AT_MAX", 2)
        caller, numbers = await supervised(running)
        seen = running.registration.tell(pre_registered(person_id, contract_no=numbers[2]))
        first = (await caller.get("/v1/missing-reports", seen=seen)).json()
        assert ([], numbers[1]) == (first["items"], first["next"]), "where all reports are there, there is nothing to tell"
        rest = (await caller.get("/v1/missing-reports", after=first["next"])).json()
        assert ([numbers[2]], None) == ([each["contract_no"] for each in rest["items"]], rest["next"])

    async def test_opens_page_by_page_whoever_is_followed_and_nobody_who_left(self, running: Running) -> None:
        caller, (site, *_) = await supervised(running)
        people = sorted((uuid4() for _ in range(4)), key=str)
        gone = people.pop()
        seen = running.registration.tell(*(pre_registered(each, contract_no=site) for each in (*people, gone)))
        path = f"/v1/missing-reports/{site}/followed"
        assert 4 == len((await caller.get(path, seen=seen)).json()["items"])
        await told(running, [left(gone, site, datetime.now(UTC) + HOUR)])
        first = (await caller.get(path, limit=2)).json()
        rest = (await caller.get(path, limit=2, after=first["next"])).json()
        named = [each["person_id"] for each in (*first["items"], *rest["items"])]
        assert ([str(each) for each in people], None) == (named, rest["next"])
        (counted,) = (await caller.get("/v1/missing-reports")).json()["items"]
        assert [len(named)] * 3 == [each["followed"] for each in (first, rest, counted)], "on each page, of all"

    @pytest.mark.parametrize(("limit", "pages"), [(1, [[1], [2]]), (2, [[1, 2]]), (3, [[1, 2]])])
    async def test_tells_as_many_contracts_as_are_asked_for(self, running: Running, limit: int, pages: list[list[int]]) -> None:
        caller, numbers = await supervised(running)
        seen = running.registration.tell(*(pre_registered(uuid4(), contract_no=each) for each in numbers[1:]))
        told: list[list[int]] = []
        after = None
        while not told or after:
            page = (await caller.get("/v1/missing-reports", seen=seen, limit=limit, **({"after": after} if after else {}))).json()
            told.append([numbers.index(each["contract_no"]) for each in page["items"]])
            after = page["next"]
        assert pages == told


async def supervised(running: Running) -> tuple[Caller, list[str]]:
    """The officer of a station with three contracts, and their numbers, in order."""
    station, numbers = f"测试{uuid4().hex[:12]}", sorted(f"W{uuid4().hex[:12]}" for _ in range(3))
    facts = [example_of(ContractReported, contract_no=no, station_name=station, district="310151") for no in numbers]
    contracts = running.registration.tell(*facts, stream_id=uuid4())
    officer = running.service.caller(Principal("officer", Role.STATION_OFFICER, stations=frozenset({station})))
    assert 200 == (await officer.get("/v1/missing-reports", seen=contracts)).status_code
    return officer, numbers
