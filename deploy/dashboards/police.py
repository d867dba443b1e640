"""Others: what the police has been told and has acknowledged, and whether Health Cloud answers."""

from __future__ import annotations

from deploy.dashboards.panels import Bars, Lines, Number, Page, Query, Row
from deploy.dashboards.promql import quantile, rate

PAGE = Page(
    uid="gatehouse-police",
    title="Police feed and Health Cloud",
    description="Runbooks: police-behind, healthcloud-away, keys-and-certificates.",
    rows=[
        Row(
            "Now",
            [
                Number("Messages not acknowledged", Query("sum(max by (district) (gatehouse_police_unreceipted_messages))")),
                Number("Oldest of them", Query("max(gatehouse_police_oldest_unreceipted_age_seconds)"), "s", red_from=3600),
                Number(
                    "Oldest that is not on the topics",
                    Query('max(gatehouse_relay_oldest_unpublished_age_seconds{service="police-bridge"})'),
                    "s",
                    red_from=30,
                ),
                Number(
                    "Processes that leave Health Cloud alone",
                    Query('count(gatehouse_healthcloud_circuit_state{state="closed"} == 0) or vector(0)'),
                    red_from=1,
                ),
                Number(
                    "Age of the signing key",
                    Query("time() - max(gatehouse_signing_key_first_used_timestamp_seconds > 0)"),
                    "s",
                    red_from=7776000,
                ),
                Number("Until the certificate ends", Query("min(gatehouse_certificate_not_after_timestamp_seconds) - time()"), "s"),
            ],
        ),
        Row(
            "Police",
            [
                Lines(
                    "Messages not acknowledged, by district",
                    [Query("max by (district) (gatehouse_police_unreceipted_messages)", "{{district}}")],
                    stacked=True,
                ),
                Bars(
                    "Age of the oldest, by district",
                    Query("max by (district) (gatehouse_police_oldest_unreceipted_age_seconds)", "{{district}}"),
                    "s",
                    height=8,
                ),
                Lines(
                    "Facts for the police",
                    [
                        Query(
                            rate("gatehouse_events_appended_total", "type", 'service="police-bridge"'),
                            "{{type}}",
                        )
                    ],
                    "ops",
                ),
                Lines(
                    "Requests of the police",
                    [
                        Query(
                            rate(
                                "gatehouse_http_request_seconds_count", "method, route", 'service="police-bridge", route=~"/v1/.*"'
                            ),
                            "{{method}} {{route}}",
                        )
                    ],
                    "reqps",
                ),
            ],
        ),
        Row(
            "Health Cloud",
            [
                Lines(
                    "Queries by outcome",
                    [Query(rate("gatehouse_healthcloud_queries_total", "outcome"), "{{outcome}}")],
                    "ops",
                    stacked=True,
                ),
                Lines(
                    "How long a query takes, 99 of 100",
                    [
                        Query(
                            quantile(0.99, "gatehouse_healthcloud_query_seconds"),
                            "99 of 100",
                        )
                    ],
                    "s",
                ),
                Lines(
                    "Circuits",
                    [Query("sum by (role, state) (gatehouse_healthcloud_circuit_state)", "{{role}} {{state}}")],
                    stacked=True,
                ),
                Lines(
                    "People asked for again, by list",
                    [Query(rate("gatehouse_healthcloud_polled_people_total", "list"), "{{list}}")],
                    "ops",
                ),
            ],
        ),
    ],
)
