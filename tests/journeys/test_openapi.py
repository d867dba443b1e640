"""Every operation of every service, asked by schemathesis what its OpenAPI document allows and what it forbids.

All of its checks are on. GATEHOUSE_OPENAPI_EXAMPLES=200 asks more than the short run has time for.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from chassis.auth import issue_token
from chassis.server import serve
from chassis.testing.wait import eventually
from tests.in_process import SIGNING_KEY
from tests.journeys.operations import Operation
from tests.journeys.worlds import Place, principal

EXAMPLES_MAX = int(os.environ.get("GATEHOUSE_OPENAPI_EXAMPLES", "5"))
"""That are drawn for each operation, beside those that follow from its document one by one."""
SEED = 20200218
LIFE_S = 3_600
"""Of a token; no service is asked for longer."""
FROM_THE_WORLD = 0.7
"""How often a value is one that is there, where the document allows any."""

TAKEN_MIN = 0.7
"""Part of the operations that must have given an answer of success, or what was asked says little."""

CONFIG: Mapping[str, Any] = {
    "seed": SEED,
    "continue-on-failure": True,
    # A text with U+0000 is no JSON of ours, because PostgreSQL has none; no JSON Schema can say so.
    "generation": {"max-examples": EXAMPLES_MAX, "database": "none", "no-shrink": True, "allow-x00": False},
    # The good requests come first, in the document's order: some of them undo others.
    "phases": {"examples": {"operation-ordering": "none"}},
    "checks": {
        # 412: the version that a change is based on is another one meanwhile. 422: a rule that no JSON Schema can say; that
        # it is nothing else, `only_a_rule_refuses_what_the_document_allows` says.
        "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "412", "422"]},
        # RFC 6585: a change that must be based on a version is refused with 428 where it names none.
        "missing_required_header": {"expected-statuses": ["400", "428"]},
    },
    "cache": {"enabled": False},
    "output": {"sanitization": {"enabled": False}},
}


def configured(operations: Sequence[Operation], base_url: str) -> dict[str, Any]:
    """For each operation who asks, and what is there to be asked about."""
    dictionaries: dict[str, Any] = {}
    asked = []
    for operation in operations:
        good, parameters = operation.example.good, {}
        named = {f"path.{name}": value for name, value in good.path.items()} | dict(leaves(good.body, "body"))
        for n, (where, value) in enumerate(named.items()):
            dictionaries[f"{operation.name}-{n}"] = {"values": [value]}
            parameters[where] = {"dictionary": f"{operation.name}-{n}", "probability": FROM_THE_WORLD}
        headers = {"Authorization": f"Bearer {token(operation)}"} if operation.allowed else {}
        asked.append({"include-operation-id": operation.name, "parameters": parameters, "headers": headers})
    return {**CONFIG, "base-url": base_url, "dictionaries": dictionaries, "operations": asked}


def token(operation: Operation) -> str:
    return issue_token(principal(operation.allowed[0]), key=SIGNING_KEY, now=datetime.now(UTC), life_s=LIFE_S)


def leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Every text and number in a body, and where it stands."""
    match value:
        case dict():
            for name, each in value.items():
                yield from leaves(each, f"{where}.{name}")
        case [first, *_] if not isinstance(first, list):  # For what stands in a list of lists schemathesis has no address.
            yield from leaves(first, f"{where}[*]")
        case str() | int() | float() if not isinstance(value, bool):
            yield where, value


def with_examples(operations: Sequence[Operation]) -> dict[str, Any]:
    """The document, with a good request of each operation in it."""
    document: dict[str, Any] = copy.deepcopy(dict(operations[0].document))
    for operation in operations:
        good, described = operation.example.good, document["paths"][operation.path][operation.method.lower()]
        takes_etag = "[0-9a-f]{16}" in str(operation.parameters.get("If-Match"))
        based_on = '"0123456789abcdef"' if takes_etag else '"1"'
        headers = {"Consistency-Token": f"{operation.place.running.parts.name}/1/0:0", "If-Match": based_on}
        given = {**good.path, **good.query, **headers, "Idempotency-Key": f"example-{operation.name}"}
        for parameter in described.get("parameters", ()):
            if parameter["name"] in given:
                parameter["example"] = given[parameter["name"]]
            if parameter["name"] in headers:
                # schemathesis 4.32 sends `0` where a header's pattern asks for anything but letters and digits.
                parameter["schema"] = {"enum": [headers[parameter["name"]]]}
        if good.body is not None:
            described["requestBody"]["content"]["application/json"]["example"] = good.body
    return document


def files(operations: Sequence[Operation]) -> dict[str, str]:
    """By media type: one that is taken, in base64."""
    goods = [each.example.good for each in operations]
    return {good.media_type: base64.b64encode(good.file).decode() for good in goods if good.file}


@asynccontextmanager
async def served(here: Place) -> AsyncIterator[str]:
    """The service on a port of its own. Answers its address."""
    server = serve(here.running.app, host="127.0.0.1", port=0)
    running = asyncio.create_task(server.serve())

    async def has_started() -> bool:
        return server.started

    await eventually(has_started, within_s=10)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def ask(operations: Sequence[Operation], url: str) -> dict[str, list[str]]:
    task = {"document": with_examples(operations), "config": configured(operations, url), "files": files(operations)}
    command = (sys.executable, "-m", "tests.journeys.asked_by_document")
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate(json.dumps(task).encode())
    assert 0 == process.returncode
    found: dict[str, list[str]] = json.loads(told)
    return found


class TestEveryOperation:
    async def test_does_what_its_document_says(self, here: Place, operations: list[Operation]) -> None:
        async with served(here) as url:
            found = await ask(operations, url)
        assert not found["findings"], "\n\n".join([f"{len(found['findings'])} findings", *found["findings"][:20]])
        assert len(found["taken"]) >= TAKEN_MIN * len(operations), "asked of too few that they take what is good"
