"""How services run, as they tell operators: gatekeeper with an event that waits, reporting being rebuilt, the others well."""

from __future__ import annotations

from typing import Any
from uuid import UUID

SHARDS, NOW = 64, "2020-02-18T07:44:35Z"
STREAM = UUID(int=7)
PLACE = "clearance_v1/health/7:345"
FOLLOWED = {
    "registration": ("gatekeeper", "healthcloud-bridge"),
    "health": ("registration", "healthcloud-bridge"),
    "gatekeeper": ("registration", "health", "gatekeeper"),
    "reporting": ("registration", "gatekeeper", "health"),
    "healthcloud-bridge": ("registration",),
    "police-bridge": ("registration",),
}
"""Service → whom it reads."""
PARKED = {
    "event": PLACE,
    "subscriber": "clearance_v1",
    "source": "health",
    "stream_id": str(STREAM),
    "version": 4,
    "type": "gatehouse.health.disposition-changed.v1",
    "error": "pydantic_core._pydantic_core.ValidationError person_id uuid_parsing at contracts/event.py:71",
    "attempts": 2,
    "behind": 3,
    "parked_at": NOW,
}
DISCARDED = {
    "event": "clearance_v1/health/7:311",
    "type": "gatehouse.health.health-reported.v1",
    "error": None,
    "reason": "与来源方确认:伪造的记录",
    "discarded_by": "supervisor:ops",
    "discarded_at": NOW,
}
REBUILD = {
    "name": "people_on_contract_v1",
    "stage": "fold",
    "events_done": 410_000,
    "events_total": 1_000_000,
    "began_at": NOW,
    "told_at": NOW,
    "silent_s": 0.4,
    "outcome": None,
    "has_new": True,
    "has_old": False,
}


def lease(name: str, *, is_held: bool = True) -> dict[str, Any]:
    holder = {"owner": str(UUID(int=1)), "process": "worker-1:7", "taken_at": NOW, "expires_at": NOW}
    return {"name": name, "is_held": is_held, "token": 3, **(holder if is_held else dict.fromkeys(holder))}


def worker(*obstacles: str) -> dict[str, Any]:
    return {"owner": str(UUID(int=1)), "process": "worker-1:7", "obstacles": obstacles}


def status(service: str, **changes: Any) -> dict[str, Any]:
    """Of a service that has taken in everything and is well."""
    names = [f"{work}/{n:02}" for work in ("relay", "project") for n in range(4)]
    return {
        "service": service,
        "version": "0.1.0",
        "asked_at": NOW,
        "log": {"epoch": 1, "heads": [1_000] * SHARDS, "unpublished_age_s": 0.0},
        "followed": [
            {"subscriber": "clearance_v1", "is_policy": source == "health", "source": source, "positions": [1_000] * SHARDS}
            for source in FOLLOWED[service]
        ],
        "ages_s": {"gate_view": 1.2} if service == "gatekeeper" else {},
        "leases": [lease(name) for name in names],
        "workers": [worker()],
        "parked_events": 0,
        "parked_streams": 0,
        "parked": [],
        "discarded": [],
        "rebuilds": [],
        **changes,
    }


SICK: dict[str, dict[str, Any]] = {
    "gatekeeper": {"parked_events": 4, "parked_streams": 1, "parked": [PARKED], "discarded": [DISCARDED]},
    "reporting": {"log": None, "rebuilds": [REBUILD]},
}
OPERATED: dict[tuple[str, str], tuple[int, Any]] = {
    **{("GET", f"{name}/v1/ops/status"): (200, status(name, **SICK.get(name, {}))) for name in FOLLOWED},
    ("POST", "/v1/ops/ages"): (200, {"ages_s": []}),
    ("POST", "/v1/ops/parked/retries"): (200, {"items": [], "left_streams": 0}),
    ("POST", "/v1/ops/parked/discards"): (204, None),
}
