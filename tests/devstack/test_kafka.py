"""Embedded Kafka."""

from __future__ import annotations

from signal import SIGKILL

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported, but not in its stubs

from devstack.kafka import EmbeddedKafka
from devstack.settings import Settings
from devstack.suite import throwaway_state

TIMEOUT_S = 20.0


def _topics(server: EmbeddedKafka) -> set[str]:
    client = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
    return set(client.list_topics(timeout=TIMEOUT_S).topics)


class TestEmbeddedKafka:
    async def test_keeps_its_topics_whether_it_was_stopped_or_killed(self) -> None:
        with throwaway_state() as state:
            server = EmbeddedKafka(state, cache=Settings().cache)
            await server.start()
            client = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
            client.create_topics([NewTopic("kept", 1, 1)])["kept"].result(TIMEOUT_S)
            try:
                await server.stop()
                await server.start()
                assert {"kept"} == _topics(server)

                server.child.send(SIGKILL)
                await server.child.ended(TIMEOUT_S)
                await server.start()
                assert {"kept"} == _topics(server)
            finally:
                await server.stop()
