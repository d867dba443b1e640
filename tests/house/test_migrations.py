"""The release before goes on while tables are changed, and may come back: what it uses stays (ADR 43)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.house import REPOSITORY

MIGRATIONS = sorted(REPOSITORY.glob("*/src/*/migrations/**/*.sql")) + sorted(REPOSITORY.glob("services/*/src/*/migrations/*.sql"))
BREAKS = re.compile(
    r"\bDROP\s+(TABLE|COLUMN|FUNCTION|VIEW|SCHEMA)\b|\bRENAME\b|\bALTER\s+COLUMN\b|\bSET\s+(NOT\s+NULL|(UN)?LOGGED)\b"
    r"|\bADD\s+CONSTRAINT\b(?![^;]*\bNOT\s+VALID\b)|\bADD\s+(?!CONSTRAINT\b)(?=[^;,]*\bNOT\s+NULL\b)(?![^;,]*\bDEFAULT\b)"
    r"|^TRUNCATE\b|^LOCK\b",
    re.IGNORECASE | re.MULTILINE,
)
"""What a process of the release before trips over, or what keeps a table for long."""
INDEX = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY\b)[\w\s]*?\bON\s+(?:ONLY\s+)?([\w.]+)", re.IGNORECASE)
"""Nobody writes to the table until it is built. To that of a table of the same file nobody writes yet."""
TABLE = re.compile(r"\bCREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([\w.]+)", re.IGNORECASE)
BEFORE_THE_FIRST_RELEASE = {
    "gatekeeper_0004_contract_places.sql",
    "health_0012_reports_of_a_day.sql",
    "healthcloud_bridge_0003_followed.sql",
    "keys_0003_access_of_person.sql",
    "log_0004_forget_answers.sql",
    "police_bridge_0004_receipts.sql",
    "portal_0003_sessions_at_a_gate.sql",
    "registration_0004_import_contracts.sql",
    "registration_0005_closed_by_exit.sql",
    "reporting_0002_people.sql",
    "reporting_0003_employments_counted.sql",
    "reporting_0004_banned.sql",
    "work_0006_workers_unlogged.sql",
}
"""Nobody ran what they break. A later one takes away what no release uses any more: then it stands here with that release."""


def broken(sql: str) -> list[str]:
    """What it does to whoever works with the tables."""
    applied = sql.partition("-- migrate: rollback")[0]
    statements = re.sub(r"--[^\n]*", "", re.sub(r"\$\$.*?\$\$", "$$", applied, flags=re.DOTALL))
    indexed = set(INDEX.findall(statements)) - set(TABLE.findall(statements))
    return [found[0] for found in BREAKS.finditer(statements)] + [f"INDEX ON {table}" for table in sorted(indexed)]


class TestMigration:
    @pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
    def test_leaves_what_the_release_before_uses(self, file: Path) -> None:
        assert (file.name in BEFORE_THE_FIRST_RELEASE) == bool(broken(file.read_text()))

    @pytest.mark.parametrize("folder", sorted({file.parent for file in MIGRATIONS}), ids=str)
    def test_comes_after_the_one_before_it(self, folder: Path) -> None:
        """By its number and by what it depends on: of two that wait for the same one, either may come first."""
        files = [file for file in MIGRATIONS if file.parent == folder]
        depends = [re.findall(r"^-- depends: ?(.*)$", file.read_text(), re.MULTILINE) for file in files]
        assert [[""], *([file.stem] for file in files[:-1])] == depends
        numbers = [re.findall(r"_(\d{4})_", file.stem) for file in files]
        assert len(numbers) == len({number for (number,) in numbers})

    @pytest.mark.parametrize(
        "statement",
        [
            "DROP TABLE entry_v1;",
            "ALTER TABLE stream DROP COLUMN state;",
            "ALTER TABLE stream ADD COLUMN a integer NOT NULL;",
            "ALTER TABLE stream ADD a integer NOT NULL;",
            "CREATE UNIQUE INDEX IF NOT EXISTS of_state ON stream (state);",
            "CREATE INDEX ON public.stream (state);",
            "ALTER TABLE stream ADD CONSTRAINT c CHECK (version > 0);",
            "ALTER TABLE stream RENAME TO streams;",
        ],
    )
    def test_that_does_not_is_found(self, statement: str) -> None:
        assert broken(f"-- migrate: apply\n{statement}\n-- migrate: rollback\n")

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE stream ADD COLUMN a integer NOT NULL DEFAULT 0;",
            "ALTER TABLE stream ADD CONSTRAINT c CHECK (version > 0) NOT VALID;",
            "CREATE TABLE entry_v2 (n integer); CREATE INDEX of_n ON entry_v2 (n);",
            "CREATE INDEX CONCURRENTLY of_state ON stream (state);",
        ],
    )
    def test_that_does_is_let_through(self, statement: str) -> None:
        assert [] == broken(f"-- migrate: apply\n{statement}\n-- migrate: rollback\nDROP TABLE entry_v2;")
