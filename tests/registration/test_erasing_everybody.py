"""The end of the epidemic: everybody is erased, every count stands, and a certificate says so."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from uuid import UUID

import asyncpg
import pytest

from chassis import database
from chassis.key_server import Purpose
from chassis.sealing import ERASED
from contracts.access import Role
from contracts.registration import PersonErased, RosterMemberImported
from contracts.streams import site_stream
from devstack.databases import with_database
from registration import erasing_again, erasing_everybody
from registration.erasing import NOBODY
from registration.erasing_again import erase_again
from registration.erasing_everybody import erase_everybody
from registration.imports.files import XLSX, cells_of
from registration.settings import Settings
from registration.wiring import SERVICE
from tests.in_process import Caller
from tests.registration.asking import declare, form, path, person_id
from tests.registration.importing import import_roster
from tests.registration.service import Running
from tests.registration.sheets import member
from tests.registration.test_site_api import control

SHORT_S = 1.0
PEOPLE = "SELECT count(*) FROM stream WHERE kind = 'person'"


@pytest.fixture
async def known(running: Running, contract_no: str, operator: Caller) -> list[UUID]:
    """Somebody pre-registered, some on the roster, one who has only declared, and one whose document was only shown."""
    expected = await operator.post(path(contract_no), form(0), seen=await declare(running, 0))
    await import_roster(running, operator, contract_no, *(member(n) for n in (1, 2)))
    seen = await declare(running, 3)
    await operator.get(path(contract_no), seen=seen)
    return [UUID(expected.json()["person_id"]), *[await person_id(running, n) for n in (1, 2, 3, 4)]]


async def ended(running: Running, *, on: date | None = date(2020, 6, 17)) -> int:
    """The exit code."""
    settings: Settings = running.service.parts.settings.model_copy(update={"epidemic_ended_on": on})
    return await erase_everybody(SERVICE, settings, Namespace(decided_by="甲"))


@asynccontextmanager
async def incomplete_log(running: Running, postgres_dsn: str) -> AsyncIterator[None]:
    """As it is between the restore and the first start of a service."""
    name = await running.wired.pool.fetchval("SELECT current_database()")
    connection = await asyncpg.connect(with_database(postgres_dsn, name=name))
    await connection.execute("UPDATE store SET examined_at_place = '7' || examined_at_place")
    try:
        yield
    finally:
        await connection.execute("UPDATE store SET examined_at_place = place_of_log()")
        await connection.close()


def slow(query: str) -> str:
    """Takes longer than `SHORT_S`, as on a log of real size."""
    return f"WITH waited AS MATERIALIZED (SELECT pg_sleep({2 * SHORT_S})) SELECT read.* FROM waited, ({query}) AS read"


def certified(text: str) -> dict[str, str]:
    """English name of a line → the last word of it."""
    lines = [line.partition(" ")[2].rpartition(" ") for line in text.splitlines()]
    return {name.strip(): value for name, _, value in lines}


class TestEraseEverybody:
    async def test_leaves_nobody_and_every_count(
        self, running: Running, known: list[UUID], contract_no: str, operator: Caller, capsys: pytest.CaptureFixture[str]
    ) -> None:
        people = await running.wired.pool.fetchval(PEOPLE)
        listed = len((await operator.get(path(contract_no))).json()["items"])

        assert 0 == await ended(running)

        assert [] == await running.wired.identities.people_after(NOBODY, limit=1)
        told = certified(capsys.readouterr().out)
        assert (str(people), str(people + 1)) == (told["records of people, before"], told["records, with who only declared"])
        assert (str(people + 1), "0") == (told["erased, of these"], told["people whom a document leads to"])
        assert listed == len((await operator.get(path(contract_no))).json()["items"])
        unsealer = await running.wired.sealing.unwrap(known, actor="test", purpose=Purpose.PROCESS)
        first = (await running.wired.store.read_stream(known[1]))[0]
        assert ERASED == unsealer.unseal(known[1], "name", RosterMemberImported.decode(first.data).name)
        assert {*known}.isdisjoint([await person_id(running, n) for n in range(5)]), "their documents lead to strangers"

    async def test_goes_on_where_it_was_cut_short(self, running: Running, known: list[UUID]) -> None:
        await running.caller(Role.CITY_SUPERVISOR).delete(f"/v1/people/{known[1]}/personal-data")
        await running.wired.sealing.destroy(known[2])  # And then the process died.
        assert [0, 0] == [await ended(running) for _ in range(2)]
        erased = await running.wired.pool.fetch("SELECT stream_id FROM event WHERE type = $1", PersonErased.TYPE)
        told = [row["stream_id"] for row in erased if row["stream_id"] in known]
        assert sorted(known[:4]) == sorted(told), "each once; nobody has to be told of who was only asked for"

    @pytest.mark.parametrize("day", [None, date(2999, 1, 1)])
    async def test_is_refused_before_the_day(self, running: Running, known: list[UUID], day: date | None) -> None:
        assert 2 == await ended(running, on=day)
        assert known[0] == await person_id(running, 0)

    @pytest.mark.parametrize("day", [None, date(2999, 1, 1)])
    async def test_is_refused_before_the_day_where_everybody_of_record_is_erased(
        self, running: Running, known: list[UUID], day: date | None
    ) -> None:
        assert 0 == await ended(running)
        stranger = await person_id(running, 4)
        assert 2 == await ended(running, on=day)
        assert stranger == await person_id(running, 4)

    async def test_is_refused_while_the_log_is_incomplete(self, running: Running, known: list[UUID], postgres_dsn: str) -> None:
        async with incomplete_log(running, postgres_dsn):
            assert 2 == await ended(running)
        assert known[0] == await person_id(running, 0)

    async def test_leaves_no_site_and_no_file_readable(
        self, running: Running, known: list[UUID], contract_no: str, operator: Caller, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await operator.put(f"/v1/contracts/{contract_no}/epidemic-control", control(), version=0)
        import_id = (await import_roster(running, operator, contract_no, member(1), member(2, 姓名="")))["import_id"]
        others = {site_stream(contract_no), UUID(import_id)}
        assert others <= {*await running.wired.sealing.others_after(NOBODY, limit=100)}

        assert 0 == await ended(running)

        keys = await asyncpg.connect(running.keys.owner_dsn)
        assert 0 == await keys.fetchval("SELECT count(*) FROM key WHERE wrapped_key IS NOT NULL")
        await keys.close()
        assert "0" == certified(capsys.readouterr().out)["other things that can be opened"]
        read = (await operator.get(f"/v1/contracts/{contract_no}/epidemic-control")).json()
        assert [{"name": None, "duty": None, "phone": None}] == read["team"]
        refused = await operator.get(f"/v1/imports/{import_id}/refused-rows")
        assert (200, 1) == (refused.status_code, len(await cells_of(refused.content, XLSX))), "the header"

    async def test_counts_as_long_as_it_takes(self, running: Running, known: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasing_everybody, "COUNTS", slow(erasing_everybody.COUNTS))
        monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", SHORT_S)
        assert 0 == await ended(running)


class TestEraseAgain:
    async def test_destroys_what_a_backup_of_the_keys_brought_back(self, running: Running, known: list[UUID]) -> None:
        await running.caller(Role.CITY_SUPERVISOR).delete(f"/v1/people/{known[1]}/personal-data")
        connection = await asyncpg.connect(running.keys.owner_dsn)
        await connection.execute("UPDATE key SET wrapped_key = $2, destroyed_at = NULL WHERE stream_id = $1", known[1], bytes(60))
        assert 0 == await erase_again(SERVICE, running.service.parts.settings, Namespace())
        rows = await connection.fetch("SELECT stream_id, wrapped_key IS NULL FROM key WHERE stream_id = ANY ($1)", known[:3])
        await connection.close()
        assert {known[0]: False, known[1]: True, known[2]: False} == dict(map(tuple, rows))

    async def test_is_refused_while_the_log_is_incomplete(self, running: Running, postgres_dsn: str) -> None:
        async with incomplete_log(running, postgres_dsn):
            assert 2 == await erase_again(SERVICE, running.service.parts.settings, Namespace())

    async def test_reads_as_long_as_it_takes(self, running: Running, known: list[UUID], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasing_again, "SHARDS", 1)
        monkeypatch.setattr(erasing_again, "ERASED", slow(erasing_again.ERASED))
        monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", SHORT_S)
        assert 0 == await erase_again(SERVICE, running.service.parts.settings, Namespace())
