"""What goes wrong while a block runs, and is put right at its end as the runbook of its alert says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import httpx2

from contracts.times import shanghai_date
from devstack.story.callers import Caller
from devstack.story.cast import HONGKOU, LATE
from devstack.tokens import Account
from tests.compose import unreadable
from tests.compose.composition import TIMEOUT_S, Composition
from tests.house.house import REPOSITORY

SUPERVISION = Account("supervision_operator", contracts=(HONGKOU,))
OPERATOR = Account("site_operator", contracts=(HONGKOU,))
BAN = {"disposition": "quarantine_required", "method": "central", "reason_code": "contact_of_a_case", "evidence": "电话通知"}
LIFT = {"disposition": "admissible", "reason_code": "contact_ruled_out"}


@asynccontextmanager
async def process_down(composition: Composition, service: str) -> AsyncIterator[None]:
    """Its container is stopped. docs/runbooks/process-down.md."""
    await asyncio.to_thread(composition.compose, "stop", service)
    try:
        yield
    finally:
        await asyncio.to_thread(composition.compose, "start", service)
        await composition.healthy(service)


@asynccontextmanager
async def banned_on_site(composition: Composition) -> AsyncIterator[None]:
    """Somebody of the story who is on site is banned. docs/runbooks/banned-on-site.md."""
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        supervision, operator = (
            Caller(client, partial(composition.issue, account), composition.urls) for account in (SUPERVISION, OPERATOR)
        )
        lookup = await operator.post("registration", "/v1/person-lookups", {"document": LATE.document}, key=str(uuid4()))
        decide = partial(supervision.post, "health", f"/v1/people/{lookup.body['person_id']}/dispositions")
        clearance = f"/v1/contracts/{HONGKOU}/clearances/{lookup.body['person_id']}"
        assert (await operator.get("gatekeeper", clearance)).body["on_site"]
        today = shanghai_date(datetime.now(UTC)).isoformat()
        await decide({"contract_no": HONGKOU, "isolation_from": today, **BAN}, key=str(uuid4()))
        try:
            yield
        finally:
            await decide({"contract_no": HONGKOU, **LIFT}, key=str(uuid4()))


@asynccontextmanager
async def event_parked(composition: Composition) -> AsyncIterator[None]:
    """An event of registration cannot be read, and its own list of supplies parks it. docs/runbooks/parked.md."""

    def said(*arguments: str) -> str:
        return composition.inside("registration-worker", ["python3", "-m", "registration", "parked", *arguments])

    program = (REPOSITORY / "tests" / "compose" / "unreadable.py").read_text()
    await asyncio.to_thread(composition.inside, "registration-worker", ["python3", "-c", program])
    try:
        yield
    finally:
        found = re.search(r"^\S+/registration/\d+:\d+", await asyncio.to_thread(said, "list"), re.MULTILINE)
        assert found, "nothing is parked"
        assert unreadable.TYPE in await asyncio.to_thread(said, "show", found[0])
        words = ("--reason", "never written by registration", "--by", "the tests")
        await asyncio.to_thread(said, "discard", found[0], *words)
        assert "0 streams parked." in await asyncio.to_thread(said, "list")
        await composition.healthy("registration-worker")
