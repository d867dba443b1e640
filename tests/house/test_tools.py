"""What `make check` looks at: everything, and with every tool."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house.house import REPOSITORY, SERVICES, ServiceFolder

PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


class TestCheck:
    @pytest.mark.parametrize(
        "tool",
        ["ruff check", "ruff format --check", "mypy", "lint-imports", "deploy.dashboards --check", "pytest --quiet tests/house"],
    )
    def test_runs_every_tool(self, tool: str) -> None:
        recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        assert recipe
        assert tool in recipe[1]

    def test_is_strict_about_types(self) -> None:
        assert PROJECT["tool"]["mypy"]["strict"]
        loosened = [each["module"] for each in PROJECT["tool"]["mypy"].get("overrides", ()) if "ignore_errors" in each]
        assert [] == loosened


class TestRelease:
    def test_is_no_release_where_a_test_was_skipped(self, tmp_path: Path) -> None:
        (tmp_path / "test_room.py").write_text("import pytest\n\ndef test_it() -> None:\n    pytest.skip('no room')\n")
        usual = [sys.executable, "-m", "pytest", "-p", "tests.skips", "--rootdir", str(tmp_path), str(tmp_path)]
        codes = [
            subprocess.run([*usual, *more], cwd=REPOSITORY, capture_output=True, check=False).returncode
            for more in ([], ["--nothing-skipped"])
        ]
        assert [0, 1] == codes

    def test_is_tried_so(self) -> None:
        assert "$(if $(RELEASE),--nothing-skipped)" in (REPOSITORY / "Makefile").read_text()
        assert "`make faults RELEASE=1`" in (REPOSITORY / "CONTRIBUTING.md").read_text()


@each_service
class TestService:
    def test_is_looked_at_by_import_linter(self, service: ServiceFolder) -> None:
        linter = PROJECT["tool"]["importlinter"]
        layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
        assert service.package in linter["root_packages"]
        assert service.package in re.findall(r"\w+", layers[1])

    def test_is_found_by_mypy_and_pytest(self, service: ServiceFolder) -> None:
        source = f"services/{service.folder.name}/src"
        assert source in PROJECT["tool"]["mypy"]["mypy_path"]
        assert source in PROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]


class TestLock:
    LINES = (REPOSITORY / "requirements.lock").read_text().splitlines()

    def test_pins_every_distribution_by_hash(self) -> None:
        text = "\n".join(self.LINES)
        pins = re.findall(r"^[a-z0-9][a-z0-9._-]*(?:\[[a-z,]+\])?==\S+", text, re.MULTILINE)
        hashed = re.findall(r"^[a-z0-9][^\n]*==\S+[^\n]* \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        assert pins
        assert len(pins) == len(hashed) == sum(bool(line) and line[0] not in "# " for line in self.LINES)

    def test_names_no_host(self) -> None:
        assert [] == [line for line in self.LINES if "://" in line or line.startswith("-")]
