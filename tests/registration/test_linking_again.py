"""After a restore, what lacks its other half is told by both again."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from contracts.access import Role
from registration import erasing, linking_again
from registration.domain.same_person import Link, Unlink
from registration.erasing import tell_erased
from registration.linking_again import link_again
from registration.wiring import SERVICE
from tests.in_process import Caller
from tests.registration.asking import form, path, person_id
from tests.registration.facts import SEALED
from tests.registration.service import Running
from tests.registration.test_erasing_everybody import incomplete_log


@pytest.fixture
async def people(running: Running, contract_no: str, operator: Caller) -> AsyncIterator[list[UUID]]:
    """Four documents, of which a form waits. Whatever a test leaves behind, the next one finds nothing to mend."""
    for n in range(4):
        await operator.post(path(contract_no), form(n))
    ids = [await person_id(running, n) for n in range(4)]
    yield ids
    for each in ids:
        await erase(running, each)


async def erase(running: Running, person_id: UUID) -> None:
    erased = await running.caller(Role.CITY_SUPERVISOR).delete(f"/v1/people/{person_id}/personal-data")
    assert erased.status_code == 204


async def link(running: Running, one: UUID, *others: UUID) -> None:
    """Told by this one; what the others told was lost."""
    parts = running.wired
    await parts.people.handle(one, Link(one, frozenset(others), parts.clock.now(), reason=SEALED))


async def unlink(running: Running, one: UUID, *others: UUID) -> None:
    """As `link`."""
    parts = running.wired
    await parts.people.handle(one, Unlink(one, frozenset(others), parts.clock.now(), SEALED))


async def mended(running: Running, **settings: Any) -> tuple[int, int]:
    """Exit code, and how many facts it says were told."""
    with capture_logs() as logs:
        code = await link_again(SERVICE, running.service.parts.settings.model_copy(update=settings), Namespace())
    (count,) = [each["count"] for each in logs if each["event"] == "linking.told_again"]
    return code, count


async def named(running: Running, people: list[UUID]) -> list[set[int]]:
    """By each, which of them."""
    read = await running.wired.people.read_together(people)
    return [{people.index(each) for each in person.records.same_as} for _, person in read.values()]


async def erased(running: Running, people: list[UUID]) -> list[bool]:
    read = await running.wired.people.read_together(people)
    return [person.is_erased for _, person in read.values()]


class TestLinkAgain:
    async def test_links_whoever_does_not_name_who_names_him(self, running: Running, people: list[UUID]) -> None:
        one, two, *_ = people
        await link(running, one, two)
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{1}, {0}, set(), set()] == await named(running, people)

    async def test_links_everybody_who_leads_to_another(
        self, running: Running, people: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(linking_again, "PAGE_FACTS_MAX", 1)
        one, two, three, four = people
        for each, other in ((one, two), (two, one), (two, three), (four, one)):
            await link(running, each, other)
        assert [(0, 2), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{1, 2, 3}, {0, 2, 3}, {0, 1, 3}, {0, 1, 2}] == await named(running, people)

    async def test_unlinks_whoever_names_who_was_set_apart(self, running: Running, people: list[UUID]) -> None:
        one, two, three, _ = people
        for each, others in ((one, (two, three)), (two, (one, three)), (three, (one, two))):
            await link(running, each, *others)
        await unlink(running, three, one, two)
        await unlink(running, two, three)
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{1}, {0}, set(), set()] == await named(running, people)
        assert (await running.wired.people.read(one))[1].records.apart == (three,)

    async def test_tells_an_unlinking_before_it_links(self, running: Running, people: list[UUID]) -> None:
        one, two, three, _ = people
        for each, other in ((one, two), (two, one), (one, three)):
            await link(running, each, other)
        await unlink(running, two, one)
        assert [(0, 2), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{2}, set(), {0}, set()] == await named(running, people)

    async def test_links_whoever_was_linked_once_more_after_an_unlinking(self, running: Running, people: list[UUID]) -> None:
        one, two, *_ = people
        for says in (link, unlink):
            await says(running, one, two)
            await says(running, two, one)
        await link(running, one, two)
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{1}, {0}, set(), set()] == await named(running, people)

    async def test_names_whoever_names_somebody_who_was_erased(self, running: Running, people: list[UUID]) -> None:
        """Nothing more can be said of the one, and nobody but who decides it erases the other."""
        one, two, *_ = people
        await erase(running, two)
        await link(running, one, two)
        with capture_logs() as logs:
            assert 1 == await link_again(SERVICE, running.service.parts.settings, Namespace())
        named = [(each["stream_id"], each["reason"]) for each in logs if each["event"] == "linking.not_told_again"]
        assert [(str(one), "person-is-erased")] == named
        await erase(running, one)
        assert (0, 0) == await mended(running)

    @pytest.mark.parametrize("is_told_by", [0, 1])
    async def test_tells_of_an_erasure_of_which_a_half_was_lost(
        self, running: Running, people: list[UUID], is_told_by: int
    ) -> None:
        one, two, *_ = people
        await link(running, one, two)
        await link(running, two, one)
        for each in (one, two):
            await running.wired.sealing.destroy(each)
        assert 1 == await tell_erased(running.wired, people[is_told_by])
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [True, True, False, False] == await erased(running, people)

    async def test_tells_of_an_erasure_that_was_cut_short_or_lost(
        self, running: Running, people: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(erasing, "PEOPLE_MAX", 1)
        one, *_, four = people
        for each in (one, four):
            await running.wired.sealing.destroy(each)
        assert [(0, 2), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [True, False, False, True] == await erased(running, people)

    async def test_erases_nobody_whose_key_is_there(self, running: Running, people: list[UUID]) -> None:
        """He may have been unlinked, and only his half of that be lost."""
        one, two, three, four = people
        await link(running, one, two)
        await link(running, three, four)
        await running.wired.sealing.destroy(two)
        assert [(1, 2), (1, 0)] == [await mended(running) for _ in range(2)]
        assert [False, True, False, False] == await erased(running, people)
        assert [{1}, set(), {3}, {2}] == await named(running, people)

    async def test_tells_the_others_of_whoever_was_erased(self, running: Running, people: list[UUID]) -> None:
        one, two, three, _ = people
        await link(running, one, two)
        await running.wired.sealing.destroy(one)
        assert 1 == await tell_erased(running.wired, one)
        await link(running, two, three)
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]
        assert [{1}, {2}, {1}, set()] == await named(running, people)

    async def test_leaves_whoever_was_set_apart_before_the_erasure_his_key(self, running: Running, people: list[UUID]) -> None:
        """A restore lost one's half of that, and that he was erased: no repeat reaches the other."""
        one, two, three, _ = people
        await link(running, one, two)
        await link(running, two, one)
        await unlink(running, two, one)
        await link(running, two, three)
        await link(running, three, two)
        await running.wired.sealing.destroy(one)
        assert 1 == await tell_erased(running.wired, one)
        await erase(running, one)
        assert [True, False, False, False] == await erased(running, people)
        assert {one} == await running.wired.sealing.destroyed_among(people)

    async def test_says_of_whom_nothing_could_be_told(self, running: Running, people: list[UUID]) -> None:
        one, two, *_, four = people
        await link(running, one, two)
        await running.wired.sealing.destroy(four)
        assert (1, 1) == await mended(running, epidemic_ended_on=None)
        assert [(0, 1), (0, 0)] == [await mended(running) for _ in range(2)]

    async def test_is_refused_while_the_log_is_incomplete(self, running: Running, postgres_dsn: str) -> None:
        async with incomplete_log(running, postgres_dsn):
            assert 2 == await link_again(SERVICE, running.service.parts.settings, Namespace())
