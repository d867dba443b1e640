"""A worker with an identity card and a passport: what stands against one of them stands against both; over HTTP only."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from chassis.testing.wait import eventually
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody
from tests.journeys.test_at_the_gate import codes, listed
from tests.journeys.test_supervision import ask
from tests.journeys.test_who_is_expected import told_to_the_police

REASON = {"reason": "护照与身份证为同一人"}


def passport() -> dict[str, str]:
    return {"type": "passport", "number": f"CHN/E{uuid4().int % 10**8:08}"}


async def link(site: Site, arrived: Arrived, document: dict[str, str], *, expect: tuple[int, ...] = (201,)) -> dict[str, Any]:
    """With where it stands, as `seen`."""
    path = f"pre-registrations/{arrived.person_id}/documents"
    response = await site.post("site_operator", "registration", path, {"document": document, **REASON}, expect=expect)
    return {**response.json(), "seen": response.headers["Consistency-Token"]}


async def at_the_gate(site: Site, what: str, document: dict[str, str], *, seen: str = "") -> dict[str, Any]:
    role = "gate_device" if what == "gate-passes" else "site_operator"
    answer: dict[str, Any] = (await site.post(role, "gatekeeper", what, {"document": document}, seen=seen)).json()
    return answer


class TestSeveralDocuments:
    async def test_of_one_person_open_and_close_the_gate_together(self, site: Site) -> None:
        worker, shown = await site.arrives(), passport()
        assert ["not_pre_registered"] == codes(await at_the_gate(site, "entries", shown)), "the gate does not know whose it is"
        linked = await link(site, worker, shown)
        await link(site, worker, shown, expect=(200,))
        entered = await at_the_gate(site, "entries", shown, seen=linked["seen"])
        assert ("admitted", worker.person_id) == (entered["outcome"], entered["person_id"])
        assert ["already_entered"] == codes(await site.enters(worker)), "nobody is on site twice"
        await site.is_banned(worker)
        refused = await at_the_gate(site, "gate-passes", shown)
        assert ("refused", True) == (refused["outcome"], "suspected" in codes(refused))
        left = await at_the_gate(site, "exits", shown)
        assert worker.person_id == left["person_id"]

    async def test_registered_apart_and_then_linked_are_banned_together_and_counted_once(self, site: Site) -> None:
        one, two = await site.arrives(), await site.arrives()
        assert "admitted" == (await site.enters(two))["outcome"]
        await site.is_banned(one)
        assert "admitted" == (await site.passes(two))["outcome"], "nobody knows yet that they are the same"

        linked = await link(site, one, two.person.document)
        assert [two.person_id] == linked["same_as"]
        refused = await at_the_gate(site, "gate-passes", two.person.document, seen=linked["seen"])
        [ban] = [each for each in refused["reasons"] if each["code"] == "suspected"]
        assert one.person_id == ban["record"], "it says under which document"
        [banned] = await listed(site, "roster", 1, on_site=True, banned=True)
        assert two.person_id == banned["person_id"]

        async def is_counted_once() -> bool:
            return bool(1 == (await ask(site, "contracts"))["rows"][0]["pre_registered"])

        await eventually(is_counted_once, within_s=WITHIN_S)
        [*_, last] = await told_to_the_police(site, two.person_id, seen=linked["seen"])
        assert ("arrival-linked", [one.person_id]) == (last["what"], last["same_as"])

    async def test_linked_by_mistake_stand_for_themselves_again(self, site: Site) -> None:
        one, two = await site.arrives(), await site.arrives()
        await site.is_banned(one)
        linked = await link(site, one, two.person.document)
        assert "refused" == (await at_the_gate(site, "entries", two.person.document, seen=linked["seen"]))["outcome"]
        path = f"pre-registrations/{one.person_id}/documents/{two.person_id}/withdrawal"
        await site.post("site_operator", "registration", path, {"reason": "证件号录错"}, expect=(403,))
        unlinked = await site.post("supervision_operator", "registration", path, {"reason": "证件号录错"}, expect=(204,))
        seen = unlinked.headers["Consistency-Token"]
        assert "admitted" == (await at_the_gate(site, "entries", two.person.document, seen=seen))["outcome"]
        assert "suspected" in codes(await at_the_gate(site, "entries", one.person.document))

    async def test_of_which_the_first_was_mistyped_are_one_person_s(self, site: Site) -> None:
        wrong, right = await site.arrives(), somebody()
        await site.is_banned(wrong)
        mistake = {"reason": "证件号录错"}
        withdrawn = f"pre-registrations/{wrong.person_id}/withdrawal"
        await site.post("site_operator", "registration", withdrawn, mistake)
        await site.declares(right)
        found = await site.looks_up(right)
        registered = await site.hands_in(right, seen=found, replaces=wrong.person_id)
        anew = Arrived(right, registered.json()["person_id"])
        await eventually(lambda: site.is_judged(anew), within_s=WITHIN_S)
        assert ["suspected"] == await site.reasons(anew), "the ban follows the person, not the paper"

    async def test_linked_before_the_police_was_told_are_told_with_the_first_message(self, site: Site) -> None:
        person = somebody()
        await site.hands_in(person, seen="", expect=(409,))
        found = await site.ask("site_operator", "POST", "registration", "/v1/person-lookups", {"document": person.document})
        waits = Arrived(person, found.json()["person_id"])
        linked = await link(site, waits, passport())
        await site.declares(person)

        async def is_told() -> bool:
            told = await told_to_the_police(site, waits.person_id)
            return ["arrival-shared", "arrival-linked"] == [each["what"] for each in told] and (
                linked["same_as"] == told[-1]["same_as"]
            )

        await eventually(is_told, within_s=WITHIN_S)
