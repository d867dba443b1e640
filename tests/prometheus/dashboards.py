"""The committed dashboards, as Grafana reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.house.house import REPOSITORY

GRAFANA = REPOSITORY / "deploy" / "grafana"
DASHBOARDS: Mapping[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((GRAFANA / "dashboards").glob("*.json"))
}


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those with queries, also in rows that are folded."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels") or ()
        if panel["type"] != "row":
            yield panel


def expressions(dashboard: Mapping[str, Any]) -> Mapping[str, str]:
    """Title and number → PromQL, with Grafana's variables filled in."""
    return {
        f"{panel['title']} {n}": target["expr"].replace("$__rate_interval", "1m").replace("$service", "health")
        for panel in panels(dashboard)
        for n, target in enumerate(panel["targets"])
    }
