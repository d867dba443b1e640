"""The gate's endpoints and what the client has seen: nobody is judged without the facts that he speaks of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis.migrations import KEYS
from contracts.access import Role
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from gatekeeper.wiring import SERVICE
from tests.gatekeeper.facts import HERE, imported, pre_registered
from tests.health.service import Running, running_service
from tests.in_process import Caller


@pytest.fixture(scope="module")
async def running(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[Running]:
    database = await fresh_databases.make("gatekeeper", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    async with running_service(SERVICE, database, keys["gatekeeper"]) as service:
        yield service


@pytest.fixture
def operator(running: Running) -> Caller:
    return running.caller(Role.SITE_OPERATOR, HERE)


@pytest.fixture
def on_site(running: Running) -> tuple[UUID, str]:
    """Somebody who was imported as on site a moment ago, and the token of that."""
    person_id = uuid4()
    told = running.registration.tell(imported(on_site=True).model_copy(update={"person_id": person_id}))
    return person_id, str(told)


class TestToken:
    @pytest.mark.parametrize("kind", ["entries", "exits"])
    async def test_is_waited_for_by_commands(self, operator: Caller, on_site: tuple[UUID, str], kind: str) -> None:
        person_id, seen = on_site
        response = await operator.post(f"/v1/contracts/{HERE}/{kind}", {"person_id": str(person_id)}, seen=seen)
        assert 200 == response.status_code
        assert response.headers["consistency-token"].startswith("gatekeeper/1/")
        if kind == "entries":
            assert "already_entered" in {reason["code"] for reason in response.json()["reasons"]}

    async def test_is_waited_for_by_queries(self, operator: Caller, on_site: tuple[UUID, str]) -> None:
        person_id, seen = on_site
        response = await operator.get(f"/v1/contracts/{HERE}/clearances/{person_id}", seen=seen)
        assert (200, True) == (response.status_code, response.json()["on_site"])

    async def test_of_what_has_not_come_yet_is_answered_with_503(self, operator: Caller, on_site: tuple[UUID, str]) -> None:
        person_id, seen = on_site
        ahead = f"{seen}0"
        for response in (
            await operator.get(f"/v1/contracts/{HERE}/clearances/{person_id}", seen=ahead),
            await operator.post(f"/v1/contracts/{HERE}/exits", {"person_id": str(person_id)}, seen=ahead),
        ):
            assert (503, "1") == (response.status_code, response.headers["retry-after"])


class TestEntry:
    async def test_is_refused_to_whom_health_has_not_judged(self, running: Running, operator: Caller) -> None:
        person_id = uuid4()
        told = running.registration.tell(pre_registered().model_copy(update={"person_id": person_id}))
        entry = await operator.post(f"/v1/contracts/{HERE}/entries", {"person_id": str(person_id)}, seen=told)
        assert "refused" == entry.json()["outcome"]
        assert "arrival_not_assessed" in [reason["code"] for reason in entry.json()["reasons"]]
