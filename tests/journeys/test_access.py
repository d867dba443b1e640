"""Every role × every endpoint × {own, another employer's, same firm, same station, other}: who is let in, and how others are not.

`contracts.access` says who may do what and where, and its own test says that table again, cell by cell. Here each cell is a
request to the real service, and `ROWS` says of each endpoint what it does and whose thing it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chassis.auth import Principal
from contracts.access import Action, Role, covers, covers_employer, decides_for, may
from contracts.policy import Authority
from tests.chassis.bad_requests import Good
from tests.journeys.neighbours import EMPLOYERS, SITES, Names, Relation, neighbours_of
from tests.journeys.operations import Operation, answer, stored, token_of, told, with_token
from tests.journeys.worlds import UNKNOWN, Place, principal

ABSENT = {"contract_no": UNKNOWN, "district": "310151"}
"""What is not there, or nobody's; for every other name, a new UUID."""


class About(StrEnum):
    """Whose thing an endpoint is about, and so who of those who may is let in."""

    NOTHING = "-"  # a form, a word, a number that anybody may type; nothing is shown that was there
    CONTRACT = "contract"  # whom the contract is granted to
    LIST = "list"  # everybody, and each sees what is his
    DISTRICT = "district"  # whose authority it is
    IMPORT = "import"  # whom its contract is granted to; the contract system follows its own files only
    PERSON = "person"  # anybody: whoever may do it may do it to all people


SOMEBODY_S = frozenset({About.CONTRACT, About.IMPORT, About.DISTRICT})
"""What is within the reach of some and not of others."""


ROWS: Mapping[str, Mapping[str, str]] = {
    "registration": {
        "report_contract": "report_contract -",
        "add_employer": "report_contract contract",
        "import_contracts": "report_contract -",
        "read_contract_template": "report_contract -",
        "import_roster": "import_roster contract",
        "import_pre_registrations": "pre_register contract",
        "read_import_template": "pre_register contract",
        "read_import": "follow_import import",
        "list_import_rows": "follow_import import",
        "follow_import": "follow_import import",
        "read_refused_rows": "follow_import import",
        "list_contracts": "view_site list",
        "read_contract": "view_site contract",
        "list_employers": "view_site contract",
        "grant_operator": "grant_operator contract",
        "list_operators": "grant_operator contract",
        "withdraw_operator": "grant_operator contract",
        "list_operator_changes": "view_operator_changes contract",
        "look_up_operator": "look_up_operator -",
        "read_operator_rights": "look_up_operator -",
        "list_pre_registrations": "view_site contract",
        "read_pre_registration": "view_site contract",
        "pre_register": "pre_register contract",
        "correct_pre_registration": "pre_register contract",
        "list_corrections": "view_grounds contract",
        "list_family_corrections": "view_grounds contract",
        "pre_register_family_member": "pre_register contract",
        "list_family_members": "view_site contract",
        "correct_family_member": "pre_register contract",
        "withdraw_family_member": "withdraw_pre_registration contract",
        "link_document": "link_document contract",
        "list_documents": "view_site contract",
        "unlink_document": "unlink_document contract",
        "withdraw_pre_registration": "withdraw_pre_registration contract",
        "list_review_items": "view_site contract",
        "list_supervised_review_items": "query_supervision list",
        "list_review_items_of_supervised": "query_supervision contract",
        "list_people_here": "view_site contract",
        "list_awaiting_forms": "view_site contract",
        "list_supervised_awaiting_forms": "query_supervision list",
        "list_awaiting_forms_of_supervised": "query_supervision contract",
        "list_settlements": "settle_review_item contract",
        "settle_review_item": "settle_review_item contract",
        "submit_epidemic_control": "submit_site_information contract",
        "read_epidemic_control": "view_site contract",
        "count_supplies": "submit_site_information contract",
        "list_supply_counts": "view_site contract",
        "upload_resumption_checklist": "submit_site_information contract",
        "list_resumption_checklists": "view_site contract",
        "read_resumption_checklist": "view_site contract",
        "look_up_person": "look_up_person -",
        "erase_person": "erase_person person",
    },
    "health": {
        "report_health": "report_health contract",
        "correct_health_report": "correct_judgement contract",
        "report_health_round": "report_health_round contract",
        "propose_disposition_batch": "set_disposition contract",
        "read_disposition_batch": "set_disposition contract",
        "approve_disposition_batch": "set_disposition contract",
        "change_disposition": "set_disposition contract",
        "review_ban": "set_disposition contract",
        "object_to_ban": "note_objection contract",
        "list_objections": "view_grounds contract",
        "list_grounds": "view_grounds contract",
        "list_corrections": "view_grounds contract",
        "list_ban_reviews": "view_site contract",
        "list_supervised_ban_reviews": "query_supervision -",
        "clarify_travel": "correct_judgement contract",
        "withdraw_isolation_order": "correct_judgement contract",
        "list_health_reports": "view_site contract",
        "list_dispositions": "view_site contract",
        "list_isolation_orders": "view_site contract",
        "list_assessments": "view_site contract",
        "list_missing_reports": "view_site contract",
        "list_supervised_missing_reports": "query_supervision list",
        "list_supervised_missing_people": "query_supervision contract",
        "list_followed_people": "query_supervision contract",
        "list_isolation_ends": "view_site contract",
        "list_supervised_isolation_ends": "query_supervision -",
        "list_policies": "view_policies -",
        "draft_policy": "decide_policy district",
        "list_proposals": "decide_policy -",
        "read_draft": "decide_policy district",
        "rehearse_draft": "decide_policy district",
        "activate_draft": "decide_policy district",
    },
    "gatekeeper": {
        "register_entry": "admit contract",
        "register_exit": "admit contract",
        "record_paper_entry": "admit contract",
        "pass_gate": "pass_gate contract",
        "read_clearance": "view_clearance contract",
        "list_attempts": "view_clearance contract",
        "list_exits": "view_clearance contract",
        "list_roster": "view_clearance contract",
        "list_banned_on_site": "query_supervision -",
        "list_supervised_paper_entries": "query_supervision -",
        "settle_paper_entry": "settle_paper_entry contract",
    },
    "healthcloud-bridge": {"look_up_declaration": "look_up_declaration -"},
    "police-bridge": {
        "read_arrivals": "receive_arrivals -",
        "give_receipts": "receive_arrivals -",
        "reconcile_day": "receive_arrivals -",
    },
    "reporting": {
        "list_supervised_contracts": "query_supervision list",
        "read_supervised_contract": "query_supervision contract",
        "list_stations": "query_supervision -",
        "list_days": "query_supervision -",
        "list_contracts_of_day": "query_supervision list",
        "list_firms": "query_supervision -",
        "list_people": "query_supervision list",
        "list_employments": "query_supervision list",
        "search_people": "query_supervision -",
        "reveal_person": "reveal_person contract",
        "export_table": "query_supervision -",
        "list_accesses": "view_access_log contract",
        "list_changes": "view_access_log contract",
    },
    "portal": {"create_token": "public -", "read_keys": "public -"},
}
"""Service → endpoint → what it does, and about whose thing. An endpoint that is not here fails `TestTable`."""
OF_EVERY_SERVICE = dict.fromkeys(("read_status", "read_ages", "retry_parked", "discard_parked"), "operate -")
WITHOUT = {"reporting": {"read_ages"}, "portal": OF_EVERY_SERVICE.keys()}
"""Without a log, and without anything to follow."""


@dataclass(frozen=True)
class Cell:
    """A request by somebody of a role about a thing of a contract."""

    operation: Operation
    about: About
    role: Role
    relation: Relation
    names: Names

    def __str__(self) -> str:
        return f"{self.operation.name} as {self.role}, {self.relation}"

    @property
    def caller(self) -> Principal:
        return principal(self.role)

    @property
    def is_let_in(self) -> bool:
        site, grants = SITES[self.relation], self.caller.grants
        match self.about:
            case About.CONTRACT:
                is_own_firms = not self.is_about_a_person or covers_employer(self.role, grants, EMPLOYERS[self.relation])
                return covers(self.role, grants, site) and is_own_firms
            case About.IMPORT:
                # Files for contracts and files for people: what the contract system did not hand in is not its own.
                return self.role is not Role.CONTRACT_SYSTEM and self.is_own_file
            case About.DISTRICT:
                return decides_for(self.role, grants, Authority.DISTRICT, site.district)
            case _:
                return True

    @property
    def is_about_a_person(self) -> bool:
        return "person_id" in self.operation.example.good.path

    @property
    def is_own_file(self) -> bool:
        return covers(self.role, self.caller.grants, SITES[self.relation]) and self.role is not Role.EMPLOYER_REGISTRAR

    async def ask(self, names: Names | None = None) -> httpx2.Response:
        good = self.operation.example.good
        if self.about in SOMEBODY_S:
            good = about(good, self.names if names is None else names)
        if self.about is About.LIST:
            asked = self.operation.parameters
            good = replace(good, query={name: value for name, value in good.query.items() if asked[name].get("required")})
        version = await self.operation.version(good)
        request = self.operation.request(str(self), 0, good, key=str(uuid4()), version=version)
        return await answer(self.operation, with_token(request, token_of(self.role)))


def about(good: Good, names: Names) -> Good:
    """The same request about another thing."""
    return replace(good, path=renamed(good.path, names), body=renamed(good.body, names))


def renamed(value: Any, names: Names) -> Any:
    """The same value with these names in it, at any depth."""
    if isinstance(value, list):
        return [renamed(each, names) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {name: names.get(name, each) if isinstance(each, str) else renamed(each, names) for name, each in value.items()}


def absent(cell: Cell) -> Names:
    """What names nothing that is there: on a contract that is the caller's, nobody; else no contract either."""
    there = {"contract_no", "district"} if cell.relation is Relation.OWN_OF_ANOTHER_EMPLOYER else {}
    return {name: each if name in there else ABSENT.get(name) or str(uuid4()) for name, each in cell.names.items()}


def row_of(operation: Operation) -> tuple[str, About]:
    action, about = rows_of(operation.place)[operation.name].split()
    return action, About(about)


def rows_of(here: Place) -> Mapping[str, str]:
    """With those that every service has."""
    name = here.running.parts.name
    return {**ROWS[name], **{each: row for each, row in OF_EVERY_SERVICE.items() if each not in WITHOUT.get(name, ())}}


@pytest.fixture(scope="module")
async def names(here: Place) -> Mapping[Relation, Names]:
    return await neighbours_of(here.running.parts.name, here.running)


@pytest.fixture
def cells(operations: list[Operation], names: Mapping[Relation, Names]) -> list[Cell]:
    """All of them, of the endpoints that want a token."""
    return [
        Cell(operation, row_of(operation)[1], role, relation, names[relation])
        for operation in operations
        if operation.allowed
        for role in Role
        for relation in Relation
    ]


def of_those_who_may(cells: list[Cell]) -> Iterator[Cell]:
    return (cell for cell in cells if cell.role in cell.operation.allowed)


def of_another_employer(cells: list[Cell]) -> Iterator[Cell]:
    """Those about somebody on the caller's contract who works for another firm."""
    of_the_site = (cell for cell in of_those_who_may(cells) if cell.about is About.CONTRACT and "person_id" in cell.names)
    return (cell for cell in of_the_site if cell.relation is Relation.OWN_OF_ANOTHER_EMPLOYER)


class TestTable:
    async def test_has_a_row_for_every_endpoint(self, here: Place, operations: list[Operation]) -> None:
        assert rows_of(here).keys() == {each.name for each in operations}

    async def test_says_what_every_endpoint_does(self, operations: list[Operation]) -> None:
        does = {each.name: each.described.get("x-action", ["public"]) for each in operations}
        assert does == {each.name: [row_of(each)[0]] for each in operations}


class TestCell:
    async def test_of_a_role_that_may_not_is_forbidden_whatever_it_is_about(self, cells: list[Cell]) -> None:
        for cell in cells:
            if not may(cell.role, Action(row_of(cell.operation)[0])):
                assert 403 == (await cell.ask()).status_code, str(cell)

    async def test_within_reach_is_let_in(self, cells: list[Cell]) -> None:
        for cell in of_those_who_may(cells):
            if cell.is_let_in:
                response = await cell.ask()
                assert not is_turned_away(response), f"{cell}: {response.status_code} {response.text}"

    async def test_out_of_reach_answers_like_one_that_is_not_there(self, here: Place, cells: list[Cell]) -> None:
        before = await stored(here)
        for cell in of_those_who_may(cells):
            if not cell.is_let_in:
                foreign, unknown = await cell.ask(), await cell.ask(absent(cell))
                assert 404 == foreign.status_code, f"{cell}: {foreign.text}"
                assert told(unknown) == told(foreign), str(cell)
        assert before == await stored(here)

    async def test_of_somebody_else_s_person_is_not_reached_through_the_own_contract(
        self, cells: list[Cell], names: Mapping[Relation, Names]
    ) -> None:
        for cell in of_those_who_may(cells):
            good = cell.operation.example.good
            has_both = {"contract_no", "person_id"} <= {*good.path, *(good.body if isinstance(good.body, dict) else ())}
            if cell.about is About.CONTRACT and has_both and not cell.is_let_in:
                own = names[Relation.OWN]["contract_no"]
                foreign, unknown = [await cell.ask({**each, "contract_no": own}) for each in (cell.names, absent(cell))]
                assert foreign.status_code in (404, 409), f"{cell}: {foreign.status_code} {foreign.text}"
                assert told(unknown) == told(foreign), str(cell)

    async def test_of_another_employer_s_person_is_shown_to_the_site_and_to_no_registrar(self, cells: list[Cell]) -> None:
        readers: set[Role] = set()
        for cell in of_another_employer(cells):
            if cell.operation.method == "GET" and cell.names["person_id"] in (await cell.ask()).text:
                readers.add(cell.role)
        assert Role.EMPLOYER_REGISTRAR not in readers
        assert (Role.SITE_OPERATOR in readers) == any(cell.role is Role.SITE_OPERATOR for cell in of_another_employer(cells))

    async def test_of_another_employer_s_person_is_refused_in_a_registrar_s_round(self, cells: list[Cell]) -> None:
        for cell in of_another_employer(cells):
            if cell.operation.name == "report_health_round":
                (person,) = (await cell.ask()).json()["people"]
                assert (cell.role is Role.EMPLOYER_REGISTRAR) == (person["code"] == "not-found"), f"{cell}: {person}"

    async def test_of_a_list_shows_what_is_within_reach(self, cells: list[Cell]) -> None:
        for cell in of_those_who_may(cells):
            if cell.about is About.LIST and cell.relation is Relation.OWN:
                shown = numbers_in((await cell.ask()).json())
                reached = {site.contract_no for site in SITES.values() if covers(cell.role, cell.caller.grants, site)}
                assert reached == shown & {site.contract_no for site in SITES.values()}, str(cell)


def is_turned_away(response: httpx2.Response) -> bool:
    return response.status_code in (401, 403) or (response.status_code == 404 and response.json()["code"] == "not-found")


def numbers_in(document: Any) -> set[str]:
    """Every contract number in an answer."""
    if isinstance(document, list):
        return set().union(*map(numbers_in, document))
    if isinstance(document, dict):
        own = {document["contract_no"]} if isinstance(document.get("contract_no"), str) else set()
        return own.union(*map(numbers_in, document.values()))
    return set()
