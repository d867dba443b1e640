"""A city that reporting knows, for whoever asks about its people."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chassis.database import create_pool
from chassis.identity import Identities
from chassis.index_keys import IndexKeys
from chassis.migrations import KEYS
from chassis.sealing import Sealing
from chassis.settings import key_bytes
from contracts.firms import Firm
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from reporting.wiring import SERVICE
from tests.health.service import settings_of
from tests.in_process import in_process
from tests.reporting import facts
from tests.reporting.city import City
from tests.reporting.facts import EMPLOYER, HONGKOU, OTHER_EMPLOYER, PUDONG


@pytest.fixture(scope="module")
async def city(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[City]:
    database = await fresh_databases.make("reporting", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    settings = settings_of(SERVICE, database, keys["reporting"], {})
    assert settings.key_encryption_key
    assert settings.index_key
    key_server = await create_pool(keys["registration"].app_dsn, application_name="test")
    async with in_process(SERVICE, settings) as service:
        city = City(
            service,
            Sealing(key_server, key_encryption_key=key_bytes(settings.key_encryption_key)),
            Identities(key_server, IndexKeys(key_bytes(settings.index_key))),
            database,
            keys["reporting"],
        )
        nantong = Firm(credit_code=facts.NANTONG.credit_code, name="江苏南通三建集团股份有限公司", kind="施工企业")
        await city.tell(facts.reported(PUDONG, contractor=nantong, station="浦东", project_name="浦东新区御桥社区02单元"))
        await city.tell(facts.reported(HONGKOU))
        for contract_no, code in ((HONGKOU, EMPLOYER), (PUDONG, OTHER_EMPLOYER), (HONGKOU, OTHER_EMPLOYER)):
            await city.tell(facts.employer(contract_no, code))
        yield city
    await city.sealing.close()
    await city.identities.close()
    await key_server.close()
