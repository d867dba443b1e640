"""`contracts/openapi/`: the committed documents are what the services serve, and hang together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.house import SERVICES, ServiceFolder
from tests.house.openapi import COMMAND, document_of, outdated, write

EVERY_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=str)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


class TestCommittedDocuments:
    def test_are_what_the_services_serve(self) -> None:
        assert [] == [path.name for path in outdated()], f"run: {COMMAND}"


class TestEveryDocument:
    @EVERY_SERVICE
    def test_defines_what_it_refers_to(self, service: ServiceFolder) -> None:
        document = document_of(service)
        defined = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set() == set(references(document)) - defined

    @EVERY_SERVICE
    def test_names_each_operation_once(self, service: ServiceFolder) -> None:
        names = [each["operationId"] for path in document_of(service)["paths"].values() for each in path.values()]
        assert sorted(set(names)) == sorted(names)


class TestOutdated:
    def test_is_nothing_after_writing(self, tmp_path: Path) -> None:
        write(tmp_path / "openapi")
        assert [] == outdated(tmp_path / "openapi")

    def test_names_what_is_changed_absent_or_of_no_service(self, tmp_path: Path) -> None:
        write(tmp_path)
        (tmp_path / "health.json").write_text("{}")
        (tmp_path / "portal.json").unlink()
        (tmp_path / "forgotten.json").write_text("{}")
        assert ["forgotten.json", "health.json", "portal.json"] == [path.name for path in outdated(tmp_path)]

    def test_is_mended_by_writing(self, tmp_path: Path) -> None:
        (tmp_path / "forgotten.json").write_text("{}")
        write(tmp_path)
        assert [] == outdated(tmp_path)
