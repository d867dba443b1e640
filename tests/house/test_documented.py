"""Everything that others rely on is written down where they look."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from typing import Any, ClassVar

import pytest
from pydantic_settings import BaseSettings

from chassis import problems
from chassis.problems import Problem
from contracts import registry
from contracts.access import ALLOWED, Action
from contracts.gatekeeper import ReasonCode
from contracts.rejection import Rejection
from devstack.services import SERVICES as STACK
from tests.house.assembled import PACKAGES, subclasses, wired
from tests.house.house import REPOSITORY, SERVICES, ServiceFolder, parsed, texts

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
REJECTIONS: list[Any] = subclasses(Rejection, *PACKAGES)
OF_FILES, STAND_INS = ("tests/house/", "tests/contracts/"), "tests/portal/stand_ins.py"
WORD = re.compile(r'"([a-z-]+)"|\b([A-Z]\w+)')
PROBLEMS = [each for each in vars(problems).values() if isinstance(each, Problem)]


class TestEvents:
    @pytest.mark.parametrize("event_type", sorted(registry.EVENTS))
    def test_are_in_the_catalogue(self, event_type: str) -> None:
        assert f"`{event_type}`" in (REPOSITORY / "docs" / "events.md").read_text()


class TestDecisions:
    def test_have_a_number_of_their_own(self) -> None:
        headings = {path.name: path.read_text().partition(".")[0] for path in (REPOSITORY / "docs" / "adr").glob("*.md")}
        assert {name: f"# {int(name[:4])}" for name in headings} == headings
        assert len(headings) == len(set(headings.values()))


@cache
def asked_for() -> frozenset[str]:
    """Texts and class names in all tests of what runs: not in those that look at files, nor in the portal's stand-ins."""
    found = {path: content for path, content in texts() if path.startswith("tests/") and path.endswith(".py")}
    of_what_runs = (content for path, content in found.items() if not path.startswith(OF_FILES) and path != STAND_INS)
    return frozenset(word for content in of_what_runs for pair in WORD.findall(content) for word in pair)


class TestReasons:
    """Of the gate, over HTTP. Those that only a fault or a moment gives: where a test makes it."""

    IN_PROCESS: ClassVar = {
        ReasonCode.ARRIVAL_NOT_ASSESSED: "tests/gatekeeper/test_api.py",
        ReasonCode.HISTORY_UNREADABLE: "tests/gatekeeper/test_parked.py",
        ReasonCode.STATE_STALE: "tests/gatekeeper/test_gate.py",
    }

    @pytest.mark.parametrize("code", ReasonCode)
    def test_are_given_to_somebody(self, code: ReasonCode) -> None:
        where = self.IN_PROCESS.get(code, "tests/journeys/test_")
        found = "".join(content for path, content in texts() if path.startswith(where))
        assert f'"{code}"' in found or f"ReasonCode.{code.name}" in found


class TestSettings:
    @pytest.mark.parametrize("settings", subclasses(BaseSettings, *PACKAGES, "devstack"), ids=lambda each: each.__module__)
    def test_say_what_they_mean(self, settings: type[BaseSettings]) -> None:
        assert [] == [name for name, field in settings.model_fields.items() if not field.description]


class TestErrors:
    def test_have_a_code_of_their_own(self) -> None:
        owners = [(each.__module__.partition(".")[0], each.code) for each in REJECTIONS]
        codes = [*owners, *(("chassis", each.code) for each in PROBLEMS)]
        assert len(owners) > 10
        assert [] == sorted({each for each in codes if codes.count(each) > 1})

    @pytest.mark.parametrize("error", [*REJECTIONS, *PROBLEMS], ids=lambda each: each.code)
    def test_are_made_to_happen_by_a_test(self, error: Any) -> None:
        assert {error.code, getattr(error, "__name__", error.code)} & asked_for(), error.code

    def test_mean_the_same_in_every_service(self) -> None:
        titles: dict[str, set[tuple[str, str]]] = {}
        for each in (*REJECTIONS, *PROBLEMS):
            titles.setdefault(each.code, set()).add((each.title_zh, each.title_en))
        assert {} == {code: found for code, found in titles.items() if len(found) > 1}

    @pytest.mark.parametrize("error", [*REJECTIONS, *PROBLEMS], ids=lambda each: each.code)
    def test_can_be_told_to_programs_and_people(self, error: Any) -> None:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.code)
        assert 400 <= error.status < 600
        assert re.search(r"[\u4e00-\u9fff]", error.title_zh)
        assert re.fullmatch(r"[A-Z].*[^.]", error.title_en)
        assert not re.search(r"[{}]", error.title_zh + error.title_en), "a title is the same for everybody: nothing is filled in"

    @pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda each: each.__name__)
    def test_name_the_rule(self, rejection: type[Rejection]) -> None:
        assert rejection.__doc__
        assert 400 <= rejection.status < 500


class TestGuarantees:
    PAGES = ("docs/guarantees.md", "SECURITY.md")
    NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", "".join((REPOSITORY / page).read_text() for page in PAGES))

    @pytest.mark.parametrize(("file", "name"), NAMED)
    def test_have_the_test_that_is_named(self, file: str, name: str) -> None:
        defined = {node.name for node in parsed(REPOSITORY / file).body if isinstance(node, DEFINITIONS)}
        assert not name or name in defined


class TestKeys:
    def test_are_held_by_whom_the_document_says(self) -> None:
        said = re.findall(r"^\| ([\w-]+) \| (yes)? ?\| (yes)? ?\|", (REPOSITORY / "SECURITY.md").read_text(), re.MULTILINE)
        holders = [(each.package.replace("_", "-"), "yes" * each.seals, "yes" * each.identifies) for each in STACK]
        assert sorted(holders) == sorted(said)


class TestChanges:
    def test_are_told_of_the_version_that_is_built(self) -> None:
        versions = re.findall(r"^## ([\d.]+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
        built = {tomllib.loads((each.folder / "pyproject.toml").read_text())["project"]["version"] for each in SERVICES}
        assert {versions[0]} == built


class TestActions:
    def test_are_each_allowed_to_somebody(self) -> None:
        assert set(Action) == {action for action, roles in ALLOWED.items() if roles}

    def test_are_each_what_some_endpoint_does(self) -> None:
        endpoints = [each for service in SERVICES for each in wired(service.package).endpoints]
        guarded = {guard.action for each in endpoints for guard in each.compiled.guards}
        assert set() == set(Action) - guarded


@pytest.mark.parametrize("service", SERVICES, ids=str)
class TestEndpoints:
    def test_say_what_they_do(self, service: ServiceFolder) -> None:
        assert [] == [each.name for each in wired(service.package).endpoints if not each.endpoint.__doc__]
