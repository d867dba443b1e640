"""The AsyncAPI documents, as they are committed. That they are up to date is `contracts.generate --check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

from contracts.asyncapi import DOCUMENTS, POLICE
from contracts.event import Envelope, record_headers
from contracts.generate import ASYNCAPI, POLICE_ASYNCAPI
from contracts.police import PoliceArrivalShared
from contracts.topics import TOPICS, police_topic_name, topics_of, topics_read_by

SPECIFICATION = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
"""The specification's own schema, as the npm package @asyncapi/specs 6.11.1 has it (Apache-2.0), its white space taken out."""


def path_of(name: str) -> Path:
    return POLICE_ASYNCAPI if name == POLICE else ASYNCAPI / f"{name}.json"


def read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path_of(name).read_text(encoding="utf-8"))
    return document


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def addresses(document: dict[str, Any], action: str) -> set[str]:
    """Of the channels on which it sends or receives."""
    operations = [each for each in document["operations"].values() if each["action"] == action]
    names = [each["channel"]["$ref"].removeprefix("#/channels/") for each in operations]
    return {document["channels"][name]["address"] for name in names}


def expected(topics: tuple[Any, ...]) -> set[str]:
    return {police_topic_name("{district}") if topic.carries == POLICE else topic.name for topic in topics}


class TestDocument:
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_is_what_the_specification_allows(self, name: str) -> None:
        specification = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
        assert [] == [error.message[:200] for error in Draft7Validator(specification).iter_errors(read(name))]

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_refers_to_what_there_is(self, name: str) -> None:
        document = read(name)
        for reference in references({key: document[key] for key in ("channels", "operations", "servers")}):
            target: Any = document
            for key in reference.removeprefix("#/").split("/"):
                target = target[key]
        files = [each for each in references(document["components"]) if not each.startswith("#")]
        assert [] == [each for each in files if not (path_of(name).parent / each).is_file()]

    def test_of_the_police_stands_alone(self) -> None:
        assert [] == [each for each in references(read(POLICE)) if not each.startswith("#")]

    @pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != POLICE])
    def test_sends_and_receives_as_the_topics_say(self, name: str) -> None:
        document = read(name)
        assert expected(topics_of(name)) == addresses(document, "send")
        assert expected(topics_read_by(name)) == addresses(document, "receive")

    def test_is_there_for_whoever_writes_or_reads_a_topic(self) -> None:
        assert {*DOCUMENTS} - {POLICE} == {name for topic in TOPICS for name in (topic.owner, *topic.readers)} - {
            "police_subscriber"
        }

    def test_describes_the_headers_of_a_record(self) -> None:
        envelope = Envelope(
            event_id=uuid4(),
            type=PoliceArrivalShared.TYPE,
            service="police-bridge",
            stream_id=uuid4(),
            version=7,
            epoch=0,
            time=datetime.now(UTC),
            correlation_id=uuid4(),
            causation_id=uuid4(),
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        headers = {name: value.decode() for name, value in record_headers(envelope.encode().split(b"\n"), 3)}
        schema = read(POLICE)["components"]["messageTraits"]["cloudEvent"]["headers"]
        Draft202012Validator(schema).validate(headers)
        assert {*headers} == {*schema["properties"]}
