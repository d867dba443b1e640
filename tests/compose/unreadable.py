"""A program that is run beside a process of registration: it appends an event whose content nobody can read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from chassis.event_store import Append, NewEvent
from chassis.service import machinery
from contracts.event import Envelope
from contracts.site_information import SuppliesCounted
from registration.wiring import SERVICE

TYPE = SuppliesCounted.TYPE
"""Registration's own list of supplies takes it in, and nobody else."""


async def append() -> None:
    stream_id, event_id = uuid4(), uuid4()
    async with machinery(SERVICE, SERVICE.settings()) as parts:
        assert parts.store
        envelope = Envelope(
            event_id=event_id,
            type=TYPE,
            service=parts.name,
            stream_id=stream_id,
            version=1,
            epoch=parts.store.epoch,
            time=datetime.now(UTC),
            correlation_id=event_id,
            causation_id=event_id,
            traceparent=f"00-{event_id.hex}-{event_id.hex[:16]}-01",
        )
        event = NewEvent(event_id, TYPE, b"{}", envelope.encode())
        await parts.store.append(Append(stream_id, "contract", 0, [event], state=None, state_version=None))


if __name__ == "__main__":
    asyncio.run(append())
