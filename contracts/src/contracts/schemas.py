"""The JSON Schema of an event, as its readers see it."""

from typing import Any

from contracts.event import Event

JsonObject = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(event: type[Event]) -> JsonObject:
    """What stands in the record's value. Open: a reader ignores fields that it does not know."""
    schema = _opened(event.model_json_schema(mode="serialization"))
    return {"$schema": DIALECT, "$id": f"{event.TYPE}.json", "title": event.__name__, **schema}


def _opened(node: Any) -> Any:
    """The schema without what binds producers only, without null, which is never written, and without invented titles."""
    if isinstance(node, list):
        return [_opened(item) for item in node]
    if not isinstance(node, dict):
        return node
    opened = {key: _opened(value) for key, value in node.items() if not _is_noise(key, value)}
    alternatives = [item for item in opened.get("anyOf", ()) if item != {"type": "null"}]
    if len(alternatives) == 1:
        del opened["anyOf"]
        return {**alternatives[0], **opened}
    return opened


def _is_noise(key: str, value: Any) -> bool:
    binds_producers_only = (key == "additionalProperties" and value is False) or (key == "default" and value is None)
    repeats_the_name = key == "title" and isinstance(value, str)  # A field may be called `title`: then it is an object.
    return binds_producers_only or repeats_the_name
