"""The release before this one: its files, or all of it, with the packages that its own lock names."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devstack.settings import REPOSITORY, Settings

SETUP_S_MAX = 600.0


class NoRelease(Exception):
    """There is none to be had. Its text says why."""


@dataclass(frozen=True)
class Release:
    commit: str

    @classmethod
    def before(cls, *, first: str) -> Self:
        """What `GATEHOUSE_PREVIOUS` names (anything that git knows), or the last tag before this commit; until there is a tag,
        the commit `first`. Raises: NoRelease."""
        name = os.environ.get("GATEHOUSE_PREVIOUS") or _last_tag() or first
        commit = _said("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if commit is None:
            raise NoRelease(f"no commit {name} in this clone: fetch its history, or name another by GATEHOUSE_PREVIOUS")
        return cls(commit)

    def put_into(self, folder: Path, *files: str) -> None:
        """Its files, all or those that these patterns of git name."""
        archive = subprocess.run(["git", "archive", self.commit, *files], cwd=REPOSITORY, check=True, capture_output=True)
        subprocess.run(["tar", "--extract"], cwd=folder, input=archive.stdout, check=True)

    def python(self) -> str:
        """The interpreter of its packages, in a checkout of its own, which is made if need be."""
        folder = Settings().cache / "releases" / self.commit
        if not folder.exists():
            draft = folder.with_name(f"{self.commit}.draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            self.put_into(draft)
            draft.rename(folder)
        # Its packages are installed where they stay; it does nothing where they are.
        subprocess.run([folder / "devstack" / "setup"], check=True, timeout=SETUP_S_MAX)
        return str(folder / ".venv" / "bin" / "python")


def _last_tag() -> str | None:
    return _said("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")


def _said(*command: str) -> str | None:
    """What git says; None where it fails, as outside of a repository, or in a clone without history."""
    answer = subprocess.run(["git", *command], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    return answer.stdout.strip() if answer.returncode == 0 else None
