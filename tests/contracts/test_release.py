"""`contracts/released/`: a version that was released only ever gains optional fields."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import release
from contracts.compatibility import breaks
from contracts.release import broken

RELEASED: dict[str, Any] = {
    "type": "object",
    "description": "Somebody was measured.",
    "properties": {"place": {"enum": ["home", "site"], "type": "string"}, "reading": {"$ref": "#/$defs/Reading"}},
    "required": ["reading"],
    "$defs": {"Reading": {"type": "object", "properties": {"celsius": {"type": "number", "maximum": 45}}, "required": ["celsius"]}},
}


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    current = copy.deepcopy(RELEASED)
    change(current)
    return list(breaks(RELEASED, current))


class TestBreaks:
    def test_are_none_for_the_same(self) -> None:
        assert [] == changed(lambda schema: None)

    def test_are_none_for_an_optional_field(self) -> None:
        assert [] == changed(lambda schema: schema["properties"].update(note={"type": "string"}))

    def test_are_none_for_an_optional_field_within_a_part(self) -> None:
        assert [] == changed(lambda schema: schema["$defs"]["Reading"]["properties"].update(method={"type": "string"}))

    def test_are_none_for_another_explanation(self) -> None:
        assert [] == changed(lambda schema: schema.update(description="A reading was taken."))

    def test_are_none_for_a_field_that_is_called_like_an_explanation(self) -> None:
        assert [] == changed(lambda schema: schema["properties"].update(title={"type": "string"}))

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (lambda schema: schema["properties"].pop("place"), "#/properties/place: was removed"),
            (lambda schema: schema["required"].append("place"), "#/required: place is required now"),
            (lambda schema: schema.pop("required"), "#/required: reading is required no more"),
            (
                lambda schema: schema["properties"]["place"].update(type="integer"),
                "#/properties/place/type: 'string' became 'integer'",
            ),
            (
                lambda schema: schema["properties"]["place"]["enum"].append("hospital"),
                "#/properties/place/enum: ['home', 'site'] became ['home', 'site', 'hospital']",
            ),
            (
                lambda schema: schema["$defs"]["Reading"]["properties"]["celsius"].update(maximum=50),
                "#/$defs/Reading/properties/celsius/maximum: 45 became 50",
            ),
            (
                lambda schema: schema["$defs"]["Reading"]["properties"]["celsius"].pop("maximum"),
                "#/$defs/Reading/properties/celsius/maximum: was removed",
            ),
            (lambda schema: schema["properties"]["place"].update(pattern="^h"), "#/properties/place/pattern: was added"),
            (lambda schema: schema["$defs"].pop("Reading"), "#/$defs/Reading: was removed"),
        ],
    )
    def test_name_what_a_reader_relied_on(self, change: Callable[[dict[str, Any]], object], found: str) -> None:
        assert [found] == changed(change)


class TestReleased:
    def test_versions_gained_only_optional_fields(self) -> None:
        assert [] == broken(), "anything but an optional addition is a new version: contracts/README.md"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    schemas, released = tmp_path / "schemas", tmp_path / "released"
    schemas.mkdir()
    (schemas / "measured.v1.json").write_text(json.dumps(RELEASED))
    release.release(released, schemas)
    monkeypatch.setattr(release, "broken", lambda: broken(released, schemas))
    monkeypatch.setattr(release, "release", lambda: pytest.fail("noted as released"))
    return schemas


class TestMain:
    def test_notes_nothing_of_what_readers_could_not_read(self, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (elsewhere / "measured.v1.json").write_text(json.dumps({**RELEASED, "required": ["reading", "place"]}))
        assert 1 == release.main([])
        assert "measured.v1: #/required: place is required now\n" == capsys.readouterr().out

    def test_knows_a_version_that_is_gone(self, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (elsewhere / "measured.v1.json").unlink()
        assert 1 == release.main([])
        assert "measured.v1: #: was removed\n" == capsys.readouterr().out

    def test_only_checks_when_told_to(self, elsewhere: Path) -> None:
        assert 0 == release.main(["--check"])
