"""No statement asks a table that its read model has left for a newer one."""

from __future__ import annotations

import re

from tests.house.house import SERVICES

TABLE = re.compile(r'\bTable\(\s*"(\w+)_v(\d+)"')
ASKED = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)_v(\d+)\b")
STATEMENTS = [module.read_text() for service in SERVICES for module in service.rooms.rglob("*.py")]


class TestStatements:
    def test_ask_the_tables_that_are_filled(self) -> None:
        filled = {(name, version) for module in STATEMENTS for name, version in TABLE.findall(module)}
        asked = {(name, version) for module in STATEMENTS for name, version in ASKED.findall(module)}
        names = {name for name, _ in filled}
        assert {("ban", "3")} <= filled & asked
        assert set() == {(name, version) for name, version in asked - filled if name in names}
