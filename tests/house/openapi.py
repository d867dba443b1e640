"""`python -m tests.house.openapi`: write `contracts/openapi/<service>.json`, what every service serves at `/openapi.json`.

The documents come from the app factory of the running service, so this needs all services and stands here: `contracts` may
know none of them. With `--check` nothing is written; the exit status is 1 and the files are named if any is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.house.assembled import wired
from tests.house.house import REPOSITORY, SERVICES, ServiceFolder

COMMAND = "python -m tests.house.openapi"
OPENAPI = REPOSITORY / "contracts" / "openapi"


def document_of(service: ServiceFolder) -> dict[str, Any]:
    """The document as the service's `api` serves it. The endpoints between services are in none."""
    return wired(service.package).api.openapi()


def generated(folder: Path = OPENAPI) -> Mapping[Path, str]:
    """Every file with what it has to contain."""
    return {folder / f"{service}.json": _json(document_of(service)) for service in SERVICES}


def _json(document: Mapping[str, Any]) -> str:
    # Sorted: where a router is listed must not move half the file.
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def outdated(folder: Path = OPENAPI) -> list[Path]:
    """Files that are absent, not what the service serves, or of a service that is no more."""
    expected = generated(folder)
    changed = [path for path, text in expected.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return sorted([*changed, *_surplus(folder, expected)])


def write(folder: Path = OPENAPI) -> None:
    """Bring every file up to date."""
    expected = generated(folder)
    for path in _surplus(folder, expected):
        path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in expected.items():
        path.write_text(text, encoding="utf-8")


def _surplus(folder: Path, expected: Mapping[Path, str]) -> list[Path]:
    return [path for path in folder.glob("*.json") if path not in expected]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write every service's OpenAPI document.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    stale = outdated()
    sys.stdout.writelines(f"out of date: {path.relative_to(REPOSITORY)}\n" for path in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
