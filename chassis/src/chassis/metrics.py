"""Prometheus metrics of the pipeline: log → relay → topic → projector. Labels name services, never people."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

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
PROJECTION_AGE_S = Gauge("gatehouse_projection_event_age_seconds", "Age of the last event when it was taken in.", ["source"])
PARKED_EVENTS = Gauge("gatehouse_parked_events", "Events that wait for an operator, as of the last second.", ["subscriber"])
PARKED_STREAMS = Gauge("gatehouse_parked_streams", "Streams of which events wait for an operator.", ["subscriber"])
