"""What `verify` finds, and that it finds nothing where nothing is."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from uuid import UUID

import pytest

from chassis import verify as verify_module
from chassis.event_store import EventStore
from chassis.kafka import make_producer
from chassis.service import Application, Service
from chassis.settings import ServiceSettings
from chassis.verify import verify
from contracts.event import record_headers
from contracts.topics import Topic
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import SERVICE, append_of, in_shard
from tests.chassis.tally_topics import PARTITIONS, make_topic, started
from tests.chassis.test_archive import archived, grow_old

TALLY: Service[ServiceSettings] = Service(
    name=SERVICE, title="Tallies", settings=ServiceSettings, migrations=[], wire=lambda parts: Application()
)


@pytest.fixture
async def topic(kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tallies' own."""
    known = Topic(name="tally.events.v1", owner=SERVICE, carries=SERVICE, readers=(), partitions=PARTITIONS, retention_ms=None)
    monkeypatch.setattr(verify_module, "EVENT_TOPICS", {SERVICE: known})
    return await make_topic(kafka_bootstrap, topic_prefix)


@pytest.fixture
async def settings(log: LogDatabase, kafka_bootstrap: str, topic_prefix: str) -> ServiceSettings:
    return ServiceSettings.model_validate(
        {
            "database_dsn": log.app_dsn,
            "kafka_bootstrap": kafka_bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": PARTITIONS,
        }
    )


@pytest.fixture
async def stream(log: LogDatabase, store: EventStore, topic: str, kafka_bootstrap: str) -> UUID:
    """Of shard 5: three events, published and marked."""
    stream = in_shard(5)
    await store.append(append_of(stream, events=3))
    for pos in (1, 2, 3):
        await send(log, kafka_bootstrap, topic, pos)
    await log.owner.execute("INSERT INTO published (shard, last_pos) VALUES (5, 3)")
    return stream


async def send(log: LogDatabase, bootstrap: str, topic: str, pos: int, *, change: Mapping[str, object] | None = None) -> None:
    """Publish an event of shard 5, as the relay would or with something changed."""
    [(stream_id, data, meta)] = await log.rows("SELECT stream_id, data, meta FROM event WHERE shard = 5 AND pos = $1", pos)
    as_it_is = {"key": str(stream_id).encode(), "value": data, "headers": record_headers(meta.split(b"\n"), pos), "partition": 1}
    async with started(make_producer(bootstrap)) as producer:
        await producer.send_and_wait(topic, **{**as_it_is, **(change or {})})


async def found(settings: ServiceSettings, capsys: pytest.CaptureFixture[str], *, exit_code: int = 1) -> list[str]:
    capsys.readouterr()
    assert exit_code == await verify(TALLY, settings, Namespace())
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("stream")
class TestVerify:
    async def test_finds_nothing_where_the_topic_is_the_log_though_it_repeats_itself(
        self, log: LogDatabase, settings: ServiceSettings, kafka_bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await send(log, kafka_bootstrap, topic, 1)
        assert ["tally: no difference."] == await found(settings, capsys, exit_code=0)

    @pytest.mark.parametrize(
        ("change", "difference"),
        [
            ({"value": b'{"forged": true}'}, "other bytes than in the log"),
            ({"key": b"another"}, "another key than the stream's"),
            ({"partition": 2}, "another partition than its shard's"),
        ],
    )
    async def test_finds_a_record_that_was_changed(
        self,
        log: LogDatabase,
        settings: ServiceSettings,
        kafka_bootstrap: str,
        topic: str,
        capsys: pytest.CaptureFixture[str],
        change: Mapping[str, object],
        difference: str,
    ) -> None:
        await send(log, kafka_bootstrap, topic, 2, change=change)
        offset, partition = (0, 2) if "partition" in change else (3, 1)
        sentence = f"Partition {partition}, offset {offset}, shard 5, position 2: {difference}."
        assert sentence in await found(settings, capsys)

    async def test_finds_a_header_that_was_changed(
        self, log: LogDatabase, settings: ServiceSettings, kafka_bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        [(meta,)] = await log.rows("SELECT meta FROM event WHERE shard = 5 AND pos = 2")
        forged = [(name, b"99" if name == "ce_epoch" else value) for name, value in record_headers(meta.split(b"\n"), 2)]
        await send(log, kafka_bootstrap, topic, 2, change={"headers": forged})
        assert "Partition 1, offset 3, shard 5, position 2: other headers than in the log." in await found(settings, capsys)

    async def test_finds_what_the_log_does_not_have_and_what_is_no_event(
        self, log: LogDatabase, settings: ServiceSettings, kafka_bootstrap: str, topic: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        [(meta,)] = await log.rows("SELECT meta FROM event WHERE shard = 5 AND pos = 3")
        await send(log, kafka_bootstrap, topic, 3, change={"headers": record_headers(meta.split(b"\n"), 4)})
        await send(log, kafka_bootstrap, topic, 3, change={"headers": []})
        assert [
            "Partition 1, offset 3, shard 5, position 4: in the topic, not in the log.",
            "Partition 1, offset 4: no event of ours.",
            "tally: 2 differences.",
        ] == await found(settings, capsys)

    async def test_finds_a_mark_beyond_the_topic_and_one_beyond_the_log(
        self, log: LogDatabase, store: EventStore, stream: UUID, settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await store.append(append_of(stream, at=3))
        await log.owner.execute("UPDATE published SET last_pos = 4")
        await log.owner.execute("INSERT INTO published (shard, last_pos) VALUES (6, 1)")
        assert [
            "Shard 6 is marked as published to position 1, and ends at 0.",
            "Shard 5 is marked as published to position 4, and the topic holds it to 3.",
            "Shard 6 is marked as published to position 1, and the topic holds it to 0.",
            "tally: 3 differences.",
        ] == await found(settings, capsys)

    async def test_finds_a_reader_that_is_ahead(
        self, log: LogDatabase, settings: ServiceSettings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await log.owner.execute("INSERT INTO position VALUES ('sums_v1', 'tally', 5, 1, 4), ('rows_v1', 'tally', 5, 1, 3)")
        assert [
            "sums_v1 has taken in shard 5 of tally to position 4, and it ends at 3.",
            "tally: 1 differences.",
        ] == await found(settings, capsys)

    async def test_says_that_it_could_not_look(self, settings: ServiceSettings, capsys: pytest.CaptureFixture[str]) -> None:
        nowhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
        assert ["The topics cannot be read (KafkaConnectionError)."] == await found(nowhere, capsys, exit_code=2)


class TestArchive:
    async def test_that_is_as_it_was_is_no_difference(
        self, log: LogDatabase, settings: ServiceSettings, stream: UUID, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await grow_old(log)
        assert 0 == await archived(log)
        assert ["tally: no difference."] == await found(settings, capsys, exit_code=0)

    @pytest.mark.parametrize(
        "change", ["UPDATE archived_event SET recorded_at = now() WHERE pos = 2", "DELETE FROM archived_event"]
    )
    async def test_that_somebody_changed_is_found(
        self, log: LogDatabase, settings: ServiceSettings, stream: UUID, capsys: pytest.CaptureFixture[str], change: str
    ) -> None:
        await grow_old(log)
        assert 0 == await archived(log)
        await log.owner.execute(
            f"ALTER TABLE archived_event DISABLE TRIGGER USER; {change}; ALTER TABLE archived_event ENABLE TRIGGER USER"
        )
        assert "Shard 5 is not what was archived up to position 3." in await found(settings, capsys)

    @pytest.mark.parametrize(
        ("table", "change", "difference"),
        [
            ("event", "DELETE FROM event WHERE pos = 4", "does not hold each position from 3 to 4 once"),
            (
                "event",
                "INSERT INTO event SELECT * FROM archived_event WHERE pos = 1",
                "does not hold each position from 1 to 2 once",
            ),
            ("archived_range", "DELETE FROM archived_range", "was archived to another position than its last range says"),
            (
                "archived_event",
                "DELETE FROM archived_event WHERE pos = 3",
                "was archived to another position than its last range says",
            ),
        ],
    )
    async def test_beside_which_something_is_missing_or_too_much_is_found(
        self,
        log: LogDatabase,
        store: EventStore,
        settings: ServiceSettings,
        stream: UUID,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        table: str,
        change: str,
        difference: str,
    ) -> None:
        monkeypatch.setattr(verify_module, "POSITIONS_MAX", 2)
        await grow_old(log)
        assert 0 == await archived(log)
        await store.append(append_of(stream, at=3))
        await log.owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; {change}; ALTER TABLE {table} ENABLE TRIGGER USER")
        assert f"Shard 5 {difference}." in await found(settings, capsys)
