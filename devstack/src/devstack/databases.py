"""Databases and roles. Each service has one database, a role that owns it and migrates, and a role that works in it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from devstack.state import State

KEYS = "keys"
"""Database and, with `_owner`, role on the keys server. What each service's role may do there is granted by migration."""
TIMEOUT_S = 30.0
LOCK_ID = 0x524F4C45
"""Advisory lock that whoever makes roles holds, in the database `postgres`."""


@dataclass(frozen=True)
class Database:
    """How to reach one database."""

    name: str
    owner_dsn: str
    """Of the role that migrates."""
    app_dsn: str
    """Of the role that the service works with. It has what the migrations grant it, and no more."""


def with_database(dsn: str, *, name: str, role: str | None = None, password: str | None = None) -> str:
    """The DSN of another database on the same server, and of another role if one is named."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    login = parts.netloc.rpartition("@")[0] if role is None else f"{role}:{password}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=f"/{name}"))


async def provide_roles(admin_dsn: str, state: State, roles: Iterable[str]) -> None:
    """Make the login roles that are missing and set everybody's password. Repeating it changes nothing."""
    connection = await asyncpg.connect(admin_dsn, timeout=TIMEOUT_S)
    try:
        # Two who change the same role at once would fail; the lock goes with the connection.
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        for role in sorted(roles):
            await _provide_role(connection, role, state.password(f"role-{role}"))
    finally:
        await connection.close()


async def provide_database(admin_dsn: str, state: State, role: str, *, name: str | None = None) -> Database:
    """The database of a service, made with its two roles if need be. Repeating it changes nothing.

    `name` sets a database apart that shares the roles of `role`: tests have many at once.
    """
    name = name or role
    owner = f"{role}_owner"
    await provide_roles(admin_dsn, state, [owner, role])
    connection = await asyncpg.connect(admin_dsn, timeout=TIMEOUT_S)
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
        await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE {name} TO {role}")
    finally:
        await connection.close()
    return Database(
        name=name,
        owner_dsn=with_database(admin_dsn, name=name, role=owner, password=state.password(f"role-{owner}")),
        app_dsn=with_database(admin_dsn, name=name, role=role, password=state.password(f"role-{role}")),
    )


async def provide_keys(admin_dsn: str, state: State, services: Iterable[str], *, name: str = KEYS) -> dict[str, Database]:
    """The database on the keys server, one role to own it, and one for each service, by the service's package."""
    roles = sorted(services)
    await provide_roles(admin_dsn, state, roles)
    keys = await provide_database(admin_dsn, state, KEYS, name=name)
    dsns = {role: with_database(admin_dsn, name=name, role=role, password=state.password(f"role-{role}")) for role in roles}
    return {role: Database(name, keys.owner_dsn, dsn) for role, dsn in dsns.items()}


async def _provide_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    rights = f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '{password}'"
    with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        await connection.execute(f"CREATE ROLE {role}")
    await connection.execute(f"ALTER ROLE {role} {rights}")
