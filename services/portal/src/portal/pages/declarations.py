"""获取健康云信息, on whatever form asks for it."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from portal.forms import Form
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.healthcloud import Declaration
from portal.visits import Visit

DECLARATION_CHARS_MAX = 8_000
KEPT = frozenset({"declaration-missing", "name-differs-from-declaration"})
"""Refusals of forms that wait then. What they say beside their title is what ends that."""


def document_of(form: Form) -> dict[str, str]:
    """Type and number as they were typed."""
    return {"type": form.text("document_type") or "citizen_id", "number": form.text("document_number").strip()}


class ShownDeclaration(Declaration):
    """健康云返回信息 as it stands on a form, with when it was fetched."""

    fetched_at: datetime


async def fetched_declaration(visit: Visit) -> ShownDeclaration:
    """获取健康云信息 for whoever stands on the form. Raises: UpstreamRefused, UpstreamAway."""
    form = visit.form
    found = await visit.services().healthcloud.look_up(document=document_of(form), name=form.text("name"))
    return ShownDeclaration(**dict(found), fetched_at=visit.portal.clock.now())


def kept(refused: UpstreamRefused | UpstreamAway) -> UpstreamRefused | None:
    """The refusal, if the form waits now."""
    return refused if isinstance(refused, UpstreamRefused) and refused.code in KEPT else None


def shown_declaration(form: Form) -> ShownDeclaration | None:
    """What was shown as 健康云返回信息. It comes back from the browser, so it is shown again and not relied on: registration
    holds the version that it names against what it knows."""
    kept = form.text("declaration")
    if not kept or len(kept) > DECLARATION_CHARS_MAX:
        return None
    try:
        return ShownDeclaration.model_validate_json(kept)
    except ValidationError:
        return None
