"""`python -m health rebuild known_person_v1`, as an operator types it, beside health's worker and api on real parts."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from uuid import UUID, uuid4

from chassis.service import machinery
from chassis.testing.wait import eventually
from devstack.databases import Database
from health.read_models.known_people import KNOWN_PEOPLE, everywhere
from health.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.health.facts import EMPLOYER, pre_registered
from tests.health.on_kafka import publish, running_worker
from tests.health.service import KEY, PARTITIONS, settings_of

PEOPLE = 40


async def test_a_damaged_read_model_is_repaired_while_the_service_runs(
    database: MakeDatabase, keys_databases: dict[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> None:
    made, keys = await database("health", SERVICE.migrations), keys_databases["health"]
    own = {"kafka_bootstrap": kafka_bootstrap, "topic_prefix": topic_prefix}
    settings: Any = settings_of(SERVICE, made, keys, own)
    environment = {
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "GATEHOUSE_DATABASE_DSN": made.app_dsn,
        "GATEHOUSE_MIGRATION_DSN": made.owner_dsn,
        "GATEHOUSE_KEYS_DSN": keys.app_dsn,
        "GATEHOUSE_KEY_ENCRYPTION_KEY": KEY,
        "GATEHOUSE_KAFKA_BOOTSTRAP": kafka_bootstrap,
        "GATEHOUSE_TOPIC_PREFIX": topic_prefix,
        "GATEHOUSE_PARTITIONS": str(PARTITIONS),
    }

    async def rebuild(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "health", "rebuild", *arguments), env=environment, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(process.communicate(), timeout=60)
        return process.returncode, said.decode()

    people = [UUID(int=uuid4().int & ~63 | n) for n in range(PEOPLE)]
    await publish(settings, *(pre_registered(person, contract_no="W2019010100011") for person in people))
    async with running_worker(SERVICE, settings) as parts, machinery(SERVICE, settings) as api:

        async def known() -> list[UUID]:
            return [person for person in people if await everywhere(api.pool, person)]

        async def all_are_known() -> bool:
            return await known() == people

        await eventually(all_are_known)
        async with machinery(SERVICE, settings) as damage:
            await damage.pool.execute("DELETE FROM known_person_v1 WHERE person_id = $1", people[7])
        assert people[:7] + people[8:] == await known()

        code, said = await rebuild(KNOWN_PEOPLE.name)
        assert (3, True) == (code, "1 only rebuilt" in said), said
        assert people[:7] + people[8:] == await known()

        code, said = await rebuild(KNOWN_PEOPLE.name, "--replace")
        assert (0, True) == (code, f"{PEOPLE} of {PEOPLE} events" in said or "0 of 0 events" in said), said
        assert people == await known(), "asked on connections that had asked the replaced table"

        late = UUID(int=uuid4().int & ~63 | PEOPLE)
        await publish(settings, pre_registered(late, contract_no="W2019010100011"))
        await eventually(lambda: everywhere(parts.pool, late))
        assert EMPLOYER == (await everywhere(api.pool, late))["W2019010100011"].pre_registered_for

        assert 1 == (await rebuild(KNOWN_PEOPLE.name))[0], "the replaced tables are still kept"
        assert 0 == (await rebuild(KNOWN_PEOPLE.name, "--drop-old"))[0]
        assert 0 == (await rebuild(KNOWN_PEOPLE.name))[0]
        assert 2 == (await rebuild("no_such_v1"))[0]
