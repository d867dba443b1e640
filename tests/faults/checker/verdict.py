"""All of it, once everybody has caught up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.testing.wait import eventually
from tests.faults.checker.acknowledged import check_acknowledged, check_bans, check_unasked
from tests.faults.checker.gate import check_gate
from tests.faults.checker.logs import WITH_LOG, Log, check_log, package, read_logs
from tests.faults.checker.people import people_of
from tests.faults.checker.police import check_police_topics, check_told
from tests.faults.checker.projections import (
    check_bridge,
    check_changes,
    check_health,
    check_lists,
    check_police,
    check_registration,
    check_reporting,
)
from tests.faults.checker.topics import check_topic
from tests.faults.stack import FaultStack
from tests.faults.traffic import Diary

PUBLISHED_AS_STORED = WITH_LOG[:-1]
READS: Mapping[str, Sequence[str]] = {
    "registration": ("registration", "healthcloud-bridge", "gatekeeper"),
    "healthcloud-bridge": ("registration", "healthcloud-bridge"),
    "health": ("registration", "healthcloud-bridge", "gatekeeper"),
    "gatekeeper": ("registration", "health", "gatekeeper"),
    "police-bridge": ("registration", "police-bridge"),
    "reporting": ("registration", "gatekeeper", "health", "healthcloud-bridge"),
}
"""Service → the logs that it takes in."""
CAUGHT_UP_S_MAX = 60.0
SENTENCES_MAX = 20


@dataclass(frozen=True)
class Behind:
    """Who has not taken in what; true once nobody is behind."""

    sentences: Sequence[str]

    def __bool__(self) -> bool:
        return not self.sentences

    def __repr__(self) -> str:
        return f"behind: {list(self.sentences)[:SENTENCES_MAX]}"


async def caught_up(stack: FaultStack) -> Behind:
    """Relays and readers stand where the logs end, and the logs have not moved meanwhile."""
    before = await _heads(stack)
    sentences = [sentence for service in READS for sentence in await _behind(stack, service, before)]
    if not sentences and before != await _heads(stack):
        sentences.append("the logs are still growing")
    return Behind(sentences)


async def _heads(stack: FaultStack) -> dict[str, dict[int, int]]:
    found = {}
    for service in WITH_LOG:
        async with stack.database(package(service)) as connection:
            rows = await connection.fetch("SELECT shard, last_pos FROM shard_head WHERE last_pos > 0")
        found[service] = {row["shard"]: row["last_pos"] for row in rows}
    return found


async def _behind(stack: FaultStack, service: str, heads: Mapping[str, Mapping[int, int]]) -> list[str]:
    async with stack.database(package(service)) as connection:
        rows = await connection.fetch("SELECT subscriber, source, shard, last_pos FROM position")
        published = await connection.fetch("SELECT shard, last_pos FROM published WHERE last_pos > 0")
    reached: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for row in rows:
        reached[row["source"], row["subscriber"]][row["shard"]] = row["last_pos"]
    sentences = []
    for source in READS[service]:
        readers = [subscriber for where, subscriber in reached if where == source] or ["nobody"]
        late = [reader for reader in readers if reached.get((source, reader), {}) != heads[source]]
        sentences += [f"{service}'s {reader} of {source}" for reader in late]
    if service in heads and {row["shard"]: row["last_pos"] for row in published} != heads[service]:
        sentences.append(f"the relay of {service}")
    return sentences


@dataclass(frozen=True)
class Verdict:
    """What is wrong, in sentences; and what was found on the way."""

    wrong: Sequence[str]
    logs: Mapping[str, Log]
    repeated: Mapping[str, int]
    """Service → records that lie in its topics more than once."""


async def check(stack: FaultStack, diary: Diary, *, within_s: float = CAUGHT_UP_S_MAX) -> Verdict:
    """Wait until everybody has caught up, then check everything.

    Raises: TimeoutError, which says who is behind.
    """
    await eventually(lambda: caught_up(stack), within_s=within_s)
    logs = await read_logs(stack)
    people = people_of(logs)
    wrong = [sentence for log in logs.values() for sentence in check_log(log)]
    repeated = {}
    for service in PUBLISHED_AS_STORED:
        sentences, repeated[service] = await check_topic(stack, logs[service])
        wrong += sentences
    sentences, repeated["police-bridge"] = await check_police_topics(stack, logs["police-bridge"])
    wrong += sentences
    wrong += check_told(logs)
    wrong += await check_reporting(stack, logs, people)
    wrong += await check_changes(stack, logs)
    wrong += await check_lists(stack, logs, people)
    wrong += await check_registration(stack, logs, people)
    wrong += await check_health(stack, logs, people)
    wrong += await check_bridge(stack, people)
    wrong += await check_police(stack, logs)
    wrong += check_gate(logs, people)
    wrong += check_acknowledged(diary.acknowledged, logs)
    wrong += check_unasked(diary, logs)
    wrong += check_bans(diary)
    return Verdict(wrong[:SENTENCES_MAX], logs, repeated)
