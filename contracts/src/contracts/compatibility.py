"""Whether a schema may follow a released one under the same version: only optional additions may.

Every reader of any release reads every event ever written, so what was released stays as it was, whole. That is stricter than
JSON Schema needs (a narrower bound would do no harm), and makes the relation transitive: whoever keeps to the last release
keeps to all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_NAMED = ("properties", "$defs")
"""Keywords whose members may grow in number."""
_WORDS = ("description", "title", "$comment")
"""Keywords that only explain."""


def breaks(released: Any, current: Any, where: str = "#") -> Iterator[str]:
    """JSON pointers of what was released and is no longer so, each with what happened to it. Nothing: the version may stay."""
    if isinstance(released, dict) and isinstance(current, dict):
        yield from _breaks_of_schema(released, current, where)
    elif isinstance(released, list) and isinstance(current, list) and len(released) == len(current):
        for index, (old, new) in enumerate(zip(released, current, strict=True)):
            yield from breaks(old, new, f"{where}/{index}")
    elif released != current:
        yield f"{where}: {released!r} became {current!r}"


def _breaks_of_schema(released: dict[str, Any], current: dict[str, Any], where: str) -> Iterator[str]:
    for keyword in sorted((released.keys() | current.keys()) - {*_WORDS, *_NAMED, "required"}):
        if keyword not in released or keyword not in current:
            yield f"{where}/{keyword}: was {'added' if keyword in current else 'removed'}"
        else:
            yield from breaks(released[keyword], current[keyword], f"{where}/{keyword}")
    for name in sorted(set(released.get("required", ())) ^ set(current.get("required", ()))):
        yield f"{where}/required: {name} is {'required now' if name in current.get('required', ()) else 'required no more'}"
    for group in _NAMED:
        yield from _breaks_of_members(released.get(group, {}), current.get(group, {}), f"{where}/{group}")


def _breaks_of_members(released: dict[str, Any], current: dict[str, Any], where: str) -> Iterator[str]:
    for name, schema in released.items():
        if name in current:
            yield from breaks(schema, current[name], f"{where}/{name}")
        else:
            yield f"{where}/{name}: was removed"
