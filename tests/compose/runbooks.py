"""What the runbooks say to type, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.house import REPOSITORY

FOLDER = REPOSITORY / "docs" / "runbooks"
BLOCK = re.compile(r"(?:^ {4,}\S.*\n)+", re.MULTILINE)
"""Of a runbook: lines to type."""


def commands(runbook: Path) -> list[str]:
    """Each `docker compose` of its blocks, with the deeper lines that belong to it."""
    return [each for block in BLOCK.findall(runbook.read_text()) for each in _typed(block) if each.startswith("docker compose ")]


def command(name: str, word: str) -> str:
    """The one of a runbook that has this word."""
    [found] = [each for each in commands(FOLDER / name) if word in each.split()]
    return found


def _typed(block: str) -> Iterator[str]:
    depth = len(block) - len(block.lstrip(" "))
    for each in re.split(rf"^ {{{depth}}}(?! )", block, flags=re.MULTILINE)[1:]:
        yield each.strip()
