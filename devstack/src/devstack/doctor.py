"""What this machine has, what it lacks, and the command that installs it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devstack import docker, kafka, postgres
from devstack.missing import MissingPart
from devstack.settings import Settings

APT = ("apt-get", "install", "--yes", "--no-install-recommends")
PATIENT = ("-o", "DPkg::Lock::Timeout=300")
"""Seconds: somebody else may be installing."""


@dataclass(frozen=True)
class Finding:
    """One part of the machine."""

    part: str
    found: str | None
    package: str
    """Debian's name."""
    needed: bool
    """Whether this stack, with these settings, cannot do without."""

    @property
    def lacking(self) -> bool:
        return self.needed and self.found is None


def postgres_in_docker(settings: Settings) -> bool:
    return settings.postgres_dsn is None and docker.holds(settings.postgres_image)


def kafka_in_docker(settings: Settings) -> bool:
    return settings.kafka_bootstrap is None and docker.holds(settings.kafka_image)


def survey(settings: Settings) -> list[Finding]:
    """Every part that matters, needed or not."""
    own_postgres = settings.postgres_dsn is None and not postgres_in_docker(settings)
    own_kafka = settings.kafka_bootstrap is None and not kafka_in_docker(settings)
    binaries = postgres.find_binaries()
    java = kafka.java_major()
    jars = kafka.jar_folder(settings.cache)
    return [
        Finding("Python 3.11+", sys.version.split()[0], "python3", needed=True),
        Finding("setpriv", shutil.which("setpriv"), "util-linux", needed=True),
        Finding(
            f"PostgreSQL {postgres.MAJOR_MIN}+",
            f"{binaries.version}, {binaries.folder}" if binaries else None,
            "postgresql",
            own_postgres,
        ),
        Finding(
            f"Java {kafka.JAVA_MAJOR_MIN}+",
            f"{java}, {shutil.which('java')}" if java is not None and java >= kafka.JAVA_MAJOR_MIN else None,
            "default-jre-headless",
            needed=own_kafka,
        ),
        Finding("Maven", shutil.which("mvn"), "maven", needed=own_kafka and not jars.exists()),
        Finding("Kafka's jars", str(jars) if jars.exists() else None, "fetched by Maven", needed=False),
        Finding("Docker engine", "answers" if docker.holds() else None, "docker.io", needed=False),
        Finding("PostgreSQL image", _image(settings.postgres_image), f"docker pull {settings.postgres_image}", needed=False),
        Finding("Kafka image", _image(settings.kafka_image), f"docker pull {settings.kafka_image}", needed=False),
    ]


def survey_browser() -> list[Finding]:
    """What the browser tests need besides."""
    words = "/usr/lib/chromium/locales/zh-CN.pak"  # without it, it asks for dates and files in English on Chinese pages
    fonts = Path("/usr/share/fonts")
    font = next((str(each) for pattern in ("*CJK*", "*wqy*") for each in fonts.rglob(pattern)), None) if fonts.is_dir() else None
    return [
        Finding("Chromium", shutil.which("chromium"), "chromium", needed=True),
        Finding("Chromium's words", words if Path(words).exists() else None, "chromium-l10n", needed=True),
        Finding("Chinese font", font, "fonts-noto-cjk", needed=True),
    ]


def survey_prometheus() -> list[Finding]:
    """What the tests of alerts and dashboards need besides."""
    return [Finding("promtool", shutil.which("promtool"), "prometheus", needed=True)]


def for_tests_only(finding: Finding) -> Finding:
    """The same, as something that the stack itself can do without."""
    return replace(finding, needed=False)


def _image(name: str) -> str | None:
    return name if docker.holds(name) else None


def table(findings: Sequence[Finding]) -> str:
    """One line a part."""
    lines = [f"{'part':<18}{'':<9}{'found or how to get it'}"]
    for finding in findings:
        mark = "ok" if finding.found is not None else "MISSING" if finding.needed else "-"
        lines.append(f"{finding.part:<18}{mark:<9}{finding.found or finding.package}")
    return "\n".join(lines)


def how_to_get(lacking: Sequence[Finding]) -> str:
    """One sentence with the command."""
    packages = sorted({finding.package for finding in lacking})
    return f"Missing: {', '.join(finding.part for finding in lacking)}. Install with: sudo {' '.join((*APT, *packages))}"


async def provide(findings: Sequence[Finding], say: Callable[[str], None]) -> None:
    """Install what is lacking, where we may. Raises: MissingPart with the command, where we may not."""
    lacking = [finding for finding in findings if finding.lacking]
    if not lacking:
        return
    packages = sorted({finding.package for finding in lacking})
    sentence = how_to_get(lacking)
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPart(sentence)
    say(f"installing {', '.join(packages)} …")
    for command in (("apt-get", "update", "--quiet", *PATIENT), (*APT, *PATIENT, *packages)):
        await asyncio.to_thread(_apt, command, sentence)


def _apt(command: Sequence[str], sentence: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingPart(f"{done.stdout[-2000:]}{done.stderr[-2000:]}\n{sentence}")
