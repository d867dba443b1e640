"""Whoever is called finds a runbook, and whatever it says to do can be done."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from chassis.operations import OPERATIONS
from chassis.runner import ROLES
from chassis.settings import ServiceSettings
from tests.faults.test_alerts import BROKEN
from tests.house.house import PARTS, REPOSITORY, SERVICES, modules
from tests.house.test_compose import ASKED, CONTAINERS
from tests.prometheus.rules import ALERTS, FOLDER

RUNBOOKS = sorted((REPOSITORY / "docs" / "runbooks").glob("*.md"))
NOT_CALLED_FOR = {"end-of-epidemic.md", "rebuild.md", "restore.md", "upgrade.md"}
"""What others lead to, and what is done on purpose."""
PACKAGES = {each.package for each in SERVICES} | {"<service>", "<source>", "<its service>"}
COMMANDS = {each.name for each in OPERATIONS} | ROLES.keys()
SOURCES = "\n".join(module.read_text() for module in modules(*PARTS))
BEGINNINGS = tuple(re.findall(r'f"([a-z_]+\.[a-z_]+)\{', SOURCES))
"""Of names of log lines whose end is a code."""
FILES_OF_SECRETS = {f"gatehouse_{field}" for field in ServiceSettings.model_fields}
"""A setting may be a file of that name."""
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

each_runbook = pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: runbook.stem)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_urgent_it_is_and_names_its_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    runbook = REPOSITORY / rule["annotations"]["runbook"]
    assert runbook in RUNBOOKS
    assert f"`{alert}`" in runbook.read_text()


class TestTried:
    """What docs/operations.md says of how each alert was tried. `make faults` tries it."""

    def test_is_every_alert(self) -> None:
        page = (REPOSITORY / "docs" / "operations.md").read_text()
        section = page.partition("### Every alert was tried")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        assert sorted(ALERTS) == sorted(alert for row in rows for alert in re.findall(r"`(\w+)`", row))

    def test_is_tried_by_a_test(self) -> None:
        assert sorted(ALERTS) == sorted(alert for broken in BROKEN.values() for told in broken.values() for alert in told)


@each_runbook
class TestRunbook:
    def test_is_for_an_alert_or_another_runbook(self, runbook: Path) -> None:
        called_for = {Path(rule["annotations"]["runbook"]).name for rule in ALERTS.values()}
        assert (runbook.name in called_for) != (runbook.name in NOT_CALLED_FOR)

    def test_gives_commands_that_there_are(self, runbook: Path) -> None:
        for package, command in re.findall(r"python3? -m ([\w<>]+(?: \w+>)?) ([a-z-]+)", runbook.read_text()):
            assert package in PACKAGES
            assert command in COMMANDS or f'"{command}"' in SOURCES, command

    def test_names_containers_and_targets_that_there_are(self, runbook: Path) -> None:
        text = runbook.read_text()
        named = {
            word
            for words in re.findall(r"docker compose ([^`\n]+)", text)
            for word in re.findall(r"(?<!\S)[a-z]+(?:-[a-z]+)+", words)
        }
        assert [] == [word for word in named - CONTAINERS.keys() if f'"{word}"' not in SOURCES], "neither a container nor a command"
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= TARGETS

    def test_names_metrics_and_log_lines_that_there_are(self, runbook: Path) -> None:
        text = runbook.read_text()
        named = set(re.findall(r"\bgatehouse_[a-z_]+", text)) - FILES_OF_SECRETS
        assert [] == [name for name in named if f'"{name.removesuffix("_total")}' not in SOURCES]
        lines = re.findall(r"`([a-z_]+\.[a-z_]+)`", text)
        assert [] == [line for line in lines if f'"{line}"' not in SOURCES and not line.startswith(BEGINNINGS)]

    def test_leads_to_others_that_there_are(self, runbook: Path) -> None:
        assert [] == [
            other for other in re.findall(r"\b([a-z-]+\.md)\b", runbook.read_text()) if not (runbook.parent / other).exists()
        ]

    def test_is_short(self, runbook: Path) -> None:
        assert len(runbook.read_text().splitlines()) <= 60


def test_prometheus_asks_every_process_of_the_installation() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    targets = {
        target for job in jobs if job["job_name"] == "gatehouse" for told in job["static_configs"] for target in told["targets"]
    }
    assert {f"{name}:8000" for name in ASKED} == targets
