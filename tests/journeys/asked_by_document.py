"""`python -m tests.journeys.asked_by_document`: ask a service all that its OpenAPI document allows and forbids.

Standard input is a JSON object with the arguments of `ask`, standard output what it answers. A process of its own: what it
draws and checks would keep the service from answering if both shared an interpreter.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import schemathesis
from hypothesis import strategies as st
from pydantic_core.core_schema import ErrorType
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation.case import Case

NOT_SAID_BY_SCHEMAS = {"value_error", "assertion_error", "int_type"}
"""Also pydantic's: rules in Python, and 1.0, which is an integer to JSON Schema and none to us."""
SAID_BY_SCHEMAS = {*get_args(ErrorType)} - NOT_SAID_BY_SCHEMAS
"""What may be wrong with a value as far as JSON Schema can say it. All other codes are ours: check digits, dates, …"""
CHARS_MAX = 1_000
"""Of a request or an answer that is shown."""


@schemathesis.check
def only_a_rule_refuses_what_the_document_allows(_context: object, response: Response, case: Case[Any]) -> None:
    """What can be said by the document is said there."""
    if response.status_code == 422 and case.meta is not None and case.meta.generation.mode.is_positive:
        errors = response.json().get("errors", ())
        pointers = [each["pointer"] for each in errors]
        # A list of which an item is wrong also counts as shorter than it is: what is wrong inside says it all.
        codes = {each["code"] for each in errors if not any(other.startswith(f"{each['pointer']}/") for other in pointers)}
        assert not codes & SAID_BY_SCHEMAS, f"{codes} is not in the document"


def ask(document: dict[str, Any], config: dict[str, Any], files: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong (`findings`), and which operations gave an answer of success (`taken`).

    `files`: by media type, one that is taken, in base64. `config`: schemathesis' own.
    """
    for media_type, content in files.items():
        schemathesis.openapi.media_type(media_type, st.just(base64.b64decode(content)))
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig.from_dict(config))
    findings: list[str] = []
    taken: set[str] = set()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                taken.update(taken_in(event))
                findings += found_in(event)
            case events.NonFatalError() | events.FatalError():
                findings.append(str(event))
            case events.EngineFinished():
                findings += map(str, event.failures)
    return {"findings": findings, "taken": sorted(taken)}


def taken_in(scenario: events.ScenarioFinished) -> Iterator[str]:
    for case_id, interaction in scenario.recorder.interactions.items():
        if interaction.response is not None and interaction.response.status_code < 300:
            yield scenario.recorder.cases[case_id].value.operation.label


def found_in(scenario: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in scenario.recorder.checks.items():
        for check in checks:
            if check.status is not Status.SUCCESS and check.failure_info is not None:
                interaction = scenario.recorder.interactions.get(case_id)
                response = interaction and interaction.response
                answer = f"{response.status_code} {(response.content or b'')[:CHARS_MAX]!r}" if response else "no answer"
                request = check.failure_info.code_sample[:CHARS_MAX]
                yield f"{scenario.label}: {check.name}: {check.failure_info.failure}\n{answer}\n{request}"


if __name__ == "__main__":
    json.dump(ask(**json.load(sys.stdin)), sys.stdout)
