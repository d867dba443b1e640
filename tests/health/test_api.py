"""Status, body and new facts of every endpoint, on the real app with real PostgreSQL and key server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.auth import Principal
from chassis.key_server import Purpose
from contracts.access import Role
from contracts.health import Disposition, DispositionChanged, HealthHoldPlaced, HealthReported, Hold, ReadingSource
from contracts.healthcloud_bridge import DeclarationReceived
from health.wiring import SERVICE
from tests.health.facts import EMPLOYER, HUBEI, OTHER_EMPLOYER, declaration, imported, pre_registered, pre_registration_withdrawn
from tests.health.service import Running
from tests.in_process import Caller, in_process
from tests.journeys.worlds import example_of

BAN = {
    "disposition": "quarantine_required",
    "isolation_from": "2020-02-18",
    "method": "central",
    "reason_code": "contact_of_a_case",
    "evidence": "电话通知",
}


OF_AUTHORITIES = {"policies", "isolation-ends", "ban-reviews", "missing-reports"}


def reports(person_id: UUID) -> str:
    return f"/v1/people/{person_id}/health-reports"


def dispositions(person_id: UUID) -> str:
    return f"/v1/people/{person_id}/dispositions"


def report_body(contract_no: str, celsius: float = 36.5, **changes: Any) -> dict[str, Any]:
    return {
        "contract_no": contract_no,
        "read_at": datetime.now(UTC).isoformat(),
        "reading_celsius": celsius,
        "method": "axillary",
        "symptoms": ["none"],
    } | changes


def round_body(*people: dict[str, Any]) -> dict[str, Any]:
    return {"read_at": datetime.now(UTC).isoformat(), "method": "axillary", "people": list(people)}


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    return response.status_code, response.json()["code"]


@pytest.fixture
async def operator(running: Running, person_id: UUID, contract_no: str) -> Caller:
    """Works on a contract on which the person is pre-registered, and health knows it."""
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
    assert 200 == (await caller.get(reports(person_id), seen=seen)).status_code
    return caller


class TestReportHealth:
    async def test_stores_the_report(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        response = await operator.post(reports(person_id), report_body(contract_no, 36.6))
        stored = (await running.facts(person_id))[-1]
        assert isinstance(stored, HealthReported)
        assert (201, str(stored.report_id), []) == (response.status_code, response.json()["report_id"], response.json()["holds"])
        assert (36.6, ReadingSource.REGISTRAR, contract_no) == (stored.reading_celsius, stored.source, stored.contract_no)
        assert f'"{len(await running.facts(person_id))}"' == response.headers["etag"]
        assert response.headers["consistency-token"].startswith("health/1/")

    async def test_says_what_keeps_the_person_out(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        response = await operator.post(reports(person_id), report_body(contract_no, 38.0, symptoms=["cough"]))
        assert ["fever", "symptoms"] == response.json()["holds"]
        held = {each.hold for each in await running.facts(person_id) if isinstance(each, HealthHoldPlaced)}
        assert {Hold.FEVER, Hold.SYMPTOMS} == held

    async def test_sent_twice_with_a_key_is_one_report(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        body = report_body(contract_no)
        first, again = [await operator.post(reports(person_id), body, key="one") for _ in range(2)]
        assert first.json() == again.json()
        assert first.headers["consistency-token"] == again.headers["consistency-token"]
        assert 1 == sum(isinstance(each, HealthReported) for each in await running.facts(person_id))

    async def test_by_many_at_once_through_two_processes_is_taken_from_each(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        async with in_process(SERVICE, running.parts.settings, with_worker=False) as other:
            clients, granted = (running.client, other.client), frozenset({contract_no})
            reporters = [Caller(clients[n % 2], Principal(f"{n}-{uuid4()}", Role.SITE_OPERATOR, granted)) for n in range(20)]
            bodies = [report_body(contract_no, 36 + n % 10 / 10) for n in range(20)]
            answers = await asyncio.gather(
                *(each.post(reports(person_id), body) for each, body in zip(reporters, bodies, strict=True))
            )
        assert {201} == {each.status_code for each in answers}
        stored = [str(each.report_id) for each in await running.facts(person_id) if isinstance(each, HealthReported)]
        assert sorted(stored) == sorted(each.json()["report_id"] for each in answers), "one fact each"

    async def test_is_refused_for_another_body_with_the_same_key(self, operator: Caller, person_id: UUID, contract_no: str) -> None:
        await operator.post(reports(person_id), report_body(contract_no), key="one")
        response = await operator.post(reports(person_id), report_body(contract_no, 37.0), key="one")
        assert (422, "idempotency-key-reused") == problem(response)

    async def test_of_a_turnstile_needs_no_symptoms(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        turnstile = running.caller(Role.GATE_DEVICE, contract_no)
        response = await turnstile.post(reports(person_id), report_body(contract_no, method="forehead", symptoms=[]))
        assert (201, "gate") == (response.status_code, response.json()["source"])

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"symptoms": []}, "no-symptom-is-ticked"),
            ({"read_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat()}, "reading-is-in-the-future"),
            ({"symptoms": ["none", "cough"]}, "invalid-request"),
            ({"reading_celsius": 29.9}, "invalid-request"),
            ({"reading_celsius": 45.1}, "invalid-request"),
            ({"reading_celsius": 36.55}, "invalid-request"),
            ({"read_at": "2020-02-18T09:00:00"}, "invalid-request"),
        ],
    )
    async def test_is_refused(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, changes: dict[str, Any], code: str
    ) -> None:
        before = await running.facts(person_id)
        assert (422, code) == problem(await operator.post(reports(person_id), report_body(contract_no, **changes)))
        assert before == await running.facts(person_id)

    async def test_waits_for_a_pre_registration_that_the_client_has_seen(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        caller = running.caller(Role.SITE_OPERATOR, contract_no)
        seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
        assert 201 == (await caller.post(reports(person_id), report_body(contract_no), seen=seen)).status_code


class TestWhoMayReport:
    @pytest.mark.parametrize("role", [Role.PROJECT_LEAD, Role.SITE_OPERATOR, Role.SUPERVISION_LEAD, Role.SUPERVISION_OPERATOR])
    async def test_those_of_the_contract_may(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, role: Role
    ) -> None:
        response = await running.caller(role, contract_no).post(reports(person_id), report_body(contract_no))
        assert 201 == response.status_code

    async def test_an_employer_may_for_its_own_people(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        own = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        other = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        assert 201 == (await own.post(reports(person_id), report_body(contract_no))).status_code
        assert (404, "not-found") == problem(await other.post(reports(person_id), report_body(contract_no)))
        assert (404, "not-found") == problem(await other.get(reports(person_id)))

    async def test_others_meet_nobody(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        stranger = running.caller(Role.SITE_OPERATOR, "W-elsewhere")
        for response in (
            await stranger.post(reports(person_id), report_body(contract_no)),  # a foreign contract
            await stranger.post(reports(person_id), report_body("W-elsewhere")),  # an own contract that does not know the person
            await operator.post(reports(uuid4()), report_body(contract_no)),  # nobody at all
            await stranger.get(reports(person_id)),
            await stranger.post(dispositions(person_id), {"contract_no": "W-elsewhere", **BAN}),
            await stranger.get(dispositions(person_id)),
            await stranger.get(f"/v1/people/{person_id}/isolation-orders"),
            await stranger.get(f"/v1/people/{person_id}/assessments"),
        ):
            assert (404, "not-found") == problem(response)

    async def test_nobody_may_once_the_pre_registration_was_withdrawn(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        seen = running.registration.tell(pre_registration_withdrawn(person_id, contract_no=contract_no))
        assert (404, "not-found") == problem(await operator.post(reports(person_id), report_body(contract_no), seen=seen))

    async def test_those_of_a_roster_may(self, running: Running, person_id: UUID, contract_no: str) -> None:
        caller = running.caller(Role.SITE_OPERATOR, contract_no)
        seen = running.registration.tell(imported(person_id, contract_no=contract_no))
        assert 201 == (await caller.post(reports(person_id), report_body(contract_no), seen=seen)).status_code

    async def test_authorities_and_machines_may_not(self, running: Running, person_id: UUID, contract_no: str) -> None:
        for role in (Role.CITY_SUPERVISOR, Role.CONTRACT_SYSTEM, Role.POLICE_SUBSCRIBER, Role.OPS):
            response = await running.caller(role, contract_no).post(reports(person_id), report_body(contract_no))
            assert (403, "forbidden") == problem(response)


class TestChangeDisposition:
    async def test_bans_at_every_contract(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        response = await operator.post(dispositions(person_id), {"contract_no": contract_no, **BAN})
        stored = (await running.facts(person_id))[-1]
        assert isinstance(stored, DispositionChanged)
        assert (201, Disposition.QUARANTINE_REQUIRED) == (response.status_code, stored.disposition)
        assert f'"{response.json()["version"]}"' == response.headers["etag"]

    async def test_says_who_decided(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        await operator.post(dispositions(person_id), {"contract_no": contract_no, **BAN})
        (ban,) = (await operator.get(dispositions(person_id))).json()["items"]
        assert [operator.principal.subject] == ban["decided_by"]

    async def test_seals_evidence_and_release(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        suspected = BAN | {"contract_no": contract_no, "disposition": "suspected"}
        await operator.post(dispositions(person_id), suspected)
        released = {"contract_no": contract_no, "disposition": "admissible", "reason_code": "recovered"}
        await operator.post(dispositions(person_id), released | {"release_document": "沪卫解〔2020〕17号"})
        ban, release = (each for each in await running.facts(person_id) if isinstance(each, DispositionChanged))
        assert ban.evidence is not None
        assert release.release_document is not None
        unsealer = await running.parts.sealing.unwrap([person_id], actor="test", purpose=Purpose.PROCESS)
        assert ("电话通知", "沪卫解〔2020〕17号") == (
            unsealer.unseal(person_id, "evidence", ban.evidence),
            unsealer.unseal(person_id, "release_document", release.release_document),
        )

    async def test_repeated_makes_nothing_new_and_points_to_the_same_fact(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        first, again = [await operator.post(dispositions(person_id), {"contract_no": contract_no, **BAN}) for _ in range(2)]
        assert first.json() == again.json()
        assert first.headers["consistency-token"] == again.headers["consistency-token"]
        assert 1 == sum(isinstance(each, DispositionChanged) for each in await running.facts(person_id))

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"isolation_from": None}, 422, "isolation-is-incomplete"),
            ({"method": None}, 422, "isolation-is-incomplete"),
            ({"isolation_until": "2020-02-17"}, 422, "isolation-ends-before-it-begins"),
            ({"evidence": None}, 422, "evidence-is-missing"),
            ({"disposition": "admissible", "reason_code": None}, 422, "invalid-request"),
            ({"reason_code": "Because!"}, 422, "invalid-request"),
        ],
    )
    async def test_is_refused(
        self,
        running: Running,
        operator: Caller,
        person_id: UUID,
        contract_no: str,
        changes: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        before = await running.facts(person_id)
        body = BAN | {"contract_no": contract_no} | changes
        assert (status, code) == problem(await operator.post(dispositions(person_id), body))
        assert before == await running.facts(person_id)

    async def test_is_of_one_of_two_who_looked_at_the_same(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        looked_at = (await operator.get(dispositions(person_id))).headers["etag"]
        suspected = BAN | {"contract_no": contract_no, "disposition": "suspected"}
        first = await operator.post(dispositions(person_id), suspected, **{"If-Match": looked_at})
        other = await operator.post(dispositions(person_id), BAN | {"contract_no": contract_no}, **{"If-Match": looked_at})
        assert (201, (412, "version-mismatch")) == (first.status_code, problem(other))
        assert first.headers["etag"] == other.headers["etag"]
        decided = [each for each in await running.facts(person_id) if isinstance(each, DispositionChanged)]
        assert [Disposition.SUSPECTED] == [each.disposition for each in decided]

    async def test_sent_twice_is_answered_alike_although_it_was_based_on_what_it_replaced(
        self, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        looked_at = {"If-Match": (await operator.get(dispositions(person_id))).headers["etag"]}
        body = BAN | {"contract_no": contract_no}
        first, again = [await operator.post(dispositions(person_id), body, key="one", **looked_at) for _ in range(2)]
        assert (201, first.json()) == (again.status_code, again.json())

    async def test_is_refused_out_of_suspicion_without_a_document(
        self, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        await operator.post(dispositions(person_id), BAN | {"contract_no": contract_no, "disposition": "suspected"})
        released = {"contract_no": contract_no, "disposition": "admissible", "reason_code": "recovered"}
        assert (409, "release-document-is-missing") == problem(await operator.post(dispositions(person_id), released))

    async def test_is_not_for_employers(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        response = await registrar.post(dispositions(person_id), {"contract_no": contract_no, **BAN})
        assert (403, "forbidden") == problem(response)


class TestLists:
    async def test_of_reports_shows_the_newest_first_and_goes_on(self, operator: Caller, person_id: UUID, contract_no: str) -> None:
        for celsius in (36.1, 36.2, 38.0):
            await operator.post(reports(person_id), report_body(contract_no, celsius))
        newest = await operator.get(reports(person_id), limit=2)
        rest = await operator.get(reports(person_id), limit=2, before=newest.json()["next_before"])
        assert [38.0, 36.2] == [item["reading_celsius"] for item in newest.json()["items"]]
        assert ([36.1], None) == ([item["reading_celsius"] for item in rest.json()["items"]], rest.json()["next_before"])
        assert (["fever"], f'"{newest.json()["items"][0]["version"] + 1}"') == (newest.json()["holds"], newest.headers["etag"])

    async def test_of_reports_shows_what_was_declared_after_the_pre_registration(
        self, running: Running, operator: Caller, person_id: UUID
    ) -> None:
        declared = example_of(DeclarationReceived, person_id=person_id, declaration_version=2, temperature_celsius=38.2)
        seen = running.service.told["healthcloud-bridge"].tell(declared)
        listed = (await operator.get(reports(person_id), seen=seen)).json()
        assert (["fever"], 38.2, "declaration") == (
            listed["holds"],
            listed["items"][0]["reading_celsius"],
            listed["items"][0]["source"],
        )

    async def test_of_dispositions_shows_the_one_that_stands_and_no_sealed_text(
        self, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        nothing = (await operator.get(dispositions(person_id))).json()
        assert ("admissible", []) == (nothing["disposition"], nothing["items"])
        await operator.post(dispositions(person_id), {"contract_no": contract_no, **BAN})
        response = await operator.get(dispositions(person_id))
        (item,) = response.json()["items"]
        assert ("quarantine_required", True, False) == (
            response.json()["disposition"],
            item["has_evidence"],
            item["has_release_document"],
        )
        assert "g1." not in response.text

    async def test_of_orders_and_assessments_shows_how_an_arrival_was_judged(
        self, running: Running, person_id: UUID, contract_no: str
    ) -> None:
        caller = running.caller(Role.SITE_OPERATOR, contract_no)
        pinned = declaration(from_hubei=True, stopover=True, temperature_celsius=38.0)
        seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no, origin_code=HUBEI, declaration=pinned))
        # The token covers the judgement too: whoever waited for the pre-registration sees what follows from it.
        assessments = (await caller.get(f"/v1/people/{person_id}/assessments", seen=seen)).json()["items"]
        orders = (await caller.get(f"/v1/people/{person_id}/isolation-orders")).json()["items"]
        assert {"key_area_origin", "key_area_declared"} == {order["reason"] for order in orders}
        assert {("2020-02-14", 14, "2020-02-28")} == {
            (order["anchor_date"], order["days"], order["admissible_on"]) for order in orders
        }
        (assessment,) = assessments
        assert {order["order_id"] for order in orders} == set(assessment["order_ids"])
        assert (contract_no, 1, 1, ["stopover_unknown"]) == tuple(
            assessment[key] for key in ("contract_no", "declaration_version", "policy_version", "questions")
        )
        assert ["fever"] == (await caller.get(reports(person_id))).json()["holds"]
