"""Whoever has seen a fact is never answered without it: every endpoint takes a consistency token, or needs none."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from fastapi.dependencies.models import Dependant

from chassis.consistency import HEADER
from chassis.web import Route
from tests.house.assembled import wired
from tests.house.house import SERVICES

OWN_STREAM = "decides on, or shows, its own stream as it stands in the log: nothing to wait for"
LEDGER = "an import's progress is plain rows, written before whoever handed it in was answered"
NO_LOG = "accounts are plain rows of its own database"

WITHOUT: Mapping[str, Mapping[str, str]] = {
    "registration": {
        "report_contract": OWN_STREAM,
        "add_employer": OWN_STREAM,
        "import_roster": OWN_STREAM,
        "import_contracts": OWN_STREAM,
        "read_contract_template": "shows nothing that anybody told",
        **dict.fromkeys(("read_import", "list_import_rows", "follow_import", "read_refused_rows"), LEDGER),
        "read_import_template": OWN_STREAM,
        "list_contracts": OWN_STREAM,
        "read_contract": OWN_STREAM,
        "list_employers": OWN_STREAM,
        **dict.fromkeys(("submit_epidemic_control", "read_epidemic_control", "count_supplies"), OWN_STREAM),
        "upload_resumption_checklist": OWN_STREAM,
        "list_resumption_checklists": OWN_STREAM,
        "read_resumption_checklist": OWN_STREAM,
        **dict.fromkeys(
            ("link_document", "list_documents", "unlink_document", "grant_operator", "list_operators", "withdraw_operator"),
            OWN_STREAM,
        ),
        **dict.fromkeys(("list_corrections", "list_family_corrections", "list_operator_changes"), OWN_STREAM),
        **dict.fromkeys(
            ("look_up_operator", "read_operator_rights"),
            "reads the contracts' own streams; a first grant may be late",
        ),
        "look_up_person": "asks the key server, which has one truth and no log",
    },
    "healthcloud_bridge": {"look_up_declaration": "asks the upstream, and decides on its own stream"},
    "portal": dict.fromkeys(("create_token", "read_keys"), NO_LOG),
}
"""Package → endpoint → why it takes no token."""


def routes(package: str) -> list[Route]:
    """All but pages: what a browser's session has seen, the portal keeps for it."""
    found = [route for router in wired(package).application.routers for route in router.routes if isinstance(route, Route)]
    return [route for route in found if not route.endpoint.__module__.startswith("portal.pages.")]


def headers_of(dependant: Dependant) -> set[str]:
    own = {each.alias for each in dependant.header_params}
    return own.union(*(headers_of(each) for each in dependant.dependencies))


@pytest.mark.parametrize("package", [service.package for service in SERVICES])
class TestEveryEndpoint:
    def test_takes_a_token_or_says_why_not(self, package: str) -> None:
        without = {route.name for route in routes(package) if HEADER not in headers_of(route.dependant)}
        assert WITHOUT.get(package, {}).keys() == without
