"""批量处置: of many people at once two people decide; on real PostgreSQL and key server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from contracts.access import Role
from contracts.health import Disposition, DispositionChanged
from contracts.times import shanghai_date
from health.disposition_batches import ALONE_PEOPLE_MAX, WAITS_HOURS_MAX, ProposalHasLapsed, approve, batch_of, propose
from tests.health.facts import pre_registered
from tests.health.service import Running
from tests.health.test_api import BAN, problem
from tests.in_process import Caller

PATH = "/v1/disposition-batches"


@dataclass
class Crew:
    """People of a contract that no other test has, one more than one person alone may decide about, and two who decide."""

    running: Running
    contract_no: str
    first: Caller
    second: Caller
    people: list[UUID]

    async def proposed(self, *people: UUID, key: str | None = None, **changes: Any) -> httpx2.Response:
        person_ids = [str(each) for each in people or self.people]
        return await self.first.post(PATH, BAN | {"contract_no": self.contract_no, "person_ids": person_ids} | changes, key=key)

    async def approved(self, batch_id: str, *, by: Caller | None = None) -> httpx2.Response:
        return await (by or self.second).post(f"{PATH}/{batch_id}/approval", None)

    async def dispositions(self, person_id: UUID) -> list[Disposition]:
        return [each.disposition for each in await self.decisions(person_id)]

    async def decisions(self, person_id: UUID) -> list[DispositionChanged]:
        return [each for each in await self.running.facts(person_id) if isinstance(each, DispositionChanged)]

    async def ban_of(self, person_id: UUID) -> DispositionChanged:
        (ban,) = await self.decisions(person_id)
        return ban

    async def banned(self) -> bool:
        return [[Disposition.QUARANTINE_REQUIRED]] * len(self.people) == [await self.dispositions(each) for each in self.people]


@pytest.fixture
async def crew(running: Running, contract_no: str) -> Crew:
    people = [uuid4() for _ in range(ALONE_PEOPLE_MAX + 1)]
    first, second = (running.caller(role, contract_no) for role in (Role.SITE_OPERATOR, Role.SUPERVISION_LEAD))
    seen = running.registration.tell(*(pre_registered(each, contract_no=contract_no) for each in people))
    assert 200 == (await first.get(f"/v1/contracts/{contract_no}/missing-reports", seen=seen)).status_code
    return Crew(running, contract_no, first, second, people)


class TestProposal:
    async def test_of_many_people_bans_nobody_until_a_second_person_agrees(self, crew: Crew) -> None:
        proposed = await crew.proposed()
        assert (201, True, []) == (proposed.status_code, proposed.json()["waits"], proposed.json()["people"])
        assert [] == await crew.dispositions(crew.people[0])
        approved = await crew.approved(proposed.json()["batch_id"])
        assert (200, False) == (approved.status_code, approved.json()["waits"])
        assert ["done"] * len(crew.people) == [each["outcome"] for each in approved.json()["people"]]
        assert await crew.banned()
        assert (crew.first.principal.subject, crew.second.principal.subject) == (await crew.ban_of(crew.people[0])).decided_by

    async def test_bans_though_its_day_of_review_passed_while_it_waited(self, crew: Crew) -> None:
        today = shanghai_date(datetime.now(UTC))
        proposed = await crew.proposed(review_on=today.isoformat())
        pool = crew.running.parts.pool
        batch = await batch_of(pool, UUID(proposed.json()["batch_id"]))
        assert batch is not None
        days = timedelta(days=2)
        earlier = replace(batch, batch_id=uuid4(), proposed_at=batch.proposed_at - days, review_on=today - days)
        await propose(pool, earlier)
        assert 200 == (await crew.approved(str(earlier.batch_id))).status_code
        assert await crew.banned()
        ban = await crew.ban_of(crew.people[0])
        assert ban.review_on is not None
        assert today <= ban.review_on <= shanghai_date(datetime.now(UTC))

    async def test_is_refused_with_a_day_of_review_that_has_passed(self, crew: Crew) -> None:
        yesterday = shanghai_date(datetime.now(UTC)) - timedelta(days=1)
        assert (422, "review-is-out-of-reach") == problem(await crew.proposed(review_on=yesterday.isoformat()))

    async def test_of_few_people_is_carried_out_at_once(self, crew: Crew) -> None:
        proposed = await crew.proposed(*crew.people[:ALONE_PEOPLE_MAX])
        assert (201, False, None) == (proposed.status_code, proposed.json()["waits"], proposed.json()["approved_at"])
        assert (crew.first.principal.subject,) == (await crew.ban_of(crew.people[0])).decided_by
        assert [] == await crew.dispositions(crew.people[-1])

    async def test_is_made_once_however_often_it_is_sent(self, crew: Crew) -> None:
        first, again = [await crew.proposed(key="one") for _ in range(2)]
        assert first.json() == again.json()
        assert (422, "idempotency-key-reused") == problem(await crew.proposed(key="one", method="home"))

    @pytest.mark.parametrize(
        ("changes", "code"),
        [({"evidence": None}, "evidence-is-missing"), ({"method": None}, "isolation-is-incomplete")],
    )
    async def test_is_refused_before_anybody_is_asked(self, crew: Crew, changes: dict[str, Any], code: str) -> None:
        assert (422, code) == problem(await crew.proposed(**changes))

    async def test_is_refused_with_a_stranger_or_somebody_named_twice(self, crew: Crew) -> None:
        assert (404, "not-found") == problem(await crew.proposed(*crew.people, uuid4()))
        assert (422, "person-is-named-twice") == problem(await crew.proposed(*crew.people, crew.people[0]))

    async def test_is_shown_with_its_evidence_to_whoever_has_to_judge_it(self, crew: Crew) -> None:
        batch_id = (await crew.proposed()).json()["batch_id"]
        shown = (await crew.second.get(f"{PATH}/{batch_id}")).json()
        assert (BAN["evidence"], "quarantine_required", True) == (shown["evidence"], shown["disposition"], shown["waits"])
        assert [str(each) for each in crew.people] == shown["person_ids"]


class TestApproval:
    async def test_is_refused_to_whoever_proposed(self, crew: Crew) -> None:
        batch_id = (await crew.proposed()).json()["batch_id"]
        assert (409, "second-person-is-the-first") == problem(await crew.approved(batch_id, by=crew.first))
        assert [] == await crew.dispositions(crew.people[0])

    async def test_is_not_for_strangers_and_employers(self, crew: Crew) -> None:
        batch_id = (await crew.proposed()).json()["batch_id"]
        stranger = crew.running.caller(Role.SUPERVISION_LEAD, "W-elsewhere")
        registrar = crew.running.caller(Role.EMPLOYER_REGISTRAR, crew.contract_no)
        assert [404, 403] == [(await crew.approved(batch_id, by=each)).status_code for each in (stranger, registrar)]
        assert 404 == (await stranger.get(f"{PATH}/{batch_id}")).status_code
        assert (404, "not-found") == problem(await crew.approved(str(uuid4())))

    async def test_is_done_once_however_often_it_is_sent(self, crew: Crew) -> None:
        batch_id = (await crew.proposed()).json()["batch_id"]
        first, again = [await crew.approved(batch_id) for _ in range(2)]
        assert first.json() == again.json()
        assert await crew.banned()

    async def test_keeps_who_came_first(self, crew: Crew) -> None:
        batch_id = (await crew.proposed()).json()["batch_id"]
        third = crew.running.caller(Role.PROJECT_LEAD, crew.contract_no)
        assert [200, 200] == [(await crew.approved(batch_id, by=each)).status_code for each in (crew.second, third)]
        row = await crew.running.parts.pool.fetchrow(
            "SELECT proposed_by, approved_by FROM disposition_batch WHERE batch_id = $1", UUID(batch_id)
        )
        assert row is not None
        assert (crew.first.principal.subject, crew.second.principal.subject) == tuple(row)

    async def test_says_who_of_them_a_rule_refuses(self, crew: Crew) -> None:
        suspected, batch_id = crew.people[0], (await crew.proposed(disposition="admissible")).json()["batch_id"]
        path = f"/v1/people/{suspected}/dispositions"
        assert 201 == (await crew.first.post(path, BAN | {"contract_no": crew.contract_no, "disposition": "suspected"})).status_code
        told = [each["code"] for each in (await crew.approved(batch_id)).json()["people"]]
        assert ["release-document-is-missing", *([None] * ALONE_PEOPLE_MAX)] == told

    async def test_comes_too_late_after_days(self, crew: Crew) -> None:
        batch = await batch_of(crew.running.parts.pool, UUID((await crew.proposed()).json()["batch_id"]))
        assert batch is not None
        late = batch.proposed_at + timedelta(hours=WAITS_HOURS_MAX, seconds=1)
        with pytest.raises(ProposalHasLapsed):
            await approve(crew.running.parts.pool, batch, account="another", at=late)
