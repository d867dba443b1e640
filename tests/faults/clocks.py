"""Clocks of single processes, set by libfaketime: the time of day moves, the monotonic clocks do not, as when somebody sets it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import getuid
from pathlib import Path

import pytest

LIBRARY = "faketime/libfaketime.so.1"
FOLDERS = (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib/aarch64-linux-gnu"), Path("/usr/local/lib"))
INSTALL = ("apt-get", "install", "--yes", "--no-install-recommends", "faketime")
INSTALL_S_MAX = 120


@dataclass(frozen=True)
class Clock:
    """Of whatever is started with its environment."""

    file: Path
    library: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """So far from the true time, from now on."""
        draft = self.file.with_suffix(".draft")
        draft.write_text(f"{seconds:+}s\n")
        draft.chmod(0o644)
        draft.rename(self.file)


@contextmanager
def clock() -> Iterator[Clock]:
    """One that goes right. Skips the test where libfaketime is missing and cannot be installed."""
    library = _library()
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    made = Clock(folder / "clock", library)
    made.set(0)
    try:
        yield made
    finally:
        shutil.rmtree(folder)


def _library() -> Path:
    found = _found()
    if found is None and getuid() == 0 and shutil.which("apt-get"):
        subprocess.run(INSTALL, check=False, capture_output=True, timeout=INSTALL_S_MAX)
        found = _found()
    if found is None:
        pytest.skip("no libfaketime: apt-get install faketime")
    return found


def _found() -> Path | None:
    return next((folder / LIBRARY for folder in FOLDERS if (folder / LIBRARY).exists()), None)
