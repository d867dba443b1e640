"""`make backup`, `make restore`: PostgreSQL's base backups and WAL archive, by the scripts that are used in service, too.

The server of the keys has backups of its own, which live shortly: what was erased must not go on living in them (ADR 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from devstack import children, postgres
from devstack.missing import MissingPart
from devstack.ports import HOST
from devstack.postgres import EmbeddedPostgres
from devstack.state import State

KEPT_DAYS: Mapping[str, float] = {"main": 14, "keys": 3}
"""Server → how long its backups live. As in docker-compose.yml."""
DEADLINE_S = 3600.0


@dataclass(frozen=True)
class Backups:
    """Of one embedded server, in a folder beside its data."""

    server: EmbeddedPostgres
    kept_days: float
    log: Path

    @classmethod
    def of(cls, state: State, name: str) -> Backups:
        """Of a server of the local stack, whether it runs or not."""
        return cls(EmbeddedPostgres(state, name, size=postgres.KEYS), KEPT_DAYS[name], state.log(f"backups-{name}"))

    async def make(self) -> None:
        """A base backup of the running server; from the first one on its WAL is archived. What is too old is thrown away.

        Raises: MissingPart, if no server runs; children.ChildEnded with the end of the log; TimeoutError.
        """
        port = self._port()
        secret = urlsplit(self.server.dsn).password or ""
        await self._run("backup.sh", PGHOST=HOST, PGPORT=port, PGPASSWORD=secret, KEPT_DAYS=str(self.kept_days))

    async def put_back(self, until: datetime | None = None) -> None:
        """Have the server, which must be down, begin at a backup when it is started, and take in what was archived after it.

        Raises: children.ChildEnded with the end of the log, if there is no such backup or a server runs; TimeoutError.
        """
        if not children.strangers_in(self.server.data):
            (self.server.data / "postmaster.pid").unlink(missing_ok=True)  # It was killed.
        await self._run("restore.sh", *([until.isoformat(sep=" ")] if until else []), PGDATA=str(self.server.data))

    async def _run(self, script: str, *arguments: str, **told: str) -> None:
        programs = str(self.server.programs)
        environment = children.environment(BACKUPS=str(self.server.backups), **told)
        environment["PATH"] = f"{programs}:{environment['PATH']}"
        await children.run(
            f"{script} of {self.server.name}",
            ["sh", self.server.script(script), *arguments],
            log=self.log,
            environment=environment,
            deadline_s=DEADLINE_S,
            user=self.server.user,
        )

    def _port(self) -> str:
        try:
            return (self.server.data / "postmaster.pid").read_text().splitlines()[3]
        except (OSError, IndexError):
            raise MissingPart(f"No embedded PostgreSQL {self.server.name} runs here: `make run` first.") from None


async def backup(state: State) -> None:
    """Of both servers of the stack that runs in `state`."""
    for name in KEPT_DAYS:
        backups = Backups.of(state, name)
        await backups.make()
        print(f"PostgreSQL {name}: {backups.server.backups}")


async def restore(state: State, name: str, *, until: datetime | None) -> None:
    """Of one server of the stack in `state`, which must not run."""
    with state.locked():
        await Backups.of(state, name).put_back(until)
    print(f"PostgreSQL {name} begins at its backup: `make run`. See docs/runbooks/restore.md.")
