"""Misbehaviour on demand, for tests of those who depend on this system."""

from __future__ import annotations

import asyncio
import random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """How the query misbehaves. The default is well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    error_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of queries that are answered with 500."""
    down: bool = False
    """Whether every query is answered with 503."""


class FaultSwitch:
    """The faults that are on."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._random = random.Random(20200203)  # noqa: S311 - a dice for tests; the same failures in every run

    async def suffer(self) -> int | None:
        """Take as long as the faults say. The status of the failure, if it fails."""
        faults = self.faults
        await asyncio.sleep(faults.delay_ms / 1000)
        if faults.down:
            return 503
        return 500 if self._random.random() < faults.error_rate else None
