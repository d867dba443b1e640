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

    async def complaints(self, *arguments: str | Path, standard_input: bytes = b"") -> str:
        """Everything that it says, if it is not content."""
        pipe, out = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        process = await asyncio.create_subprocess_exec(self.program, *arguments, stdin=pipe, stdout=pipe, stderr=out)
        said, _ = await process.communicate(standard_input)
        return said.decode() if process.returncode else ""

    async def complaints_of_metrics(self, text: str) -> str:
        """Of what a process answers at `/metrics`."""
        return await self.complaints("check", "metrics", standard_input=text.encode())

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
