"""`docs/police/subscriber.py` as a program of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = REPOSITORY / "contracts" / "schemas"


async def subscriber(*, bootstrap: str, topic: str, store: Path, more: tuple[str, ...] = ()) -> tuple[int, str]:
    """Its status, and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(REPOSITORY / "docs" / "police" / "subscriber.py")),
        *("--bootstrap", bootstrap, "--topic", topic, "--schemas", str(SCHEMAS), "--store", str(store), *more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def did(*, bootstrap: str, topic: str, store: Path, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """What it says that it did, which is its last line: librdkafka may have told of a broker that it had to ask again. It must have
    ended well."""
    status, printed = await subscriber(bootstrap=bootstrap, topic=topic, store=store, more=more)
    assert 0 == status, printed
    told: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return told
