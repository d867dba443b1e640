"""What an image installs: the part of `requirements.lock` that some of our distributions need, with its hashes.

`python3 needed.py requirements.lock chassis contracts services/portal --besides chassis contracts` writes it to standard
output. It runs where nothing is installed yet, on the standard library alone.
"""

from __future__ import annotations

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==")
VIA = re.compile(r"^    # {1,3}(?:via )?(\S+)$")
"""`uv pip compile` says below each pin who wants it: one name behind `via`, or one a line."""
OURS = "gatehouse-"


def pins(lock: str) -> dict[str, str]:
    """Name → its lines of the lock, as they stand there."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in lock.splitlines(keepends=True):
        if pin := PIN.match(line):
            lines = found[_normal(pin[1])] = []
        lines.append(line)
    return {name: "".join(kept) for name, kept in found.items()}


def wanted_by(entry: str) -> set[str]:
    """Who wants a pin, by its lines: the names of other pins. Whoever is no pin is not a name either, and harmless."""
    return {_normal(via[1]) for line in entry.splitlines() if (via := VIA.match(line))}


def declared(distributions: Iterable[Path]) -> set[str]:
    """What their `pyproject.toml` say that they need, without what is ours."""
    texts = [(folder / "pyproject.toml").read_text() for folder in distributions]
    requirements = [each for text in texts for each in tomllib.loads(text)["project"]["dependencies"]]
    names = {_normal(re.split(r"[^A-Za-z0-9._-]", each)[0]) for each in requirements}
    return {name for name in names if not name.startswith(OURS)}


def closure(names: set[str], lock: Mapping[str, str]) -> set[str]:
    """These and everything that they need in turn. Raises: KeyError for a name that is not locked."""
    if missing := names - lock.keys():
        raise KeyError(f"not in the lock: {', '.join(sorted(missing))}")
    reached = set(names)
    while more := {name for name, entry in lock.items() if name not in reached and wanted_by(entry) & reached}:
        reached |= more
    return reached


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Print the pins, in the lock's order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("distributions", type=Path, nargs="+", help="folders with a pyproject.toml")
    parser.add_argument("--besides", type=Path, nargs="*", default=[], help="distributions whose part is there already")
    given = parser.parse_args()
    lock = pins(given.lock.read_text())
    needed = closure(declared(given.distributions), lock) - closure(declared(given.besides), lock)
    print("".join(entry for name, entry in lock.items() if name in needed), end="")  # noqa: T201 - its output is its purpose


if __name__ == "__main__":
    main()
