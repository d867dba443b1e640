"""Images of others, for an engine: the public ones where it has them or can fetch them, else stand-ins from Debian's packages."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from devstack import doctor, kafka
from devstack.doctor import Finding
from devstack.engine import CommandFailed, Engine
from devstack.parts import Say
from devstack.settings import REPOSITORY, Settings
from devstack.suite import DISK

PUBLIC = {
    "BASE_IMAGE": "python:3.11-slim-bookworm",
    "POSTGRES_IMAGE": "postgres:17",
    "KAFKA_IMAGE": "apache/kafka:4.3.0",
    "PROMETHEUS_IMAGE": "prom/prometheus:v2.53.4",
    "ALERTMANAGER_IMAGE": "prom/alertmanager:v0.28.1",
    "GRAFANA_IMAGE": "grafana/grafana:11.6.1",
}
"""The defaults of docker-compose.yml, by variable."""
STAND_INS = REPOSITORY / "deploy" / "stand-ins"
NOT_IN_DEBIAN = {"GRAFANA_IMAGE"}
"""Nothing stands in for them."""
MADE = {variable: f"gatehouse-stand-in/{variable.partition('_')[0].lower()}:bookworm" for variable in PUBLIC.keys() - NOT_IN_DEBIAN}
"""What stands in for the others."""
OF_DEBIAN = ("postgres", "prometheus", "alertmanager")
"""Those whose recipe needs nothing but the base."""
PYTHON = "python3,python3-pip,ca-certificates,tzdata"
"""What the base has besides Debian itself."""
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


async def provide(engine: Engine, settings: Settings, say: Say) -> dict[str, str]:
    """Variable → image that the engine now has: all, or all but those `NOT_IN_DEBIAN`.

    Raises: MissingPart, CommandFailed, children.ChildEnded, TimeoutError.
    """
    if await asyncio.to_thread(lambda: all(_holds(engine, image) for image in MADE.values())):
        return dict(MADE)
    if await asyncio.to_thread(lambda: all(_holds(engine, image) or _pulls(engine, image) for image in PUBLIC.values())):
        return dict(PUBLIC)
    say("public images cannot be fetched: building stand-ins from Debian's packages …")
    if not await asyncio.to_thread(_holds, engine, MADE["BASE_IMAGE"]):
        await doctor.provide([Finding("debootstrap", shutil.which("debootstrap"), "debootstrap", needed=True)], say)
        await asyncio.to_thread(_make_base, engine)
    for name in OF_DEBIAN:
        await asyncio.to_thread(_build, engine, MADE[f"{name.upper()}_IMAGE"], STAND_INS / name)
    async with _kafka_context(settings) as context:
        await asyncio.to_thread(_build, engine, MADE["KAFKA_IMAGE"], context)
    return dict(MADE)


def _holds(engine: Engine, image: str) -> bool:
    return _succeeds(engine, "docker", "image", "inspect", image)


def _pulls(engine: Engine, image: str) -> bool:
    return _succeeds(engine, "docker", "pull", "--quiet", image)


def _succeeds(engine: Engine, *command: str) -> bool:
    try:
        engine.run(*command)
    except (CommandFailed, TimeoutError):
        return False
    return True


def _make_base(engine: Engine) -> None:
    with TemporaryDirectory(prefix="gatehouse-base-", dir=DISK if DISK.is_dir() else None) as folder:
        engine.run("debootstrap", "--variant=minbase", f"--include={PYTHON}", "bookworm", folder)
        # This machine's own: where packages come through somebody who signs for himself, its word is good in there, too.
        shutil.copyfile(Path("/") / CERTIFICATES, Path(folder) / CERTIFICATES)
        with subprocess.Popen(["tar", "--directory", folder, "--create", "."], stdout=subprocess.PIPE) as packing:
            subprocess.run(
                ["docker", "import", "-", MADE["BASE_IMAGE"]],
                stdin=packing.stdout,
                env=engine.environment,
                check=True,
                capture_output=True,
            )


def _build(engine: Engine, image: str, context: Path) -> None:
    engine.run("docker", "build", "--quiet", "--build-arg", f"BASE_IMAGE={MADE['BASE_IMAGE']}", "--tag", image, context)


@asynccontextmanager
async def _kafka_context(settings: Settings) -> AsyncIterator[Path]:
    """Its recipe beside the jars of devstack's own Kafka."""
    with TemporaryDirectory(prefix="gatehouse-kafka-") as folder:
        context = Path(folder) / "context"
        shutil.copytree(STAND_INS / "kafka", context)
        await kafka.fetch_jars(settings.cache, Path(folder) / "log")
        shutil.copytree(kafka.jar_folder(settings.cache), context / "jars")
        yield context
