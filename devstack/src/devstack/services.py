"""The services, and what each process is told: its databases, its keys, its ports, where the others are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from contracts.topics import users
from devstack import children
from devstack.databases import Database
from devstack.parts import Parts
from devstack.ports import HOST, free_port
from devstack.processes import Process
from devstack.state import State
from devstack.tokens import Portal

Role = Literal["api", "worker", "all"]
"""What a process of a service does. `all` is both, in one process, which takes less memory."""

WORKER_PORT_OFFSET = 100
"""A worker's probes are served this far above the port of its api."""
PASSED_ON = ("GATEHOUSE_LOG_LEVEL",)
"""Settings of the services that may be set outside devstack."""


@dataclass(frozen=True)
class Service:
    """One program. Its package is started as `python -m <package> <role>`."""

    package: str
    port: int
    """Of its api, unless the environment variable `port_variable` says otherwise."""
    has_database: bool = True
    seals: bool = False
    """Holds the key-encryption key: it seals or unseals personal data."""
    identifies: bool = False
    """Holds the index key: it finds the person of a document."""

    @property
    def port_variable(self) -> str:
        return f"GATEHOUSE_{self.package.upper()}_PORT"

    @property
    def url_variable(self) -> str:
        """How the others are told where it is."""
        return f"GATEHOUSE_{self.package.upper()}_URL"


# Who holds which key is also a matter of grants, see `chassis/migrations/keys`.
SERVICES = (
    Service("portal", 8100),
    Service("registration", 8101, seals=True, identifies=True),
    Service("health", 8102, seals=True),
    Service("gatekeeper", 8103, identifies=True),
    Service("reporting", 8104, seals=True, identifies=True),
    Service("healthcloud_bridge", 8105, seals=True, identifies=True),
    Service("police_bridge", 8106, seals=True),
)
SIMULATOR = Service("healthcloud_simulator", 8110, has_database=False)
"""The stand-in for Health Cloud: an upstream of ours, not a service."""
PROGRAMS = (*SERVICES, SIMULATOR)


def service(package: str) -> Service:
    """Raises: KeyError."""
    return {program.package: program for program in PROGRAMS}[package]


def kafka_password(state: State, user: str) -> str:
    """Of a user of the brokers, see `contracts.topics.users`."""
    return state.password(f"kafka-{user}")


def ports_from_environment() -> dict[str, int]:
    """The api port of every program, by package."""
    return {program.package: int(os.environ.get(program.port_variable, program.port)) for program in PROGRAMS}


def free_ports() -> dict[str, int]:
    """The same, beside a stack that has the usual ones."""
    return {program.package: free_port() for program in PROGRAMS}


@dataclass(frozen=True)
class Stack:
    """Everything that a process of ours must know. One stack is one installation: its own databases, topics and ports."""

    parts: Parts
    state: State
    databases: Mapping[str, Database]
    """By package."""
    keys: Mapping[str, Database]
    """On the keys server, by package."""
    ports: Mapping[str, int] = field(default_factory=ports_from_environment)
    """Of the apis, by package."""
    topic_prefix: str = ""
    python: str = sys.executable
    """The interpreter whose packages run: each release has one of its own."""

    def url(self, package: str) -> str:
        """Where the program's api is, without a slash at the end."""
        return f"http://{HOST}:{self.ports[package]}"

    @property
    def portal(self) -> Portal:
        """Where tokens come from."""
        return Portal(url=self.url("portal"), dsn=self.databases["portal"].app_dsn)

    def environment(self, program: Service, *, worker_port: int | None = None) -> dict[str, str]:
        """The environment of one process of the program, complete. Without a `worker_port` the system chooses one."""
        told = {
            "PYTHONUNBUFFERED": "1",
            "GATEHOUSE_HOST": HOST,
            "GATEHOUSE_PORT": str(self.ports[program.package]),
            "GATEHOUSE_WORKER_PORT": str(worker_port or 0),
            "GATEHOUSE_KAFKA_BOOTSTRAP": self.parts.kafka.clients or self.parts.kafka.bootstrap,
            "GATEHOUSE_TOPIC_PREFIX": self.topic_prefix,
            "GATEHOUSE_JWKS_URL": f"{self.url('portal')}/.well-known/jwks.json",
            **{other.url_variable: self.url(other.package) for other in SERVICES},
            "GATEHOUSE_HEALTHCLOUD_URL": self.url(SIMULATOR.package),
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        }
        user = program.package.replace("_", "-")
        if self.parts.kafka.clients and user in users():
            told |= {"GATEHOUSE_KAFKA_USER": user, "GATEHOUSE_KAFKA_PASSWORD": kafka_password(self.state, user)}
        if program.has_database:
            told["GATEHOUSE_DATABASE_DSN"] = self.databases[program.package].app_dsn
        if program.seals or program.identifies:
            told["GATEHOUSE_KEYS_DSN"] = self.keys[program.package].app_dsn
        if program.seals:
            told["GATEHOUSE_KEY_ENCRYPTION_KEY"] = self.state.key("key-encryption-key")
        if program.identifies:
            told["GATEHOUSE_INDEX_KEY"] = self.state.key("index-key")
        if program.package == "portal":
            told["GATEHOUSE_SIGNING_KEY"] = self.state.key("signing-key")
            told["GATEHOUSE_USER_KEY"] = self.state.key("user-key")
            told["GATEHOUSE_SHOWS_LOGIN_CODES"] = "true"
        if program.package in ("healthcloud_bridge", SIMULATOR.package):
            api_key = self.state.password("healthcloud-api-key")
            told |= {"GATEHOUSE_HEALTHCLOUD_API_KEY": api_key, "HEALTHCLOUD_SIMULATOR_API_KEY": api_key}
        if program.package == "registration":
            told["GATEHOUSE_CHECKLIST_FOLDER"] = str(self.state.folder("checklists"))
        if program is SIMULATOR:
            told["HEALTHCLOUD_SIMULATOR_STORE"] = str(self.state.folder("healthcloud-simulator") / "declarations.json")
        return children.environment(**told)

    def process(self, package: str, role: Role = "all", *, name: str | None = None, worker_port: int | None = None) -> Process:
        """A process of the program, not yet started. Two of the same role need a `name` and a `worker_port` each."""
        program = service(package)
        name = name or f"{package}-{role}"
        worker_port = worker_port or self.ports[package] + WORKER_PORT_OFFSET
        probes = worker_port if role == "worker" else self.ports[package]
        return Process(
            name=name,
            command=[self.python, "-m", package, *([] if program is SIMULATOR else [role])],
            environment=self.environment(program, worker_port=worker_port if role == "worker" else None),
            log=self.state.log(name),
            ready_url=f"http://{HOST}:{probes}/readyz",
        )
