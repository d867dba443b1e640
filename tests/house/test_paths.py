"""The paths that clients hold us to: each is in the committed OpenAPI, word for word. Others may be added, none may go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.house.openapi import OPENAPI

C, P = "/v1/contracts/{contract_no}", "/v1/people/{person_id}"
EXPECTED = f"{C}/pre-registrations"
FAMILY = f"{EXPECTED}/{{person_id}}/family-members"

BINDING = {
    "registration": (
        "POST GET /v1/contracts",
        f"GET {C}",
        f"POST GET {C}/employers",
        f"PUT GET {C}/epidemic-control",
        f"POST GET {C}/supply-counts",
        f"POST {C}/resumption-checklists",
        f"GET {C}/resumption-checklists/{{version}}",
        f"POST GET {EXPECTED}",
        f"GET {EXPECTED}?state=awaiting|open|closed|withdrawn",
        f"GET {EXPECTED}/{{person_id}}",
        f"POST {EXPECTED}/{{person_id}}/corrections",
        f"POST {EXPECTED}/{{person_id}}/withdrawal",
        f"POST GET {FAMILY}",
        f"POST {FAMILY}/{{member_id}}/corrections",
        f"POST {FAMILY}/{{member_id}}/withdrawal",
        f"POST {C}/roster-imports",
        f"POST {C}/pre-registration-imports",
        "POST /v1/contract-imports",
        "GET /v1/imports/{import_id}",
        f"POST GET {C}/operator-grants",
        "POST /v1/person-lookups",
        f"GET {C}/review-items",
        f"DELETE {P}/personal-data",
    ),
    "healthcloud-bridge": ("POST /v1/declaration-lookups",),
    "health": (
        f"POST GET {P}/health-reports",
        f"POST {C}/health-rounds",
        f"GET {C}/missing-reports?date",
        f"POST GET {P}/dispositions",
        "POST /v1/disposition-batches",
        "POST /v1/disposition-batches/{batch_id}/approval",
        f"GET {P}/isolation-orders",
        f"POST {P}/isolation-orders/{{order_id}}/withdrawal",
        f"GET {P}/assessments",
        f"POST {P}/assessments/{{version}}/answers",
        "GET /v1/policies",
        "POST /v1/policies/drafts",
        "POST /v1/policies/drafts/{draft_id}/rehearsal",
        "POST /v1/policies/drafts/{draft_id}/activation",
    ),
    "gatekeeper": (
        f"POST {C}/entries",
        f"POST {C}/exits",
        f"POST {C}/gate-passes",
        f"POST {C}/paper-entries",
        f"GET {C}/clearances/{{person_id}}",
        f"GET {C}/attempts",
        f"GET {C}/roster",
    ),
    "reporting": (
        "GET /v1/supervision/contracts",
        "GET /v1/supervision/contracts/{contract_no}",
        "GET /v1/supervision/people?set=pre_registered|registered|on_site",
        "GET /v1/supervision/firms?kind=general_contractor|employer",
        "GET /v1/supervision/employments",
        "POST /v1/reveals",
        f"GET {P}/access-log",
        "POST /v1/exports",
    ),
    "police-bridge": ("GET /v1/arrivals?after", "POST /v1/receipts", "GET /v1/reconciliations/{date}"),
    "portal": ("POST /v1/tokens", "GET /.well-known/jwks.json"),
}
"""Service to its paths: methods, path, and a parameter of the query with the words that it takes."""

LINE = re.compile(r"(?P<methods>[A-Z ]+) (?P<path>[^?]+)(?:\?(?P<name>\w+)(?:=(?P<words>.+))?)?")


@cache
def document(service: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((OPENAPI / f"{service}.json").read_text())
    return read


def words(service: str, part: Any) -> Iterator[str]:
    """Every word that a schema enumerates."""
    if isinstance(part, dict):
        yield from part.get("enum", ())
        if "$ref" in part:
            yield from words(service, document(service)["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from words(service, each)


class TestBindingPath:
    @pytest.mark.parametrize(("service", "line"), [(service, line) for service, lines in BINDING.items() for line in lines])
    def test_is_served(self, service: str, line: str) -> None:
        binding = LINE.fullmatch(line)
        assert binding, line
        served = document(service)["paths"].get(binding["path"], {})
        methods = binding["methods"].lower().split()
        assert set(methods) <= served.keys()
        if binding["name"]:
            asked = {each["name"]: each["schema"] for method in methods for each in served[method]["parameters"]}
            assert set((binding["words"] or "").split("|")) - {""} <= {*words(service, asked[binding["name"]])}

    def test_is_known_of_every_service(self) -> None:
        assert BINDING.keys() == {path.stem for path in OPENAPI.glob("*.json")}
