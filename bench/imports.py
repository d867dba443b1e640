"""A file of forms 进场预登记 with all checks, declarations held already, beside the same commands without a file."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from bench.place import Place
from bench.table import Row
from chassis.command_handling import command_key
from chassis.migrations import KEYS, migrate
from chassis.service import Machinery, machinery
from chassis.subscribers import Fact
from contracts.event import Envelope, recorded_from_meta
from contracts.firms import Firm
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.streams import contract_stream
from devstack.databases import provide_database, provide_keys
from devstack.services import SERVICES
from devstack.story.cast import citizen_id
from registration.domain.contract import AddEmployer, ContractDetails, Employer, ReportContract
from registration.imports.columns import COLUMNS, ImportKind
from registration.imports.files import XLSX, cells_of
from registration.imports.ledger import HandedIn
from registration.imports.running import ROWS_AT_ONCE
from registration.imports.workbooks import RefusedRow, refused_rows
from registration.pre_registering import TypedForm
from registration.read_models.declarations import DECLARATIONS
from registration.settings import Settings
from registration.wired import Wired
from registration.wiring import SERVICE

ROWS = 10_000
KEY = base64.b64encode(bytes(32)).decode()
CONTRACT_NO, EMPLOYER, NAME, MOBILE = "W2019010100011", "91310109MA1A00002C", "张小三", "13800000011"
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
DIGEST = bytes(32)


async def measure(place: Place) -> Sequence[Row]:
    async with _registration(place) as (parts, wired):
        await _contract(wired)
        by_hand, by_file = _documents(0), _documents(ROWS)
        await _declared(parts, wired, [*by_hand, *by_file])
        alone = await _one_by_one(wired, by_hand)
        content = _workbook(by_file)
        began = time.perf_counter()
        cells = await cells_of(content, XLSX)
        read_s = time.perf_counter() - began
        import_id = await wired.imports.hand_in(_handed_in(), DIGEST, cells)
        while await wired.imports.step():
            pass
        import_s = time.perf_counter() - began
        counts = await wired.imports.ledger.counts(import_id)
        if counts != {"applied": ROWS}:
            raise RuntimeError(str(counts))
    return [
        Row(f"import of {ROWS:,} forms from XLSX, one process", ROWS / import_s, "/s", alone, "≥ 1,000/s", "without a file"),
        Row("…, of that: the file is read", read_s * 1000, "ms", None, "–"),
    ]


@asynccontextmanager
async def _registration(place: Place) -> AsyncIterator[tuple[Machinery[Settings], Wired]]:
    database = await provide_database(place.parts.postgres.dsn, place.state, "registration", name="bench_imports")
    keys = await provide_keys(place.parts.keys_postgres.dsn, place.state, [each.package for each in SERVICES], name="bench_keys")
    await migrate(database.owner_dsn, SERVICE.migrations)
    await migrate(keys["registration"].owner_dsn, [KEYS])
    told = {"database_dsn": database.app_dsn, "keys_dsn": keys["registration"].app_dsn}
    settings = Settings.model_validate(told | {"key_encryption_key": KEY, "index_key": KEY})
    async with machinery(SERVICE, settings) as parts:
        yield parts, SERVICE.wire(parts).state["wired"]


async def _contract(wired: Wired) -> None:
    contractor = Firm(credit_code="91310000000000029R", name="上海建工集团股份有限公司", kind="施工企业")
    details = ContractDetails("1902HK0001", "测试4444", contractor, "虹口", "310109")
    stream_id = contract_stream(CONTRACT_NO)
    await wired.contracts.handle(stream_id, ReportContract(CONTRACT_NO, details, NOW))
    await wired.contracts.handle(stream_id, AddEmployer(CONTRACT_NO, EMPLOYER, Employer("上海测试劳务有限公司", None), NOW))


def _documents(first: int) -> list[Document]:
    births = ((n, date(1960, 1, 1) + timedelta(days=n // 999)) for n in range(first, first + ROWS))
    numbers = (citizen_id(region="320623", born=born, order=n % 999) for n, born in births)
    return [Document(type=DocumentType.CITIZEN_ID, number=number) for number in numbers]


async def _declared(parts: Machinery[Settings], wired: Wired, documents: Sequence[Document]) -> None:
    """Registration knows everybody's declaration, as if the projector had brought it."""
    for first in range(0, len(documents), 1_000):
        people = await wired.identities.identify(documents[first : first + 1_000])
        sealer = await wired.sealing.sealer_for(people)
        sealed = {person: sealer.seal(person, "mobile", MOBILE) for person in people}
        facts = [_fact(person, sealed[person], sealer.fingerprint(person, NAME)) for person in people]
        async with parts.pool.acquire() as connection, connection.transaction():
            await DECLARATIONS.project(connection, facts, partition=0)


def _fact(person_id: UUID, mobile: str, fingerprint: str) -> Fact[DeclarationReceived]:
    event = DeclarationReceived(
        person_id=person_id,
        declaration_version=1,
        reported_on=date(2020, 2, 17),
        report_place=mobile,
        health_text=mobile,
        departed_on=date(2020, 2, 16),
        travel=mobile,
        from_hubei=False,
        from_wuhan=False,
        stopover=False,
        stay_address=mobile,
        mobile=mobile,
        name_fingerprint=fingerprint,
        channel="app",
        relation="self",
        received_at=NOW,
    )
    envelope = Envelope(
        event_id=uuid4(),
        type=event.TYPE,
        service="healthcloud-bridge",
        stream_id=person_id,
        version=1,
        epoch=1,
        time=NOW,
        correlation_id=person_id,
        causation_id=person_id,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return Fact(event, recorded_from_meta(envelope.encode(), 1, event.encode()))


async def _one_by_one(wired: Wired, documents: Sequence[Document]) -> float:
    """The same commands, as many at once as an import decides."""
    began = time.perf_counter()
    for first in range(0, len(documents), ROWS_AT_ONCE):
        some = enumerate(documents[first : first + ROWS_AT_ONCE], first)
        keys = [(command_key(principal="bench", key=str(n), body=b""), document) for n, document in some]
        await asyncio.gather(*(wired.pre_registering.hand_in(_form(document), key=key) for key, document in keys))
    return len(documents) / (time.perf_counter() - began)


def _form(document: Document) -> TypedForm:
    return TypedForm(
        contract_no=CONTRACT_NO,
        district="310109",
        document=document,
        name=NAME,
        person_kind=PersonKind.WORKER,
        trade="020",
        employer_credit_code=EMPLOYER,
        origin_code="320600",
        origin="江苏省南通市",
        arrival_date=None,
        mobile=None,
        declaration_version=None,
        for_one_firm=False,
    )


def _workbook(documents: Sequence[Document]) -> bytes:
    header = [column.header for column in COLUMNS[ImportKind.PRE_REGISTRATION]]
    rest = [NAME, "作业人员", "020 钢筋工", EMPLOYER, "320600", "江苏省南通市", "", ""]
    rows = [RefusedRow(["居民身份证", document.number, *rest], "", ()) for document in documents]
    return refused_rows(header, rows, watermark="bench")


def _handed_in() -> HandedIn:
    return HandedIn(uuid4(), ImportKind.PRE_REGISTRATION, CONTRACT_NO, "bench", None, None, False, (), NOW)
