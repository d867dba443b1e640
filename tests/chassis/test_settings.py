from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from chassis.settings import ServiceSettings, key_bytes

DSN = "postgresql://registration:very-secret@127.0.0.1/registration"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_DATABASE_DSN", DSN)


class TestServiceSettings:
    def test_come_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_PORT", "8101")
        monkeypatch.setenv("GATEHOUSE_INDEX_KEY", KEY)
        settings = ServiceSettings()
        assert (8101, DSN) == (settings.port, settings.database_dsn.get_secret_value())
        assert settings.index_key is not None
        assert bytes(range(32)) == key_bytes(settings.index_key)

    def test_show_no_secret(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEHOUSE_KEY_ENCRYPTION_KEY", KEY)
        settings = ServiceSettings()
        assert "very-secret" not in f"{settings} {settings!r} {settings.model_dump_json()}"
        assert KEY not in f"{settings!r}"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PARTITIONS", "12"),
            ("PARTITIONS", "0"),
            ("PORT", "70000"),
            ("LOG_LEVEL", "verbose"),
            ("TOPIC_PREFIX", "a b"),
            ("INDEX_KEY", "c2hvcnQtc2VjcmV0"),
            ("INDEX_KEY", "very secret, not base64"),
            ("INDEX_KEY", f"{KEY} c2hvcnQtc2VjcmV0"),
            ("KEY_ENCRYPTION_KEY", f"{KEY} {KEY}"),
        ],
    )
    def test_are_checked_without_showing_them(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(f"GATEHOUSE_{name}", value)
        with pytest.raises(ValidationError) as caught:
            ServiceSettings()
        assert value not in str(caught.value).replace(f"GATEHOUSE_{name}", "")

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError):
            ServiceSettings().port = 1  # type: ignore[misc]

    def test_are_all_documented(self) -> None:
        assert [] == [name for name, field in ServiceSettings.model_fields.items() if not field.description]


class TestSecretsInFiles:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("GATEHOUSE_SECRETS_FOLDER", str(tmp_path))
        return tmp_path

    def test_count_as_variables_do(self, folder: Path) -> None:
        (folder / "gatehouse_index_key").write_text(f"{KEY}\n")
        assert SecretStr(KEY) == ServiceSettings().index_key

    def test_give_way_to_the_variable(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "gatehouse_kafka_user").write_text("from-the-file")
        monkeypatch.setenv("GATEHOUSE_KAFKA_USER", "from-the-variable")
        assert "from-the-variable" == ServiceSettings().kafka_user

    def test_are_not_missed_where_there_is_no_folder(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.setenv("GATEHOUSE_SECRETS_FOLDER", str(folder / "absent"))
        assert DSN == ServiceSettings().database_dsn.get_secret_value()

    @pytest.mark.parametrize("name", ["database", "migration", "keys"])
    def test_complete_the_dsn_that_says_no_password(self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setenv(f"GATEHOUSE_{name.upper()}_DSN", "postgresql://someone@server:5433/place")
        (folder / f"gatehouse_{name}_password").write_text("p@ss/word")
        settings = ServiceSettings()
        assert SecretStr("postgresql://someone:p%40ss%2Fword@server:5433/place") == getattr(settings, f"{name}_dsn")
        assert "p%40ss" not in repr(settings)
