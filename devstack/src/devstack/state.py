"""What a local stack keeps between two runs: one folder with data, logs and secrets, used by one devstack at a time."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OUTSIDE = Path("/var/lib/gatehouse-devstack")
"""Where database files go that their user could not reach inside the state folder."""


class StateInUse(Exception):
    """Another devstack works on this folder."""


class State:
    """The folder of one local stack."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def folder(self, name: str) -> Path:
        """A folder of the state, made if need be."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def log(self, name: str) -> Path:
        return self.folder("logs") / f"{name}.log"

    def password(self, name: str) -> str:
        """A random password that needs no quoting in a DSN: the first one ever asked for under this name."""
        return self._secret(name, lambda: secrets.token_urlsafe(24))

    def key(self, name: str) -> str:
        """32 random bytes in base64: the first ones ever asked for under this name."""
        return self._secret(name, lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def folder_of_user(self, name: str, uid: int) -> Path:
        """A folder that belongs to another user, in a place that this user can reach.

        A checkout below /root is closed to everybody else. Then the folder is made outside and linked from here, so that
        `reset` finds it.
        """
        if uid == os.getuid():
            return self.folder(name)
        inside = self.root / name
        place = inside if _is_open(self.root) else OUTSIDE / _digest(self.root) / name
        place.mkdir(parents=True, exist_ok=True)
        os.chown(place, uid, -1)
        place.chmod(0o700)
        if place != inside and not inside.is_symlink():
            inside.symlink_to(place)
        return place

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other devstack out. The lock ends with the process, however that ends. Raises: StateInUse."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StateInUse(f"Process {file.read().strip()} already runs a stack in {self.root}: stop it first.") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def throw_away(self, *, keep: Path) -> None:
        """Delete everything but the lock and the folder `keep`."""
        shutil.rmtree(OUTSIDE / _digest(self.root), ignore_errors=True)
        for entry in self.root.iterdir():
            if entry.name == "lock" or entry.resolve() == keep.resolve():
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _secret(self, name: str, make: Callable[[], str]) -> str:
        folder = self.folder("secrets")
        folder.chmod(0o700)
        file = folder / name
        if not file.exists():
            # Written beside and linked: nobody sees half a secret, and of two who make it at once, one wins.
            draft = folder / f".{secrets.token_hex(8)}"
            draft.touch(mode=0o600)
            draft.write_text(make())
            with suppress(FileExistsError):
                file.hardlink_to(draft)
            draft.unlink()
        return file.read_text()


def _is_open(folder: Path) -> bool:
    """Whether everybody may pass through the folder and all folders above it."""
    folder.mkdir(parents=True, exist_ok=True)
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def _digest(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:12]
