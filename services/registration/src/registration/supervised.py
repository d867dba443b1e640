"""Who asks for what is open: an employer's registrar for his firm's people, an authority for all contracts that it supervises."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from chassis.auth import Principal, allowed
from contracts.access import SCOPES, Action, Role, Scope
from contracts.firms import ContractNo
from registration.read_models.contract_places import Reach

CONTRACTS_DEFAULT, CONTRACTS_MAX = 50, 200

Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
AfterContract = Annotated[ContractNo | None, Query(description="`next` of the page before.")]
Contracts = Annotated[int, Query(ge=1, le=CONTRACTS_MAX)]


def own_employer(caller: Principal) -> str | None:
    """The firm whose people alone the caller may see; None: everybody's."""
    # An empty code is nobody's: a registrar whose token names no firm sees nothing.
    return caller.employer_credit_code or "" if caller.role is Role.EMPLOYER_REGISTRAR else None


def reach_of(caller: Principal) -> Reach:
    """All contracts that the authority supervises."""
    scope = SCOPES[caller.role]
    return Reach(
        stations=None if scope is not Scope.STATIONS else caller.stations,
        districts=None if scope is not Scope.DISTRICTS else caller.districts,
    )
