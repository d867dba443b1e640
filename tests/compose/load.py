"""Somebody who reports all the time, repeats whatever was not answered, and remembers what was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from uuid import uuid4

import httpx2

from chassis.testing.wait import eventually
from devstack.story.cast import DECLARED, HONGKOU
from devstack.tokens import Account
from tests.compose.composition import Composition

REPORTERS = 2
PAUSE_S = 0.2
"""Between two reports of one reporter."""
ANSWER_S_MAX = 60.0
"""From the first try of one report to its answer: longer than any one container takes to come back."""
PAGE = 50
OPERATOR = Account("site_operator", contracts=(HONGKOU,))


@dataclass
class Load:
    """Daily health of one person, reported far more often than daily."""

    composition: Composition
    client: httpx2.AsyncClient
    person_id: str = ""
    acknowledged: set[int] = field(default_factory=set)
    """Versions that the answers named."""
    before: frozenset[int] = frozenset()
    """Versions of what was reported before the load began."""
    after: Sequence[int] = ()
    """Versions of all that there are when it has ended."""
    repeated: int = 0

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.composition.token(OPERATOR)}"}

    async def listed(self) -> list[int]:
        """Versions of all reports of the person that there are."""
        found: list[int] = []
        before: dict[str, int] = {}
        while True:
            answer = await self.client.get(self._reports, params={"limit": PAGE, **before}, headers=await self.headers())
            page = answer.raise_for_status().json()
            found += [item["version"] for item in page["items"]]
            if page["next_before"] is None:
                return found
            before = {"before": page["next_before"]}

    async def report_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            key = str(uuid4())
            body = {
                "contract_no": HONGKOU,
                "read_at": datetime.now(UTC).isoformat(),
                "reading_celsius": 36.5,
                "method": "axillary",
                "symptoms": ["none"],
            }
            version = await eventually(partial(self._reported, key, body), within_s=ANSWER_S_MAX)
            if version is not None:
                self.acknowledged.add(version)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE_S)

    async def goes_on(self) -> None:
        """Wait for one more answer. Raises: TimeoutError."""
        so_far = len(self.acknowledged)
        await eventually(lambda: len(self.acknowledged) > so_far, within_s=ANSWER_S_MAX)

    @property
    def _reports(self) -> str:
        return f"{self.composition.urls['health']}/v1/people/{self.person_id}/health-reports"

    async def _reported(self, key: str, body: dict[str, object]) -> int | None:
        """The version that it became; None where nobody answered, or could."""
        try:
            headers = await self.headers() | {"Idempotency-Key": key}
            answer = (await self.client.post(self._reports, json=body, headers=headers)).raise_for_status()
        except httpx2.HTTPError as error:
            if isinstance(error, httpx2.HTTPStatusError) and error.response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            self.repeated += 1
            return None
        return int(answer.headers["ETag"].strip('"'))


@asynccontextmanager
async def under_load(composition: Composition) -> AsyncIterator[Load]:
    """Reports come until the block ends; then all that were begun are answered."""
    async with httpx2.AsyncClient(timeout=15, trust_env=False) as client:
        load = Load(composition, client)
        lookup = {"document": DECLARED.document}
        answer = await client.post(
            f"{composition.urls['registration']}/v1/person-lookups", json=lookup, headers=await load.headers()
        )
        load.person_id = answer.raise_for_status().json()["person_id"]
        load.before = frozenset(await load.listed())
        stop = asyncio.Event()
        reporting = [asyncio.create_task(load.report_until(stop)) for _ in range(REPORTERS)]
        try:
            yield load
        finally:
            stop.set()
            await asyncio.gather(*reporting)
        load.after = await load.listed()
