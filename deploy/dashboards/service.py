"""One service: who asks it for what, how it answers, and what it needs. The same of every service."""

from __future__ import annotations

from deploy.dashboards.panels import Bars, Lines, Number, Page, Query, Row
from deploy.dashboards.promql import quantile, rate

OF = 'service="$service"'
ASKED = f'{OF}, route!~"/livez|/readyz|/metrics|/internal/.*"'

PAGE = Page(
    uid="gatehouse-service",
    title="A service",
    description="Rate, errors and duration of every route; its database, its processes.",
    variable="service",
    rows=[
        Row(
            "Now",
            [
                Number("Processes that answer", Query(f'sum(up{{job="gatehouse", {OF}}})')),
                Number("Requests", Query(rate("gatehouse_http_request_seconds_count", where=ASKED)), "reqps"),
                Number("Being answered", Query(f"sum(gatehouse_http_requests_in_flight{{{OF}}})")),
                Number("Turned away, an hour", Query(f"sum(increase(gatehouse_http_requests_shed_total{{{OF}}}[1h]))"), red_from=1),
                Number(
                    "Since the last backup",
                    Query(f'time() - max(gatehouse_backup_completed_timestamp_seconds{{{OF}, server="own"}})'),
                    "s",
                    red_from=93600,
                ),
                Number(
                    "Room that is used",
                    Query(f"max(gatehouse_database_bytes{{{OF}}} / gatehouse_database_limit_bytes{{{OF}}})"),
                    "percentunit",
                    red_from=0.9,
                ),
            ],
        ),
        Row(
            "① ⑦ HTTP",
            [
                Lines(
                    "Rate by route",
                    [
                        Query(
                            rate("gatehouse_http_request_seconds_count", "method, route", ASKED),
                            "{{method}} {{route}}",
                        )
                    ],
                    "reqps",
                ),
                Lines(
                    "Answers of 4xx and 5xx by route",
                    [
                        Query(
                            rate("gatehouse_http_request_seconds_count", "method, route, status", ASKED + ', status=~"[45].."'),
                            "{{status}} {{method}} {{route}}",
                        )
                    ],
                    "reqps",
                ),
                Lines(
                    "Duration by route, 99 of 100",
                    [
                        Query(
                            quantile(0.99, "gatehouse_http_request_seconds", "method, route", ASKED),
                            "{{method}} {{route}}",
                        )
                    ],
                    "s",
                ),
                Bars(
                    "Time spent by route, last hour",
                    Query(
                        f"sum by (method, route) (increase(gatehouse_http_request_seconds_sum{{{ASKED}}}[1h]))",
                        "{{method}} {{route}}",
                    ),
                    "s",
                    height=8,
                ),
            ],
        ),
        Row(
            "Facts",
            [
                Lines(
                    "Events appended by type",
                    [Query(rate("gatehouse_events_appended_total", "type", OF), "{{type}}")],
                    "ops",
                ),
                Lines(
                    "Age of an event when it is taken in",
                    [
                        Query(
                            f"max by (subscriber, source) (gatehouse_projection_event_age_seconds{{{OF}}})",
                            "{{subscriber}} ← {{source}}",
                        )
                    ],
                    "s",
                ),
            ],
        ),
        Row(
            "Its database and processes",
            [
                Lines(
                    "Size of database and log",
                    [
                        Query(f"max(gatehouse_database_bytes{{{OF}}})", "database"),
                        Query(f"max(gatehouse_log_bytes{{{OF}}})", "log"),
                        Query(f"max(gatehouse_database_limit_bytes{{{OF}}})", "limit"),
                    ],
                    "bytes",
                ),
                Lines("Growth a day", [Query(f"max(deriv(gatehouse_database_bytes{{{OF}}}[6h])) * 86400", "database")], "bytes"),
                Lines(
                    "Processor",
                    [Query(rate("process_cpu_seconds_total", "role", OF), "{{role}}")],
                    "percentunit",
                ),
                Lines("Memory", [Query(f"sum by (role) (process_resident_memory_bytes{{{OF}}})", "{{role}}")], "bytes"),
                Lines(
                    "Log keys that the allow-list did not let pass",
                    [Query(f"sum by (role) (increase(gatehouse_log_keys_dropped_total{{{OF}}}[$__rate_interval]))", "{{role}}")],
                ),
            ],
        ),
    ],
)
