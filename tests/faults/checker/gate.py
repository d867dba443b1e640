"""The gate: what it knows of each person, and that every grant and every refusal follows from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.faults.checker.logs import Log, Stored
from tests.faults.checker.people import Key, People, key_of, time_of
from tests.faults.stack import FRESHNESS_BOUND_S

FRESHNESS_MAX = timedelta(seconds=FRESHNESS_BOUND_S + 0.5)
"""The bound is checked a moment before the event gets its time."""
SHANGHAI = timedelta(hours=8)
TOLD_BY_HEALTH = (
    "arrival-assessed",
    "isolation-ordered",
    "health-reported",
    "health-hold-placed",
    "health-hold-withdrawn",
    "disposition-changed",
)


@dataclass
class Gated:
    """What the gate must know of a person, in comparable form."""

    pre_registrations: set[tuple[str, int]] = field(default_factory=set)
    rostered: set[str] = field(default_factory=set)
    assessed: set[tuple[str, int, tuple[str, ...]]] = field(default_factory=set)
    disposition: str = "admissible"
    disposition_id: str | None = None
    orders: set[tuple[str, str]] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    last_report_at: datetime | None = None
    on_site: set[str] = field(default_factory=set)


def check_gate(logs: Mapping[str, Log], people: People) -> Iterator[str]:
    """The gate's fold of each person, against a fold of registration's and health's facts; and what grants rested on."""
    gate = logs["gatekeeper"]
    expected = _gated(logs, people)
    not_folded = {str(stream_id) for stream_id, state in gate.states.items() if state is None}
    for person_id in (expected.keys() | {str(stream_id) for stream_id in gate.states}) - not_folded:
        state = gate.states.get(UUID(person_id))
        actual = Gated() if state is None else _that_matters(_as_stored(state))
        if expected.get(person_id, Gated()) != actual:
            yield f"the gate knows of {person_id}: {actual}, and should: {expected.get(person_id)}"
    yield from _check_causes(gate, logs)
    yield from _check_grants(gate)


def _gated(logs: Mapping[str, Log], people: People) -> dict[str, Gated]:
    found: defaultdict[str, Gated] = defaultdict(Gated)
    for (contract_no, person_id), data in people.expected.items():
        if not people.exited_in_all[contract_no, person_id]:
            found[person_id].pre_registrations.add((contract_no, data["declaration"]["version"]))
    for (contract_no, person_id), data in people.rostered.items():
        if data["on_site"] and not people.exited_in_all[contract_no, person_id]:
            found[person_id].rostered.add(contract_no)
            found[person_id].on_site.add(contract_no)
    for contract_no, person_id in people.inside:
        found[person_id].on_site.add(contract_no)
    latest: dict[Key, dict[str, Any]] = {}
    for event, data in logs["health"].of(*TOLD_BY_HEALTH):
        person = found[data["person_id"]]
        match event.fact:
            case "arrival-assessed":
                latest[key_of(data)] = data
            case "isolation-ordered":
                person.orders.add((data["order_id"], data["admissible_on"]))
            case "health-reported":
                read_at = datetime.fromisoformat(data["read_at"])
                person.last_report_at = max(read_at, person.last_report_at or read_at)
            case "health-hold-placed":
                person.holds.add(data["hold"])
            case "health-hold-withdrawn":
                person.holds.discard(data["hold"])
            case "disposition-changed":
                person.disposition = data["disposition"]
                person.disposition_id = str(event.event_id)
    for (contract_no, person_id), data in latest.items():
        found[person_id].assessed.add((contract_no, data["declaration_version"], tuple(data.get("questions", ()))))
    return {person_id: _that_matters(person) for person_id, person in found.items()}


def _that_matters(person: Gated) -> Gated:
    """Without judgements of what is no longer open: whether one came before or after the end of it is nobody's business."""
    expected_on = {contract_no for contract_no, _ in person.pre_registrations}
    return replace(person, assessed={each for each in person.assessed if each[0] in expected_on})


def _as_stored(state: Mapping[str, Any]) -> Gated:
    """What is as it was in the beginning may be left out."""
    clearance = defaultdict(list, state.get("clearance", {}))
    return Gated(
        pre_registrations={(each["contract_no"], each["declaration_version"]) for each in clearance["pre_registrations"]},
        rostered={each["contract_no"] for each in clearance["rostered"] if each["on_site"]},
        assessed={
            (each["contract_no"], each["declaration_version"], tuple(each.get("questions", ()))) for each in clearance["assessed"]
        },
        disposition=clearance.get("disposition", "admissible"),
        disposition_id=clearance.get("disposition_id"),
        orders={(each["order_id"], each["admissible_on"]) for each in clearance["orders"]},
        holds=set(clearance["holds"]),
        last_report_at=time_of(clearance.get("last_report_at")),
        on_site=set(state.get("on_site", ())),
    )


def _check_causes(gate: Log, logs: Mapping[str, Log]) -> Iterator[str]:
    """No fact was taken note of twice or out of order, and every cause is the fact that it says it is."""
    places = {(log.service, event.shard, event.pos): event for log in logs.values() for event in log.events}
    last: Counter[tuple[UUID, str]] = Counter()
    for event, data in gate.of("clearance-changed"):
        cause = data["caused_by"]
        if cause["pos"] <= last[event.stream_id, cause["service"]]:
            yield f"the gate took note of {cause} of {event.stream_id} after {last[event.stream_id, cause['service']]}"
        last[event.stream_id, cause["service"]] = cause["pos"]
        said = places.get((cause["service"], cause["shard"], cause["pos"]))
        if said is None or (str(said.event_id), said.type) != (cause["event_id"], cause["type"]):
            yield f"the gate took note of {cause}, which is not there"


def _check_grants(gate: Log) -> Iterator[str]:
    """Every grant rested on the version before it, on a clearance that bans nobody, and on a view that was fresh enough."""
    clearances: dict[UUID, dict[str, Any]] = {}
    for event, data in gate.of("clearance-changed", "entry-attempted", "exit-registered"):
        if event.fact == "clearance-changed":
            clearances[event.stream_id] = data["clearance"]
            continue
        if event.fact == "exit-registered":
            _close(clearances[event.stream_id], data["contract_no"])
            continue
        yield from _check_reasons(event, data, clearances.get(event.stream_id, {}))
        if data["clearance_version"] != event.version - 1:
            yield f"{event.stream_id}/{event.version} rested on version {data['clearance_version']}"
        elif data["outcome"] == "admitted":
            clearance = clearances.get(event.stream_id, {})
            if clearance.get("disposition") != "admissible" or clearance.get("holds"):
                yield f"{event.stream_id}/{event.version} is a grant on {clearance}"
            fresh_as_of = time_of(data.get("fresh_as_of"))
            if fresh_as_of is None or (event.recorded_at and event.recorded_at - fresh_as_of > FRESHNESS_MAX):
                yield f"{event.stream_id}/{event.version} is a grant of {event.recorded_at} on a view of {fresh_as_of}"


def _close(clearance: dict[str, Any], contract_no: str) -> None:
    """Whoever has left a site for good is expected there no more."""
    for name in ("pre_registrations", "rostered"):
        clearance[name] = [each for each in clearance[name] if each["contract_no"] != contract_no]


def _check_reasons(event: Stored, data: Mapping[str, Any], clearance: Mapping[str, Any]) -> Iterator[str]:
    """A refusal says why, and what it says of the clearance is so; what the clearance forbids, it says."""
    told = {reason["code"] for reason in data.get("reasons", ()) if reason["effect"] == "forbid"}
    if bool(told) == (data["outcome"] == "admitted"):
        yield f"{event.stream_id}/{event.version} is {data['outcome']} for {told}"
    if "disposition" not in clearance:
        return  # Nothing is known of him: then he is not pre-registered, and more need not be said.
    contract_no, day = data["contract_no"], (datetime.fromisoformat(data["attempted_at"]) + SHANGHAI).date().isoformat()
    disposition = clearance["disposition"]
    expected = {each["pre_registration_id"] for each in clearance["pre_registrations"] if each["contract_no"] == contract_no}
    exempt = any(each["contract_no"] == contract_no and each["on_site"] for each in clearance["rostered"])
    holds = {"not_pre_registered": not expected and not exempt}
    holds |= {ban: disposition == ban for ban in ("quarantine_required", "suspected", "confirmed")}
    judged = [each for each in clearance["assessed"] if each["pre_registration_id"] in expected]
    holds["arrival_not_assessed"] = bool(expected) and not judged
    holds["travel_unclear"] = any(each.get("questions") for each in judged)
    holds["isolation_not_completed"] = any(each["admissible_on"] > day for each in clearance["orders"])
    holds |= {hold: hold in clearance["holds"] for hold in ("fever", "symptoms")}
    holds["state_stale"] = "fresh_as_of" not in data
    holds["history_unreadable"] = clearance["unreadable"]
    wrong = {code for code, is_so in holds.items() if (code in told) != is_so}
    if wrong:
        yield f"{event.stream_id}/{event.version} says {sorted(told)}; not so of the clearance: {sorted(wrong)}"
