"""Scans and photos of 建筑工地复工检查表, kept on disk by what they contain; the log names them by digest.

`<folder>/<site's stream>/<SHA-256>`. A file is whole on the disk, and its name with it, before the fact that names it is
appended; so whatever is named is there, however a process dies. What nobody names was cut short, and is swept later. A
row a file says when it was last handed in: its lock stands between an upload and the sweep (ADR 31).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import structlog

from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable
from chassis.service import Worker
from chassis.telemetry import type_name
from contracts.rejection import Rejection
from contracts.site_information import ChecklistType, checklist_type

TOTAL_BYTES_MAX = 100 * 1024**3
"""Of all sites. Uploads in the same moment may go beyond it by what they bring."""
NAMED_WITHIN = timedelta(minutes=10)
"""So soon after a file was handed in the fact that names it is appended, or not at all."""
SWEPT_AFTER = timedelta(hours=1)
"""So long after it was handed in a file that nobody names is thrown away. Well after `NAMED_WITHIN`."""
SWEEP_EVERY_S = 600.0
SWEPT_AT_ONCE = 200
RETRY_AFTER_S = 60

HAND_IN = """
INSERT INTO checklist_file AS f (site_id, sha256, size_bytes, handed_in_at) VALUES ($1, $2, $3, now())
ON CONFLICT (site_id, sha256) DO UPDATE SET handed_in_at = excluded.handed_in_at
RETURNING handed_in_at
"""
TOTAL = "SELECT sum(size_bytes)::bigint FROM checklist_file"
UNNAMED = """
SELECT site_id, sha256 FROM checklist_file WHERE NOT named AND handed_in_at < now() - $1::interval
ORDER BY handed_in_at LIMIT $2
"""
NAME = "UPDATE checklist_file SET named = true WHERE site_id = $1 AND sha256 = $2"
FORGET = """
DELETE FROM checklist_file WHERE site_id = $1 AND sha256 = $2 AND NOT named AND handed_in_at < now() - $3::interval
RETURNING true
"""

log = structlog.get_logger()


class ChecklistIsNotRecognised(Rejection):
    """What a file is, its content says, not its name or header."""

    code = "checklist-is-not-recognised"
    status = 422
    title_zh = "无法识别该文件,请上传 PDF、JPEG 或 PNG 格式的复工检查表"
    title_en = "The file is neither PDF, nor JPEG, nor PNG"


def recognised(content: bytes) -> ChecklistType:
    """By its first bytes. Raises: ChecklistIsNotRecognised."""
    media_type = checklist_type(content)
    if media_type is None:
        raise ChecklistIsNotRecognised
    return media_type


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class ChecklistFiles:
    """The files of all sites."""

    pool: asyncpg.Pool
    folder: Path | None
    """Shared by all processes of the service. None: there is none, and nothing can be uploaded."""
    total_bytes_max: int = TOTAL_BYTES_MAX

    async def keep(self, site_id: UUID, sha256: str, content: bytes) -> datetime:
        """The content is durable when this returns: until when, by the database's clock, a fact may name it.

        Handing it in again writes it again. Raises: Unavailable where there is no room, or no disk.
        """
        folder = self._folder()
        async with self.pool.acquire() as connection, connection.transaction():
            handed_in_at: datetime = await connection.fetchval(HAND_IN, site_id, sha256, len(content))
            if await connection.fetchval(TOTAL) > self.total_bytes_max:
                log.error("checklists.full", bytes_max=self.total_bytes_max)
                raise Unavailable(retry_after_s=RETRY_AFTER_S)
        try:
            await asyncio.to_thread(_write, folder / str(site_id) / sha256, content)
        except OSError as error:
            log.error("checklists.not_written", error_type=type_name(error))
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
        return handed_in_at + NAMED_WITHIN

    async def read(self, site_id: UUID, sha256: str) -> bytes:
        """What was kept under this digest, and nothing else. Raises: Unavailable where the disk has lost or changed it."""
        try:
            content = await asyncio.to_thread((self._folder() / str(site_id) / sha256).read_bytes)
        except OSError as error:
            log.error("checklists.not_read", error_type=type_name(error))
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
        if await asyncio.to_thread(digest_of, content) != sha256:
            log.error("checklists.altered", sha256=sha256)
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        return content

    async def sweep(self, is_named: Callable[[UUID, str], Awaitable[bool]]) -> int:
        """Throw away what was handed in long ago and is named by no fact; how many files. `is_named` asks the log itself."""
        folder, swept = self._folder(), 0
        for site_id, sha256 in await self.pool.fetch(UNNAMED, SWEPT_AFTER, SWEPT_AT_ONCE):
            path = folder / str(site_id) / sha256
            if await is_named(site_id, sha256):
                await self.pool.execute(NAME, site_id, sha256)
                await asyncio.to_thread(_remove_torn, path)
                continue
            async with self.pool.acquire() as connection, connection.transaction():
                # Whoever hands it in again now waits for this row, and writes the file after it is gone.
                if await connection.fetchval(FORGET, site_id, sha256, SWEPT_AFTER):
                    await asyncio.to_thread(_remove, path)
                    swept += 1
        return swept

    async def keep_sweeping(self, is_named: Callable[[UUID, str], Awaitable[bool]], _: Worker) -> None:
        """A worker's task. Two workers do no harm: each file is one row's."""
        # What an earlier release made for everybody to read is ours. It may not be there yet, or be another's.
        with suppress(OSError):
            await asyncio.to_thread(self._folder().chmod, 0o700)
        while True:
            try:
                if swept := await self.sweep(is_named):
                    log.info("checklists.swept", count=swept)
            except (Unavailable, OSError, *DATABASE_ERRORS) as error:
                log.warning("checklists.not_swept", error_type=type_name(error))
            await asyncio.sleep(SWEEP_EVERY_S)

    def _folder(self) -> Path:
        if self.folder is None:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        return self.folder


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and still there after a power cut: file, then name, then the folders that hold the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        with torn.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        torn.replace(path)
    except OSError:
        with suppress(OSError):
            torn.unlink()
        raise
    for folder in (path.parent, path.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_torn(path)


def _remove_torn(path: Path) -> None:
    """What a process that died while it wrote has left behind."""
    for torn in path.parent.glob(f"{path.name}.*"):
        torn.unlink(missing_ok=True)
