"""`python -m contracts.release`: note the schemas as they are as released, in `contracts/released/`.

Run once for each release, in the commit that is released. It refuses, and says where, if a version changed in more than
optional additions since the last one. `--check` only says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.compatibility import breaks
from contracts.generate import REPOSITORY, SCHEMAS

RELEASED = REPOSITORY / "contracts" / "released"


def broken(released: Path = RELEASED, schemas: Path = SCHEMAS) -> list[str]:
    """What a reader of an earlier release could no longer read: `<type>: <JSON pointer>: <what happened>`."""
    return [f"{path.stem}: {each}" for path in sorted(released.glob("*.json")) for each in _breaks(path, schemas / path.name)]


def _breaks(released: Path, current: Path) -> Iterator[str]:
    if current.is_file():
        yield from breaks(_read(released), _read(current))
    else:
        yield "#: was removed"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def release(released: Path = RELEASED, schemas: Path = SCHEMAS) -> None:
    """Note all schemas as released. Only what `broken` finds nothing in may be."""
    released.mkdir(parents=True, exist_ok=True)
    for path in sorted(schemas.glob("*.json")):
        (released / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m contracts.release", description="Note the schemas as released.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a version changed too much")
    only_check = parser.parse_args(arguments).check
    found = broken()
    sys.stdout.writelines(f"{each}\n" for each in found)
    if not found and not only_check:
        release()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
