"""Facts in order, then rows; the same facts again, then the same rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis.database import create_pool
from chassis.subscribers import Fact
from chassis.tables import ReadModel
from contracts.event import Actor, Event
from contracts.gatekeeper import (
    Cause,
    Clearance,
    ClearanceChanged,
    ClearanceRosterMember,
    EntryKind,
    ExitRegistered,
    Outcome,
)
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.people import PersonKind
from contracts.registration import RosterMemberImported
from registration.read_models.declaration_versions import DECLARATION_VERSIONS
from registration.read_models.declarations import DECLARATIONS, KnownDeclarations
from registration.read_models.entries import ENTRIES, last_entered_at
from registration.read_models.pre_registrations import (
    PRE_REGISTRATIONS,
    Cursor,
    page_of_pre_registrations,
    pre_registration_of,
)
from registration.read_models.presences import PRESENCES, head_count
from registration.read_models.registrants import FORMS_HANDED_IN, registrants_of
from registration.read_models.review_items import REVIEW_ITEMS
from registration.read_models.review_settlements import REVIEW_SETTLEMENTS
from registration.read_models.roster_members import ROSTER_MEMBERS
from registration.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.registration.facts import (
    ELSEWHERE,
    EMPLOYER,
    EXITED_AT,
    HERE,
    LEFT,
    NOW,
    OTHER_EMPLOYER,
    PERSON,
    awaited,
    closed,
    corrected,
    declaration_received,
    declared,
    entered_on_paper,
    entry_attempted,
    erased,
    imported,
    pre_registered,
    withdrawn,
)
from tests.registration.test_review import settled
from tests.told import RECORDED_AT, fact, recorded

LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def pool(database: MakeDatabase) -> AsyncIterator[asyncpg.Pool]:
    made = await database("registration", SERVICE.migrations)
    pool = await create_pool(made.app_dsn, application_name="test")
    yield pool
    await pool.close()


def cleared(person_id: UUID, *rostered: ClearanceRosterMember) -> ClearanceChanged:
    cause = Cause(service="registration", event_id=PERSON, type=RosterMemberImported.TYPE, shard=0, pos=1)
    return ClearanceChanged(person_id=person_id, clearance=Clearance(rostered=rostered), caused_by=cause, changed_at=NOW)


def left(person_id: UUID, *, at: datetime = LATER) -> ExitRegistered:
    return ExitRegistered(person_id=person_id, contract_no=HERE, exited_at=at)


async def project(pool: asyncpg.Pool, model: ReadModel, *events: Event) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await model.project(connection, [fact(event) for event in events], partition=0)


async def in_batches(pool: asyncpg.Pool, model: ReadModel, table: str, events: Sequence[Event]) -> Sequence[Sequence[Any]]:
    """The rows after all events, which are the same however they are cut into batches and however often they come."""
    found = []
    for size in (len(events), 1, 2, len(events)):
        for start in range(0, len(events), size):
            await project(pool, model, *events[start : start + size])
        found.append([tuple(row) for row in await pool.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")])
    assert all(rows == found[0] for rows in found)
    return found[0]


class TestDeclarations:
    async def test_knows_the_latest_of_each_person(self, pool: asyncpg.Pool) -> None:
        events = [declaration_received(declaration_version=n, from_hubei=n == 3, mobile=None) for n in (1, 2, 3)]
        assert 1 == len(await in_batches(pool, DECLARATIONS, "declaration_v1", events))
        expected = declared(declaration_version=3, from_hubei=True, mobile=None)
        assert expected == await KnownDeclarations(pool).latest(PERSON)

    async def test_knows_nothing_of_who_has_not_declared(self, pool: asyncpg.Pool) -> None:
        assert await KnownDeclarations(pool).latest(PERSON) is None


class TestEntries:
    async def test_knows_whom_the_gate_admitted_where(self, pool: asyncpg.Pool) -> None:
        await in_batches(pool, ENTRIES, "entry_v2", [entry_attempted(), entry_attempted(at=LATER)])
        assert LATER == await last_entered_at(pool, HERE, PERSON)
        assert await last_entered_at(pool, ELSEWHERE, PERSON) is None

    async def test_knows_whom_two_people_let_in_on_paper(self, pool: asyncpg.Pool) -> None:
        await in_batches(pool, ENTRIES, "entry_v2", [entry_attempted(at=LATER), entered_on_paper()])
        assert LATER == await last_entered_at(pool, HERE, PERSON)
        await project(pool, ENTRIES, entered_on_paper(ELSEWHERE))
        assert NOW == await last_entered_at(pool, ELSEWHERE, PERSON)

    async def test_is_silent_about_refusals_and_gate_passes(self, pool: asyncpg.Pool) -> None:
        await project(pool, ENTRIES, entry_attempted(outcome=Outcome.REFUSED), entry_attempted(kind=EntryKind.GATE_PASS))
        assert await last_entered_at(pool, HERE, PERSON) is None


class TestPresences:
    async def test_counts_who_was_admitted_or_stood_on_the_roster_and_has_not_left(self, pool: asyncpg.Pool) -> None:
        rostered = ClearanceRosterMember(
            contract_no=HERE, employer_credit_code=EMPLOYER, person_kind=PersonKind.WORKER, trade="020", on_site=True
        )
        events = [
            entry_attempted(),
            entry_attempted(contract_no=ELSEWHERE, outcome=Outcome.REFUSED),
            cleared(UUID(int=2), rostered),
            cleared(UUID(int=3), rostered.model_copy(update={"on_site": False})),
            entry_attempted(person_id=UUID(int=4)),
            left(UUID(int=4)),
        ]
        await in_batches(pool, PRESENCES, "presence_v1", events)
        assert (2, 0) == (await head_count(pool, HERE), await head_count(pool, ELSEWHERE))

    @pytest.mark.parametrize(("left_at", "there"), [(NOW - timedelta(hours=1), 1), (LATER, 0)])
    async def test_puts_a_late_entry_on_paper_where_it_belongs(self, pool: asyncpg.Pool, left_at: datetime, there: int) -> None:
        await in_batches(pool, PRESENCES, "presence_v1", [left(PERSON, at=left_at), entered_on_paper()])
        assert there == await head_count(pool, HERE)


class TestDeclarationVersions:
    async def test_keeps_every_version_of_each_person(self, pool: asyncpg.Pool) -> None:
        events = [
            declaration_received(declaration_version=1),
            declaration_received(declaration_version=2, contradictions=("report_before_departure", "wuhan_against_hubei")),
        ]
        rows = await in_batches(pool, DECLARATION_VERSIONS, "declaration_version_v1", events)
        assert [(PERSON, 1, ""), (PERSON, 2, "report_before_departure wuhan_against_hubei")] == [
            (*row[:2], row[-1]) for row in rows
        ]


class TestReviewItems:
    DIFFERS = declaration_received(declaration_version=2, from_hubei=True)

    async def items(self, pool: asyncpg.Pool, *events: Event) -> list[tuple[str, str, int]]:
        rows = await in_batches(pool, REVIEW_ITEMS, "review_item_v1", events)
        return sorted((contract_no, kind, version) for contract_no, _, kind, version, _ in rows)

    @pytest.mark.parametrize("told", list(permutations([declaration_received(), DIFFERS, pre_registered()])))
    async def test_follow_from_what_both_sources_tell_in_whatever_order(self, pool: asyncpg.Pool, told: Sequence[Event]) -> None:
        ordered = sorted(told, key=lambda each: getattr(each, "declaration_version", 0))  # those of one source stay in order
        both = iter(each for each in ordered if isinstance(each, DeclarationReceived))
        events = [next(both) if isinstance(each, DeclarationReceived) else each for each in told]
        assert [(HERE, "declaration_differs", 2)] == await self.items(pool, *events)

    async def test_are_of_each_contract_that_relies_on_it_until_it_relies_on_another(self, pool: asyncpg.Pool) -> None:
        events: list[Event] = [declaration_received(), pre_registered(), pre_registered(contract_no=ELSEWHERE), self.DIFFERS]
        assert [ELSEWHERE, HERE] == [each for each, *_ in await self.items(pool, *events)]
        events.append(corrected(declared(declaration_version=2, from_hubei=True)))
        assert [ELSEWHERE] == [each for each, *_ in await self.items(pool, *events)]
        assert [] == await self.items(pool, *events, closed(contract_no=ELSEWHERE))

    async def test_tell_of_what_contradicts_itself_while_it_is_relied_on(self, pool: asyncpg.Pool) -> None:
        contradicts = declaration_received(contradictions=("report_before_departure",))
        assert [] == await self.items(pool, contradicts)
        assert [(HERE, "declaration_contradicts", 1)] == await self.items(pool, contradicts, pre_registered())
        awaiting = [contradicts, pre_registered(), closed(), awaited(left=LEFT)]
        assert [] == await self.items(pool, *awaiting)

    async def test_of_whoever_was_withdrawn_say_since_when(self, pool: asyncpg.Pool) -> None:
        rows = await in_batches(
            pool, REVIEW_ITEMS, "review_item_v1", [declaration_received(), pre_registered(), withdrawn(at=LATER)]
        )
        assert [(HERE, PERSON, "entered_though_withdrawn", 1, LATER)] == rows

    async def test_are_none_of_a_form_that_was_withdrawn(self, pool: asyncpg.Pool) -> None:
        assert [] == await self.items(pool, awaited(), withdrawn())


class TestRegistrants:
    async def test_keep_who_handed_a_form_in_also_when_it_is_taken_up(self, pool: asyncpg.Pool) -> None:
        lead, other = Actor("project_lead", "user:1"), Actor("site_operator", "user:2")
        told = [(awaited(), lead), (pre_registered(taken_up=True), None), (pre_registered(contract_no=ELSEWHERE), other)]
        async with pool.acquire() as connection, connection.transaction():
            facts = [Fact(event, recorded(event, PERSON, pos=1, actor=actor)) for event, actor in told]
            await FORMS_HANDED_IN.project(connection, facts, partition=0)
        for contract_no, actor in ((HERE, lead), (ELSEWHERE, other)):
            found = (await registrants_of(pool, contract_no, [PERSON], as_family=False))[PERSON]
            assert (*actor, RECORDED_AT) == (found.role, found.account, found.registered_at)
        assert {} == await registrants_of(pool, HERE, [PERSON], as_family=True)

    async def test_are_unknown_of_what_names_nobody(self, pool: asyncpg.Pool) -> None:
        await project(pool, FORMS_HANDED_IN, pre_registered())
        assert {} == await registrants_of(pool, HERE, [PERSON], as_family=False)


class TestRosterMembers:
    async def test_know_who_stood_on_which_roster(self, pool: asyncpg.Pool) -> None:
        events = [imported(), imported(contract_no=ELSEWHERE, on_site=True)]
        rows = await in_batches(pool, ROSTER_MEMBERS, "roster_member_v1", events)
        assert [(ELSEWHERE, PERSON, "020", EMPLOYER), (HERE, PERSON, "020", EMPLOYER)] == [
            (row[0], row[1], row[3], row[4]) for row in rows
        ]


class TestReviewSettlements:
    async def test_keeps_who_looked_at_what(self, pool: asyncpg.Pool) -> None:
        events = [settled(), settled(version=3)]
        rows = await in_batches(pool, REVIEW_SETTLEMENTS, "review_settlement_v1", events)
        assert {("declaration_differs", 2), ("declaration_differs", 3)} == {row[2:4] for row in rows}


class TestPreRegistrations:
    async def test_follows_a_form_to_its_end(self, pool: asyncpg.Pool) -> None:
        events = [awaited(), pre_registered(taken_up=True), withdrawn(at=LATER)]
        await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        row = await pre_registration_of(pool, HERE, PERSON, employer=None)
        assert row is not None
        assert ("withdrawn", LATER, True, 1) == (row.state, row.changed_at, row.taken_up, row.declaration_version)

    async def test_shows_what_was_corrected(self, pool: asyncpg.Pool) -> None:
        newer = declared(declaration_version=2)
        events = [pre_registered(), corrected(newer, employer_credit_code=OTHER_EMPLOYER, trade="030", at=LATER)]
        await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        row = await pre_registration_of(pool, HERE, PERSON, employer=OTHER_EMPLOYER)
        assert row is not None
        assert ("open", NOW, "030", 2) == (row.state, row.changed_at, row.trade, row.declaration_version)

    async def test_opens_again_after_a_withdrawal(self, pool: asyncpg.Pool) -> None:
        again = pre_registered(declared(declaration_version=2), at=LATER)
        await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", [pre_registered(), withdrawn(), again])
        row = await pre_registration_of(pool, HERE, PERSON, employer=None)
        assert row is not None
        assert ("open", 2) == (row.state, row.declaration_version)

    async def test_is_closed_by_an_exit_until_somebody_comes_back(self, pool: asyncpg.Pool) -> None:
        events: list[Event] = [pre_registered(), closed()]
        await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        row = await pre_registration_of(pool, HERE, PERSON, employer=None)
        assert row is not None
        assert ("closed", EXITED_AT, 1) == (row.state, row.changed_at, row.declaration_version)
        events += [awaited(left=LEFT), pre_registered(declared(declaration_version=2), at=LATER)]
        await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        row = await pre_registration_of(pool, HERE, PERSON, employer=None)
        assert row is not None
        assert ("open", LATER, 2, None) == (row.state, row.changed_at, row.declaration_version, row.left_at)

    async def test_keeps_contracts_apart(self, pool: asyncpg.Pool) -> None:
        events = [pre_registered(), pre_registered(contract_no=ELSEWHERE), withdrawn(contract_no=ELSEWHERE)]
        rows = await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        assert [(ELSEWHERE, "withdrawn"), (HERE, "open")] == [(row[0], row[2]) for row in rows]

    async def test_drops_the_forms_of_whoever_was_erased_and_counts_the_rest(self, pool: asyncpg.Pool) -> None:
        events = [awaited(), pre_registered(contract_no=ELSEWHERE), erased(HERE)]
        rows = await in_batches(pool, PRE_REGISTRATIONS, "pre_registration_v2", events)
        assert [(ELSEWHERE, "open")] == [(row[0], row[2]) for row in rows]

    async def test_pages_from_the_latest_change_on(self, pool: asyncpg.Pool) -> None:
        people = [UUID(int=n) for n in range(5)]
        # Two at the same moment: the cursor must tell them apart.
        times = [NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=1), NOW + timedelta(hours=2), NOW + timedelta(hours=3)]
        events = [pre_registered(person_id=person, at=at) for person, at in zip(people, times, strict=True)]
        await project(pool, PRE_REGISTRATIONS, *events)
        seen: list[UUID] = []
        after = None
        while page := await page_of_pre_registrations(pool, HERE, state="open", employer=None, after=after, limit=2):
            seen += [row.person_id for row in page]
            after = Cursor(page[-1].changed_at, page[-1].person_id)
        assert people[::-1] == seen

    async def test_filters_by_state_and_employer(self, pool: asyncpg.Pool) -> None:
        other = UUID(int=9)
        await project(pool, PRE_REGISTRATIONS, awaited(), pre_registered(person_id=other, employer_credit_code=OTHER_EMPLOYER))

        async def found(**filters: Any) -> list[UUID]:
            asked = {"state": None, "employer": None, "after": None, "limit": 10} | filters
            return [row.person_id for row in await page_of_pre_registrations(pool, HERE, **asked)]

        assert [PERSON] == await found(state="awaiting")
        assert [other] == await found(state="open")
        assert [] == await found(state="withdrawn")
        assert [PERSON] == await found(employer=EMPLOYER)
        assert await pre_registration_of(pool, HERE, other, employer=EMPLOYER) is None
