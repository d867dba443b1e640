"""What belongs to no service, installed on real servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from chassis.installation import NOT_TOLD, InstallationSettings, migrate_keys, provision_brokers
from chassis.kafka import Brokers
from contracts.topics import EVENT_TOPICS, TOPICS
from devstack.databases import KEYS, provide_keys
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES, kafka_password
from devstack.state import State

ANSWER_S_MAX = 20.0
PARTITIONS = 4


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GATEHOUSE_SECRETS_FOLDER", str(tmp_path))
    for told in ("KAFKA_BOOTSTRAP", "KEYS_DSN"):
        monkeypatch.delenv(f"GATEHOUSE_{told}", raising=False)
    return tmp_path


class TestProvisionBrokers:
    async def test_makes_topics_and_admits_whom_the_secret_names(
        self, state: State, folder: Path, topic_prefix: str, kafka_bootstrap: str, kafka_clients: str
    ) -> None:
        # The password is the broker's, which all tests share: the same as theirs.
        (folder / "gatehouse_kafka_passwords").write_text(json.dumps({"health": kafka_password(state, "health")}))
        settings = InstallationSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix, partitions=PARTITIONS)
        assert [0, 0] == [await provision_brokers(settings) for _ in range(2)]

        topics = AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=ANSWER_S_MAX).topics
        assert {topic.full_name(topic_prefix) for topic in TOPICS} <= topics.keys()
        own = EVENT_TOPICS["health"].full_name(topic_prefix)
        assert PARTITIONS == len(topics[own].partitions)
        producer = Producer(Brokers(kafka_clients, "health", settings.kafka_passwords["health"]).for_librdkafka())
        producer.produce(own, b"something", partition=0)
        assert 0 == producer.flush(ANSWER_S_MAX)

    async def test_says_what_it_was_not_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert NOT_TOLD == await provision_brokers(InstallationSettings())
        assert "GATEHOUSE_KAFKA_BOOTSTRAP is not set\n" == capsys.readouterr().err


class TestMigrateKeys:
    async def test_makes_the_tables_and_may_be_repeated(
        self, state: State, keys_postgres_dsn: str, fresh_keys_databases: FreshDatabases, topic_prefix: str
    ) -> None:
        name = f"{KEYS}_{topic_prefix[5:11]}"
        keys = await provide_keys(keys_postgres_dsn, state, [each.package for each in SERVICES], name=name)
        try:
            settings = InstallationSettings.model_validate({"keys_dsn": keys["health"].owner_dsn})
            assert [0, 0] == [await migrate_keys(settings) for _ in range(2)]
        finally:
            await fresh_keys_databases.drop(keys["health"])

    async def test_says_what_it_was_not_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert NOT_TOLD == await migrate_keys(InstallationSettings())
        assert "GATEHOUSE_KEYS_DSN is not set\n" == capsys.readouterr().err
