"""What is said of the images' content, and under which licence everything stands."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.needed import closure, declared
from deploy.sbom import SERVICES, bill
from tests.house.house import REPOSITORY, files
from tests.house.test_images import LOCK, SHARED
from tests.house.test_texts import REGISTRY

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)


@each_service
class TestBill:
    def test_is_cyclonedx(self, service: Path) -> None:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill(service, version="1"))) is None

    def test_lists_what_the_image_installs(self, service: Path) -> None:
        listed = {each["name"]: each for each in bill(service, version="1")["components"] if "purl" in each}
        assert closure(declared([*SHARED, service]), LOCK) == listed.keys()
        assert [] == [name for name, each in listed.items() if not each["hashes"] or "unknown" in str(each["licenses"])]

    def test_says_who_needs_each_of_them(self, service: Path) -> None:
        document = bill(service, version="1")
        needed = {other for each in document["dependencies"] for other in each["dependsOn"]}
        assert {each["bom-ref"] for each in document["components"]} == needed

    def test_names_no_place_where_packages_come_from(self, service: Path) -> None:
        document = json.dumps(bill(service, version="1"))
        assert not REGISTRY.search(document)
        assert "externalReferences" not in document


def test_what_pages_load_is_listed_with_its_licence() -> None:
    components = bill(REPOSITORY / "services" / "portal", version="1")["components"]
    vendored = {each["name"]: each["licenses"][0]["license"]["text"]["content"] for each in components if "purl" not in each}
    assert {"htmx", "echarts"} == vendored.keys()
    assert all(vendored.values())


def test_everything_of_ours_stands_under_the_licence_of_the_repository() -> None:
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text()
    ours = [each for each in files() if each.name == "pyproject.toml" and each.parent != REPOSITORY]
    assert len(ours) > len(SERVICES)
    assert {"Apache-2.0"} == {tomllib.loads(each.read_text())["project"]["license"] for each in ours}
