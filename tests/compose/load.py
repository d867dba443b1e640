"""People who report, register and pass the gate all the time, repeat whatever was not answered, and remember what was."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from devstack.story.cast import CONTRACTS, DECLARED, HONGKOU, Person, citizen_id, declaration
from devstack.tokens import Account
from tests.compose.composition import Composition
from tests.faults.traffic import is_polite, is_raced

ANSWER_S_MAX = 60.0
"""From the first try to the answer: longer than any one container takes to come back."""
PAGE = 50
OPERATOR = Account("site_operator", contracts=(HONGKOU,))
TURNSTILE = Account("gate_device", contracts=(HONGKOU,))
[EMPLOYER] = [each.employer for each in CONTRACTS if each.contract_no == HONGKOU]
NAME = "负载测试"

_numbers = itertools.count()
"""Makes people different from each other, in all loads on one installation."""


@dataclass
class Deed:
    """What is done again and again, each time under a key of its own."""

    name: str
    pause_s: float
    """Between two of one doer."""
    doers: int
    do: Callable[[str], Awaitable[str]]
    """Under a key; what the answer said became of it. Raises: httpx2.HTTPError."""
    list_all: Callable[[], Awaitable[list[str]]]
    """All that there are, as they became."""
    acknowledged: set[str] = field(default_factory=set)
    before: frozenset[str] = frozenset()
    """What there was before the load began."""
    after: Sequence[str] = ()
    """What there is when it has ended."""
    repeated: set[str] = field(default_factory=set)
    """Keys of what was not answered at once."""
    unsure: int = 0
    """How many may have become something else, too, of which no answer told."""

    def wrong(self) -> list[str]:
        """A sentence for whatever was lost, or done twice."""
        there = set(self.after)
        unasked = there - self.before - self.acknowledged
        counts = {
            "lost": len(self.acknowledged - there),
            "listed twice": len(self.after) - len(there),
            "nobody asked for": max(len(unasked) - self.unsure, 0),
        }
        return [f"{self.name}: {count} {what}" for what, count in counts.items() if count]


@dataclass
class Load:
    """Daily health and gate passes of one person, far more often than daily; pre-registrations of others, each a mistake."""

    composition: Composition
    client: httpx2.AsyncClient
    person_id: str = ""

    def __post_init__(self) -> None:
        self.reports = Deed("reports", 0.2, 2, self._report, self._reported)
        self.passes = Deed("gate passes", 0.5, 1, self._pass, self._passed)
        self.registrations = Deed("pre-registrations", 1.0, 1, self._pre_register, self._pre_registered)
        self.deeds = (self.reports, self.passes, self.registrations)
        self._notes: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        """By key, what a repeat has to say again."""

    def __str__(self) -> str:
        done = ", ".join(f"{len(deed.acknowledged)} {deed.name}" for deed in self.deeds)
        return f"{done} answered, {sum(len(deed.repeated) for deed in self.deeds)} of them repeated"

    def wrong(self) -> list[str]:
        return [sentence for deed in self.deeds for sentence in deed.wrong()]

    async def goes_on(self) -> None:
        """Wait for one more answer of each kind. Raises: TimeoutError."""
        so_far = [len(deed.acknowledged) for deed in self.deeds]
        await eventually(
            lambda: all(len(deed.acknowledged) > count for deed, count in zip(self.deeds, so_far, strict=True)),
            within_s=ANSWER_S_MAX,
        )

    async def begin(self) -> None:
        self.person_id = (await self._post(OPERATOR, "registration", "/v1/person-lookups", {"document": DECLARED.document}))[
            "person_id"
        ]
        for deed in self.deeds:
            deed.before = frozenset(await deed.list_all())

    async def end(self) -> None:
        """Lists follow the logs."""
        for deed in self.deeds:
            with suppress(TimeoutError):
                await eventually(partial(self._is_listed, deed), within_s=ANSWER_S_MAX)

    async def _is_listed(self, deed: Deed) -> bool:
        deed.after = await deed.list_all()
        return deed.acknowledged <= set(deed.after)

    async def do_until(self, stop: asyncio.Event, deed: Deed) -> None:
        while not stop.is_set():
            deed.acknowledged.add(await eventually(partial(self._tried, deed, str(uuid4())), within_s=ANSWER_S_MAX))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), deed.pause_s)

    async def _tried(self, deed: Deed, key: str) -> str:
        """What became of it; nothing where nobody answered, or could."""
        try:
            return await deed.do(key)
        except httpx2.HTTPError as error:
            if isinstance(error, httpx2.HTTPStatusError) and not (is_polite(error.response) or is_raced(error.response)):
                raise
            deed.repeated.add(key)
            return ""

    # --- 每日健康 --------------------------------------------------------------------------------------------------------

    async def _report(self, key: str) -> str:
        """The version that it became."""
        body = {
            "contract_no": HONGKOU,
            "read_at": datetime.now(UTC).isoformat(),
            "reading_celsius": 36.5,
            "method": "axillary",
            "symptoms": ["none"],
        }
        body = self._notes[key].setdefault("body", body)
        return (await self._posted(OPERATOR, "health", self._reports, body, key=key)).headers["ETag"].strip('"')

    async def _reported(self) -> list[str]:
        pages = self._pages("health", self._reports, after="next_before", asks="before")
        return [str(item["version"]) async for item in pages]

    @property
    def _reports(self) -> str:
        return f"/v1/people/{self.person_id}/health-reports"

    # --- 过闸 ------------------------------------------------------------------------------------------------------------

    async def _pass(self, key: str) -> str:
        """The attempt. Let in without hearing of it, and asked again when the gate must refuse: then there are two."""
        path = f"/v1/contracts/{HONGKOU}/gate-passes"
        answer = await self._post(TURNSTILE, "gatekeeper", path, {"person_id": self.person_id}, key=key)
        self.passes.unsure += key in self.passes.repeated and answer["outcome"] == "refused"
        attempt: str = answer["attempt_id"]
        return attempt

    async def _passed(self) -> list[str]:
        found = self._pages("gatekeeper", f"/v1/contracts/{HONGKOU}/attempts", kind="gate_pass", person_id=self.person_id)
        return [item["attempt_id"] async for item in found]

    # --- 进场预登记 ------------------------------------------------------------------------------------------------------

    async def _pre_register(self, key: str) -> str:
        """Whom, and that it was withdrawn: the supervision's table is the story's again."""
        notes = self._notes[key]
        person = notes.setdefault("person", somebody())
        if "found" not in notes:
            notes["found"] = await self._declared(person)
        found = notes["found"]
        body = {
            "document": person.document,
            "name": person.name,
            "person_kind": "worker",
            "trade": "020",
            "employer_credit_code": EMPLOYER["credit_code"],
            "origin": {"code": "320600", "text": "江苏省南通市"},
            "declaration_version": found.json()["declaration_version"],
        }
        seen = found.headers["Consistency-Token"]
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        person_id = (await self._post(OPERATOR, "registration", path, body, key=key, seen=seen))["person_id"]
        withdrawal = f"{path}/{person_id}/withdrawal"
        await self._posted(OPERATOR, "registration", withdrawal, {"reason": "录错合同"}, key=f"{key}-withdrawal")
        return f"{person_id} withdrawn"

    async def _declared(self, person: Person) -> httpx2.Response:
        """What Health Cloud has of somebody who declares now."""
        day = shanghai_date(datetime.now(UTC)) - timedelta(days=3)
        form = declaration(person, reported_on=day, departed_on=day, from_hubei=False, travel="火车G13333")
        url = f"{self.composition.urls['healthcloud-simulator']}/declarations"
        (await self.client.post(url, json=form)).raise_for_status()
        lookup = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
        return await self._posted(OPERATOR, "healthcloud-bridge", "/v1/declaration-lookups", lookup, key=str(uuid4()))

    async def _pre_registered(self) -> list[str]:
        found = self._pages("registration", f"/v1/contracts/{HONGKOU}/pre-registrations")
        return [f"{item['person_id']} {item['state']}" async for item in found]

    # --- HTTP ------------------------------------------------------------------------------------------------------------

    async def _headers(self, account: Account) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.composition.token(account)}"}

    async def _posted(
        self, account: Account, service: str, path: str, body: Mapping[str, Any], *, key: str = "", seen: str = ""
    ) -> httpx2.Response:
        named = {name: value for name, value in {"Idempotency-Key": key, "Consistency-Token": seen}.items() if value}
        headers = await self._headers(account) | named
        return (await self.client.post(self.composition.urls[service] + path, json=body, headers=headers)).raise_for_status()

    async def _post(self, account: Account, service: str, path: str, body: Mapping[str, Any], **named: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._posted(account, service, path, body, **named)).json()
        return answer

    async def _pages(
        self, service: str, path: str, *, after: str = "next", asks: str = "after", **query: str
    ) -> AsyncIterator[dict[str, Any]]:
        """All items of a list."""
        place: dict[str, Any] = {}
        while True:
            url, asked = self.composition.urls[service] + path, {"limit": PAGE, **query, **place}
            answer = await self.client.get(url, params=asked, headers=await self._headers(OPERATOR))
            page = answer.raise_for_status().json()
            for item in page["items"]:
                yield item
            if page[after] is None:
                return
            place = {asks: page[after]}


def somebody() -> Person:
    """Whom nobody has met."""
    n = next(_numbers)
    born = date(1950, 1, 1) + timedelta(days=n)
    return Person(NAME, citizen_id(region="320682", born=born, order=1 + 2 * (n % 400)), f"137{n:08}")


@asynccontextmanager
async def under_load(composition: Composition) -> AsyncIterator[Load]:
    """It goes on until the block ends; then all that was begun is answered."""
    async with httpx2.AsyncClient(timeout=15, trust_env=False) as client:
        load = Load(composition, client)
        await load.begin()
        stop = asyncio.Event()
        doing = [asyncio.create_task(load.do_until(stop, deed)) for deed in load.deeds for _ in range(deed.doers)]
        try:
            yield load
        finally:
            stop.set()
            await asyncio.gather(*doing)
        await load.end()
