"""每日健康 of a whole team in one request, on real PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest

from chassis.command_handling import CommandHandler
from chassis.faults import Unavailable
from contracts.access import Role
from contracts.health import HealthReported, ReadingSource
from contracts.symptoms import Symptom
from tests.health.facts import OTHER_EMPLOYER, pre_registered
from tests.health.service import Running
from tests.health.test_api import problem, round_body
from tests.in_process import Caller


@dataclass
class Team:
    """Three people of a contract that no other test has."""

    running: Running
    contract_no: str
    caller: Caller
    people: list[UUID]

    async def is_measured(self, *people: dict[str, Any], key: str | None = None, by: Caller | None = None) -> Any:
        path = f"/v1/contracts/{self.contract_no}/health-rounds"
        return await (by or self.caller).post(path, round_body(*people), key=key)

    async def reports(self, person_id: UUID) -> list[HealthReported]:
        return [
            each
            for each in await self.running.facts(person_id)
            if isinstance(each, HealthReported) and each.source is not ReadingSource.DECLARATION
        ]


@pytest.fixture
async def team(running: Running, contract_no: str) -> Team:
    people = [uuid4() for _ in range(3)]
    caller = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
    seen = running.registration.tell(*(pre_registered(each, contract_no=contract_no, employer=OTHER_EMPLOYER) for each in people))
    assert 200 == (await caller.get(f"/v1/contracts/{contract_no}/missing-reports", seen=seen)).status_code
    return Team(running, contract_no, caller, people)


def normal(person_id: UUID, **changes: Any) -> dict[str, Any]:
    return {"person_id": str(person_id), "reading_celsius": 36.5} | changes


class TestHealthRound:
    async def test_is_a_report_of_each_all_normal_except_who_is_not(self, team: Team) -> None:
        well, coughs, hot = team.people
        response = await team.is_measured(normal(well), normal(coughs, symptoms=["cough"]), normal(hot, reading_celsius=38.0))
        assert 200 == response.status_code, response.text
        told = [(each["outcome"], each["holds"]) for each in response.json()["people"]]
        assert [("done", []), ("done", ["symptoms"]), ("done", ["fever"])] == told
        stored = [(await team.reports(each))[0] for each in team.people]
        assert [(Symptom.NONE,), (Symptom.COUGH,), (Symptom.NONE,)] == [each.symptoms for each in stored]
        assert {ReadingSource.REGISTRAR} == {each.source for each in stored}
        assert 3 == len({each.report_id for each in stored})
        missing = f"/v1/contracts/{team.contract_no}/missing-reports"
        assert [] == (await team.caller.get(missing, seen=response.headers["consistency-token"])).json()["items"]

    async def test_reports_everybody_but_whom_a_rule_refuses_or_nobody_knows(self, team: Team) -> None:
        well, unasked, hasty = team.people
        stranger = uuid4()
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        answered = await team.is_measured(
            normal(stranger), normal(unasked, symptoms=[]), normal(hasty, read_at=later), normal(well)
        )
        told = [(each["outcome"], each["code"]) for each in answered.json()["people"]]
        codes = ["not-found", "no-symptom-is-ticked", "reading-is-in-the-future"]
        assert [*(("refused", code) for code in codes), ("done", None)] == told
        assert ([], 1) == (await team.running.facts(stranger), len(await team.reports(well)))

    async def test_is_stored_once_however_often_it_is_sent(self, team: Team) -> None:
        body = round_body(*map(normal, team.people))
        path = f"/v1/contracts/{team.contract_no}/health-rounds"
        first, again = [await team.caller.post(path, body, key="round") for _ in range(2)]
        assert first.json() == again.json()
        assert first.headers["consistency-token"] == again.headers["consistency-token"]
        assert [1, 1, 1] == [len(await team.reports(each)) for each in team.people]
        assert (422, "idempotency-key-reused") == problem(await team.is_measured(normal(uuid4()), key="round"))

    async def test_is_completed_by_sending_it_again_where_it_died_half_way(self, team: Team) -> None:
        body, path = round_body(*map(normal, team.people)), f"/v1/contracts/{team.contract_no}/health-rounds"
        handle, last = CommandHandler.handle, team.people[-1]

        async def away(self: Any, stream_id: UUID, *given: Any, **named: Any) -> Any:
            if stream_id == last:
                raise Unavailable(retry_after_s=1)
            return await handle(self, stream_id, *given, **named)

        with patch.object(CommandHandler, "handle", away):
            assert 503 == (await team.caller.post(path, body, key="died")).status_code
        assert [] == await team.reports(last)
        assert ["done"] * 3 == [each["outcome"] for each in (await team.caller.post(path, body, key="died")).json()["people"]]
        assert [1, 1, 1] == [len(await team.reports(each)) for each in team.people]

    async def test_is_refused_where_somebody_is_named_twice(self, team: Team) -> None:
        one = team.people[0]
        assert (422, "person-is-named-twice") == problem(await team.is_measured(normal(one), normal(one, reading_celsius=38.0)))
        assert [] == await team.reports(one)

    async def test_may_have_some_hundred_people_and_not_more(self, team: Team) -> None:
        known, strangers = team.people[0], [uuid4() for _ in range(399)]
        answered = await team.is_measured(normal(known), *map(normal, strangers))
        assert ["done"] == [each["outcome"] for each in answered.json()["people"]][:1]
        assert 422 == (await team.is_measured(*map(normal, [known, *strangers, uuid4()]))).status_code

    async def test_is_not_for_turnstiles_strangers_and_other_firms(self, team: Team) -> None:
        one = normal(team.people[0])
        turnstile = team.running.caller(Role.GATE_DEVICE, team.contract_no)
        stranger = team.running.caller(Role.SITE_OPERATOR, "W-elsewhere")
        other = team.running.caller(Role.EMPLOYER_REGISTRAR, team.contract_no, employer="91310109MA1A000006")
        assert [403, 404] == [(await team.is_measured(one, by=each)).status_code for each in (turnstile, stranger)]
        [told] = (await team.is_measured(one, by=other)).json()["people"]
        assert ("refused", "not-found") == (told["outcome"], told["code"])
