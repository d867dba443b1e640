"""AsyncAPI 3.0 (asyncapi.com): what each service sends and receives over Kafka, and one page for the police.

A service's document refers to `contracts/schemas/`; the one of the police stands alone, so that it can be handed on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from contracts.districts import DISTRICTS
from contracts.event import ACTOR_HEADER, HEADERS, SEQUENCE_HEADER, Event
from contracts.registry import EVENTS_BY_OWNER
from contracts.schemas import JsonObject, schema_of
from contracts.topics import (
    CITY_POLICE_USER,
    EVENT_TOPICS,
    POLICE_TOPICS,
    Topic,
    police_topic_name,
    police_user,
    topics_of,
    topics_read_by,
)

VERSION = "3.0.0"
SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
"""The dialect that `schemas.DIALECT` names."""
BINDING_VERSION = "0.5.0"
"""Of AsyncAPI's Kafka bindings."""

POLICE = "police"
"""The document of the subscribers outside, and what their topics carry."""
DOCUMENTS = (*EVENT_TOPICS, "police-bridge", "reporting", POLICE)
"""Who sends or receives something."""

_HEADERS = (*HEADERS, SEQUENCE_HEADER)
_LENT: Mapping[str, JsonObject] = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_source": {"type": "string", "pattern": "^/[a-z-]+/[0-9]+$", "description": "Service and shard."},
    "ce_streamversion": {"type": "string", "pattern": "^[1-9][0-9]*$", "description": "Of the stream, from 1."},
    "ce_epoch": {"type": "string", "pattern": "^[0-9]+$", "description": "Rises when a log is restored from a backup."},
    "ce_sequence": {"type": "string", "pattern": "^[0-9]{20}$", "description": "Position in the shard."},
    "ce_traceparent": {"type": "string", "description": "W3C trace context."},
    "content-type": {"type": "string", "const": "application/json"},
}
_ACTOR: JsonObject = {
    "type": "string",
    "pattern": "^[a-z_]+/.+$",
    "description": "Role and account of whoever asked for it. Absent where nobody did.",
}
"""Headers of which there is more to say than that they are UUIDs."""

Payload = Callable[[type[Event]], JsonObject]


def document(name: str) -> JsonObject:
    """One of `DOCUMENTS`."""
    return _police() if name == POLICE else _service(name)


def _service(name: str) -> JsonObject:
    sends, receives = _channels(topics_of(name)), _channels(topics_read_by(name))
    channels = {**sends, **receives}
    events = [event for topic in channels.values() for event in EVENTS_BY_OWNER[topic.carries]]
    return {
        "asyncapi": VERSION,
        "info": _info(f"Gatehouse {name}", f"What {name} sends and receives. The words of each event: docs/events.md."),
        **_frame(),
        "channels": {each: _channel(topic) for each, topic in channels.items()},
        "operations": {
            **{f"send-{each}": _operation("send", each, topic) for each, topic in sends.items()},
            **{f"receive-{each}": _operation("receive", each, topic) for each, topic in receives.items()},
        },
        "components": _components(events, lambda event: {"$ref": f"../schemas/{event.TYPE}.json"}, {ACTOR_HEADER: _ACTOR}),
    }


def _police() -> JsonObject:
    (channel,) = _channels(POLICE_TOPICS.values()).items()
    name, topic = channel
    told = (
        f"Whom sites of a district expect. Log in as {police_user('<district>')}, which reads its district's topic, or as"
        f" {CITY_POLICE_USER}, which reads all. At least once; in order for each person. More: docs/police/README.md."
    )
    return {
        "asyncapi": VERSION,
        "info": _info("Gatehouse: arrivals, for the police", told),
        **_frame(),
        "channels": {name: _channel(topic)},
        "operations": {f"receive-{name}": _operation("receive", name, topic)},
        "components": _components(EVENTS_BY_OWNER[topic.carries], schema_of, {}),
    }


def _info(title: str, description: str) -> JsonObject:
    return {"title": title, "version": "1.0.0", "description": description}


def _frame() -> JsonObject:
    """What stands in every document."""
    broker = {
        "host": "{broker}",
        "protocol": "kafka-secure",
        "variables": {"broker": {"default": "localhost:9092", "description": "Host and port, as the operator says."}},
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    }
    return {"defaultContentType": "application/json", "servers": {"broker": broker}}


def _channels(topics: Iterable[Topic]) -> Mapping[str, Topic]:
    """By the name that they have in a document. One topic stands for those of all districts."""
    return {POLICE if topic.carries == POLICE else topic.carries: topic for topic in topics}


def _channel(topic: Topic) -> JsonObject:
    kept = -1 if topic.retention_ms is None else topic.retention_ms
    kafka: JsonObject = {
        "partitions": topic.partitions,
        "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": kept},
        "bindingVersion": BINDING_VERSION,
    }
    messages = {event.__name__: _reference(event) for event in EVENTS_BY_OWNER[topic.carries]}
    if topic.carries != POLICE:
        return {"address": topic.name, "messages": messages, "bindings": {"kafka": {"topic": topic.name, **kafka}}}
    district = {"enum": list(DISTRICTS), "description": "District of Shanghai, GB/T 2260."}
    return {
        "address": police_topic_name("{district}"),
        "messages": messages,
        "parameters": {"district": district},
        "bindings": {"kafka": kafka},
    }


def _operation(action: str, channel: str, topic: Topic) -> JsonObject:
    messages = [{"$ref": f"#/channels/{channel}/messages/{event.__name__}"} for event in EVENTS_BY_OWNER[topic.carries]]
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}


def _reference(event: type[Event]) -> JsonObject:
    return {"$ref": f"#/components/messages/{event.__name__}"}


def _components(events: Sequence[type[Event]], payload: Payload, optional: JsonObject) -> JsonObject:
    return {
        "messages": {event.__name__: _message(event, payload(event)) for event in events},
        "messageTraits": {"cloudEvent": _cloud_event(optional)},
        "securitySchemes": {"scram": {"type": "scramSha512", "description": "One user for each service and each police."}},
    }


def _message(event: type[Event], schema: JsonObject) -> JsonObject:
    summary = str(schema_of(event)["description"])
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": summary,
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": schema},
        "traits": [{"$ref": "#/components/messageTraits/cloudEvent"}],
    }


def _cloud_event(optional: JsonObject) -> JsonObject:
    """CloudEvents 1.0 in Kafka binary mode, with headers that not every message has. The key is the stream id."""
    identity: JsonObject = {"type": "string", "format": "uuid"}
    properties = {header: _LENT.get(header, identity) for header in _HEADERS if header != "ce_type"}
    properties["ce_type"] = {"type": "string", "description": "The message's name."}
    properties |= optional
    return {
        "headers": {"type": "object", "properties": properties, "required": list(_HEADERS)},
        "bindings": {"kafka": {"key": identity, "bindingVersion": BINDING_VERSION}},
    }
