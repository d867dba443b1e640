"""防疫规则: which values people are judged by, and how an authority drafts, rehearses and adopts others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action, Role
from contracts.times import SHANGHAI
from portal import labels
from portal.forms import FieldError, Form
from portal.languages import _
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.policies import Policy, Terms
from portal.visits import PAGE, Visit, page

router = Router(prefix="/supervision/policies", tags=["pages"])

SWITCH = "switch-"
"""A rule's field: this, and its code."""
FIELDS = {
    "/terms": "valid_from",
    "/terms/valid_from": "valid_from",
    "/terms/valid_until": "valid_until",
    "/terms/contract_no": "contract_no",
    "/terms/fever/threshold_celsius": "threshold_celsius",
    "/terms/fever/remeasured_after_min": "remeasured_after_min",
    "/terms/isolation_days": "isolation_days",
    "/terms/key_areas": "key_areas",
}


@router.get("", **PAGE)
@page(Action.VIEW_POLICIES)
async def list_policies(visit: Visit, done: str | None = None) -> Response:
    """Every version, the latest first, and which of them count today."""
    policies = await visit.services().policies.all()
    return visit.render("policies.html", policies=policies[::-1], done=done)


@router.get("/proposals", **PAGE)
@page(Action.DECIDE_POLICY)
async def show_proposals(visit: Visit, after: UUID | None = None) -> Response:
    """Who was judged before today's policy was adopted, and would be isolated otherwise by it."""
    return visit.render("policy_proposals.html", found=await visit.services().policies.proposals(after=after))


@router.get("/drafts/new", **PAGE)
@page(Action.DECIDE_POLICY)
async def show_policy_form(visit: Visit) -> Response:
    """A draft begins as what the city's policy says today, and counts from tomorrow."""
    city = next(each for each in reversed(await visit.services().policies.all()) if _is_the_city_s(each))
    tomorrow = visit.portal.clock.now().astimezone(SHANGHAI).date() + timedelta(days=1)
    visit.form = _filled(city.terms, valid_from=tomorrow, is_extra=not _decides_for_the_city(visit))
    return _form(visit)


@router.post("/drafts", **PAGE)
@page(Action.DECIDE_POLICY)
async def draft_policy(visit: Visit) -> Response:
    """Written down, and nobody is judged by it: the next page rehearses it."""
    terms, errors = _terms(visit)
    if errors:
        return _form(visit, errors=errors)
    try:
        draft = await visit.services().policies.draft(terms, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return _form(visit, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    return visit.go(f"/supervision/policies/drafts/{draft.draft_id}")


@router.get("/drafts/{draft_id}", **PAGE)
@page(Action.DECIDE_POLICY)
async def rehearse_draft(visit: Visit, draft_id: UUID, after: UUID | None = None) -> Response:
    """预演: who would change if it were adopted. Nothing is stored, so a reload asks again."""
    return await _rehearsal(visit, draft_id, after=after)


@router.post("/drafts/{draft_id}", **PAGE)
@page(Action.DECIDE_POLICY)
async def activate_draft(visit: Visit, draft_id: UUID) -> Response:
    """启用: from its first day on people are judged by it."""
    reference = visit.form.text("reference").strip()
    if not reference:
        return await _rehearsal(visit, draft_id, errors=[FieldError("reference", visit.text(_("请填写依据的文件")))])
    try:
        adopted = await visit.services().policies.activate(draft_id, reference=reference, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        if isinstance(refused, UpstreamRefused) and refused.status == 404:
            raise
        wrong, key = visit.wrong(refused, {"/reference": "reference"}), visit.key_after(refused)
        return await _rehearsal(visit, draft_id, errors=wrong, key=key)
    return visit.go(f"/supervision/policies?done={adopted.version}")


async def _rehearsal(
    visit: Visit,
    draft_id: UUID,
    *,
    after: UUID | None = None,
    errors: Sequence[FieldError] = (),
    key: str | None = None,
) -> Response:
    policies = visit.services().policies
    draft = await policies.drafted(draft_id)
    found = await policies.rehearse(draft_id, after=after)
    return visit.render("policy_draft.html", errors=errors, draft=draft, found=found, key=key)


def _form(visit: Visit, *, errors: Sequence[FieldError] = (), key: str | None = None) -> Response:
    own = sorted(visit.principal.districts) if visit.principal else []
    districts = [(code, visit.text(labels.label_of(labels.DISTRICT_NAMES, code))) for code in own]
    context: dict[str, Any] = {"of_city": _decides_for_the_city(visit), "districts": districts, "key": key}
    return visit.render("policy_form.html", errors=errors, **context)


def _decides_for_the_city(visit: Visit) -> bool:
    return visit.principal is not None and visit.principal.role is Role.CITY_SUPERVISOR


def _is_the_city_s(policy: Policy) -> bool:
    return policy.in_force and policy.terms.authority == "city"


def _filled(terms: Terms, *, valid_from: date, is_extra: bool) -> Form:
    """The form of a draft that says the same. What a district or site adds begins empty."""
    values: dict[str, list[str]] = {"valid_from": [valid_from.isoformat()], "allows_extras": ["true"]}
    if is_extra or terms.fever is None:
        return Form(values)
    fever = terms.fever
    values |= {
        "operator": [fever.operator],
        "threshold_celsius": [f"{fever.threshold_celsius}"],
        "method": [fever.method],
        "remeasured_after_min": [str(fever.remeasured_after_min)],
        "isolation_days": [str(terms.isolation_days or "")],
        "key_areas": ["\n".join(_line_of(each) for each in terms.key_areas)],
        "allows_extras": ["true"] if terms.allows_extras else [],
        **{f"{SWITCH}{rule}": [switch] for rule, switch in (terms.switches or {}).items()},
    }
    return Form(values)


def _line_of(area: Any) -> str:
    days = [area.since.isoformat(), *([area.until.isoformat()] if area.until else [])]
    return " ".join([area.code_prefix, area.name, *days])


def _terms(visit: Visit) -> tuple[dict[str, Any], list[FieldError]]:
    """The draft for health, and what is no number or line at all. Health judges whether it makes sense."""
    form, errors = visit.form, list[FieldError]()

    def number(name: str, of: type[int] | type[float]) -> float | int | None:
        try:
            return of(form.text(name).strip())
        except ValueError:
            errors.append(FieldError(name, visit.text(_("请填写数字"))))
            return None

    areas = [_area(line) for line in form.text("key_areas").splitlines() if line.strip()]
    if None in areas:
        errors.append(FieldError("key_areas", visit.text(_("每行一个地区:代码 名称 开始日期 结束日期(可不填),以空格分隔"))))
    if not form.text("valid_from"):
        errors.append(FieldError("valid_from", visit.text(_("请填写生效日期"))))
    terms: dict[str, Any] = {
        "valid_from": form.text("valid_from"),
        **({"valid_until": form.text("valid_until")} if form.text("valid_until") else {}),
        "allows_extras": form.text("allows_extras") == "true",
        "key_areas": areas,
    }
    if _decides_for_the_city(visit):
        return terms | {
            "authority": "city",
            "isolation_days": number("isolation_days", int),
            "fever": {
                "operator": form.text("operator"),
                "threshold_celsius": number("threshold_celsius", float),
                "method": form.text("method"),
                "remeasured_after_min": number("remeasured_after_min", int),
            },
            "switches": {rule: form.text(f"{SWITCH}{rule}") for rule in labels.SWITCHED_RULES},
        }, errors
    of_site = form.text("contract_no").strip()
    terms |= {"authority": "site" if of_site else "district", "district": form.text("district")}
    terms |= {"contract_no": of_site} if of_site else {}
    terms |= {"isolation_days": number("isolation_days", int)} if form.text("isolation_days").strip() else {}
    return terms, errors


def _area(line: str) -> dict[str, Any] | None:
    """`42 湖北省 2020-01-01 2020-03-31`; the last day may be missing."""
    match line.split():
        case [code, name, since]:
            return {"code_prefix": code, "name": name, "since": since}
        case [code, name, since, until]:
            return {"code_prefix": code, "name": name, "since": since, "until": until}
        case _:
            return None
