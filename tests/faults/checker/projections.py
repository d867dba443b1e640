"""The rows of every service: each table against a fold of the logs that it answers for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.faults.checker.logs import PARTITIONS, Log, package
from tests.faults.checker.people import Key, People, key_of, time_of
from tests.faults.checker.police import TOLD_TO_THE_POLICE
from tests.faults.stack import FaultStack

PINNED = (
    "reported_on",
    "departed_on",
    "from_hubei",
    "from_wuhan",
    "stopover",
    "stopover_code",
    "temperature_celsius",
    "travel",
    "stay_address",
)
"""What a pre-registration keeps of a declaration, besides its version."""

CHANGES_NOTHING = ("clearance-changed", "declaration-looked-up")
"""Facts about people that are what follows for the gate, or a look."""


async def check_reporting(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Supervision: contracts, employers, members, and how many they are."""
    contracts = {}
    employers = {}
    for event, data in logs["registration"].of("contract-reported", "employer-added"):
        if event.fact == "contract-reported":
            firm = data["general_contractor"]
            told = (data["construction_no"], data["project_name"], firm["credit_code"], firm["name"], firm["kind"])
            contracts[data["contract_no"]] = (data["contract_no"], *told, data["station_name"], data["district"])
        else:
            employers[data["contract_no"], data["credit_code"]] = data["name"]
    members, counts = [], Counter[tuple[str, int, str]]()
    for key in {*people.expected, *people.withdrawn, *people.rostered, *people.entered, *people.left}:
        member = _member(key, people)
        members.append(member)
        partition = UUID(key[1]).int % PARTITIONS
        contract_no, _, pre_registered, registered, inside, left_at, imported_at = member
        on_site = inside or (imported_at is not None and (left_at is None or imported_at > left_at))
        for name, is_counted in (("pre_registered", pre_registered), ("registered", registered), ("on_site", on_site)):
            counts[contract_no, partition, name] += is_counted
    counted = await _rows(
        stack, "reporting", "SELECT contract_no, partition, pre_registered, registered, on_site FROM people_count_v1"
    )
    shown = Counter(
        {(row[0], row[1], name): row[n] for row in counted for n, name in enumerate(("pre_registered", "registered", "on_site"), 2)}
    )
    table = "SELECT contract_no, construction_no, project_name, general_contractor_credit_code, general_contractor,"
    table += " general_contractor_kind, station_name, district FROM supervision_contract_v1"
    stored = "SELECT contract_no, person_id, pre_registered, registered, inside, left_at, imported_on_site_at FROM membership_v1"
    named = [(contract_no, code, name) for (contract_no, code), name in employers.items()]
    return [
        *_differ("supervision_contract_v1", contracts.values(), await _rows(stack, "reporting", table)),
        *_differ("supervision_employer_v1", named, await _rows(stack, "reporting", "TABLE supervision_employer_v1")),
        *_differ("membership_v1", members, await _rows(stack, "reporting", stored)),
        *_differ("people_count_v1", (+counts).items(), (+shown).items()),
    ]


async def check_changes(stack: FaultStack, logs: Mapping[str, Log]) -> list[str]:
    """Who changed what of whom: a row for every fact about a person, in whose name it was asked for."""
    told = []
    for log in (logs[service] for service in ("registration", "healthcloud-bridge", "health", "gatekeeper")):
        for event in log.events:
            data = event.data
            lets_in = (data.get("kind"), data.get("outcome")) == ("entry", "admitted")
            if "person_id" in data and event.fact not in CHANGES_NOTHING and (event.fact != "entry-attempted" or lets_in):
                role, account = event.actor
                told.append((data["person_id"], log.service, event.version, event.fact, role, account, data.get("contract_no")))
    stored = "SELECT person_id, service, version, kind, role, account, contract_no FROM change_v1"
    return list(_differ("change_v1", told, await _rows(stack, "reporting", stored)))


def _member(key: Key, people: People) -> tuple[Any, ...]:
    roster = people.rostered.get(key)
    imported_at = time_of(roster["imported_at"]) if roster and roster["on_site"] else None
    registered = roster is not None or key in people.entered
    return (*key, key in people.expected, registered, key in people.inside, time_of(people.left.get(key)), imported_at)


async def check_lists(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """What the gate lists, and whom supervision can show."""
    asked = logs["gatekeeper"].of("entry-attempted")
    attempts = [(data["contract_no"], event.shard, event.pos, data["kind"], data["outcome"]) for event, data in asked]
    roster = []
    for key in {*people.rostered, *people.entered}:
        is_imported = people.rostered.get(key, {}).get("on_site", False) and not people.exited_in_all[key]
        roster.append((*key, key in people.inside or is_imported))
    decided = {data["person_id"]: data["disposition"] for _, data in logs["health"].of("disposition-changed")}
    entries = logs["gatekeeper"].of("entry-attempted")
    entered = {_employment(data) for _, data in entries if (data["kind"], data["outcome"]) == ("entry", "admitted")}
    told = logs["registration"].of("person-pre-registered", "roster-member-imported")
    employed = entered | {_employment(data) for _, data in told}
    shown = entered | {_employment(data) for data in (*people.expected.values(), *people.rostered.values())}
    return [
        *_differ(
            "attempt_v1",
            attempts,
            await _rows(stack, "gatekeeper", "SELECT contract_no, shard, pos, kind, outcome FROM attempt_v1"),
        ),
        *_differ("roster_v1", roster, await _rows(stack, "gatekeeper", "SELECT contract_no, person_id, on_site FROM roster_v1")),
        *_differ(
            "banned_v1",
            [(person_id, disposition) for person_id, disposition in decided.items() if disposition != "admissible"],
            await _rows(stack, "gatekeeper", "SELECT person_id, disposition FROM banned_v1"),
        ),
        *_differ("disposition_v1", decided.items(), await _rows(stack, "reporting", "TABLE disposition_v1")),
        *_differ(
            "employment_v1",
            employed,
            await _rows(stack, "reporting", "SELECT contract_no, person_id, employer_credit_code FROM employment_v1"),
        ),
        *_differ(
            "employment_count_v2",
            Counter(contract_no for contract_no, _, _ in shown).items(),
            await _rows(
                stack,
                "reporting",
                "SELECT contract_no, sum(employments)::bigint FROM employment_count_v2 GROUP BY 1 HAVING sum(employments) <> 0",
            ),
        ),
    ]


def _employment(data: Mapping[str, Any]) -> tuple[str, str, str]:
    return (*key_of(data), data.get("employer_credit_code", ""))


async def check_registration(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Declarations, entries, pre-registrations; and that nobody waits who has declared."""
    declared = {}
    for _, data in logs["healthcloud-bridge"].of("declaration-received"):
        declared[data["person_id"]] = data
    declarations = []
    for person_id, data in declared.items():
        pinned = {name: data[name] for name in PINNED if name in data} | {"version": data["declaration_version"]}
        told = (data["declaration_version"], data["name_fingerprint"], data.get("mobile"))
        declarations.append((person_id, *told, json.dumps(pinned, sort_keys=True)))
    stored = [
        (*row[:-1], json.dumps(json.loads(row[-1]), sort_keys=True))
        for row in await _rows(
            stack, "registration", "SELECT person_id, version, name_fingerprint, mobile, pinned FROM declaration_v1"
        )
    ]
    listed = "SELECT contract_no, person_id, state, declaration_version, document, name, mobile, taken_up, changed_at"
    listed += " FROM pre_registration_v2"
    waiting = [key for key in people.awaited if key[1] in declared]
    return [
        *_differ("declaration_v1", declarations, stored),
        *_differ("entry_v2", people.entered, await _rows(stack, "registration", "SELECT contract_no, person_id FROM entry_v2")),
        *_differ("pre_registration_v2", map(_listed, people.latest.items()), await _rows(stack, "registration", listed)),
        *[f"{key} still waits for a declaration that is there" for key in waiting],
    ]


def _listed(item: tuple[Key, tuple[str, dict[str, Any], dict[str, Any]]]) -> tuple[Any, ...]:
    key, (state, form, by) = item
    version = form.get("declaration", {}).get("version")
    changed_at = next(by[name] for name in ("asked_at", "pre_registered_at", "withdrawn_at", "closed_at") if name in by)
    sealed = (form["document"], form["name"], form.get("mobile"))
    return (*key, state, version, *sealed, form.get("taken_up", False), time_of(changed_at))


async def check_health(stack: FaultStack, logs: Mapping[str, Log], people: People) -> list[str]:
    """Who is known where; that every pre-registration was judged once; and which decisions are in force since when."""
    known = []
    for key in {*people.expected, *people.rostered}:
        by_form, by_roster = people.expected.get(key, {}), people.rostered.get(key, {})
        known.append((*key, by_form.get("employer_credit_code"), by_roster.get("employer_credit_code")))
    stored = "SELECT contract_no, person_id, pre_registered_for, rostered_for FROM known_person_v1"
    opened = logs["registration"].of("person-pre-registered")
    pinned = [(str(event.event_id), *key_of(data), data["declaration"]["version"]) for event, data in opened]
    judged = [data for _, data in logs["health"].of("arrival-assessed")]
    assessed = [(data["pre_registration_id"], *key_of(data), data["declaration_version"]) for data in judged]
    noted = [
        (data["caused_by"]["event_id"], datetime.fromisoformat(event.meta[4].decode()))
        for event, data in logs["gatekeeper"].of("clearance-changed")
        if data["caused_by"]["type"] == "gatehouse.health.disposition-changed.v1"
    ]
    decided = [str(event.event_id) for event, _ in logs["health"].of("disposition-changed")]
    return [
        *_differ("known_person_v1", known, await _rows(stack, "health", stored)),
        *_differ("arrival-assessed", pinned, assessed),
        *_differ("in_force_v1", noted, await _rows(stack, "health", "TABLE in_force_v1")),
        *_differ("decisions that the gate took note of", [(each,) for each in decided], [(each,) for each, _ in noted]),
    ]


async def check_bridge(stack: FaultStack, people: People) -> list[str]:
    """Whose declaration is waited for."""
    rows = await _rows(stack, "healthcloud-bridge", "SELECT contract_no, person_id FROM awaited_v1")
    return list(_differ("awaited_v1", list(people.awaited), rows))


async def check_police(stack: FaultStack, logs: Mapping[str, Log]) -> list[str]:
    """A row for every fact of the log."""
    told = logs["police-bridge"].of(*TOLD_TO_THE_POLICE)
    expected = [(data["district"], event.shard, event.pos) for event, data in told]
    stored = await _rows(stack, "police-bridge", "SELECT district, shard, pos FROM arrival_v1")
    return list(_differ("arrival_v1", expected, stored))


async def _rows(stack: FaultStack, service: str, query: str) -> list[tuple[Any, ...]]:
    """With every UUID as text."""
    async with stack.database(package(service)) as connection:
        found = await connection.fetch(query)
    return [tuple(str(value) if isinstance(value, UUID) else value for value in row) for row in found]


def _differ(what: str, expected: Iterable[tuple[Any, ...]], actual: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Both as multisets."""
    wanted, found = Counter(expected), Counter(actual)
    if wanted != found:
        yield f"{what}: missing {list((wanted - found).elements())[:5]}, too much {list((found - wanted).elements())[:5]}"
