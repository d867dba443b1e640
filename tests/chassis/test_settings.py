from __future__ import annotations

import base64

import pytest
from pydantic import ValidationError

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
