"""获取健康云信息, on whatever form asks for it."""

from __future__ import annotations

from pydantic import ValidationError

from portal.forms import Form
from portal.upstream.healthcloud import Declaration

DECLARATION_CHARS_MAX = 8_000


def document_of(form: Form) -> dict[str, str]:
    """Type and number as they were typed."""
    return {"type": form.text("document_type") or "citizen_id", "number": form.text("document_number").strip()}


def shown_declaration(form: Form) -> Declaration | None:
    """What was shown as 健康云返回信息. It comes back from the browser, so it is shown again and not relied on: registration
    holds the version that it names against what it knows."""
    kept = form.text("declaration")
    if not kept or len(kept) > DECLARATION_CHARS_MAX:
        return None
    try:
        return Declaration.model_validate_json(kept)
    except ValidationError:
        return None
