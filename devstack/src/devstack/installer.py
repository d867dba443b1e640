"""A program of its own: migrates every database and makes every topic, then ends.

It does what `python -m <package> migrate` and `provision` do, for all services in one interpreter: to import one service
takes 1.6 s of CPU, to import the next one after it a tenth of that.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

from chassis.kafka import admit, provision
from chassis.migrations import KEYS, migrate
from chassis.service import Service
from contracts.topics import topics_of
from devstack import kafka
from devstack.children import environment

ORDER = "GATEHOUSE_INSTALL_ORDER"


class Order(BaseModel):
    """What to install. Read from the environment variable `ORDER`, because it holds passwords."""

    model_config = ConfigDict(frozen=True)

    owner_dsns: Mapping[str, str]
    """By package."""
    keys_owner_dsn: str
    kafka_bootstrap: str
    topic_prefix: str
    kafka_passwords: Mapping[str, SecretStr]
    """By user. None where the brokers ask nobody who he is."""

    @field_serializer("kafka_passwords")
    def _in_clear(self, passwords: Mapping[str, SecretStr]) -> dict[str, str]:
        return {user: password.get_secret_value() for user, password in passwords.items()}


def command(python: str) -> list[str]:
    """How it is started, by this interpreter."""
    return [python, "-m", "devstack.installer"]


def environment_of(order: Order) -> dict[str, str]:
    """The environment that it is started with."""
    return environment(**{ORDER: order.model_dump_json()})


async def install(order: Order) -> None:
    """Raises whatever makes a migration or a topic fail. Repeating it does nothing."""
    await migrate(order.keys_owner_dsn, [KEYS])
    services = {package: _service(package) for package in order.owner_dsns}
    for package, service in services.items():
        await migrate(order.owner_dsns[package], service.migrations)
    # PostgreSQL is up seconds before Kafka: by now it mostly is there, too.
    await kafka.answers(order.kafka_bootstrap, insist=lambda: None)
    topics = [topic for service in services.values() for topic in topics_of(service.name)]
    provision(order.kafka_bootstrap, topics, prefix=order.topic_prefix)
    if order.kafka_passwords:
        admit(order.kafka_bootstrap, topics, prefix=order.topic_prefix, passwords=order.kafka_passwords)


def _service(package: str) -> Service[Any]:
    service: Service[Any] = importlib.import_module(f"{package}.wiring").SERVICE
    return service


if __name__ == "__main__":
    asyncio.run(install(Order.model_validate_json(os.environ[ORDER])))
