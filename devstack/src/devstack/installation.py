"""From PostgreSQL and Kafka to an installation: databases, roles, migrations, topics. All of it may be repeated."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from contracts.topics import users
from devstack import children, installer
from devstack.databases import KEYS, provide_database, provide_keys
from devstack.parts import Parts
from devstack.services import SERVICES, Service, Stack, kafka_password, ports_from_environment
from devstack.state import State

DEADLINE_S = 180.0


async def install(
    parts: Parts,
    state: State,
    services: Sequence[Service],
    *,
    apart: str = "",
    ports: Mapping[str, int] | None = None,
    python: str = sys.executable,
) -> Stack:
    """Everything that these services need before they start. PostgreSQL must be up; Kafka may still be coming.

    `apart` is a name, [a-z0-9_], for one of several installations on the same parts: its databases end in it, its topics begin
    with it. `ports` are those of the apis, by package; by default as the environment says. `python` is
    the interpreter whose packages run: where another release's run, this one's tables are added to what is there.
    Raises: children.ChildEnded with the end of the log; TimeoutError.
    """
    ending, prefix = (f"_{apart}", f"{apart}.") if apart else ("", "")
    # All roles are made on the keys server, also of services that are not installed: its migration grants each its rights.
    packages = [service.package for service in SERVICES]
    keys = await provide_keys(parts.keys_postgres.dsn, state, packages, name=KEYS + ending)
    databases = {
        service.package: await provide_database(parts.postgres.dsn, state, service.package, name=service.package + ending)
        for service in services
    }
    order = installer.Order(
        owner_dsns={package: database.owner_dsn for package, database in databases.items()},
        keys_owner_dsn=next(iter(keys.values())).owner_dsn,
        kafka_bootstrap=parts.kafka.bootstrap,
        topic_prefix=prefix,
        kafka_passwords={user: SecretStr(kafka_password(state, user)) for user in users()} if parts.kafka.clients else {},
    )
    await children.run(
        "the installer",
        installer.command(python),
        log=state.log("installer"),
        environment=installer.environment_of(order),
        deadline_s=DEADLINE_S,
    )
    return Stack(parts, state, databases, keys, ports=ports or ports_from_environment(), topic_prefix=prefix, python=python)
