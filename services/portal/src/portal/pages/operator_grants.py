"""实名制权限: a project lead lets operators and registrars act on his contract, and ends it; supervision reads who did, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.declarations import document_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.operator_grants import Operator, OperatorChanges
from portal.visits import PAGE, Visit, page

router = Router(tags=["pages"])

OF_SITE = "/contracts/{contract_no}/operators"

FIELDS = {
    "/document": "document_number",
    "/document/type": "document_type",
    "/name": "name",
    "/mobile": "mobile",
    "/role": "role",
    "/employer_credit_code": "employer",
    "employer-is-missing": "employer",
}


@router.get(OF_SITE, **PAGE)
@page(Action.GRANT_OPERATOR)
async def list_operators(visit: Visit, done: str | None = None) -> Response:
    """Who may act on the contract, and the form that lets somebody."""
    visit.form = Form({"document_type": ["citizen_id"]})
    return await _operators(visit, done=done)


@router.post(OF_SITE, **PAGE)
@page(Action.GRANT_OPERATOR)
async def grant_operator(visit: Visit) -> Response:
    """Another role takes the first one's place; the same again changes nothing."""
    form = visit.form
    who = {"document": document_of(form), **{name: form.text(name).strip() for name in ("name", "mobile", "role")}}
    if who["role"] == "employer_registrar":
        who["employer_credit_code"] = form.text("employer")
    try:
        await visit.services().operator_grants.grant(str(visit.contract_no), who, key=form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _operators(visit, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    return visit.go(f"{visit.site}/operators?done=granted")


@router.post(f"{OF_SITE}/changes", **PAGE)
@page(Action.VIEW_OPERATOR_CHANGES)
async def show_operator_changes(visit: Visit) -> Response:
    """In the answer to a form alone, each page of them, for that it was read is recorded."""
    changes = await _changes(visit, str(visit.contract_no))
    visit.form = Form({"document_type": ["citizen_id"]})
    return await _operators(visit, changes=changes)


@router.get(f"{OF_SITE}/{{operator_id}}", **PAGE)
@page(Action.GRANT_OPERATOR)
async def show_operator(visit: Visit, operator_id: UUID) -> Response:
    """One of them, whose rights are withdrawn with a reason."""
    return await _operator(visit, operator_id)


@router.post(f"{OF_SITE}/{{operator_id}}/withdrawal", **PAGE)
@page(Action.GRANT_OPERATOR)
async def withdraw_operator(visit: Visit, operator_id: UUID) -> Response:
    """It counts with his next page."""
    grants, contract_no, form = visit.services().operator_grants, str(visit.contract_no), visit.form
    try:
        if overtaken := _granted_meanwhile(visit, _one_of(await grants.operators(contract_no), operator_id)):
            return await _operator(visit, operator_id, errors=overtaken)
        await grants.withdraw(contract_no, operator_id, reason=form.text("reason"), key=form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong = visit.wrong(refused, {"/reason": "reason"})
        return await _operator(visit, operator_id, errors=wrong, key=visit.key_after(refused))
    return visit.go(f"{visit.site}/operators?done=withdrawn")


def _one_of(operators: Sequence[Operator], operator_id: UUID) -> Operator | None:
    return next((each for each in operators if each.operator_id == operator_id), None)


def _granted_meanwhile(visit: Visit, operator: Operator | None) -> list[FieldError]:
    """What there is to say where the form was given out for another grant. Whoever may nothing any more is answered as at first."""
    if operator is None or visit.form.text("granted_at") == operator.granted_at.isoformat():
        return []
    message = _("打开本页之后,该人员的权限已有变动,没有收回。您填写的内容都在:请核对下面的信息,仍要收回的请再次提交。")
    return [FieldError("", visit.text(message))]


async def _operators(
    visit: Visit,
    *,
    changes: OperatorChanges | None = None,
    errors: Sequence[FieldError] = (),
    key: str | None = None,
    done: str | None = None,
) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    operators, employers = await asyncio.gather(
        services.operator_grants.operators(contract_no), services.registration.employers(contract_no)
    )
    context: dict[str, Any] = {"operators": operators, "changes": changes, "choices": employers}
    context |= {"employers": {each.credit_code: each.name for each in employers}}
    return visit.render("operators.html", errors=errors, key=key, done=done, **context)


async def _operator(visit: Visit, operator_id: UUID, *, errors: Sequence[FieldError] = (), key: str | None = None) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    operators, employers = await asyncio.gather(
        services.operator_grants.operators(contract_no), services.registration.employers(contract_no)
    )
    operator = _one_of(operators, operator_id)
    if operator is None:
        raise NotFound
    names = {each.credit_code: each.name for each in employers}
    return visit.render("operator.html", errors=errors, operator=operator, employers=names, key=key)


async def _changes(visit: Visit, contract_no: str) -> OperatorChanges:
    return await visit.services().operator_grants.changes(contract_no, before=visit.form.number("before") or None)


# --- 监督 -------------------------------------------------------------------------------------------------------------


@router.post("/supervision/contracts/{of_contract}/operators", **PAGE)
@page(Action.VIEW_OPERATOR_CHANGES)
async def show_supervised_operator_changes(visit: Visit, of_contract: str) -> Response:
    """Who may act there by whose word: likewise in the answer to a form alone."""
    contract = await visit.services().reporting.contract(of_contract)
    employers = {each.credit_code: each.name for each in contract.employed_by}
    changes = await _changes(visit, of_contract)
    return visit.render("supervision_operators.html", changes=changes, of_contract=of_contract, employers=employers)
