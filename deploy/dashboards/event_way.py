"""The way of an event: command → log → Kafka → read model, of all services beside each other."""

from __future__ import annotations

from deploy.dashboards.panels import Lines, Number, Page, Query, Row
from deploy.dashboards.promql import behind, quantile, rate

APPENDS, OVERTAKEN = "gatehouse_appends_total", 'outcome="conflict"'

PAGE = Page(
    uid="gatehouse-event-way",
    title="The way of an event",
    description="From the command to the rows that answer for it."
    " Runbooks: log-closed, relay-stuck, projection-old, halted, foreign-records.",
    rows=[
        Row(
            "Now",
            [
                Number("Processes that do not answer", Query('count(up{job="gatehouse"} == 0) or vector(0)'), red_from=1),
                Number(
                    "Oldest event that Kafka lacks", Query("max(gatehouse_relay_oldest_unpublished_age_seconds)"), "s", red_from=30
                ),
                Number(
                    "Events behind, of the slowest read model",
                    Query(behind("")),
                ),
                Number(
                    "Partitions halted", Query("sum(max by (service, source, partition) (gatehouse_projector_halted))"), red_from=1
                ),
                Number("Logs closed", Query("sum(max by (service) (gatehouse_log_closed))"), red_from=1),
                Number("Events parked", Query("sum(max by (service, subscriber) (gatehouse_parked_events))"), red_from=1),
                Number(
                    "Room left on the fullest disk",
                    Query("min(gatehouse_disk_available_bytes / gatehouse_disk_bytes)"),
                    "percentunit",
                ),
                Number("Records that are none of ours", Query("sum(gatehouse_consumer_quarantined_total)"), red_from=1),
            ],
        ),
        Row(
            "③ Append",
            [
                Lines(
                    "Commands by outcome",
                    [Query(rate(APPENDS, "outcome"), "{{outcome}}")],
                    "ops",
                ),
                Lines(
                    "Events appended, by service",
                    [Query(rate("gatehouse_events_appended_total", "service"), "{{service}}")],
                    "ops",
                    stacked=True,
                ),
                Lines(
                    "Until a group is durable, 99 of 100",
                    [
                        Query(
                            quantile(0.99, "gatehouse_append_seconds", "service"),
                            "{{service}}",
                        )
                    ],
                    "s",
                ),
                Lines(
                    "Commands in a group, on average",
                    [
                        Query(
                            f"{rate('gatehouse_append_group_commands_sum', 'service')}"
                            f" / {rate('gatehouse_append_group_commands_count', 'service')}",
                            "{{service}}",
                        )
                    ],
                ),
                Lines(
                    "Share of commands that were overtaken",
                    [
                        Query(
                            f"{rate(APPENDS, 'service', OVERTAKEN)} / {rate(APPENDS, 'service')}",
                            "{{service}}",
                        )
                    ],
                    "percentunit",
                ),
            ],
        ),
        Row(
            "④ Relay",
            [
                Lines(
                    "Events acknowledged by Kafka",
                    [Query(rate("gatehouse_relay_events_total", "service"), "{{service}}")],
                    "ops",
                ),
                Lines(
                    "Age of the oldest event that it has not acknowledged",
                    [Query("max by (service) (gatehouse_relay_oldest_unpublished_age_seconds)", "{{service}}")],
                    "s",
                ),
                Lines(
                    "Topics lost and filled again",
                    [Query("sum by (service) (increase(gatehouse_relay_topics_lost_total[$__rate_interval]))", "{{service}}")],
                ),
            ],
        ),
        Row(
            "⑤ ⑥ Taken in",
            [
                Lines(
                    "Events taken in",
                    [
                        Query(
                            rate("gatehouse_projector_events_total", "service, source"),
                            "{{service}} ← {{source}}",
                        )
                    ],
                    "ops",
                ),
                Lines(
                    "Age of an event when it is taken in",
                    [
                        Query(
                            "max by (service, subscriber, source) (gatehouse_projection_event_age_seconds)",
                            "{{service}} {{subscriber}} ← {{source}}",
                        )
                    ],
                    "s",
                ),
                Lines(
                    "Events behind, of the partition that is worst",
                    [
                        Query(
                            behind("service, subscriber, source"),
                            "{{service}} {{subscriber}} ← {{source}}",
                        )
                    ],
                ),
                Lines(
                    "Batches that held nothing new",
                    [
                        Query(
                            rate("gatehouse_projector_duplicate_batches_total", "service, source"),
                            "{{service}} ← {{source}}",
                        )
                    ],
                    "ops",
                ),
                Lines(
                    "Events and streams that wait for an operator",
                    [
                        Query("max by (service, subscriber) (gatehouse_parked_events)", "{{service}} {{subscriber}}"),
                        Query("max by (service, subscriber) (gatehouse_parked_streams)", "{{service}} {{subscriber}}, streams"),
                    ],
                ),
            ],
        ),
    ],
)
