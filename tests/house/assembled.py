"""The house as it hangs together: every service wired as in its process, but connected to nothing."""

from __future__ import annotations

import base64
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

from fastapi import FastAPI

from chassis.api import api_of
from chassis.auth import Authenticator
from chassis.clock import SystemClock
from chassis.command_handling import CommandHandler, Decider
from chassis.service import Application, Machinery, Service
from chassis.web import Route
from tests.house.house import SERVICES

PACKAGES = ("contracts", "chassis", *(service.package for service in SERVICES))
"""What makes up the running system. devstack only starts it."""
KEY = base64.b64encode(bytes(32)).decode()


@dataclass(frozen=True)
class Recording(Machinery[Any]):
    """Machinery that remembers which deciders it was asked to run."""

    deciders: list[Decider[Any, Any, Any]] = field(default_factory=list)

    def handler(self, decider: Decider[Any, Any, Any]) -> CommandHandler[Any, Any, Any]:
        self.deciders.append(decider)
        return super().handler(decider)


@dataclass(frozen=True)
class Wired:
    """A service with everything that its `wiring.py` makes of the machinery."""

    service: Service[Any]
    parts: Machinery[Any]
    application: Application
    deciders: list[Decider[Any, Any, Any]]

    @cached_property
    def api(self) -> FastAPI:
        """With the endpoints that every service has."""
        return api_of(self.service, self.parts, self.application, Authenticator("http://portal/.well-known/jwks.json"))

    @property
    def endpoints(self) -> list[Route]:
        return [route for route in self.api.routes if isinstance(route, Route)]


@cache
def wired(package: str) -> Wired:
    service: Service[Any] = importlib.import_module(f"{package}.wiring").SERVICE
    names = ("database_dsn", "keys_dsn", "healthcloud_api_key", "message_gateway_url")
    settings = service.settings.model_validate(
        {**dict.fromkeys(names, "nowhere"), "key_encryption_key": KEY, "index_key": KEY, "signing_key": KEY, "user_key": KEY}
    )
    parts = Recording(
        name=service.name,
        settings=settings,
        clock=SystemClock(),
        pool=MagicMock(),
        store=MagicMock(epoch=1) if service.has_log else None,
        heads=MagicMock() if service.has_log else None,
        producers=MagicMock(),
        key_server=MagicMock(),
    )
    return Wired(service, parts, service.wire(parts), parts.deciders)


def all_modules(package: str) -> Iterator[ModuleType]:
    """The package and every module in it, imported; `__main__`, which would run, apart."""
    root = importlib.import_module(package)
    yield root
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def subclasses(kind: type, *packages: str) -> list[type]:
    """Every class of these packages that inherits from `kind`, at any distance."""
    for package in packages:
        for _ in all_modules(package):
            pass
    found: set[type] = set()
    waiting = [kind]
    while waiting:
        direct: list[type] = waiting.pop().__subclasses__()
        found.update(direct)
        waiting += direct
    ours = (each for each in found if each.__module__.partition(".")[0] in packages)
    return sorted(ours, key=lambda each: (each.__module__, each.__qualname__))
