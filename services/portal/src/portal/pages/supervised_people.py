"""Somebody whom supervision looks at: found, shown in plain for a reason, with his own record; and tables taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from contracts.times import SHANGHAI
from portal import labels
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.ban_reviews import Words, words_about
from portal.rendering import HEADERS
from portal.upstream.ban_reviews import Objection
from portal.upstream.calls import UpstreamAway, UpstreamRefused, known
from portal.upstream.reporting import Identity
from portal.visits import PAGE, Visit, page

router = Router(prefix="/supervision", tags=["pages"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TABLES = {"contracts": "合同查询", "employments": "用工查询", "people": "人员名单"}
"""What can be taken away, and how the file is called."""
FILTERS = (
    *("contract_no", "project_name", "general_contractor", "station", "of_contract", "of_contractor", "of_employer"),
    *("person_kind", "trade", "disposition", "on_site", "banned"),
)
REVEAL_FIELDS = {"/reason": "reason", "/reference": "reference", "/contract_no": "contract_no"}
SEARCH_FIELDS = {"/document": "document_number", "/name": "name", "/contract_no": "of_contract"}


@router.get("/people/{person_id}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def show_supervised_person(visit: Visit, person_id: UUID, before: int | None = None, after: str | None = None) -> Response:
    """Somebody on the contracts that the supervisor reaches, masked; to whom he was shown, and who changed what, the last time
    first. `before` and `after` are where a page of these begins."""
    return await _person(visit, person_id, before=before, after=after)


@router.post("/people/{person_id}", **PAGE)
@page(Action.REVEAL_PERSON)
async def reveal_person(visit: Visit, person_id: UUID) -> Response:
    """显示完整信息: in the answer to a form alone, so that it stands in no address and no history."""
    form = visit.form
    if form.text("reason") not in labels.REVEAL_REASONS:
        return await _person(visit, person_id, errors=[FieldError("reason", visit.text(_("请选择查看理由")))])
    body = {name: form.text(name).strip() for name in ("contract_no", "reason", "reference") if form.text(name).strip()}
    try:
        shown = await visit.services().reporting.reveal({**body, "person_id": str(person_id)})
    except UpstreamRefused as refused:
        if refused.status == 404:
            raise
        return await _person(visit, person_id, errors=visit.wrong(refused, REVEAL_FIELDS))
    return await _person(visit, person_id, shown=shown)


@router.post("/people/{person_id}/grounds", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_supervised_grounds(visit: Visit, person_id: UUID) -> Response:
    """处置依据 and 申诉内容: in the answer to a form alone, for that they were read is recorded."""
    return await _person(visit, person_id, with_words=True)


async def _person(
    visit: Visit,
    person_id: UUID,
    *,
    with_words: bool = False,
    errors: Sequence[FieldError] = (),
    shown: Identity | None = None,
    before: int | None = None,
    after: str | None = None,
) -> Response:
    reporting = visit.services().reporting
    found = await reporting.employments({"person_id": str(person_id)})
    if not found.rows:
        raise NotFound
    words: Words | None = None
    objections: Sequence[Objection] = ()
    employers: Mapping[str, str] = {}
    if with_words:
        contracts = {row.contract_no for row in found.rows}
        words, employers = await asyncio.gather(words_about(visit, person_id, contracts), _employers(visit, contracts))
        objections = await known(visit.services().ban_reviews.objections(person_id))
    accesses = await reporting.access_log(person_id, before=before)  # after what stands in it: the reveal, and the words
    changes = await reporting.change_log(person_id, after=after)
    context: dict[str, Any] = {"found": found, "shown": shown, "accesses": accesses, "is_first": before is None, "changes": changes}
    context |= {"words": words, "objections": objections, "employers": employers}
    return visit.render("supervision_person.html", errors=errors, person_id=person_id, **context)


async def _employers(visit: Visit, contracts: Iterable[str]) -> Mapping[str, str]:
    """Credit code → name, of everybody who employs somebody there."""
    reporting = visit.services().reporting
    found = await asyncio.gather(*map(reporting.contract, contracts))
    return {each.credit_code: each.name for contract in found for each in contract.employed_by}


@router.get("/search", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def show_search(visit: Visit) -> Response:
    """人员查询."""
    return visit.render("supervision_search.html", found=None)


@router.post("/search", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def search_people(visit: Visit) -> Response:
    """By a whole document, or by a part of a name on one contract. In the body: who is looked for stands in no address."""
    try:
        found = await visit.services().reporting.search(_wanted(visit.form))
    except (UpstreamRefused, UpstreamAway) as refused:
        if isinstance(refused, UpstreamRefused) and refused.status == 404:
            wrong = [FieldError("of_contract", visit.text(_("没有这个合同,或者它不归您监督")))]
        elif isinstance(refused, UpstreamRefused) and not visit.wrong(refused, SEARCH_FIELDS)[0].field:
            wrong = [FieldError("document_number", visit.text(_("请填写证件号码,或者填写合同报送编号和姓名")))]
        else:
            wrong = visit.wrong(refused, SEARCH_FIELDS)
        return visit.render("supervision_search.html", errors=wrong, found=None)
    return visit.render("supervision_search.html", found=found)


def _wanted(form: Form) -> dict[str, Any]:
    number = form.text("document_number").strip()
    if number:
        return {"document": {"type": form.text("document_type") or "citizen_id", "number": number}}
    return {name: text for name, text in (("name", form.text("name")), ("contract_no", form.text("of_contract").strip())) if text}


@router.post("/exports", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def take_table(visit: Visit) -> Response:
    """导出: every row of the filter, masked like the screen and marked with who took it."""
    form = visit.form
    table = form.text("table")
    if table not in TABLES:
        raise NotFound
    given = {name: form.text(name) for name in FILTERS if form.text(name)}
    if form.text("counted"):
        given["set"] = form.text("counted")
    content = await visit.services().reporting.export({"table": table, **_typed(given)})
    now = visit.portal.clock.now().astimezone(SHANGHAI)
    return workbook(content, f"{TABLES[table]}-{now:%Y%m%d-%H%M}.xlsx")


def _typed(given: dict[str, str]) -> dict[str, Any]:
    """As reporting reads it: what a form calls true is true."""
    return {name: {"true": True, "false": False}.get(text, text) for name, text in given.items()}


def workbook(content: bytes, name: str) -> Response:
    """A download; browsers keep its name in Chinese."""
    told = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=XLSX, headers=HEADERS | told)
