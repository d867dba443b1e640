"""The gate: what it answers and why, how fast, and whether it may answer at all."""

from __future__ import annotations

from deploy.dashboards.panels import Bars, Lines, Number, Page, Query, Row
from deploy.dashboards.promql import quantile, rate

ENTRIES = 'service="gatekeeper", method="POST", route=~".*/(entries|gate-passes)"'

PAGE = Page(
    uid="gatehouse-gate",
    title="The gate",
    description="Runbooks: gate-stale, ban-slow, banned-on-site.",
    rows=[
        Row(
            "Now",
            [
                Number("Age of what it rests on", Query("max(gatehouse_gate_view_age_seconds)"), "s", red_from=10),
                Number(
                    "Oldest ban that it does not know", Query("max(gatehouse_ban_oldest_not_in_force_seconds)"), "s", red_from=10
                ),
                Number("Banned and still on site", Query("max(gatehouse_banned_on_site)"), red_from=1),
                Number(
                    "Admitted, a minute",
                    Query('sum(rate(gatehouse_gate_decisions_total{outcome="admitted"}[$__rate_interval])) * 60'),
                ),
                Number(
                    "Refused, a minute",
                    Query('sum(rate(gatehouse_gate_decisions_total{outcome="refused"}[$__rate_interval])) * 60'),
                ),
                Number("Histories that cannot be read", Query('max(gatehouse_parked_streams{service="gatekeeper"})'), red_from=1),
            ],
        ),
        Row(
            "What it answers",
            [
                Lines(
                    "Attempts by kind and outcome",
                    [
                        Query(
                            rate("gatehouse_gate_decisions_total", "kind, outcome"),
                            "{{kind}} {{outcome}}",
                        )
                    ],
                    "ops",
                ),
                Lines(
                    "Reasons that forbade",
                    [Query(rate("gatehouse_gate_reasons_total", "code", 'effect="forbid"'), "{{code}}")],
                    "ops",
                    stacked=True,
                ),
                Bars(
                    "Reasons of the last hour",
                    Query("sum by (code, effect) (increase(gatehouse_gate_reasons_total[1h]))", "{{code}} {{effect}}"),
                ),
                Lines(
                    "How long an attempt takes",
                    [
                        Query(
                            quantile(share, "gatehouse_http_request_seconds", where=ENTRIES),
                            legend,
                        )
                        for share, legend in ((0.5, "half"), (0.99, "99 of 100"))
                    ],
                    "s",
                    height=10,
                ),
            ],
        ),
        Row(
            "What it rests on",
            [
                Lines("Age of the view, of each api", [Query('gatehouse_gate_view_age_seconds{role="api"}', "{{instance}}")], "s"),
                Lines(
                    "Bans",
                    [
                        Query("max by (disposition) (gatehouse_banned_people)", "{{disposition}}"),
                        Query("max(gatehouse_banned_on_site)", "on site"),
                    ],
                ),
                Lines(
                    "Until a disposition is in force, for whoever waited",
                    [
                        Query(
                            quantile(share, "gatehouse_ban_in_force_wait_seconds"),
                            legend,
                        )
                        for share, legend in ((0.5, "half"), (0.99, "99 of 100"))
                    ],
                    "s",
                ),
                Lines(
                    "Oldest ban that the gates do not know", [Query("max(gatehouse_ban_oldest_not_in_force_seconds)", "age")], "s"
                ),
            ],
        ),
    ],
)
