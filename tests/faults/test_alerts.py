"""Every alert, as the real Prometheus tells of a system that was broken for it: it stands, and is over once its runbook was
followed. docs/operations.md says how each was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import partial

import pytest

from chassis.testing.wait import eventually
from tests.faults import wrongs
from tests.faults.report import REPORT
from tests.faults.stack import running_stack
from tests.faults.test_disk_full import small_disk
from tests.faults.traffic import town
from tests.faults.watching import prometheus
from tests.faults.wrongs import Wrong

TOLD_S_MAX = 240.0
"""Looks and counts are a minute apart, `for` and windows less, and the machine may be busy."""
DISK_MB = 64

BROKEN: Mapping[str, Mapping[Wrong, Sequence[str]]] = {
    "what people must act on": {
        wrongs.banned_on_site: ["BannedOnSite"],
        wrongs.event_parked: ["EventsParked"],
    },
    "Kafka is away": {
        wrongs.kafka_away_when_somebody_is_banned: ["RelayStuck", "BanSlow", "GateStale", "ProjectionOld"],
    },
    "nobody can say whether the logs are whole": {
        wrongs.restored_without_kafka: ["LogClosed"],
    },
    "topics, processes and others": {
        wrongs.police_silent: ["PoliceBehind"],
        wrongs.hole_in_a_topic: ["ProjectionHalted"],
        wrongs.foreign_record: ["ForeignRecords"],
        wrongs.commands_in_each_others_way: ["AppendConflicts"],
        wrongs.topic_deleted: ["TopicLost"],
        wrongs.healthcloud_away: ["HealthCloudAway"],
        wrongs.process_down: ["ProcessDown"],
    },
    "what runs out": {
        wrongs.backup_too_old: ["BackupOld"],
        wrongs.archive_without_rights: ["ArchiveFails"],
        wrongs.disk_full: ["DiskFillsUp"],
        wrongs.database_at_its_limit: ["DatabaseFillsUp"],
        wrongs.key_and_certificate_old: ["SigningKeyOld", "CertificateEnds"],
    },
}
"""What is wrong at the same time, and what is told of each."""


@pytest.mark.long
class TestAlert:
    @pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
    async def test_stands_until_its_runbook_was_followed(self, broken: Mapping[Wrong, Sequence[str]]) -> None:
        disk = partial(small_disk, size_mb=DISK_MB) if wrongs.disk_full in broken else nullcontext
        alerts = {alert for told in broken.values() for alert in told}
        async with (
            running_stack() as stack,
            stack.supervised(),
            prometheus(stack, disk) as watching,
            town(stack) as here,
            AsyncExitStack() as wrong,
        ):
            for each in broken:
                await wrong.enter_async_context(each(stack, here))
            await eventually(lambda: watching.has_told(alerts), within_s=TOLD_S_MAX)
            await wrong.aclose()
            await eventually(lambda: watching.is_quiet(alerts), within_s=TOLD_S_MAX)
            REPORT.note(", ".join(sorted(alerts)), "told, and over once it was put right")
