"""Prometheus' own tool: what it says of rules, of their tests, and of expressions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Promtool:
    """In a folder for the files that it is given."""

    program: str
    folder: Path

    async def complaints(self, *arguments: str | Path) -> str:
        """Everything that it says, if it is not content."""
        process = await asyncio.create_subprocess_exec(
            self.program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        return said.decode() if process.returncode else ""

    def written(self, name: str, content: Mapping[str, Any]) -> Path:
        """A file of it, in YAML."""
        file = self.folder / name
        file.write_text(yaml.safe_dump(dict(content), allow_unicode=True))
        return file

    async def complaints_of_expressions(self, expressions: Mapping[str, str]) -> str:
        """Of PromQL expressions, by what they are called: each as a rule that records it."""
        rules = [{"record": f"expression:{n}", "expr": each} for n, each in enumerate(expressions.values())]
        return await self.complaints(
            "check", "rules", self.written("expressions.yml", {"groups": [{"name": "all", "rules": rules}]})
        )
