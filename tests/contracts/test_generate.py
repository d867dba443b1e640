"""`python -m contracts.generate`."""

from pathlib import Path

import pytest

from contracts import generate


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(generate, "REPOSITORY", tmp_path)
    monkeypatch.setattr(generate, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(generate, "ASYNCAPI", tmp_path / "asyncapi")
    monkeypatch.setattr(generate, "POLICE_ASYNCAPI", tmp_path / "docs" / "police" / "asyncapi.json")
    monkeypatch.setattr(generate, "CATALOGUE", tmp_path / "docs" / "events.md")
    return tmp_path


class TestMain:
    def test_writes_files_that_then_pass_its_check(self, elsewhere: Path) -> None:
        assert generate.main(["--check"]) == 1
        assert generate.main([]) == 0
        assert generate.main(["--check"]) == 0

    def test_names_what_is_out_of_date(self, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
        generate.main([])
        (elsewhere / "docs" / "events.md").write_text("something else")
        (elsewhere / "schemas" / "gatehouse.health.forgotten.v1.json").write_text("{}")
        assert generate.main(["--check"]) == 1
        assert capsys.readouterr().out.splitlines() == [
            "out of date: docs/events.md",
            "out of date: schemas/gatehouse.health.forgotten.v1.json",
        ]

    def test_removes_schemas_without_a_class(self, elsewhere: Path) -> None:
        (elsewhere / "schemas").mkdir()
        (elsewhere / "schemas" / "gatehouse.health.forgotten.v1.json").write_text("{}")
        generate.main([])
        assert not (elsewhere / "schemas" / "gatehouse.health.forgotten.v1.json").exists()
