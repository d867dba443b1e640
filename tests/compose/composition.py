"""One installation by docker-compose.yml, with secrets, ports and a name of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2

from devstack.engine import Engine, compose_command
from devstack.images import PUBLIC
from devstack.ports import HOST, free_port
from devstack.services import PROGRAMS, free_ports
from devstack.settings import REPOSITORY
from devstack.tokens import Account
from tests.house.test_compose import PROCESSES, WATCHING

TIMEOUT_S = 60.0
"""Of one answer: long, for a machine that does other things."""
HEALTHY_S_MAX = 600.0
"""Long, for a machine that does other things: thirteen processes start at once."""
TOKEN_MARGIN_S = 10.0
ASKED_EVERY = "10s"
"""How often an engine asks how a container is. More often would be a load of its own: each question is a process."""


@dataclass
class Composition:
    """Containers are called as their services in the file."""

    engine: Engine
    images: Mapping[str, str]
    secrets_folder: Path
    ports: Mapping[str, int] = field(default_factory=free_ports)
    watching: Mapping[str, int] = field(default_factory=lambda: {name: free_port() for name in WATCHING})
    """Ports of those who watch, by service."""
    name: str = field(default_factory=lambda: f"gatehouse-{secrets.token_hex(4)}")
    passwords: dict[str, str] = field(default_factory=dict)
    """Of accounts of programs that were made, by client id."""
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Of the same accounts, with the time by the monotonic clock until which they are good enough."""

    @property
    def urls(self) -> dict[str, str]:
        return {program.package.replace("_", "-"): f"http://{HOST}:{self.ports[program.package]}" for program in PROGRAMS}

    @cached_property
    def told(self) -> Mapping[str, str]:
        """What is chosen of `docker-compose.yml`."""
        return {
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_HTTP_TIMEOUT": str(int(HEALTHY_S_MAX)),  # unless told, docker-compose 1.29 gives up after a minute
            "GATEHOUSE_VERSION": "under-test",
            "GATEHOUSE_SECRETS": str(self.secrets_folder),
            "SHOWS_LOGIN_CODES": "true",  # nobody is there whose mobile a gateway could reach
            **{program.port_variable: str(self.ports[program.package]) for program in PROGRAMS},
            **{f"{name.upper()}_PORT": str(port) for name, port in self.watching.items()},
            **self.images,
        }

    @cached_property
    def command(self) -> Sequence[str]:
        """What `docker compose` is here."""
        files = [part for file in (REPOSITORY / "docker-compose.yml", self._asked_often) for part in ("--file", str(file))]
        return [*compose_command(), "--project-directory", str(REPOSITORY), *files, "--profile", "simulator"]

    def compose(self, *arguments: str, check: bool = True) -> str:
        return self.engine.run(*self.command, *arguments, told=self.told, check=check)

    def types(self, line: str, *, exit_code: int = 0) -> str:
        """What somebody reads who types this beside the folder of secrets. Raises: CommandFailed for another exit code."""
        compose = f'command {shlex.join(self.command)} "${{@:2}}"'
        script = (
            "exec 2>&1",
            f"cd {shlex.quote(str(self.secrets_folder.parent))}",
            f'docker() {{ if [ "$1" = compose ]; then {compose}; else command docker "$@"; fi; }}',
            line,
            f"test $? -eq {exit_code}",
        )
        return self.engine.run("bash", "-c", "\n".join(script), told=self.told)

    def up(self) -> None:
        """Everything whose image is there, as it was built."""
        missing = {variable.partition("_")[0].lower() for variable in PUBLIC.keys() - self.images.keys()}
        services = [name for name in self.compose("config", "--services").split() if name not in missing]
        self.compose("up", "--detach", "--no-build", *services)

    async def looks(self, service: str, path: str, account: tuple[str, str] | None = None, **query: str) -> Any:
        """What one of those who watch answers, as JSON."""
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False, auth=account) as client:
            answer = await client.get(f"http://{HOST}:{self.watching[service]}{path}", params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def docker(self, *arguments: str, told: Mapping[str, str] | None = None, check: bool = True) -> str:
        return self.engine.run("docker", *arguments, told=told, check=check)

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine says of each, by its service's name."""
        ids = self.docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={self.name}").split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    async def healthy(self, *services: str) -> None:
        """Wait until these, or all that stay, are. Raises: TimeoutError."""
        await self.engine.healthy(self.name, services or self.stay, within_s=HEALTHY_S_MAX)

    async def exchange(self, *services: str) -> None:
        """These containers anew, with the secrets as they are in the folder now. They may not answer yet."""
        await asyncio.to_thread(self.compose, "up", "--detach", "--no-build", "--no-deps", "--force-recreate", *services)

    async def recreate(self, *services: str) -> None:
        """These containers anew, and healthy again, as far as they stay."""
        await self.exchange(*services)
        await self.healthy(*(name for name in services if name in self.stay))

    @cached_property
    def _asked_often(self) -> Path:
        """A second file. Half a minute for each of twenty containers, one after the other, would be most of the tests' time."""
        file = self.secrets_folder.with_name("asked-often.json")
        asked = {name: {"healthcheck": {"interval": ASKED_EVERY}} for name in sorted(PROCESSES)}
        file.write_text(json.dumps({"services": asked}))
        return file

    @cached_property
    def stay(self) -> list[str]:
        """Services whose containers are no jobs."""
        return [name for name, each in self.containers().items() if each["HostConfig"]["RestartPolicy"]["Name"] != "no"]

    def inside(self, service: str, command: Sequence[str], *, told: Mapping[str, str] | None = None, check: bool = True) -> str:
        """What a command says that is run beside the process in its container."""
        names = [part for name in told or () for part in ("--env", name)]
        return self.docker("exec", *names, self.containers()[service]["Id"], *command, told=told, check=check)

    async def token(self, account: Account) -> str:
        """One that is good for a while."""
        token, until = self.tokens.get(account.client_id, ("", 0.0))
        if time.monotonic() > until:
            token, life_s = await self.issue(account)
            self.tokens[account.client_id] = token, time.monotonic() + life_s - TOKEN_MARGIN_S
        return token

    async def issue(self, account: Account) -> tuple[str, float]:
        """A token. The account is made by the command that an operator has. Raises: httpx2.HTTPError."""
        if account.client_id not in self.passwords:
            self.passwords[account.client_id] = secrets.token_urlsafe(24)
            scope = [part for contract in account.contracts for part in ("--contract", contract)]
            scope += [part for district in account.districts for part in ("--district", district)]
            self.inside(
                "portal-api",
                ["python3", "-m", "portal", "client-put", "--id", account.client_id, "--role", account.role, *scope],
                told={"GATEHOUSE_CLIENT_SECRET": self.passwords[account.client_id]},
            )
        credentials = {"client_id": account.client_id, "client_secret": self.passwords[account.client_id]}
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.post(f"{self.urls['portal']}/v1/tokens", json=credentials)
        token = answer.raise_for_status().json()
        return token["access_token"], token["expires_in"]
