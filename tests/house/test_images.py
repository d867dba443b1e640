"""The recipe of every service's image, as far as it can be read without an engine. `make test-compose` runs what it makes."""

from __future__ import annotations

import ast
import re
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from chassis.release import RELEASE_VARIABLE
from deploy.needed import closure, declared, pins
from tests.house.house import REPOSITORY, SERVICES, ServiceFolder, modules, parsed
from tests.house.test_compose import CONTAINERS, unless_told

RECIPE = (REPOSITORY / "deploy" / "service.Dockerfile").read_text()
LOCK = pins((REPOSITORY / "requirements.lock").read_text())
SHARED = [REPOSITORY / "contracts", REPOSITORY / "chassis"]
TOOLS = {"hypothesis", "mypy", "playwright", "pytest", "ruff", "testcontainers"}
"""What no running service needs."""

each_service = pytest.mark.parametrize("service", SERVICES, ids=str)


def instructions() -> list[str]:
    """One a line, without comments."""
    lines = [line for line in RECIPE.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def stages() -> list[list[str]]:
    """The instructions of each stage; what stands before the first one apart."""
    found: list[list[str]] = []
    for instruction in instructions():
        if instruction.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


FINAL = stages()[-1]


class TestFolders:
    def test_that_volumes_are_mounted_on_are_the_users(self) -> None:
        """Else a new volume there is root's, and nothing can be written."""
        [made] = [each for each in FINAL if each.startswith("RUN mkdir")]
        written = {
            volume.split(":")[1]
            for name, each in CONTAINERS.items()
            if each["image"].startswith("gatehouse/")
            for volume in map(unless_told, each.get("volumes", ()))
            if not volume.endswith(":ro")
        }
        below = f"{made.split()[3]}/"
        assert written
        assert [] == [folder for folder in written if not below.startswith(f"{folder}/")]
        assert "chown -R 10001:10001 /var/lib/gatehouse " in made
        assert "USER 10001:10001" in FINAL


def imported(*folders: str) -> set[str]:
    """Distributions whose modules are imported there."""
    inside = {"chassis", "contracts", *(service.package for service in SERVICES)}
    found: set[str] = set()
    for module in modules(*folders):
        for node in ast.walk(parsed(module)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.partition(".")[0] for name in names}
    known = packages_distributions()
    return {re.sub(r"[-_.]+", "-", known[name][0]).lower() for name in found - inside if name in known}


def required(names: set[str]) -> set[str]:
    """These and what their own metadata require here, in turn."""
    reached: set[str] = set()
    while names:
        reached |= names
        wanted = [Requirement(each) for name in names for each in requires(name) or []]
        names = {each.name.lower().replace("_", "-") for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})}
        names -= reached
    return reached


class TestRecipe:
    def test_takes_its_base_from_whoever_builds(self) -> None:
        defaults = [each for each in instructions() if each.startswith("ARG BASE_IMAGE=")]
        assert 1 == len(defaults)
        assert re.search(r":[\w.-]+$", defaults[0].partition("=")[2]), "a public image by default, and not whichever is newest"
        names = {stage[0].split()[-1] for stage in stages()}
        assert all(stage[0].split()[1] in {"${BASE_IMAGE}", *names} for stage in stages())

    def test_installs_nothing_without_its_hash(self) -> None:
        installing = [each for each in instructions() if "pip install" in each]
        assert installing
        for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "--requirement needed.lock"):
            assert [] == [each for each in installing if option not in each]

    def test_ends_with_a_stage_that_installs_nothing(self) -> None:
        assert [] == [each for each in FINAL if re.search(r"\b(pip|apt-get|apk)\b", each)]

    def test_runs_as_nobody_in_particular(self) -> None:
        assert ["USER 10001:10001"] == [each for each in FINAL if each.startswith("USER ")]

    @pytest.mark.parametrize("instruction", ["HEALTHCHECK", "STOPSIGNAL", "EXPOSE", "LABEL"])
    def test_says_how_it_is_run(self, instruction: str) -> None:
        assert 1 == len([each for each in FINAL if each.startswith(instruction)])

    @pytest.mark.parametrize("label", ["title", "description", "licenses", "version", "revision"])
    def test_says_what_it_is(self, label: str) -> None:
        assert f"org.opencontainers.image.{label}=" in RECIPE

    def test_tells_the_code_what_a_package_manager_would(self) -> None:
        """It holds sources, not distributions: nothing but `chassis.release` may ask what is installed."""
        assert re.search(rf"{RELEASE_VARIABLE}=\$\{{VERSION\}}$", "\n".join(FINAL), re.MULTILINE)
        running = [
            module for module in modules("chassis/src", "contracts/src", "services") if "importlib.metadata" in module.read_text()
        ]
        assert ["release.py"] == [module.name for module in running]

    def test_knows_no_secret(self) -> None:
        assert not re.search(r"(?i)(password|secret|_key|_dsn)", "\n".join(instructions()))


class TestImage:
    def test_has_what_the_shared_code_imports(self) -> None:
        running = [f"{folder}/src" for folder in ("contracts", "chassis")]
        testing = imported("chassis/src/chassis/testing")
        assert set() == imported(*running) - testing - closure(declared(SHARED), LOCK)

    @each_service
    def test_has_what_its_service_imports(self, service: ServiceFolder) -> None:
        assert set() == imported(f"services/{service.folder.name}") - closure(declared([*SHARED, service.folder]), LOCK)

    @each_service
    def test_has_what_that_needs_in_turn(self, service: ServiceFolder) -> None:
        everything = declared([*SHARED, service.folder])
        assert set() == required(everything) - closure(everything, LOCK)

    @each_service
    def test_has_no_tools(self, service: ServiceFolder) -> None:
        assert set() == TOOLS & closure(declared([*SHARED, service.folder]), LOCK)

    def test_has_nothing_that_is_not_locked(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["fastapi>=1", "from-nowhere"]\n')
        with pytest.raises(KeyError, match="from-nowhere"):
            closure(declared([tmp_path]), LOCK)
