"""A correction and a withdrawal are made of what was seen, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from tests.in_process import Caller
from tests.registration.asking import citizen, declare, form, path
from tests.registration.service import Running

HAS_CHANGED = (412, "registration-has-changed")
HIDDEN = "13900000022", "13912340022"
"""Two numbers of which everybody sees the same digits."""
REASON = {"reason": "登记错误"}


class Place:
    """Somebody on a contract, or who comes along, as a registrar sees and changes him."""

    def __init__(self, operator: Caller, shown_at: str, person_id: str, seen: str) -> None:
        self.operator, self.shown_at, self.person_id, self.seen = operator, shown_at, person_id, seen

    async def shown(self) -> Mapping[str, Any]:
        is_family = self.shown_at.endswith("family-members")
        address = self.shown_at if is_family else f"{self.shown_at}/{self.person_id}"
        answer = (await self.operator.get(address, seen=self.seen)).json()
        found: Mapping[str, Any] = answer["items"][0] if is_family else answer
        return found

    async def change(self, what: str, body: Mapping[str, Any], *, based_on: str, key: str | None = None) -> httpx2.Response:
        address = f"{self.shown_at}/{self.person_id}/{what}"
        answer = await self.operator.post(address, {**body, **REASON}, key=key, **{"If-Match": f'"{based_on}"'})
        self.seen = answer.headers.get("consistency-token", self.seen)
        return answer


@pytest.fixture
async def expected(running: Running, contract_no: str, operator: Caller) -> Place:
    answer = await operator.post(path(contract_no), form(), seen=await declare(running))
    return Place(operator, path(contract_no), answer.json()["person_id"], answer.headers["consistency-token"])


@pytest.fixture
async def along(running: Running, expected: Place) -> Place:
    family = f"{expected.shown_at}/{expected.person_id}/family-members"
    body = {"document": citizen(1), "name": "张小四", "relation": "女儿", "mobile": HIDDEN[0]}
    seen = await declare(running, 1, name="张小四", mobile=None)
    answer = await expected.operator.post(family, body, seen=seen)
    return Place(expected.operator, family, answer.json()["person_id"], answer.headers["consistency-token"])


@pytest.fixture(params=["expected", "along"])
def place(request: pytest.FixtureRequest, expected: Place, along: Place) -> Place:
    return expected if request.param == "expected" else along


def outcome(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"] if answer.status_code >= 400 else ""


class TestChange:
    async def test_of_what_was_seen_is_made_and_answered_alike_when_it_is_repeated(self, place: Place) -> None:
        etag = (await place.shown())["etag"]
        for _ in range(2):
            answer = await place.change("corrections", {"mobile": HIDDEN[1]}, based_on=etag, key="one")
            assert (201, "") == outcome(answer)

    async def test_of_what_was_put_right_since_is_refused_though_nobody_sees_the_difference(
        self, running: Running, place: Place
    ) -> None:
        before = await place.shown()
        await place.change("corrections", {"mobile": HIDDEN[0]}, based_on=before["etag"])
        first = await place.shown()
        await place.change("corrections", {"mobile": HIDDEN[1]}, based_on=first["etag"])
        facts, now = await running.facts(), await place.shown()
        assert (first["mobile"], False) == (now["mobile"], first["etag"] == now["etag"])
        for what, body in (("corrections", {"mobile": "13800000033"}), ("withdrawal", {})):
            assert HAS_CHANGED == outcome(await place.change(what, body, based_on=first["etag"]))
        assert facts == await running.facts()
        assert 204 == (await place.change("withdrawal", {}, based_on=now["etag"])).status_code

    async def test_that_was_withdrawn_is_withdrawn_whatever_was_seen(self, place: Place) -> None:
        etag = (await place.shown())["etag"]
        for _ in range(2):
            assert 204 == (await place.change("withdrawal", {}, based_on=etag)).status_code

    async def test_of_what_is_no_etag_is_refused(self, place: Place) -> None:
        assert (400, "if-match-malformed") == outcome(await place.change("withdrawal", {}, based_on="1"))


class TestFormThatWaits:
    async def test_is_withdrawn_as_it_was_seen(self, running: Running, contract_no: str, operator: Caller) -> None:
        answer = await operator.post(path(contract_no), form())
        (listed,) = (await operator.get(path(contract_no), seen=answer.headers["consistency-token"])).json()["items"]
        place = Place(operator, path(contract_no), listed["person_id"], answer.headers["consistency-token"])
        again = await operator.post(path(contract_no), form(trade="030"))
        place.seen = again.headers["consistency-token"]
        assert HAS_CHANGED == outcome(await place.change("withdrawal", {}, based_on=listed["etag"]))
        assert 204 == (await place.change("withdrawal", {}, based_on=(await place.shown())["etag"])).status_code

    async def test_of_family_is_withdrawn_as_it_was_seen(self, expected: Place) -> None:
        family = f"{expected.shown_at}/{expected.person_id}/family-members"
        body = {"document": citizen(1), "name": "张小四", "relation": "女儿"}
        first = await expected.operator.post(family, body)
        (listed,) = (await expected.operator.get(family, seen=first.headers["consistency-token"])).json()["items"]
        again = await expected.operator.post(family, body | {"relation": "侄女"})
        place = Place(expected.operator, family, listed["person_id"], again.headers["consistency-token"])
        assert HAS_CHANGED == outcome(await place.change("withdrawal", {}, based_on=listed["etag"]))
        assert 204 == (await place.change("withdrawal", {}, based_on=(await place.shown())["etag"])).status_code
