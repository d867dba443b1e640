"""What is asked while the log lacks its end, as it was restored."""

from __future__ import annotations

from uuid import uuid4

import httpx2

from contracts.access import Role
from tests.in_process import Caller
from tests.registration.asking import citizen, number, path
from tests.registration.service import Running
from tests.registration.test_erasing_everybody import incomplete_log


class TestClosedLog:
    async def test_refuses_nothing_and_knows_nobody_not_to_be_there(
        self, running: Running, contract_no: str, operator: Caller, postgres_dsn: str
    ) -> None:
        """Whoever looks before he decides finds what may be there after all."""
        person = uuid4()
        nowhere, member = number(), {"document": citizen(1), "name": "张小四"}
        stranger = running.caller(Role.SITE_OPERATOR, nowhere)
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)

        async def asked() -> list[httpx2.Response]:
            unlinked = f"{path(contract_no)}/{person}/documents/{uuid4()}/withdrawal"
            return [
                await supervision.post(unlinked, {"reason": "证件号录错"}),
                await operator.get(f"{path(contract_no)}/{person}"),
                await stranger.get(f"/v1/contracts/{nowhere}"),
                await operator.post(f"{path(contract_no)}/{person}/family-members", member),
            ]

        assert {404} == {each.status_code for each in await asked()}
        async with incomplete_log(running, postgres_dsn):
            answers = await asked()
        assert [(503, "unavailable", "1")] * 4 == [
            (each.status_code, each.json()["code"], each.headers["retry-after"]) for each in answers
        ]
