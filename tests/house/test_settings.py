"""Every setting is told where an operator looks."""

from __future__ import annotations

from tests.house.settings import COMMAND, FILE, document


def test_the_table_of_settings_is_what_the_processes_read() -> None:
    assert document() == FILE.read_text(), f"out of date: {COMMAND}"
