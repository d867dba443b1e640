"""`python -m contracts.generate`: write everything that follows from the event classes.

That is `contracts/schemas/<type>.json`, `contracts/asyncapi/<service>.json`, the police's own beside their documentation, and
`docs/events.md`. With `--check` nothing is written; the exit status is 1
and the files are named if any of them is not what the classes say.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from contracts.asyncapi import DOCUMENTS, POLICE, document
from contracts.catalogue import render_catalogue
from contracts.event import Event
from contracts.registry import EVENTS
from contracts.schemas import JsonObject, schema_of

REPOSITORY = Path(__file__).resolve().parents[3]
SCHEMAS = REPOSITORY / "contracts" / "schemas"
ASYNCAPI = REPOSITORY / "contracts" / "asyncapi"
POLICE_ASYNCAPI = REPOSITORY / "docs" / "police" / "asyncapi.json"
EXAMPLES = REPOSITORY / "contracts" / "examples"
CATALOGUE = REPOSITORY / "docs" / "events.md"


def example_files(event: type[Event]) -> list[Path]:
    """The frozen messages of this type, the one for the catalogue first: `a…` before `b…`."""
    return sorted((EXAMPLES / event.TYPE).glob("*.json"))


def generated() -> Mapping[Path, str]:
    """Every generated file with what it has to contain. Raises: LookupError where a type has no example."""
    files = {SCHEMAS / f"{type_name}.json": _json(schema_of(event)) for type_name, event in EVENTS.items()}
    files |= {ASYNCAPI / f"{name}.json": _json(document(name)) for name in DOCUMENTS if name != POLICE}
    files[POLICE_ASYNCAPI] = _json(document(POLICE))
    files[CATALOGUE] = render_catalogue({type_name: _first_example(event) for type_name, event in EVENTS.items()})
    return files


def _first_example(event: type[Event]) -> JsonObject:
    files = example_files(event)
    if not files:
        raise LookupError(f"no example of {event.TYPE}: put one into {EXAMPLES / event.TYPE}")
    example: JsonObject = json.loads(files[0].read_text(encoding="utf-8"))
    return example


def _json(document: JsonObject) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def surplus() -> list[Path]:
    """Schemas that no class stands behind any more."""
    return sorted(path for path in SCHEMAS.glob("*.json") if path.stem not in EVENTS)


def outdated() -> list[Path]:
    """Generated files that are absent, surplus, or not what the classes say."""
    changed = [path for path, text in generated().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return sorted([*changed, *surplus()])


def write() -> None:
    """Bring every generated file up to date."""
    for path in surplus():
        path.unlink()
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description="Write schemas and the event catalogue.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    stale = outdated()
    sys.stdout.writelines(f"out of date: {path.relative_to(REPOSITORY)}\n" for path in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
