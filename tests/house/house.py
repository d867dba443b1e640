"""The house as files: what the tests in this folder look at."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PARTS = ("contracts", "chassis", "devstack", "services", "bench")
"""Folders of what runs. `tests` is the other half."""


@dataclass(frozen=True)
class ServiceFolder:
    """A service as files."""

    folder: Path

    @property
    def package(self) -> str:
        return self.folder.name.replace("-", "_")

    @property
    def rooms(self) -> Path:
        """The package's own folder."""
        return self.folder / "src" / self.package

    def __str__(self) -> str:
        return self.folder.name


SERVICES = sorted((ServiceFolder(each) for each in (REPOSITORY / "services").iterdir() if each.is_dir()), key=str)


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository that `.gitignore` does not leave out."""
    lines = (REPOSITORY / ".gitignore").read_text().split()
    ignored = [".git", *(line.strip("/") for line in lines)]

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if any(fnmatch(entry.name, pattern) for pattern in ignored):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from walk(Path(entry.path))
            else:
                yield Path(entry.path)

    return tuple(walk(REPOSITORY))


def texts() -> Iterator[tuple[str, str]]:
    """Path from the repository's root, and content, of every file that is text."""
    for file in files():
        try:
            yield named(file), file.read_text()
        except UnicodeDecodeError:
            continue


def modules(*folders: str) -> list[Path]:
    """Every Python file below these folders of the repository."""
    roots = [REPOSITORY / folder for folder in folders]
    return [file for file in files() if file.suffix == ".py" and any(file.is_relative_to(root) for root in roots)]


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


def named(file: Path) -> str:
    """As it is called in this repository: with slashes, from its root."""
    return file.relative_to(REPOSITORY).as_posix()


def at(module: Path, node: ast.expr | ast.stmt) -> str:
    """Where to look: `file:line`."""
    return f"{named(module)}:{node.lineno}"
