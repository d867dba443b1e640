"""过闸 on a tablet at the turnstile: scan or type, and one huge answer, which is never the last person's."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.gatekeeper import Attempt
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/turnstile", tags=["pages"])

FIELDS = {"/document": "document_number", "/document/type": "document_type"}
REFUSAL_SHOWN_S = 20
UNKNOWN_SHOWN_S = 60
"""Then nobody's number is left on the screen. A grant is shown as long as it may be acted on, since it was asked for."""
ENDING_CHARS = 4
"""Of the number, so that whoever stands there can see that the answer is his."""


@dataclass(frozen=True)
class Shown:
    """One answer, and how long it stands there."""

    state: str
    """`good`, `bad`, `unknown`, `late` (a grant that is over), `wrong` (no number at all) or `waiting`."""
    seconds: int = 0
    """Of a grant since it was asked for: what of that is left, the tablet's script measures. Of all else since it is shown."""
    attempt: Attempt | None = None
    page_seconds: int = 0
    """Without the script: whole seconds that are left when the page is sent. Nobody measures how long that is under way."""


WAITING = Shown("waiting")


@router.get("/opening", **PAGE)
@page(Action.ADMIT)
async def show_opening(visit: Visit) -> Response:
    """What it means to leave this browser at the turnstile."""
    return visit.render("turnstile_opening.html")


@router.post("/opening", **PAGE)
@page(Action.ADMIT)
async def open_turnstile(visit: Visit) -> Response:
    """The operator's session ends, and one begins that can only ask this gate."""
    response = visit.go(f"{visit.site}/turnstile")
    if visit.session is not None:
        await visit.portal.sessions.end(visit.request, response)
        await visit.portal.sessions.begin(response, user_id=visit.session.user_id, gate_contract_no=visit.contract_no)
    return response


@router.get("", **PAGE)
@page(Action.PASS_GATE)
async def show_turnstile(visit: Visit) -> Response:
    """Whoever comes next."""
    return _turnstile(visit, WAITING)


@router.post("", **PAGE)
@page(Action.PASS_GATE)
async def pass_gate(visit: Visit) -> Response:
    """过闸. Without an answer of the gate nobody is let in, and the page says that it does not know."""
    number = visit.form.text("document_number").strip()
    document = {"type": visit.form.text("document_type") or "citizen_id", "number": number}
    asked_at_s = time.monotonic()
    try:
        gatekeeper = visit.services(_forget).gatekeeper
        attempt = await gatekeeper.pass_gate(str(visit.contract_no), document, key=visit.form.text("key"))
    except UpstreamAway:
        return _turnstile(visit, _stands("unknown", UNKNOWN_SHOWN_S), status=503, key=visit.form.text("key"))
    except UpstreamRefused as refused:
        if refused.status != 422:
            raise
        return _turnstile(visit, _stands("wrong", UNKNOWN_SHOWN_S), errors=visit.wrong(refused, FIELDS))
    shown = _shown(attempt, waited_s=time.monotonic() - asked_at_s)
    ending = number[-ENDING_CHARS:]
    if shown.state != "unknown":
        visit.form = Form({"document_type": ["citizen_id"]})
    return _turnstile(visit, shown, ending=ending)


async def _forget(service: str, token: str) -> None:
    """What the last one did is nothing that the next one has to wait for."""


def _shown(attempt: Attempt, *, waited_s: float) -> Shown:
    if attempt.outcome == "admitted" and attempt.valid_until is not None:
        valid_s = (attempt.valid_until - attempt.attempted_at).total_seconds()
        if (left := math.floor(valid_s - waited_s)) < 1:
            return _stands("late", UNKNOWN_SHOWN_S)
        return Shown("good", math.floor(valid_s), attempt, page_seconds=left)
    if {each.code for each in attempt.forbidding} == {"state_stale"}:
        return _stands("unknown", UNKNOWN_SHOWN_S, attempt)
    return _stands("bad", REFUSAL_SHOWN_S, attempt)


def _stands(state: str, seconds: int, attempt: Attempt | None = None) -> Shown:
    return Shown(state, seconds, attempt, page_seconds=seconds)


def _turnstile(
    visit: Visit,
    shown: Shown,
    *,
    status: int | None = None,
    errors: Sequence[FieldError] = (),
    key: str | None = None,
    ending: str = "",
) -> Response:
    response = visit.render("turnstile.html", status=status, errors=errors, shown=shown, key=key, ending=ending)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
