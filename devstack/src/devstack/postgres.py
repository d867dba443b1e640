"""Embedded PostgreSQL: a cluster of our own from the system's binaries, owned by this process.

PostgreSQL refuses to run as root, so as root it runs as another user. It is durable (fsync on): what we promise about
stored facts must also hold on a developer's machine.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from devstack import children
from devstack.children import Child
from devstack.missing import MissingPart
from devstack.ports import HOST, free_port
from devstack.settings import REPOSITORY
from devstack.state import State

MAJOR_MIN = 15
INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian puts one folder per major version."""
SUPERUSER = "postgres"
START_DEADLINE_S = 60.0
"""Long, because crash recovery after a kill may replay much of the WAL."""
INITDB_DEADLINE_S = 120.0
SOCKET_PATH_BYTES_MAX = 90
"""PostgreSQL allows 107 bytes for the folder and `/.s.PGSQL.<port>.lock` together."""
SCRIPTS = REPOSITORY / "deploy" / "postgres"


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version)[0])


@dataclass(frozen=True)
class Size:
    """How much a cluster may take."""

    connections_max: int
    shared_buffers_mb: int


LOGS = Size(connections_max=500, shared_buffers_mb=384)
"""A log's indexes on random ids are written all over, and must fit: a changed page that has to leave makes the append that needs
its place wait for the disk. Memory is taken only as it is filled."""
KEYS = Size(connections_max=300, shared_buffers_mb=16)


def find_binaries(major: int | None = None) -> Binaries | None:
    """The newest server binaries of this machine, or those of one major version."""
    found = [binaries for folder in _candidates() if (binaries := _binaries_in(folder)) is not None]
    fitting = [binaries for binaries in found if binaries.major == major or (major is None and binaries.major >= MAJOR_MIN)]
    return max(fitting, key=lambda binaries: binaries.major, default=None)


def _candidates() -> list[Path]:
    folders = sorted(INSTALLED.glob("*/bin"))
    with suppress(OSError, subprocess.CalledProcessError):
        folders.append(Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip()))
    return folders + [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]


def _binaries_in(folder: Path) -> Binaries | None:
    # Clients alone (libpq-dev brings pg_config) are not enough.
    if not all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb")):
        return None
    answer = subprocess.check_output([folder / "postgres", "--version"], text=True)
    return Binaries(folder, version=answer.split()[2])


def server_user() -> str | None:
    """Who the server runs as; None: as we do. Debian's package makes `postgres`, `nobody` is everywhere."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise MissingPart("PostgreSQL does not run as root and there is no user to run it as: adduser --system postgres")


class EmbeddedPostgres:
    """One cluster with its data in the state folder. Starts again on what an earlier run left, however that ended."""

    def __init__(self, state: State, name: str, *, size: Size, port: int = 0, archived_after_s: int = 60) -> None:
        """`port` is wished for, 0 for any; what it got stays the same over all starts. WAL is archived when it is so old, at the
        latest. Raises: MissingPart."""
        self.name = name
        self._size = size
        self._archived_after_s = archived_after_s
        self._user = server_user()
        uid = os.getuid() if self._user is None else pwd.getpwnam(self._user).pw_uid
        self._home = state.folder_of_user(f"postgres-{name}", uid)
        self._data = self._home / "data"
        self._log = state.log(f"postgres-{name}")
        self._password = state.password(f"postgres-{name}")
        self._child: Child | None = None
        self.backups = self._home / "backups"
        """Base backups and the WAL archive, see `devstack.backups`. Nothing is archived before the first backup."""
        self._binaries = self._fitting_binaries()
        self.version = f"PostgreSQL {self._binaries.version}"
        self.port = free_port(port)

    @property
    def child(self) -> Child:
        """The running postmaster."""
        if self._child is None:
            raise RuntimeError(f"PostgreSQL {self.name} is not started")
        return self._child

    @property
    def home(self) -> Path:
        """Its folder: nobody else writes there."""
        return self._home

    @property
    def data(self) -> Path:
        """Of the cluster."""
        return self._data

    @property
    def programs(self) -> Path:
        """Where the programs of its version are."""
        return self._binaries.folder

    @property
    def user(self) -> str | None:
        """Who it runs as; None: as we do."""
        return self._user

    @property
    def dsn(self) -> str:
        """Of the superuser, over TCP, in the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self.port}/postgres"

    async def start(self, **more: str) -> None:
        """Start the server, with `more` in its environment, and wait until it accepts a connection.

        Raises: children.ChildEnded; TimeoutError.
        """
        if not (self._data / "PG_VERSION").exists():
            await self._make_cluster()
        await children.end_strangers_in(self._data, signal.SIGINT)
        self._forget_reused_pid()
        # Told to the server alone, and not to what changes the user for it.
        told = [f"{name}={value}" for name, value in {"BACKUPS": self.backups, **more}.items()]
        command: list[str | Path] = ["env", *told, self._binaries.folder / "postgres", "-D", self._data]
        for setting, value in self._settings().items():
            command += ["-c", f"{setting}={value}"]
        self._child = children.start(
            f"PostgreSQL {self.name}",
            command,
            log=self._log,
            environment=children.environment(),
            user=self._user,
            when_we_die=signal.SIGINT,
        )
        await answers(self.dsn, insist=self.child.insist)

    def script(self, name: str) -> Path:
        """One of `deploy/postgres`, where its user can read it: a checkout may be closed to that user."""
        return Path(shutil.copy(SCRIPTS / name, self._home / name))

    async def stop(self) -> None:
        """Fast shutdown: sessions are cut off, what is committed is on disk. Stopping twice is harmless."""
        if self._child is not None:
            await self._child.stop(signal.SIGINT)
            # A postmaster that had to be killed leaves its sessions running for a moment.
            await children.end_strangers_in(self._data, signal.SIGQUIT)

    def _fitting_binaries(self) -> Binaries:
        kept = self._data / "PG_VERSION"
        major = int(kept.read_text()) if kept.exists() else None
        binaries = find_binaries(major)
        if binaries is None and major is not None:
            raise MissingPart(f"The data in {self._data} needs PostgreSQL {major}: install postgresql-{major}, or `make reset`.")
        if binaries is None:
            raise MissingPart(f"PostgreSQL {MAJOR_MIN} or newer is missing: apt-get install postgresql")
        return binaries

    async def _make_cluster(self) -> None:
        password_file = self._home / "password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        os.chown(password_file, self._home.stat().st_uid, -1)
        # Made beside and moved: a cluster that was interrupted while it was made never looks finished.
        draft = self._home / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        options = [
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
        ]
        await children.run(
            "initdb",
            [self._binaries.folder / "initdb", *options, "-D", draft],
            log=self._log,
            environment=children.environment(),
            deadline_s=INITDB_DEADLINE_S,
            user=self._user,
        )
        password_file.unlink()
        draft.rename(self._data)

    def _settings(self) -> Mapping[str, object]:
        return {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": self._home if len(bytes(self._home)) <= SOCKET_PATH_BYTES_MAX else "",
            "max_connections": self._size.connections_max,
            "shared_buffers": f"{self._size.shared_buffers_mb}MB",
            "fsync": "on",
            "archive_mode": "on",
            "archive_command": self._archive_command(),
            "archive_timeout": f"{self._archived_after_s}s",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            # A statement's values may be about people; its text never is.
            "log_parameter_max_length": 0,
            "log_parameter_max_length_on_error": 0,
        }

    def _archive_command(self) -> str:
        archive, begun = (shlex.quote(str(path)).replace("%", "%%") for path in (self.script("archive.sh"), self.backups))
        return f"test ! -d {begun} || sh {archive} %p %f"

    def _forget_reused_pid(self) -> None:
        """After a crash the pid file names a process that is gone. If the number belongs to another program of the same
        user by now, PostgreSQL would refuse to start. Nothing runs in the data folder at this point, so the file lies."""
        for file in (self._data / "postmaster.pid", *self._home.glob(".s.PGSQL.*.lock")):
            with suppress(OSError, ValueError, IndexError):
                if Path(f"/proc/{int(file.read_text().split()[0])}").exists():
                    file.unlink()


async def answers(dsn: str, *, insist: Callable[[], None]) -> None:
    """Wait until the server accepts a connection. `insist` raises when it never will. Raises: TimeoutError."""
    async with asyncio.timeout(START_DEADLINE_S):
        while True:
            insist()
            with suppress(OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                connection = await asyncpg.connect(dsn, timeout=START_DEADLINE_S)
                await connection.close()
                return
            await asyncio.sleep(children.POLL_S)
