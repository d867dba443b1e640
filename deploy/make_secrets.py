"""Makes the secrets of one installation, a file each: those that are missing, and the lists that repeat them.

`python3 deploy/make_secrets.py [FOLDER] [--police 310115 …]` needs nothing but Python. It never changes a secret that is
there; to change one, delete its file, run this again, and start everything again (docs/operations.md). `--index-key-on-top`
and `--user-key-on-top` alone add to one that is there: SECURITY.md says when.
"""

from __future__ import annotations

import argparse
import base64
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

LOGS = ("gatekeeper", "health", "healthcloud_bridge", "police_bridge", "registration", "reporting")
"""Packages with a database on the server of the logs, a role on the key server and a user on the brokers."""
PASSWORD_BYTES, KEY_BYTES = 24, 32
OTHERS = ("healthcloud_api_key", "grafana_admin")
KEYS = ("key_encryption_key", "other_key_encryption_key", "index_key", "signing_key", "retiring_signing_key", "user_key")
ON_TOP = ("index_key", "user_key")
"""Those that are changed by another on top of them."""
SERVERS: Mapping[str, Sequence[str]] = {
    "logs": [f"database_{package}{ending}" for package in LOGS for ending in ("", "_owner")],
    "keys": [*(f"keys_{package}" for package in LOGS), "keys_portal", "keys_keys_owner"],
    "accounts": ["database_portal", "database_portal_owner"],
}
"""PostgreSQL servers, with the secrets of the roles that each has. The role is what follows the first `_`."""


def make(folder: Path, *, police: Sequence[str] = ()) -> None:
    """All of them in `folder`, which nobody else may enter. The files are open to whoever is in: containers run as nobody."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    districts = [f"kafka_police-{district}" for district in police]
    roles = [name for names in SERVERS.values() for name in names]
    kafka = [f"kafka_{package.replace('_', '-')}" for package in LOGS]
    for name in (*roles, *kafka, *districts, *(f"superuser_{server}" for server in SERVERS), *OTHERS):
        _provide(folder / name, lambda: secrets.token_urlsafe(PASSWORD_BYTES))
    for name in KEYS:
        _provide(folder / name, _key)
    _provide(folder / "alert_webhook_url", lambda: "")
    for server, names in SERVERS.items():
        _write(folder / f"roles_{server}", "".join(f"{role} {password}\n" for role, password in _by_user(folder, names)))
    users = sorted(each.name for each in folder.glob("kafka_*") if each.name != "kafka_users")
    _write(folder / "kafka_users", json.dumps(dict(_by_user(folder, users)), indent=1) + "\n")


def put_on_top(file: Path) -> None:
    """Another key after those that are there. None of them may ever be taken away."""
    _write(file, f"{file.read_text().strip()}\n{_key()}")


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _by_user(folder: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name.partition("_")[2], (folder / name).read_text().strip()) for name in names]


def _provide(file: Path, new: Callable[[], str]) -> None:
    if not file.exists():
        _write(file, new())


def _write(file: Path, text: str) -> None:
    # Beside it and moved: what is read meanwhile is whole.
    draft = file.with_name(f".{file.name}")
    draft.write_text(text)
    draft.chmod(0o444)
    draft.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("secrets"))
    parser.add_argument(
        "--police", nargs="*", default=[], metavar="CODE", help="districts whose police reads its topic on Kafka, or `city`"
    )
    for name in ON_TOP:
        option = f"--{name.replace('_', '-')}-on-top"
        parser.add_argument(
            option, dest="on_top", action="append_const", const=name, default=[], help=f"begin to change {name}: SECURITY.md"
        )
    given = parser.parse_args()
    make(given.folder, police=given.police)
    for name in given.on_top:
        put_on_top(given.folder / name)


if __name__ == "__main__":
    main()
