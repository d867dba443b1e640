"""A Docker engine for as long as something needs one: the one that answers, or one of our own that leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from tempfile import mkdtemp

from devstack import children, docker, doctor
from devstack.doctor import Finding
from devstack.missing import MissingPart
from devstack.parts import Say
from devstack.suite import DISK

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 60.0
COMMAND_DEADLINE_S = 1800.0
"""Of the longest: to build everything, on a machine that does other things."""
LOOK_S = 1.0
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "docker0"
NO_RULES = b"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n*nat\nCOMMIT\n"


class CommandFailed(Exception):
    """A command of Docker's ended with another exit code than 0. Its text is what it said."""


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    environment: Mapping[str, str]
    """In which Docker's own programs find it."""

    def run(
        self, *command: str | Path, told: Mapping[str, str] | None = None, standard_input: bytes | None = None, check: bool = True
    ) -> str:
        """What the command wrote to standard output. Raises: CommandFailed unless `check` is False; TimeoutError."""
        try:
            done = subprocess.run(
                command,
                env={**self.environment, **(told or {})},
                input=standard_input,
                stdin=subprocess.DEVNULL if standard_input is None else None,
                capture_output=True,
                timeout=COMMAND_DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} did not end within {COMMAND_DEADLINE_S:.0f} s") from None
        if check and done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace")
            raise CommandFailed(f"{' '.join(map(str, command[:4]))} … ended with {done.returncode}:\n{said[-4000:]}")
        return done.stdout.decode(errors="replace")

    def unwell(self, project: str, services: Sequence[str]) -> dict[str, str]:
        """Which of these services of a composition have no healthy container, and how they are."""
        label = "com.docker.compose"
        shape = f'{{{{.Label "{label}.service"}}}}\t{{{{.Status}}}}'
        said = self.run("docker", "ps", "--all", "--filter", f"label={label}.project={project}", "--format", shape)
        states = dict(line.split("\t") for line in said.splitlines())
        return {name: state for name in services if "(healthy)" not in (state := states.get(name, "absent"))}

    async def healthy(self, project: str, services: Sequence[str], *, within_s: float) -> None:
        """Wait until all of them are. Raises: TimeoutError, which says who is not."""
        deadline = time.monotonic() + within_s
        while unwell := await asyncio.to_thread(self.unwell, project, services):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not healthy within {within_s:.0f} s: {unwell}")
            await asyncio.sleep(LOOK_S)


def survey() -> list[Finding]:
    """What an engine of our own needs, and what is used beside it."""
    return [
        Finding("Docker engine", shutil.which("dockerd"), "docker.io", needed=True),
        Finding("Docker's client", shutil.which("docker"), "docker.io", needed=True),
        Finding("iptables", shutil.which("iptables"), "iptables", needed=True),
        Finding("ip", shutil.which("ip"), "iproute2", needed=True),
        Finding("Compose", " ".join(compose_command()) or None, "docker-compose", needed=True),
    ]


def compose_command() -> Sequence[str]:
    """Compose v2, or docker-compose 1.29; empty where there is neither."""
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else ()


@asynccontextmanager
async def running_engine(say: Say) -> AsyncIterator[Engine]:
    """The engine that answers; else, as root, one of our own, which is gone at the end with everything in it.

    Raises: MissingPart with what is missing; children.ChildEnded; TimeoutError.
    """
    if docker.holds():
        say("Docker: the engine that answers")
        yield Engine(dict(os.environ))
        return
    if os.getuid() != 0:
        raise MissingPart("No Docker engine answers, and only root can start one: start yours, or run this as root.")
    await doctor.provide(survey(), say)
    with _network_as_before(), _folder() as folder:
        async with _own_engine(folder) as engine:
            say(f"Docker: an engine of our own in {folder}")
            yield engine


@asynccontextmanager
async def _own_engine(folder: Path) -> AsyncIterator[Engine]:
    address = f"unix://{folder}/docker.sock"
    command = [
        "dockerd",
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host={address}",
    ]
    child = children.start("dockerd", command, log=folder / "log", environment=children.environment(), when_we_die=SIGTERM)
    engine = Engine({**os.environ, "DOCKER_HOST": address})
    try:
        async with asyncio.timeout(START_DEADLINE_S):
            while not await asyncio.to_thread(_answers, engine):
                child.insist()
                await asyncio.sleep(children.POLL_S)
        yield engine
    finally:
        await child.stop(SIGTERM, STOP_DEADLINE_S)


def _answers(engine: Engine) -> bool:
    with suppress(CommandFailed):
        engine.run("docker", "version")
        return True
    return False


@contextmanager
def _folder() -> Iterator[Path]:
    """On a disk. What an engine that was killed left mounted there is unmounted first."""
    path = Path(mkdtemp(prefix="gatehouse-engine-", dir=DISK if DISK.is_dir() else None))
    try:
        yield path
    finally:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((each for each in mounts if each.startswith(f"{path}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(path)


@contextmanager
def _network_as_before() -> Iterator[None]:
    """An engine leaves a bridge, rules and forwarding behind. Where there was no bridge before, all that is taken back."""
    forwarding = FORWARDING.read_text()
    had_bridge = Path(f"/sys/class/net/{BRIDGE}").exists()
    rules = subprocess.run(["iptables-save"], capture_output=True, check=True).stdout
    try:
        yield
    finally:
        if not had_bridge:
            subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
            subprocess.run(["iptables-restore"], input=NO_RULES + rules, check=True)
            FORWARDING.write_text(forwarding)
