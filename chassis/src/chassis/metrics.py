"""Prometheus metrics of the pipeline: command → log → relay → topic → projector. Labels name services, read models and types of
events, out of closed lists, and never people.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

APPENDS = Counter(
    "gatehouse_appends_total",
    "Commands that the log was asked to take, by what became of them; failed: that is not known, or the log could not.",
    ["outcome"],
)
APPENDED = Counter("gatehouse_events_appended_total", "Events that this process has appended.", ["type"])
APPEND_GROUP_COMMANDS = Histogram(
    "gatehouse_append_group_commands",
    "Commands that one transaction of the appender carried.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200),
)
APPEND_SECONDS = Histogram(
    "gatehouse_append_seconds",
    "From the appender's taking up a group until it is durable.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
LOG_POSITION = Gauge(
    "gatehouse_log_position",
    "Events in the log, by partition of its topic. The same of every worker: take the greatest.",
    ["source", "partition"],
)
LOG_CLOSED = Gauge(
    "gatehouse_log_closed", "1 while the log takes nothing: it was restored and is not whole, or its topic contradicts it."
)
RELAYED = Counter("gatehouse_relay_events_total", "Events that the broker has acknowledged.")
TOPICS_LOST = Counter(
    "gatehouse_relay_topics_lost_total", "Times that a partition of the log was published anew, because its topic was lost."
)
UNPUBLISHED_AGE_S = Gauge(
    "gatehouse_relay_oldest_unpublished_age_seconds", "Age of the oldest event that the broker has not acknowledged; 0: none."
)
PROJECTED = Counter("gatehouse_projector_events_total", "Events taken in, duplicates included.", ["source"])
DUPLICATES = Counter("gatehouse_projector_duplicate_batches_total", "Batches that held nothing new.", ["source"])
QUARANTINED = Counter("gatehouse_consumer_quarantined_total", "Records without a valid envelope.")
HALTED = Gauge(
    "gatehouse_projector_halted",
    "1 while a partition cannot go on, for instance because an event is missing.",
    ["source", "partition"],
)
PROJECTION_POSITION = Gauge(
    "gatehouse_projection_position",
    "Events of a source that a read model or policy has taken in. The same of every worker: take the greatest.",
    ["subscriber", "source", "partition"],
)
PROJECTION_AGE_S = Gauge(
    "gatehouse_projection_event_age_seconds", "Age of the last event when it was taken in.", ["subscriber", "source"]
)
PARKED_EVENTS = Gauge("gatehouse_parked_events", "Events that wait for an operator, as of the last second.", ["subscriber"])
PARKED_STREAMS = Gauge("gatehouse_parked_streams", "Streams of which events wait for an operator.", ["subscriber"])

DATABASE_BYTES = Gauge("gatehouse_database_bytes", "Size of the service's database on the disk.")
DATABASE_BYTES_MAX = Gauge("gatehouse_database_limit_bytes", "How large it may become, as the process was told.")
LOG_BYTES = Gauge("gatehouse_log_bytes", "Size of the log in it, old events and indexes as well.")
BACKUP_COMPLETED_S = Gauge(
    "gatehouse_backup_completed_timestamp_seconds",
    "When a server was last backed up, by Unix time; 0: never, or nobody says. `own` has the service's database, `keys` the keys.",
    ["server"],
)
ARCHIVE_FAILING = Gauge(
    "gatehouse_wal_archive_failing",
    "1 while a server fails to archive its WAL; 0 also where nothing is archived.",
    ["server"],
)
