"""What clients were told: every fact is stored once, nothing was done that nobody asked for, and a ban in force holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.faults.checker.logs import Log
from tests.faults.traffic import Acknowledged, Ban, Diary

_ASKED_FOR = (
    ("registration", "contract-reported"),
    ("registration", "employer-added"),
    ("registration", "person-pre-registered"),
    ("registration", "pre-registration-withdrawn"),
    ("registration", "roster-member-imported"),
    ("registration", "declaration-awaited"),
    ("health", "health-reported"),
    ("gatekeeper", "exit-registered"),
    ("gatekeeper", "entry-attempted"),
)


def check_acknowledged(acknowledged: Sequence[Acknowledged], logs: Mapping[str, Log]) -> Iterator[str]:
    """Each is stored exactly once. The same fact may have been acknowledged more than once: to a repeat."""
    streams: defaultdict[tuple[str, UUID, str], list[dict[str, Any]]] = defaultdict(list)
    for log in logs.values():
        for event in log.events:
            streams[log.service, event.stream_id, event.fact].append(event.data)
    for each in acknowledged:
        found = [data for data in streams[each.service, each.stream_id, each.fact] if each.fields.items() <= data.items()]
        if len(found) != 1:
            yield f"acknowledged, and stored {len(found)} times: {each}"


def check_unasked(diary: Diary, logs: Mapping[str, Log]) -> Iterator[str]:
    """What the test's contracts hold and nobody was told of: a request that was answered with no, or done twice."""
    told = Counter((each.service, each.fact) for each in set(_comparable(diary.acknowledged)))
    for service, fact in _ASKED_FOR:
        stored = sum(data.get("contract_no") in diary.contracts for _, data in logs[service].of(fact))
        lost = _overtaken(diary, logs["gatekeeper"]) if fact == "entry-attempted" else 0
        if not told[service, fact] <= stored <= told[service, fact] + lost:
            yield f"{stored} times {fact} are stored, and {told[service, fact]} were acknowledged"


def _overtaken(diary: Diary, gate: Log) -> int:
    """How many grants may be stored that nobody was told of: the answer was lost, or a refusal came before it was given."""
    repeated = [each for each in diary.requests if each.service == gate.service and len(each.tries) > 1]
    attempts = [data for _, data in gate.of("entry-attempted") if data["contract_no"] in diary.contracts]
    return len(repeated) + len([data for data in attempts if data["outcome"] == "refused"])


def check_bans(diary: Diary) -> Iterator[str]:
    """Nobody who asked after a ban was said to be in force was let in, however he asked."""
    bans: defaultdict[str, list[Ban]] = defaultdict(list)
    for ban in diary.bans:
        bans[ban.person_id].append(ban)
    for answer in diary.gate_answers:
        if answer.outcome == "admitted":
            for ban in bans[answer.person_id]:
                if ban.known_at_s < answer.began_s < ban.lifted_at_s:
                    yield f"{answer.person_id} asked at {answer.began_s} and was let in; banned, as was said at {ban.known_at_s}"


@dataclass(frozen=True)
class _Comparable:
    service: str
    fact: str
    stream_id: UUID
    fields: tuple[tuple[str, Any], ...]


def _comparable(acknowledged: Iterable[Acknowledged]) -> Iterator[_Comparable]:
    return (_Comparable(each.service, each.fact, each.stream_id, tuple(sorted(each.fields.items()))) for each in acknowledged)
