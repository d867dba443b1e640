"""A town to look at: contracts of 500 people, each with name and document sealed under a key of his own, as facts in the logs.

They are appended by the event store's own append, so that every service takes them in as if they had been typed; only who typed
them, and the rules of the forms, are left out. What people do there afterwards, they do over HTTP.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
from pydantic import SecretStr

from bench.supervision import contract_number, contract_of, employer_of
from chassis.event_store import AlreadyStored, Append, Appended, EventStore, NewEvent
from chassis.sealing import Sealer
from chassis.service import Machinery, machinery
from contracts.access import Role
from contracts.event import Actor, Envelope, Event
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.identity import Document, DocumentType
from contracts.people import PersonKind
from contracts.registration import DeclarationAwaited, PersonPreRegistered, PinnedDeclaration, RosterMemberImported
from contracts.times import shanghai_date
from devstack.services import SERVICES, Stack
from devstack.story.callers import Caller
from devstack.story.cast import GIVEN, SURNAMES, citizen_id
from devstack.tokens import Account, token
from healthcloud_bridge.wiring import SERVICE as BRIDGE
from registration.wiring import SERVICE as REGISTRATION

PEOPLE = int(os.environ.get("GATEHOUSE_BENCH_PEOPLE", "1000000"))
"""A multiple of `PEOPLE_AT_ONCE`."""
PEOPLE_A_CONTRACT = 500
CONTRACTS = PEOPLE // PEOPLE_A_CONTRACT
PEOPLE_AT_ONCE = 1_000
"""Made, sealed and appended together: no more than the log and the key server let wait."""
ATTEMPTS_MAX = 10
TAKEN_IN_S_MAX = 7_200.0
LOOKED_EVERY_S = 2.0
NOW = datetime.now(UTC)
TODAY = shanghai_date(NOW)
HUBEI, JIANGSU = "420100", "320600"
TYPED_BY = Actor(role=Role.SITE_OPERATOR, account="bench")
OPERATOR = Account("ops")
FOLLOWS = ("registration", "health", "gatekeeper", "reporting", "healthcloud_bridge")


def document_of(n: int) -> Document:
    """Of the n-th of the town."""
    born = date(1960, 1, 1) + timedelta(days=n // 999 % 16_000)
    return Document(type=DocumentType.CITIZEN_ID, number=citizen_id(region="320623", born=born, order=n % 999))


def name_of(n: int) -> str:
    return SURNAMES[n % len(SURNAMES)] + GIVEN[n // 7 % len(GIVEN)] + GIVEN[n // 3 % len(GIVEN)]


@dataclass
class Town:
    """A stack, and the people who are put into it."""

    stack: Stack
    registration: Machinery[Any]
    bridge: Machinery[Any]

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: Stack) -> AsyncIterator[Town]:
        async with (
            machinery(REGISTRATION, _settings(stack, REGISTRATION.settings, "registration")) as registration,
            machinery(BRIDGE, _settings(stack, BRIDGE.settings, "healthcloud_bridge")) as bridge,
        ):
            yield cls(stack, registration, bridge)

    async def fill(self) -> float:
        """Put everybody there, and wait until every service has taken everything in. Seconds in all."""
        began = time.perf_counter()
        for n in range(CONTRACTS):
            await _append(self.registration, contract_of(n))
        for first in range(0, PEOPLE, PEOPLE_AT_ONCE):
            await self._move_in(range(first, first + PEOPLE_AT_ONCE))
        await self.settles()
        return time.perf_counter() - began

    async def settles(self) -> None:
        """Return once nobody has anything left to take in. Raises: TimeoutError."""
        deadline = time.monotonic() + TAKEN_IN_S_MAX
        urls = {package: self.stack.url(package) for package in FOLLOWS}
        async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
            operator = Caller(client, lambda: token(self.stack.portal, self.stack.state, OPERATOR), urls)
            while await _is_behind(operator):
                if time.monotonic() > deadline:
                    raise TimeoutError("not everything was taken in")
                await asyncio.sleep(LOOKED_EVERY_S)

    async def _move_in(self, numbers: Sequence[int]) -> None:
        documents = [document_of(n) for n in numbers]
        people = await self.registration.identities.identify(documents)
        sealer = await self.registration.sealing.sealer_for(people)
        each = list(zip(numbers, people, documents, strict=True))
        await _append(self.registration, [(person, _form(n, person, document, sealer)) for n, person, document in each])
        declared = [(person, _declared(n, person, sealer)) for n, person, _ in each if _contradicts(n)]
        await _append(self.bridge, declared)


def _settings(stack: Stack, settings: type[Any], package: str) -> Any:
    program = next(each for each in SERVICES if each.package == package)
    told = stack.environment(program)
    return settings.model_validate(
        {
            "database_dsn": SecretStr(told["GATEHOUSE_DATABASE_DSN"]),
            "keys_dsn": SecretStr(told["GATEHOUSE_KEYS_DSN"]),
            "key_encryption_key": SecretStr(told["GATEHOUSE_KEY_ENCRYPTION_KEY"]),
            "index_key": SecretStr(told["GATEHOUSE_INDEX_KEY"]),
        }
    )


async def _is_behind(operator: Caller) -> bool:
    answers = await asyncio.gather(*(operator.get(each, "/v1/ops/status") for each in FOLLOWS))
    told = {answer.body["service"]: answer.body for answer in answers}
    heads = {service: status["log"]["heads"] for service, status in told.items() if status["log"]}
    followed = [each for status in told.values() for each in status["followed"]]
    return any(each["positions"] != heads[each["source"]] for each in followed if each["source"] in heads)


# --- Facts ------------------------------------------------------------------------------------------------------------


def place_of(n: int) -> int:
    """Which of a contract's people the n-th of the town is, from 0. A fifth are pre-registered, two wait, and the others are of
    the old roster, half of them on site."""
    return n // CONTRACTS


def _form(n: int, person_id: UUID, document: Document, sealer: Sealer) -> Event:
    place = place_of(n)
    told: dict[str, Any] = {
        "person_id": person_id,
        "contract_no": contract_number(n % CONTRACTS),
        "employer_credit_code": employer_of(n % CONTRACTS).credit_code,
        "person_kind": PersonKind.WORKER,
        "trade": "390",
        "document": sealer.seal(person_id, "document", document.number),
        "document_type": document.type,
        "name": sealer.seal(person_id, "name", name_of(n)),
    }
    if place % 5 != 4 and place not in (3, 8):
        return RosterMemberImported(**told, on_site=place % 2 == 0, imported_at=NOW)
    arrived = TODAY - timedelta(days=place // 5 % 28)
    told |= {
        "district": "310109",
        "origin_code": HUBEI if place // 5 % 2 == 0 else JIANGSU,
        "origin": sealer.seal(person_id, "origin", "南通市"),
        "arrival_date": arrived,
        "name_fingerprint": sealer.fingerprint(person_id, name_of(n)),
        "mobile": sealer.seal(person_id, "mobile", f"138{n:08}"),
    }
    if place % 5 != 4:
        return DeclarationAwaited(**told, complete=True, asked_at=NOW)
    pinned = PinnedDeclaration(
        version=1, reported_on=arrived, from_hubei=False, from_wuhan=False, stopover=False, temperature_celsius=36.5
    )
    return PersonPreRegistered(**told, declaration=pinned, taken_up=False, pre_registered_at=NOW)


def _contradicts(n: int) -> bool:
    """Of a tenth of those who are pre-registered something is 待核."""
    return place_of(n) % 50 == 4


def _declared(n: int, person_id: UUID, sealer: Sealer) -> DeclarationReceived:
    return DeclarationReceived(
        person_id=person_id,
        declaration_version=1,
        reported_on=TODAY - timedelta(days=place_of(n) // 5 % 28),
        report_place=sealer.seal(person_id, "report_place", "101 上海浦东国际机场T1"),
        temperature_celsius=36.5,
        health_text=sealer.seal(person_id, "health_text", "无异常症状"),
        travel=sealer.seal(person_id, "travel", "火车G13333"),
        from_hubei=False,
        from_wuhan=False,
        stopover=False,
        stay_address=sealer.seal(person_id, "stay_address", "上海市虹口区测试路1号"),
        mobile=sealer.seal(person_id, "mobile", f"138{n:08}"),
        name_fingerprint=sealer.fingerprint(person_id, name_of(n)),
        contradictions=("report_place_against_travel",),
        channel="app",
        relation="self",
        received_at=NOW,
    )


# --- Into a log -------------------------------------------------------------------------------------------------------


async def _append(parts: Machinery[Any], facts: Iterable[tuple[UUID, Event]]) -> None:
    """Each the next of its stream, which nothing else writes to meanwhile. Raises: RuntimeError."""
    store, versions = parts.store, dict[UUID, int]()
    if store is None:
        raise RuntimeError(f"{parts.name} has no log")
    appends = []
    for stream_id, event in facts:
        versions[stream_id] = version = versions.get(stream_id, 0) + 1
        appends.append(_command(parts.name, store, stream_id, event, version))
    await asyncio.gather(*(_stored(store, append) for append in appends))


async def _stored(store: EventStore, append: Append) -> None:
    """On a machine that has too much to do, a lock is waited for too long now and then."""
    for _ in range(ATTEMPTS_MAX):
        with suppress(asyncpg.LockNotAvailableError):
            if isinstance(await store.append(append), Appended | AlreadyStored):
                return
    raise RuntimeError(f"{append.kind} {append.stream_id} is not stored")


def _command(service: str, store: EventStore, stream_id: UUID, event: Event, version: int) -> Append:
    event_id = uuid4()
    envelope = Envelope(
        event_id=event_id,
        type=event.TYPE,
        service=service,
        stream_id=stream_id,
        version=version,
        epoch=store.epoch,
        time=NOW,
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        actor=TYPED_BY,
    )
    stored = NewEvent(event_id, event.TYPE, event.encode(), envelope.encode())
    kind = "person" if hasattr(event, "person_id") else "contract"
    return Append(stream_id, kind, expected_version=version - 1, events=[stored], state=None, state_version=None)
