"""Databases for tests: apart from each other, and like a service's own in every respect that a test could miss."""

from __future__ import annotations

import asyncpg
import pytest

from chassis.migrations import WORK
from devstack.databases import Database
from tests.conftest import MakeDatabase


async def _value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


class TestDatabase:
    async def test_is_migrated(self, database: MakeDatabase) -> None:
        made = await database("devstack_test", [WORK])
        assert 0 == await _value(made.app_dsn, "SELECT count(*) FROM lease")

    async def test_is_apart_from_the_next(self, database: MakeDatabase) -> None:
        first, second = await database("devstack_test", [WORK]), await database("devstack_test", [WORK])
        await _value(first.app_dsn, "INSERT INTO lease (name) VALUES ('only here')")
        assert 0 == await _value(second.app_dsn, "SELECT count(*) FROM lease")

    async def test_has_the_settings_that_the_migration_gave_it(self, database: MakeDatabase) -> None:
        made = await database("devstack_test", [WORK])
        assert "2s" == await _value(made.app_dsn, "SHOW lock_timeout")

    async def test_gives_the_app_role_no_more_than_the_migration_grants(self, database: MakeDatabase) -> None:
        made = await database("devstack_test", [WORK])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _value(made.app_dsn, "CREATE TABLE own (id integer)")

    async def test_is_closed_to_other_services(self, database: MakeDatabase) -> None:
        made = await database("devstack_test", [WORK])
        other = await database("devstack_other", [WORK])
        stranger = other.app_dsn.replace(other.name, made.name)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _value(stranger, "SELECT 1")


class TestKeysDatabases:
    async def test_let_each_service_in_under_its_own_role(self, keys_databases: dict[str, Database]) -> None:
        for package, keys in keys_databases.items():
            assert package == await _value(keys.app_dsn, "SELECT session_user::text")

    async def test_give_the_gate_no_key(self, keys_databases: dict[str, Database]) -> None:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _value(keys_databases["gatekeeper"].app_dsn, "SELECT unwrap('{}', 'gate', 'process')")
