"""The servers of which no topic holds a copy are lost with their disk, the keys' and the accounts': how much is lost with each, and
how long it takes until it takes somebody new."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from bench.lost_server import IsThere, LostServer, Write, lost_again_and_again
from bench.place import Place
from bench.table import Row
from chassis.database import create_pool
from chassis.identity import Identities
from chassis.index_keys import IndexKeys
from chassis.migrations import KEYS, migrate
from chassis.sealing import Sealing
from contracts.access import Role
from contracts.identity import Document, DocumentType
from devstack import postgres
from devstack.databases import provide_database, provide_keys
from devstack.services import SERVICES
from portal.digests import Digests, UserKeys
from portal.operators import SiteGrant
from portal.users import Users
from portal.wiring import SERVICE as PORTAL

ARCHIVED_AFTER_S = 10
"""`archive_timeout` of both in docker-compose.yml."""
PEOPLE, USERS = 20_000, 2_000
"""On the servers; half of them are in the base backup."""
AT_ONCE = 500
KEY = bytes(range(32))
GRANTS = [SiteGrant("W2019010100011", Role.SITE_OPERATOR)]
MOBILE = "13800000000"

Fill = Callable[[range], Awaitable[None]]


async def measure(place: Place) -> Sequence[Row]:
    return [*await _keys(place), *await _accounts(place)]


async def _keys(place: Place) -> Sequence[Row]:
    async with _server(place, "keys-lost") as server:
        databases = await provide_keys(server.postgres.dsn, place.state, [each.package for each in SERVICES])
        database = databases["registration"]
        await migrate(database.owner_dsn, [KEYS])
        async with await create_pool(database.app_dsn, application_name="bench") as pool:
            identities, sealing = Identities(pool, IndexKeys(KEY)), Sealing(pool, key_encryption_key=KEY)

            async def admit(*numbers: int) -> None:
                await sealing.sealer_for(await identities.identify([_document(each) for each in numbers]))

            async def fill(numbers: range) -> None:
                for first in numbers[::AT_ONCE]:
                    await admit(*range(first, first + AT_ONCE))

            async def is_known(number: int) -> bool:
                return await identities.find(_document(number)) is not None

            rows = await _lost(server, "people on the keys' server", PEOPLE, fill=fill, write=admit, is_there=is_known)
            await identities.close()
            await sealing.close()
            return rows


async def _accounts(place: Place) -> Sequence[Row]:
    async with _server(place, "accounts-lost") as server:
        database = await provide_database(server.postgres.dsn, place.state, "portal")
        await migrate(database.owner_dsn, PORTAL.migrations)
        async with await create_pool(database.app_dsn, application_name="bench") as pool:
            users = Users(pool, Digests(UserKeys(KEY)))

            async def put(number: int) -> None:
                await users.put_site_user(document_number=str(number), mobile=MOBILE, grants=GRANTS)

            async def fill(numbers: range) -> None:
                for number in numbers:
                    await put(number)

            async def is_known(number: int) -> bool:
                return await users.site_user_of(document_number=str(number), mobile=MOBILE) is not None

            return await _lost(server, "users on the accounts' server", USERS, fill=fill, write=put, is_there=is_known)


async def _lost(server: LostServer, what: str, count: int, *, fill: Fill, write: Write, is_there: IsThere) -> Sequence[Row]:
    await fill(range(count // 2))
    await server.backups.make()
    await fill(range(count // 2, count))
    what = f"{count:,} {what}"
    return await lost_again_and_again(server, what, archived_after_s=ARCHIVED_AFTER_S, write=write, is_there=is_there)


@asynccontextmanager
async def _server(place: Place, name: str) -> AsyncIterator[LostServer]:
    server = LostServer.at(place, name, size=postgres.KEYS, archived_after_s=ARCHIVED_AFTER_S)
    await server.postgres.start()
    try:
        yield server
    finally:
        await server.postgres.stop()


def _document(number: int) -> Document:
    return Document(type=DocumentType.PASSPORT, number=f"XXX/{number:010}")
