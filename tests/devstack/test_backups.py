"""Base backups and the WAL archive, by the scripts of `deploy/postgres`, on a server of their own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from signal import SIGKILL
from subprocess import CompletedProcess, run
from typing import Any

import asyncpg
import pytest

from chassis.testing.wait import eventually
from devstack.backups import Backups
from devstack.children import ChildEnded
from devstack.postgres import SCRIPTS, EmbeddedPostgres, Size
from devstack.suite import throwaway_state

SMALL = Size(connections_max=20, shared_buffers_mb=16)
ARCHIVED_S_MAX = 20.0


class Notebook:
    """A server with a table, and its backups."""

    def __init__(self, backups: Backups) -> None:
        self.backups = backups
        self.server = backups.server

    async def ask(self, query: str, *arguments: object) -> Any:
        connection = await asyncpg.connect(self.server.dsn)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def write(self, line: str) -> datetime:
        """A time after it."""
        await self.ask("INSERT INTO note (line) VALUES ($1)", line)
        now: datetime = await self.ask("SELECT clock_timestamp()")
        return now

    async def lines(self) -> Sequence[str]:
        found: list[str] = await self.ask("SELECT array_agg(line ORDER BY n) FROM note")
        return found

    async def back_up(self) -> None:
        """And let its second pass: only what is later can be restored to."""
        await self.backups.make()
        made = datetime.strptime(f"{self.bases()[-1]}+0000", "%Y%m%d%H%M%S%z")
        await eventually(lambda: self.ask("SELECT clock_timestamp() >= $1::timestamptz + interval '1 s'", made), within_s=5)

    async def archive(self) -> None:
        """All that was written so far, without waiting for the minute to end."""
        name = await self.ask("SELECT pg_walfile_name(pg_switch_wal())")
        await eventually((self.server.backups / "wal" / f"{name}.gz").exists, within_s=ARCHIVED_S_MAX)

    async def lose_disk(self) -> None:
        await self.crash()
        shutil.rmtree(self.server.data)

    async def crash(self) -> None:
        self.server.child.send(SIGKILL)
        await self.server.child.ended(5)
        await self.server.stop()

    def bases(self) -> Sequence[str]:
        return sorted(each.name for each in (self.server.backups / "base").iterdir())

    def archived(self) -> Sequence[str]:
        """Finished files of the WAL."""
        return sorted(each.name for each in (self.server.backups / "wal").iterdir() if len(each.stem) == 24)


@pytest.fixture
async def notebook() -> AsyncIterator[Notebook]:
    """Empty, and never backed up."""
    with throwaway_state() as state:
        server = EmbeddedPostgres(state, "test", size=SMALL)
        await server.start()
        notebook = Notebook(Backups(server, kept_days=1, log=state.log("backups")))
        await notebook.ask("CREATE TABLE note (n bigint GENERATED ALWAYS AS IDENTITY, line text)")
        yield notebook
        await server.stop()


class TestRestore:
    async def test_ends_at_the_time_that_is_asked_for(self, notebook: Notebook) -> None:
        await notebook.write("in the backup")
        await notebook.back_up()
        until = await notebook.write("before")
        await notebook.write("after")
        await notebook.archive()
        await notebook.lose_disk()

        await notebook.backups.put_back(until)
        await notebook.server.start()

        assert ["in the backup", "before"] == await notebook.lines()
        assert "00000002" == (await notebook.ask("SELECT pg_walfile_name(pg_current_wal_lsn())"))[:8], "who asks can see it"

    async def test_takes_all_that_is_archived_where_no_time_is_given(self, notebook: Notebook) -> None:
        await notebook.back_up()
        await notebook.write("archived")
        await notebook.archive()
        await notebook.write("lost with the disk")
        await notebook.lose_disk()

        await notebook.backups.put_back()
        await notebook.server.start()

        assert ["archived"] == await notebook.lines()

    async def test_takes_what_the_disk_still_has_beyond_the_archive(self, notebook: Notebook) -> None:
        await notebook.back_up()
        await notebook.write("on the disk only")
        await notebook.crash()

        await notebook.backups.put_back()
        await notebook.server.start()

        assert ["on the disk only"] == await notebook.lines()
        assert 1 == len([*notebook.server.home.glob("data.until-*")]), "nothing is deleted"

    async def test_may_follow_another(self, notebook: Notebook) -> None:
        await notebook.back_up()
        until = await notebook.write("first")
        await notebook.write("never was")
        await notebook.archive()
        await notebook.server.stop()
        await notebook.backups.put_back(until)
        await notebook.server.start()
        await notebook.write("second")
        await notebook.server.stop()

        await notebook.backups.put_back()
        await notebook.server.start()

        assert ["first", "second"] == await notebook.lines()

    async def test_is_refused_while_the_server_runs(self, notebook: Notebook) -> None:
        await notebook.back_up()
        with pytest.raises(ChildEnded, match="stop its server"):
            await notebook.backups.put_back()
        await notebook.write("still there")

    async def test_is_refused_without_a_backup_from_before(self, notebook: Notebook) -> None:
        until = await notebook.write("too early")
        await notebook.back_up()
        await notebook.server.stop()
        with pytest.raises(ChildEnded, match="has no backup from before"):
            await notebook.backups.put_back(until)
        await notebook.server.start()
        assert ["too early"] == await notebook.lines()

    async def test_is_refused_where_the_archive_cannot_be_read(self, notebook: Notebook) -> None:
        await notebook.back_up()
        await notebook.archive()
        await notebook.server.stop()
        (notebook.server.backups / "wal" / notebook.archived()[-1]).write_bytes(b"damaged")
        with pytest.raises(ChildEnded, match="not in gzip format"):
            await notebook.backups.put_back()


class TestBackup:
    async def test_tells_everybody_when_it_was_made(self, notebook: Notebook) -> None:
        query = "SELECT now() - current_setting('gatehouse.base_backup_at', true)::timestamptz BETWEEN '0 s' AND '1 min'"
        assert None is await notebook.ask(query)
        await notebook.back_up()
        await eventually(lambda: notebook.ask(query), within_s=5)

    async def test_begins_the_archive(self, notebook: Notebook) -> None:
        await notebook.ask("SELECT pg_switch_wal()")
        await eventually(lambda: notebook.ask("SELECT archived_count FROM pg_stat_archiver"), within_s=ARCHIVED_S_MAX)
        assert not notebook.server.backups.exists(), "nobody could use it"
        await notebook.back_up()
        await notebook.archive()

    async def test_throws_away_what_is_too_old(self, notebook: Notebook) -> None:
        await notebook.back_up()
        [old] = notebook.bases()
        await notebook.archive()
        kept_for_it = notebook.archived()

        await notebook.back_up()
        assert [old] == notebook.bases()[:1]
        assert set(kept_for_it) <= set(notebook.archived())

        await Backups(notebook.server, kept_days=0, log=notebook.backups.log).make()
        assert old not in notebook.bases()
        assert 1 == len(notebook.bases()), "the last one stays, however old"
        assert set() == set(kept_for_it) & set(notebook.archived())
        await notebook.write("since")
        await notebook.archive()
        await notebook.lose_disk()
        await notebook.backups.put_back()
        await notebook.server.start()
        assert ["since"] == await notebook.lines()


class TestArchive:
    def archive(self, folder: Path, content: bytes) -> CompletedProcess[bytes]:
        file = folder / "segment"
        file.write_bytes(content)
        script: list[str | Path] = ["sh", SCRIPTS / "archive.sh", file, "000000010000000000000001"]
        return run(script, env={"BACKUPS": str(folder), "PATH": "/usr/bin:/bin"}, check=False)

    def test_takes_a_file_again_after_a_crash(self, tmp_path: Path) -> None:
        assert [0, 0] == [self.archive(tmp_path, b"the same").returncode for _ in range(2)]

    def test_never_writes_over_what_another_server_left(self, tmp_path: Path) -> None:
        assert 0 == self.archive(tmp_path, b"one").returncode
        kept = (tmp_path / "wal" / "000000010000000000000001.gz").read_bytes()
        assert 0 != self.archive(tmp_path, b"another").returncode
        assert kept == (tmp_path / "wal" / "000000010000000000000001.gz").read_bytes()
