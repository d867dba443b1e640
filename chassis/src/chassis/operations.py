"""What an operator can tell a service to do besides running it: `python -m <package> migrate|provision|…`.

`OPERATIONS` are the same for every service. What only one has stands in its `wiring.py`.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from chassis import archive, kafka, rebuild
from chassis.migrations import migrate
from chassis.parked import arguments as parked_arguments
from chassis.parked import parked
from chassis.republish import arguments as republish_arguments
from chassis.republish import republish
from chassis.restore import accept_loss, loss_arguments
from chassis.service import Operation, Service
from chassis.settings import ServiceSettings
from chassis.verify import verify
from contracts.topics import EVENT_TOPICS, topics_of


async def _migrate(service: Service[Any], settings: Any, arguments: Namespace) -> int:
    """Bring the service's database up to date."""
    if settings.migration_dsn is None:
        print("GATEHOUSE_MIGRATION_DSN is not set: migrations run as the role that owns the database", file=sys.stderr)
        return 2
    await migrate(settings.migration_dsn.get_secret_value(), service.migrations)
    return 0


async def _provision(service: Service[Any], settings: Any, arguments: Namespace) -> int:
    """Make the topics that the service writes. Repeating it does nothing."""
    provision_topics(service, settings)
    return 0


def provision_topics(service: Service[Any], settings: ServiceSettings) -> None:
    """The topics of a service, cut as its settings say."""
    events = set(EVENT_TOPICS.values())
    topics = [topic.with_partitions(settings.partitions) if topic in events else topic for topic in topics_of(service.name)]
    kafka.provision(settings.brokers, topics, prefix=settings.topic_prefix)


OPERATIONS: Sequence[Operation] = (
    Operation("migrate", _migrate),
    Operation("provision", _provision),
    Operation("republish", republish, republish_arguments),
    Operation("accept-loss", accept_loss, loss_arguments),
    Operation("rebuild", rebuild.rebuild, rebuild.arguments),
    Operation("archive", archive.archive, archive.arguments),
    Operation("verify", verify),
    Operation("parked", parked, parked_arguments),
)
