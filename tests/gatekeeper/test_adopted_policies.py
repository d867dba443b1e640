"""What health adopted, the gate weighs by: over HTTP, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.migrations import KEYS
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.health import Hold, PolicyAdopted
from contracts.policy import SHIPPED, Authority, PolicyTerms, Switch
from contracts.streams import POLICY_STREAM
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from gatekeeper.wiring import SERVICE
from tests.gatekeeper.facts import HERE, held, pre_registered
from tests.health.service import Running, running_service


@pytest.fixture(scope="module")
async def running(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[Running]:
    database = await fresh_databases.make("gatekeeper", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    async with running_service(SERVICE, database, keys["gatekeeper"]) as service:
        yield service


def adopted(version: int, terms: PolicyTerms) -> PolicyAdopted:
    return PolicyAdopted(
        version=version, draft_id=uuid4(), terms=terms, reference="沪建质安〔2020〕28号", adopted_at=datetime.now(UTC)
    )


async def test_a_policy_counts_for_whoever_asks_after_it(running: Running) -> None:
    person_id = UUID(int=uuid4().int)
    registration, health = (running.service.told[name] for name in ("registration", "health"))
    told = registration.tell(pre_registered().model_copy(update={"person_id": person_id}))
    operator = running.caller(Role.SITE_OPERATOR, HERE)
    path = f"/v1/contracts/{HERE}/clearances/{person_id}"

    async def weighed(seen: object) -> tuple[int, list[tuple[str, str]]]:
        async def answered() -> Any:
            response = await operator.get(path, seen=seen)
            return None if response.status_code == 503 else response.json()

        answer = await eventually(answered)
        return answer["policy_version"], [(each["code"], each["effect"]) for each in answer["reasons"] if each["code"] == "fever"]

    assert (1, []) == await weighed(told)
    told = health.tell(held(Hold.FEVER).model_copy(update={"person_id": person_id}))
    assert (1, [("fever", "forbid")]) == await weighed(told)

    assert SHIPPED.switches is not None
    milder = SHIPPED.model_copy(update={"switches": SHIPPED.switches.model_copy(update={"fever": Switch.REMIND})})
    told = health.tell(adopted(2, milder), stream_id=POLICY_STREAM)
    assert (2, [("fever", "remind")]) == await weighed(told)

    district = PolicyTerms(authority=Authority.DISTRICT, district="310109", valid_from=SHIPPED.valid_from, isolation_days=21)
    told = health.tell(adopted(3, district), stream_id=POLICY_STREAM)
    assert (2, [("fever", "remind")]) == await weighed(told), "what a district adds is of arrivals, and health's to judge"
