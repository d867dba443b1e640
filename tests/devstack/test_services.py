"""The table of services: complete, and nobody is told more than it needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from devstack.databases import Database
from devstack.parts import NamedKafka, NamedPostgres, Parts
from devstack.services import PROGRAMS, SERVICES, Service, Stack, ports_from_environment, service
from devstack.settings import REPOSITORY
from devstack.state import State

FOLDERS = sorted(place.parent.name for place in (REPOSITORY / "services").glob("*/pyproject.toml"))
SECRETS = {
    "GATEHOUSE_KEY_ENCRYPTION_KEY": {"registration", "health", "reporting", "healthcloud_bridge", "police_bridge"},
    "GATEHOUSE_INDEX_KEY": {"registration", "gatekeeper", "reporting", "healthcloud_bridge"},
    "GATEHOUSE_SIGNING_KEY": {"portal"},
    "GATEHOUSE_USER_KEY": {"portal"},
    "GATEHOUSE_MIGRATION_DSN": set[str](),
}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    parts = Parts(NamedPostgres("postgresql://x/postgres"), NamedPostgres("postgresql://y/postgres"), NamedKafka("127.0.0.1:9"))
    databases = {program.package: Database(program.package, "owner", f"app of {program.package}") for program in SERVICES}
    keys = {program.package: Database("keys", "owner", f"keys for {program.package}") for program in SERVICES}
    return Stack(parts, State(tmp_path), databases, keys)


def _settings_of_the_repository() -> dict[str, Any]:
    tools: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    return tools


class TestTable:
    @pytest.mark.parametrize("folder", FOLDERS)
    def test_has_every_service(self, folder: str) -> None:
        assert folder.replace("-", "_") in {program.package for program in SERVICES}

    @pytest.mark.parametrize("folder", FOLDERS)
    def test_agrees_with_the_settings_of_the_tools(self, folder: str) -> None:
        tools = _settings_of_the_repository()
        assert folder.replace("-", "_") in tools["importlinter"]["root_packages"]
        assert f"services/{folder}/src" in tools["mypy"]["mypy_path"]

    def test_gives_everybody_a_port_of_its_own(self) -> None:
        ports = ports_from_environment()
        assert len(PROGRAMS) == len(set(ports.values()))

    def test_takes_ports_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_REPORTING_PORT", "9999")
        assert 9999 == ports_from_environment()["reporting"]


class TestEnvironment:
    @pytest.mark.parametrize(("secret", "holders"), SECRETS.items())
    def test_tells_a_secret_only_to_its_holders(self, stack: Stack, secret: str, holders: set[str]) -> None:
        assert holders == {program.package for program in PROGRAMS if secret in stack.environment(program)}

    @pytest.mark.parametrize("program", SERVICES)
    def test_names_the_service_its_own_database_and_no_other(self, stack: Stack, program: Service) -> None:
        dsns = {value for value in stack.environment(program).values() if value.startswith("app of ")}
        assert {f"app of {program.package}"} == dsns

    def test_hands_on_nothing_else_of_ours(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_POSTGRES_DSN", "postgresql://superuser")
        assert "GATEHOUSE_POSTGRES_DSN" not in stack.environment(service("registration"))


class TestProcess:
    def test_of_an_api_is_asked_at_the_port_of_the_api(self, stack: Stack) -> None:
        assert "http://127.0.0.1:8102/readyz" == stack.process("health", "api", worker_port=9999).ready_url

    def test_of_a_worker_is_asked_at_the_port_of_the_worker(self, stack: Stack) -> None:
        assert "http://127.0.0.1:9999/readyz" == stack.process("health", "worker", worker_port=9999).ready_url

    def test_logs_under_its_name(self, stack: Stack) -> None:
        assert "health-worker-2.log" == stack.process("health", "worker", name="health-worker-2").log.name
