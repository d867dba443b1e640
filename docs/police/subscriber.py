"""An example of how the police of a district reads its topic, with confluent-kafka and jsonschema only.

    python subscriber.py --bootstrap HOST:PORT --topic police.arrivals.310109.v1 --schemas DIRECTORY --store FILE

It reads from where it stopped last time (the first time from the beginning) to what is there now, keeps every message once
in an SQLite file and prints what it did as one line of JSON. `--since 2020-02-18T00:00:00Z` reads again what was published
from then on. `--property name=value` passes any setting to librdkafka, such as those of SASL; `--group` is then the user's name.

`--day 2020-02-18` reads nothing: it prints what the file holds of that day in Shanghai, to be compared with what
`GET /v1/reconciliations/2020-02-18` of police-bridge says of the district.

It ends with status 1 where a message does not fit its schema, where a person's messages are out of order, or where some are
missing: whoever copies it learns of a mistake before acting upon it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

BATCH_MESSAGES_MAX = 500
WAIT_S = 10.0
"""Longest silence of the broker before the end is reached."""

TABLES = """
CREATE TABLE IF NOT EXISTS position (topic TEXT, partition INTEGER, next_offset INTEGER, PRIMARY KEY (topic, partition));
CREATE TABLE IF NOT EXISTS message (
    id TEXT PRIMARY KEY, type TEXT, person TEXT, epoch INTEGER, version INTEGER, day TEXT, data TEXT
);
CREATE INDEX IF NOT EXISTS message_of_person ON message (person, epoch, version);
"""


class Wrong(Exception):
    """What was read is not what was promised. The message says what; it names no person."""


@dataclass
class Summary:
    """What one run did."""

    read: int = 0
    kept: int = 0
    repeated: int = 0
    deleted: int = 0
    """Offsets that were gone before they were read. What stood there was told again further on, or is older than a topic keeps."""


class Subscriber:
    """Reads one topic into one file. Messages and positions are committed together: a crash loses and repeats nothing."""

    def __init__(self, store: sqlite3.Connection, validators: Mapping[str, Draft202012Validator]) -> None:
        self._store = store
        self._validators = validators
        self._store.executescript(TABLES)
        self.summary = Summary()

    def run(self, consumer: Consumer, topic: str, *, since: datetime | None) -> Summary:
        """Read to the end as it is now. Raises: Wrong; KafkaException."""
        ends = _ends(consumer, topic)
        expected = self._beginnings(consumer, topic, ends, since)
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in expected.items()])
        while any(expected[partition] < end for partition, end in ends.items()):
            first = consumer.poll(WAIT_S)
            if first is None:
                raise Wrong("the broker fell silent before the end")
            batch = [first, *consumer.consume(BATCH_MESSAGES_MAX - 1, 0)]  # What is there already; it waits for no more.
            with self._store:
                for message in batch:
                    self._take(message, expected)
                self._store.executemany(
                    "INSERT OR REPLACE INTO position VALUES (?, ?, ?)",
                    [(topic, partition, offset) for partition, offset in expected.items()],
                )
        return self.summary

    def _beginnings(self, consumer: Consumer, topic: str, ends: Mapping[int, int], since: datetime | None) -> dict[int, int]:
        """The offset to begin at, by partition."""
        lows = {
            partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=WAIT_S)[0] for partition in ends
        }
        if since is not None:
            asked = [TopicPartition(topic, partition, int(since.timestamp() * 1000)) for partition in ends]
            found = consumer.offsets_for_times(asked, timeout=WAIT_S)
            return {each.partition: each.offset if each.offset >= 0 else ends[each.partition] for each in found}
        known = dict(self._store.execute("SELECT partition, next_offset FROM position WHERE topic = ?", (topic,)))
        for partition, offset in known.items():
            if offset < lows[partition]:
                self.summary.deleted += lows[partition] - offset
        return {partition: max(known.get(partition, low), low) for partition, low in lows.items()}

    def _take(self, message: Message, expected: dict[int, int]) -> None:
        if (error := message.error()) is not None:
            raise KafkaException(error)
        partition, offset, value = message.partition(), message.offset(), message.value()
        if partition is None or offset is None or value is None:
            raise Wrong("a record without a value")
        if offset != expected[partition]:
            raise Wrong(f"partition {partition}: offset {offset} where {expected[partition]} was expected")
        expected[partition] = offset + 1
        self.summary.read += 1
        self._keep(_headers(message), json.loads(value))

    def _keep(self, headers: Mapping[str, str], data: Mapping[str, object]) -> None:
        message_id, message_type, person = headers["ce_id"], headers["ce_type"], headers["ce_subject"]
        validator = self._validators.get(message_type)
        if validator is None:
            raise Wrong(f"a message of the unknown type {message_type}: fetch the newer schemas")
        if not validator.is_valid(data):
            raise Wrong(f"message {message_id} does not fit the schema of {message_type}")
        content = json.dumps(data, ensure_ascii=False)
        if self._store.execute("SELECT 1 FROM message WHERE id = ?", (message_id,)).fetchone():
            # At least once. Of somebody who was erased meanwhile it comes as a withdrawal: what had been told goes.
            self._store.execute("UPDATE message SET type = ?, data = ? WHERE id = ?", (message_type, content, message_id))
            self.summary.repeated += 1
            return
        place = int(headers["ce_epoch"]), int(headers["ce_streamversion"])
        last = self._store.execute(
            "SELECT epoch, version FROM message WHERE person = ? ORDER BY epoch DESC, version DESC LIMIT 1", (person,)
        ).fetchone()
        if last is not None and tuple(last) >= place:
            raise Wrong(f"message {message_id} comes after one that it should come before")
        row = (message_id, message_type, person, *place, _day(headers["ce_time"]), content)
        self._store.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self.summary.kept += 1


def _day(time: str) -> str:
    """The day in Shanghai."""
    return datetime.fromisoformat(time).astimezone(ZoneInfo("Asia/Shanghai")).date().isoformat()


def reconciled(store: sqlite3.Connection, day: date) -> dict[str, object]:
    """How many messages of the day are there, and the digest over their ids."""
    ids = sorted(message_id for (message_id,) in store.execute("SELECT id FROM message WHERE day = ?", (day.isoformat(),)))
    digest = hashlib.sha256("".join(f"{message_id}\n" for message_id in ids).encode()).hexdigest()
    return {"messages": len(ids), "digest": digest}


def _ends(consumer: Consumer, topic: str) -> dict[int, int]:
    """The offset after the last message, by partition. Raises: KafkaException."""
    found = consumer.list_topics(topic, timeout=WAIT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return {n: consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=WAIT_S)[1] for n in sorted(found.partitions)}


def _headers(message: Message) -> dict[str, str]:
    return {name: value.decode() for name, value in dict(message.headers() or ()).items() if isinstance(value, bytes)}


def _validators(directory: Path) -> Iterator[tuple[str, Draft202012Validator]]:
    """Type of message to what checks it."""
    for file in directory.glob("gatehouse.police.*.json"):
        yield file.stem, Draft202012Validator(json.loads(file.read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--schemas", required=True, type=Path)
    parser.add_argument("--store", required=True, type=Path)
    parser.add_argument("--since", type=datetime.fromisoformat)
    parser.add_argument("--day", type=date.fromisoformat)
    parser.add_argument("--group", default="police")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    store = sqlite3.connect(given.store)
    if given.day is not None:
        store.executescript(TABLES)
        sys.stdout.write(json.dumps(reconciled(store, given.day)) + "\n")
        return 0
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap,
            # librdkafka wants a group; brokers grant the one with the user's name. Positions are kept in the file, not there.
            "group.id": given.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",  # To begin elsewhere unasked would be to miss messages unawares.
            "log_level": 3,
            **dict(each.split("=", 1) for each in given.property),
        }
    )
    try:
        summary = Subscriber(store, dict(_validators(given.schemas))).run(consumer, given.topic, since=given.since)
    except Wrong as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    finally:
        consumer.close()
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
