"""`python -m tests.house.settings`: write `docs/settings.md`, every variable that a process of ours reads.

What it says comes from the settings' own classes, so this needs all services and stands here. `tests/house/test_settings.py`
fails while the file is out of date.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from chassis.installation import InstallationSettings
from chassis.settings import SECRETS_FOLDER_VARIABLE, OutsideSettings, ServiceSettings
from chassis.tracing import VARIABLES
from tests.house.assembled import wired
from tests.house.house import REPOSITORY, SERVICES

COMMAND = "python -m tests.house.settings"
FILE = REPOSITORY / "docs" / "settings.md"
HEAD = f"""# Settings

Every variable that a process of ours reads, written by `{COMMAND}` from the classes that read them. Where one is
missing, or is not what stands here, the process does not start, and says which. A key is 32 random bytes in base64
(`openssl rand -base64 32`).

Any of them may be a file instead, called as the variable in lower case, in `/run/secrets` or in the folder that
`{SECRETS_FOLDER_VARIABLE}` names: so secrets are told. Where both are, the variable counts. A `…_DSN` without a password gets the
one that `…_PASSWORD` tells.
"""
TABLE = "| variable | what it takes | unless told | meaning |\n|---|---|---|---|"
TRACING = """## Tracing

OpenTelemetry's own variables. Its SDK reads the others, too, such as `OTEL_EXPORTER_OTLP_HEADERS` or `OTEL_BSP_MAX_QUEUE_SIZE`.
None of them can be a file.
"""
INSTALLING = "python -m chassis migrate-keys | provision-brokers | reindex-documents | rewrap-keys | watch-disks"


def document() -> str:
    """The whole file."""
    shared = ServiceSettings.model_fields
    parts = [HEAD, *_section("Every service", ServiceSettings, without=())]
    for service in SERVICES:
        settings = wired(service.package).service.settings
        if settings.model_fields.keys() - shared.keys():
            parts += _section(str(service), settings, without=shared)
    parts += [*_section(f"`{INSTALLING}`", InstallationSettings, without=()), TRACING]
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items())
    return "\n".join([*parts, f"| variable | meaning |\n|---|---|\n{rows}\n"])


def variable(name: str) -> str:
    """What a field is called outside."""
    return f"{OutsideSettings.model_config.get('env_prefix', '')}{name}".upper()


def _section(title: str, settings: type[OutsideSettings], *, without: Collection[str]) -> Iterator[str]:
    yield f"## {title}\n\n{TABLE}"
    schema = settings.model_json_schema()
    for name, field in schema["properties"].items():
        if name not in without:
            default = "must be told" if name in schema.get("required", ()) else _default(field)
            cells = (f"`{variable(name)}`", _takes(field), default, " ".join(field["description"].split()))
            yield f"| {' | '.join(cells)} |"
    yield ""


def _takes(field: dict[str, Any]) -> str:
    """What may stand there, of a field's JSON schema."""
    kind = next(each for each in field.get("anyOf", [field]) if each.get("type") != "null")
    if "enum" in kind:
        return " ".join(f"`{each}`" for each in kind["enum"])
    if kind["type"] == "object":
        return "JSON"
    if kind["type"] == "boolean":
        return "`true` `false`"
    if kind.get("format") == "password":
        return "a secret"
    if "maximum" in kind:
        return f"{kind['minimum']:,.9g} to {kind['maximum']:,.9g}"
    return {"date": "a day", "path": "a path"}.get(kind.get("format", ""), "text")


def _default(field: dict[str, Any]) -> str:
    told = field.get("default")
    if told in (None, "", {}):
        return "–"
    if "a secret" == _takes(field):
        return "one for a trial"
    return f"`{str(told).lower() if isinstance(told, bool) else told}`"


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
