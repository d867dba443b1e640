"""Status, body and new facts of 建筑工地复工检查表, on the real app with real PostgreSQL and a real folder."""

from __future__ import annotations

import httpx2
import pytest

from contracts.access import Role
from contracts.streams import site_stream
from tests.in_process import Caller
from tests.registration.asking import report
from tests.registration.service import Running

PDF = "application/pdf"
SCAN, PHOTO = b"%PDF-1.4\nscan\n%%EOF", b"\x89PNG\r\n\x1a\nphoto"


@pytest.fixture
async def contract_no(running: Running) -> str:
    """Whose site has submitted its information."""
    contract_no = await report(running)
    control = {
        "team": [{"name": "王小二", "duty": "组长", "phone": "13800000012"}],
        "designated_hospital": "虹口区测试医院",
        "supplies": [],
    }
    lead = running.caller(Role.PROJECT_LEAD, contract_no)
    assert 200 == (await lead.put(f"/v1/contracts/{contract_no}/epidemic-control", control, version=0)).status_code
    return contract_no


def path(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/resumption-checklists"


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


class TestUpload:
    async def test_waits_for_the_first_submission_and_keeps_nothing(self, running: Running) -> None:
        contract_no = await report(running)
        operator = running.caller(Role.SITE_OPERATOR, contract_no)
        refused = await operator.upload(path(contract_no), SCAN, PDF, key="one")
        assert (409, "site-information-is-not-submitted") == problem(refused)
        assert 0 == await running.wired.pool.fetchval(
            "SELECT count(*) FROM checklist_file WHERE site_id = $1", site_stream(contract_no)
        )

    async def test_is_a_version_each_and_comes_back_as_a_download(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        first = await operator.upload(path(contract_no), SCAN, PDF, key="one")
        second = await operator.upload(path(contract_no), PHOTO, PDF, key="two")
        assert [(201, 1, PDF), (201, 2, "image/png")] == [
            (each.status_code, each.json()["version"], each.json()["media_type"]) for each in (first, second)
        ]
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        assert [1, 2] == [each["version"] for each in (await supervision.get(path(contract_no))).json()["items"]]
        fetched = await supervision.get(f"{path(contract_no)}/2")
        assert (200, PHOTO) == (fetched.status_code, fetched.content)
        assert {
            "content-type": "image/png",
            "content-disposition": 'attachment; filename="resumption-checklist-2.png"',
            "content-security-policy": "sandbox; default-src 'none'",
        }.items() <= dict(fetched.headers).items()
        assert (404, "not-found") == problem(await supervision.get(f"{path(contract_no)}/3"))

    async def test_of_the_same_file_is_the_same_version(self, running: Running, contract_no: str, operator: Caller) -> None:
        answers = [await operator.upload(path(contract_no), SCAN, PDF, key=key) for key in ("one", "one", "two")]
        assert [(201, 1), (201, 1), (200, 1)] == [(each.status_code, each.json()["version"]) for each in answers]
        assert 1 == (await running.facts()).count("resumption-checklist-uploaded")
        assert (422, "idempotency-key-reused") == problem(await operator.upload(path(contract_no), PHOTO, PDF, key="one"))

    async def test_of_something_else_is_refused(self, contract_no: str, operator: Caller) -> None:
        refused = await operator.upload(path(contract_no), b"<html>", PDF, key="one")
        assert (422, "checklist-is-not-recognised") == problem(refused)
        refused = await operator.upload(path(contract_no), SCAN, "text/html", key="one")
        assert 415 == refused.status_code

    async def test_of_another_site_is_not_found(self, running: Running, contract_no: str) -> None:
        stranger = running.caller(Role.SITE_OPERATOR, "W404")
        assert (404, "not-found") == problem(await stranger.upload(path(contract_no), SCAN, PDF, key="one"))
        assert (404, "not-found") == problem(await stranger.get(f"{path(contract_no)}/1"))
