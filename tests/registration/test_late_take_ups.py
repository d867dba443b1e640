"""Nobody waits for ever."""

from __future__ import annotations

from chassis.testing.wait import eventually
from contracts.access import Role
from devstack.databases import Database
from registration.late_take_ups import LateTakeUps
from registration.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.registration.asking import citizen, declare, form, path, report
from tests.registration.service import registration


async def test_takes_up_a_form_that_the_policy_did_not_see(database: MakeDatabase, keys_databases: dict[str, Database]) -> None:
    made = await database("registration", SERVICE.migrations)
    # Without the policy everything is as it is where the policy looked a moment before the form was stored.
    async with registration(made, keys_databases["registration"], with_policies=False) as running:
        late = LateTakeUps(running.wired.pool, running.wired.people, running.wired.clock)
        contract_no = await report(running)
        operator = running.caller(Role.SITE_OPERATOR, contract_no)
        kept = await operator.post(path(contract_no), form())
        other = await operator.post(path(contract_no), form(1))
        await operator.get(path(contract_no), seen=kept.headers["consistency-token"])
        await operator.get(path(contract_no), seen=other.headers["consistency-token"])
        assert 0 == await late.look()

        for seen in (await declare(running), await declare(running, 1, name="李四")):
            await operator.get(path(contract_no), seen=seen)
        assert 1 == await late.look()

        async def nothing_is_left() -> bool:
            return await late.look() == 0

        await eventually(nothing_is_left)
        assert 1 == (await running.facts()).count("person-pre-registered")

        registered: list[dict[str, str]] = []

        async def is_listed() -> bool:
            registered[:] = (await operator.get(path(contract_no), state="open")).json()["items"]
            return bool(registered)

        await eventually(is_listed)
        person = registered[0]["person_id"]
        family = f"{path(contract_no)}/{person}/family-members"
        waits = await operator.post(family, {"document": citizen(2), "name": "张小四"})
        await operator.get(family, seen=waits.headers["consistency-token"])
        await operator.get(family, seen=await declare(running, 2, name="张小四"))
        assert 1 == await late.look()
        assert 1 == (await running.facts()).count("family-member-pre-registered")
