"""运行状态: how every service runs, what waits for an operator, and what he does about it. Nothing here is of anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.release import release
from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.operations import SERVICES, Operations, Running, Status
from portal.upstream.policies import Policy
from portal.visits import PAGE, Visit, page

router = Router(prefix="/ops", tags=["pages"])

RELAY_AGE_S_MAX = 30.0
BEHIND_AGE_S_MAX = 120.0
GATE_AGE_S_MAX = 10.0
REBUILD_SILENT_S_MAX = 60.0
"""Beyond these something is wrong: as the alerts have it (deploy/prometheus/alerts.yml)."""
HALTED = "halted-"
PARKED_SHOWN_MAX = 3
"""Of each service, on the page of all of them."""
POLICIES_S_MAX = 3.0

RUNBOOKS: Mapping[str, str] = {
    "away": "process-down.md",
    "parked": "parked.md",
    "halted": "halted.md",
    "unpublished": "relay-stuck.md",
    "behind": "projection-old.md",
    "unheld": "process-down.md",
    "gate_stale": "gate-stale.md",
    "rebuild_silent": "rebuild.md",
}
"""What is wrong → the runbook that says what to do, in docs/runbooks."""


@dataclass(frozen=True)
class Finding:
    """Something is wrong."""

    code: str
    """As in `labels.FINDINGS`."""
    count: int | None = None

    @property
    def runbook(self) -> str:
        return f"docs/runbooks/{RUNBOOKS[self.code]}"


def findings(running: Running) -> Sequence[Finding]:
    """What is wrong with a service, the worst first."""
    status = running.status
    if status is None:
        return [Finding("away")]
    gate_age_s = status.ages_s.get("gate_view", 0.0)
    old = sum(each.age_s is not None and each.age_s > BEHIND_AGE_S_MAX for each in running.following)
    unheld = sum(not each.is_held for each in status.leases)
    silent = sum(each.outcome is None and (each.silent_s or 0.0) > REBUILD_SILENT_S_MAX for each in status.rebuilds)
    found = {
        Finding("gate_stale"): gate_age_s is None or gate_age_s > GATE_AGE_S_MAX,
        Finding("parked", status.parked_streams): status.parked_streams,
        Finding("halted"): any(each.startswith(HALTED) for each in running.obstacles),
        Finding("unheld", unheld): unheld,
        Finding("unpublished"): status.log is not None and status.log.unpublished_age_s > RELAY_AGE_S_MAX,
        Finding("behind", old): old,
        Finding("rebuild_silent", silent): silent,
    }
    return [finding for finding, holds in found.items() if holds]


@router.get("", **PAGE)
@page(Action.OPERATE)
async def show_operations(visit: Visit) -> Response:
    """Every service at once. One that does not answer is told so, and nothing else."""
    services = visit.services()
    running, policies = await asyncio.gather(services.operations.all(), _policies(visit))
    shown = [(each, findings(each)) for each in running]
    return visit.render(
        "operations.html",
        now=visit.portal.clock.now(),
        services=shown,
        policies=policies,
        portal_version=release(),
        parked_shown_max=PARKED_SHOWN_MAX,
    )


@router.get("/services/{service}", **PAGE)
@page(Action.OPERATE)
async def show_operation(visit: Visit, service: str, done: str = "", left: int = 0) -> Response:
    """One service: who reads what, who holds what, what waits, what was discarded, rebuilds. `left`: streams, after a retry."""
    return await _service(visit, service, done=done, left=left)


@router.post("/services/{service}/retries", **PAGE)
@page(Action.OPERATE)
async def retry_parked(visit: Visit, service: str) -> Response:
    """重试: a stream, or all that waits. What was applied meanwhile by somebody else is told to wait no more."""
    operations, stream_id = _operations(visit, service), visit.form.text("stream_id")
    try:
        retried = await operations.retry(service, UUID(stream_id) if stream_id else None)
    except ValueError:
        raise NotFound from None
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _service(visit, service, errors=visit.wrong(refused, {}))
    if retried.left_streams:
        return visit.go(f"/ops/services/{service}?done=stuck&left={retried.left_streams}")
    return visit.go(f"/ops/services/{service}?done={'retried' if any(each.applied for each in retried.items) else 'nothing'}")


@router.get("/services/{service}/discard", **PAGE)
@page(Action.OPERATE)
async def show_discard(visit: Visit, service: str, event: str = "") -> Response:
    """放弃: asks for the reason. An event that does not wait any more is told so."""
    return await _discard(visit, service, event)


@router.post("/services/{service}/discard", **PAGE)
@page(Action.OPERATE)
async def discard_parked(visit: Visit, service: str) -> Response:
    """Never take the event in. Reason and account are kept."""
    operations, event = _operations(visit, service), visit.form.text("event")
    try:
        await operations.discard(service, event, reason=visit.form.text("reason").strip())
    except (UpstreamRefused, UpstreamAway) as refused:
        if isinstance(refused, UpstreamRefused) and refused.code == "event-is-not-parked":
            return visit.go(f"/ops/services/{service}?done=nothing")
        return await _discard(visit, service, event, errors=visit.wrong(refused, {"/reason": "reason"}))
    return visit.go(f"/ops/services/{service}?done=discarded")


def _operations(visit: Visit, service: str) -> Operations:
    """Raises: NotFound."""
    if service not in SERVICES:
        raise NotFound
    return visit.services().operations


async def _running(visit: Visit, service: str) -> Running:
    [running] = await _operations(visit, service).of(service)
    return running


async def _service(visit: Visit, service: str, *, done: str = "", left: int = 0, errors: Sequence[FieldError] = ()) -> Response:
    running = await _running(visit, service)
    now = visit.portal.clock.now()
    wrong = findings(running)
    return visit.render("operation.html", errors=errors, now=now, running=running, findings=wrong, done=done, left=left)


async def _discard(visit: Visit, service: str, event: str, *, errors: Sequence[FieldError] = ()) -> Response:
    status: Status | None = (await _running(visit, service)).status
    parked = next((each for each in status.parked if each.event == event), None) if status else None
    if parked is None and not (status is None and errors):  # Of what was typed nothing is lost while the service is down.
        return visit.go(f"/ops/services/{service}{'?done=nothing' if status else ''}")
    return visit.render("operation_discard.html", errors=errors, service=service, event=event, parked=parked)


async def _policies(visit: Visit) -> Sequence[Policy] | None:
    """Those in force, the latest first. None: health does not say in time."""
    try:
        async with asyncio.timeout(POLICIES_S_MAX):
            return [each for each in reversed(await visit.services().policies.all()) if each.in_force]
    except (UpstreamAway, UpstreamRefused, TimeoutError):
        return None
