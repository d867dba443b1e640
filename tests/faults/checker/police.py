"""The police: of each person, in order, what the rule says; and in each district's topic what it was told, and nothing else."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.checker.logs import Log, Stored
from tests.faults.checker.people import Key, key_of
from tests.faults.checker.topics import Record, distinct, read_topic
from tests.faults.stack import FaultStack

TOLD_TO_THE_POLICE = ("arrival-shared", "arrival-corrected", "arrival-withdrawn")

Told = tuple[str, str, str]
"""Fact, contract and district."""


def check_told(logs: Mapping[str, Log]) -> Iterator[str]:
    """Was told of each person what follows from registration's facts, in their order, once?"""
    told: defaultdict[str, list[Told]] = defaultdict(list)
    for event, data in logs["police-bridge"].of(*TOLD_TO_THE_POLICE):
        told[data["person_id"]].append((event.fact, data["contract_no"], data["district"]))
    expected = _by_the_rule(logs["registration"])
    for person_id in sorted(told.keys() | expected.keys()):
        if told[person_id] != expected[person_id]:
            yield f"the police was told of {person_id}: {told[person_id]}, and should: {expected[person_id]}"


def _by_the_rule(registration: Log) -> defaultdict[str, list[Told]]:
    """Person → what the police must be told. Whoever was told first is told first that it is so no longer."""
    told: defaultdict[str, list[Told]] = defaultdict(list)
    expected_in: dict[Key, str] = {}
    for event, data in registration.of("person-pre-registered", "pre-registration-withdrawn"):
        key, contract_no = key_of(data), data["contract_no"]
        before, now = expected_in.pop(key, None), data["district"] if event.fact == "person-pre-registered" else None
        if before is not None and before != now:
            told[data["person_id"]].append(("arrival-withdrawn", contract_no, before))
        if now is not None:
            fact = "arrival-corrected" if before == now else "arrival-shared"
            told[data["person_id"]].append((fact, contract_no, now))
            expected_in[key] = now
    return told


async def check_police_topics(stack: FaultStack, log: Log) -> tuple[list[str], int]:
    """Did every fact reach its district, and no other, in order? And how many came more than once?"""
    wrong, repeated = [], 0
    by_district: defaultdict[str, dict[tuple[int, int], Stored]] = defaultdict(dict)
    for event, data in log.of(*TOLD_TO_THE_POLICE):
        by_district[data["district"]][event.shard, event.pos] = event
    for district, stored in by_district.items():
        records = await read_topic(stack, f"{stack.stack.topic_prefix}police.arrivals.{district}.v1")
        told_again = {str(event.event_id).encode(): event for event in stored.values()}
        records = [record for record in records if not _is_of_the_lost_log(record, told_again)]
        found, problems = distinct(records, burnt=stack.topics_were_lost)
        wrong += [f"police topic {district}: {sentence}" for sentence in problems]
        repeated += len(records) - len(found)
        told = {place: (dict(record.headers)["ce_id"], _said(json.loads(record.value))) for place, record in found.items()}
        expected = {place: (str(event.event_id).encode(), _said(event.data)) for place, event in stored.items()}
        if told != expected:
            wrong.append(f"police topic {district}: {set(told.items()) ^ set(expected.items())}")
    return wrong, repeated


def _is_of_the_lost_log(record: Record, told_again: Mapping[bytes, Stored]) -> bool:
    """Whether the same was told again in a later epoch, perhaps at another position: nothing takes back this log's events."""
    headers = dict(record.headers)
    event = told_again.get(headers["ce_id"])
    return event is not None and int(headers["ce_epoch"]) < event.epoch and _said(json.loads(record.value)) == _said(event.data)


def _said(data: Mapping[str, Any]) -> tuple[str, str]:
    return data["person_id"], data["contract_no"]
