"""Every alert fires when it should, stays quiet when it should, and ends: `promtool test rules` on made-up series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.prometheus.promtool import Promtool
from tests.prometheus.rules import ALERTS, FILE, FOLDER, annotations_of

QUIET: Sequence[Mapping[str, str]] = ()
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """What happens on a made-up system, in promtool's notation (`value+stepxcount`), and which alerts stand when."""

    alert: str
    told: Mapping[str, str]
    expected: Mapping[str, Sequence[Labels]]
    """Time → labels of each alert that fires then."""
    interval: str = "15s"
    """Between two values of a series."""

    def written(self) -> dict[str, Any]:
        """As promtool reads it."""
        rule = ALERTS[self.alert]
        return {
            "rule_files": [str(FILE)],
            "evaluation_interval": self.interval,
            "tests": [
                {
                    "interval": self.interval,
                    "input_series": [{"series": each, "values": values} for each, values in self.told.items()],
                    "alert_rule_test": [
                        {
                            "eval_time": time,
                            "alertname": self.alert,
                            "exp_alerts": [
                                {"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": annotations_of(self.alert, labels)}
                                for labels in alerts
                            ],
                        }
                        for time, alerts in self.expected.items()
                    ],
                }
            ],
        }


def series(metric: str, service: str, role: str = "worker", **labels: str) -> str:
    """As it is scraped from a process."""
    told = {"service": service, "role": role} | labels
    return metric + "{" + ", ".join(f'{name}="{value}"' for name, value in told.items()) + "}"


HEALTH: Labels = {"service": "health"}
KEYS: Labels = {"service": "keys"}
DISK: Labels = {"volumes": "keys,logs"}
CASES = [
    Case(
        "ProcessDown",
        {series("up", "health", job="gatehouse"): "1x4 0x8 1x8", series("up", "health", "api", job="gatehouse"): "1x20"},
        {"1m": QUIET, "1m30s": QUIET, "2m": [{"job": "gatehouse", "service": "health", "role": "worker"}], "4m": QUIET},
    ),
    Case(
        "LogClosed",
        {series("gatehouse_log_closed", "health", "api"): "0x4 1x8 0x8", series("gatehouse_log_closed", "gatekeeper"): "0x20"},
        {"1m15s": QUIET, "2m": [HEALTH], "4m": QUIET},
    ),
    # A burst is published within half a minute; what is not is seen by whichever worker looks.
    Case(
        "RelayStuck",
        {
            series("gatehouse_relay_oldest_unpublished_age_seconds", "health"): "0x4 20 0x3 10+15x8 0x8",
            series("gatehouse_relay_oldest_unpublished_age_seconds", "gatekeeper"): "0x40",
        },
        {"1m15s": QUIET, "2m30s": QUIET, "3m30s": [HEALTH], "5m": QUIET},
    ),
    Case(
        "TopicLost",
        {series("gatehouse_relay_topics_lost_total", "health"): "0x8 16x80"},
        {"1m": QUIET, "3m": [HEALTH], "15m": QUIET},
    ),
    # One that is started anew, and has counted as many as the one before it when it is looked at; and one that once was not seen.
    Case(
        "TopicLost",
        {
            series("gatehouse_relay_topics_lost_total", "health"): "2x80",
            series("process_start_time_seconds", "health"): "-9000x59 900x21",
        },
        {"14m": QUIET, "16m": [HEALTH]},
    ),
    Case(
        "TopicLost",
        {
            series("gatehouse_relay_topics_lost_total", "health"): "2x40 stale 2x60",
            series("process_start_time_seconds", "health"): "-9000x100",
        },
        {"11m": QUIET, "20m30s": QUIET},
    ),
    # Two streams of facts: where both grow the reader keeps up; then its second partition stands still, and later catches up.
    Case(
        "ProjectionOld",
        {
            series("gatehouse_log_position", "registration", source="registration", partition="0"): "0+100x60",
            series("gatehouse_log_position", "registration", source="registration", partition="1"): "0+100x60",
            series("gatehouse_projection_position", "health", subscriber="known", source="registration", partition="0"): "0+100x60",
            series("gatehouse_projection_position", "health", subscriber="known", source="registration", partition="1"): (
                "0+100x12 1200x16 2900+100x31"
            ),
        },
        {
            "3m": QUIET,
            "4m30s": QUIET,
            "7m": [{"service": "health", "subscriber": "known", "source": "registration"}],
            "9m": QUIET,
        },
    ),
    # Nobody says anything, and nobody is behind; of several workers one may tell what was a moment ago.
    Case(
        "ProjectionOld",
        {
            series("gatehouse_log_position", "registration", instance="a", source="registration", partition="0"): "7x40",
            series(
                "gatehouse_projection_position", "health", instance="a", subscriber="known", source="registration", partition="0"
            ): "7x40",
            series(
                "gatehouse_projection_position", "health", instance="b", subscriber="known", source="registration", partition="0"
            ): "6x40",
        },
        {"9m": QUIET},
    ),
    # One that has taken nothing in at all.
    Case(
        "ProjectionOld",
        {
            series("gatehouse_log_position", "registration", source="registration", partition="0"): "7x40",
            series("gatehouse_projection_position", "health", subscriber="new", source="registration", partition="0"): "0x40",
        },
        {"2m": QUIET, "3m": [{"service": "health", "subscriber": "new", "source": "registration"}]},
    ),
    Case(
        "ProjectionHalted",
        {series("gatehouse_projector_halted", "health", source="registration", partition="3"): "0x4 1x8 0x8"},
        {"1m": QUIET, "2m": [{"service": "health", "source": "registration"}], "4m": QUIET},
    ),
    Case(
        "EventsParked",
        {series("gatehouse_parked_events", "gatekeeper", subscriber="clearance_v1"): "0x4 2x4 0x8"},
        {"1m": QUIET, "1m45s": [{"service": "gatekeeper", "subscriber": "clearance_v1"}], "3m": QUIET},
    ),
    Case(
        "ForeignRecords",
        {series("gatehouse_consumer_quarantined_total", "reporting"): "0x8 2x80"},
        {"1m": QUIET, "3m": [{"service": "reporting"}], "15m": QUIET},
    ),
    Case(
        "ForeignRecords",
        {
            series("gatehouse_consumer_quarantined_total", "reporting"): "2x80",
            series("process_start_time_seconds", "reporting"): "-9000x59 900x21",
        },
        {"14m": QUIET, "16m": [{"service": "reporting"}]},
    ),
    Case(
        "ForeignRecords",
        {
            series("gatehouse_consumer_quarantined_total", "reporting"): "2x40 stale 2x60",
            series("process_start_time_seconds", "reporting"): "-9000x100",
        },
        {"11m": QUIET, "20m30s": QUIET},
    ),
    # One command in eleven is usual; one in three is not, where it is more than a handful.
    Case(
        "AppendConflicts",
        {
            series("gatehouse_appends_total", "health", "api", outcome="appended"): "0+100x130",
            series("gatehouse_appends_total", "health", "api", outcome="conflict"): "0+10x40 410+50x50 2910+10x40",
            series("gatehouse_appends_total", "gatekeeper", "api", outcome="appended"): "0+1x130",
            series("gatehouse_appends_total", "gatekeeper", "api", outcome="conflict"): "0+1x130",
        },
        {"10m": QUIET, "21m": [HEALTH], "32m": QUIET},
    ),
    Case(
        "GateStale",
        {
            series("gatehouse_gate_view_age_seconds", "gatekeeper", "api"): "1x4 8 12 2x2 11+15x4 Inf Inf Inf Inf Inf 1x8",
            series("gatehouse_gate_view_age_seconds", "gatekeeper"): "0x40",
        },
        {
            "1m": QUIET,
            "1m15s": QUIET,
            "2m": QUIET,
            "3m": [{"service": "gatekeeper"}],
            "4m": [{"service": "gatekeeper"}],
            "5m30s": QUIET,
        },
    ),
    Case(
        "BanSlow",
        {series("gatehouse_ban_oldest_not_in_force_seconds", "health"): "0x4 1 0x3 5+15x4 0x8"},
        {"1m": QUIET, "1m15s": QUIET, "3m": [{}], "4m": QUIET},
    ),
    Case(
        "BannedOnSite",
        {series("gatehouse_banned_on_site", "gatekeeper"): "0x4 1x8 0x8"},
        {"1m": QUIET, "1m45s": QUIET, "2m30s": [{}], "4m": QUIET},
    ),
    # Away; back; then left alone by an api that nobody asks anything: that is not an alarm.
    Case(
        "HealthCloudAway",
        {
            series("gatehouse_healthcloud_circuit_state", "healthcloud-bridge", "api", state="closed"): "1x8 0x20 1x8 0x60",
            series("gatehouse_healthcloud_queries_total", "healthcloud-bridge", "api", outcome="failed"): "0x8 5+1x20 26x80",
            series("gatehouse_healthcloud_queries_total", "healthcloud-bridge", "api", outcome="refused"): "0x110",
        },
        {"2m": QUIET, "3m": QUIET, "5m": [{"service": "healthcloud-bridge", "role": "api"}], "8m": QUIET, "20m": QUIET},
    ),
    Case(
        "PoliceBehind",
        {
            series("gatehouse_police_oldest_unreceipted_age_seconds", "police-bridge", district="310109"): "0x10 60+60x80 0x20",
            series("gatehouse_police_oldest_unreceipted_age_seconds", "police-bridge", district="310115"): "600x120",
        },
        {"30m": QUIET, "71m": QUIET, "80m": [{"district": "310109"}], "100m": QUIET},
        interval="1m",
    ),
    # 100 GB of 200 are left: half a GB an hour is eight days. Then nothing is taken; then a tenth is left, however slowly.
    Case(
        "DiskFillsUp",
        {
            'gatehouse_disk_available_bytes{service="disks", volumes="keys,logs"}': "100e9x20 100e9-5e8x20 90e9x40 19e9x20",
            'gatehouse_disk_bytes{service="disks", volumes="keys,logs"}': "200e9x110",
        },
        {"18h": QUIET, "35h": [DISK], "60h": QUIET, "90h": [DISK]},
        interval="1h",
    ),
    # 100 GB: growing by 1 GB a day leaves two months; by 8 GB a day a week and a half; then somebody allows it more.
    Case(
        "DatabaseFillsUp",
        {
            series("gatehouse_database_bytes", "health"): "1e9+41666666x24 2e9+333333333x24 10e9+41666666x48",
            series("gatehouse_database_limit_bytes", "health"): "1e11x96",
        },
        {"20h": QUIET, "40h": [HEALTH], "60h": QUIET},
        interval="1h",
    ),
    Case(
        "DatabaseFillsUp",
        {
            series("gatehouse_database_bytes", "health"): "88x4 91x4 91x4",
            series("gatehouse_database_limit_bytes", "health"): "100x8 200x4",
        },
        {"4h": QUIET, "7h": [HEALTH], "10h": QUIET},
        interval="1h",
    ),
    # Done at 0 h and at 30 h, on both servers; of the keys' all tell, and the api has not looked yet.
    Case(
        "BackupOld",
        {
            series("gatehouse_backup_completed_timestamp_seconds", "health", server="own"): "1x29 108000x10",
            series("gatehouse_backup_completed_timestamp_seconds", "health", "api", server="own"): "0x39",
            series("gatehouse_backup_completed_timestamp_seconds", "health", server="keys"): "1x33 122400x10",
            series("gatehouse_backup_completed_timestamp_seconds", "reporting", server="keys"): "1x33 122400x10",
            series("gatehouse_backup_completed_timestamp_seconds", "reporting", "api", server="keys"): "0x39",
        },
        {"20h": QUIET, "28h": [HEALTH, KEYS], "32h": [KEYS], "36h": QUIET},
        interval="1h",
    ),
    # A try that failed is repeated within a minute; of two workers one may have looked before.
    Case(
        "ArchiveFails",
        {
            series("gatehouse_wal_archive_failing", "health", server="own"): "0x4 1x3 0x3 1x20 0x10",
            series("gatehouse_wal_archive_failing", "health", "api", server="own"): "0x40",
            series("gatehouse_wal_archive_failing", "health", server="keys"): "0x20 1x12 0x8",
            series("gatehouse_wal_archive_failing", "reporting", server="keys"): "0x20 1x12 0x8",
        },
        {"8m": QUIET, "18m": QUIET, "24m": [HEALTH], "32m": [HEALTH, KEYS], "36m": QUIET},
        interval="1m",
    ),
    Case(
        "SigningKeyOld",
        {series("gatehouse_signing_key_first_used_timestamp_seconds", "portal", "api"): "0x1 86400x98 8553600x10"},
        {"80d": QUIET, "95d": [{}], "101d": QUIET},
        interval="1d",
    ),
    Case(
        "CertificateEnds",
        {series("gatehouse_certificate_not_after_timestamp_seconds", "portal", "api"): "1728000x10 5184000x20"},
        {"3d": QUIET, "8d": [{}], "12d": QUIET},
        interval="1d",
    ),
    Case(
        "CertificateEnds",
        {series("gatehouse_certificate_not_after_timestamp_seconds", "portal", "api"): " ".join(["NaN"] * 20 + ["0x20"])},
        {"15m": QUIET, "35m": [{}]},
        interval="1m",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
async def test_fires_stays_quiet_and_ends(case: Case, promtool: Promtool) -> None:
    assert "" == await promtool.complaints("test", "rules", promtool.written("case.yml", case.written()))


@pytest.mark.parametrize("alert", ALERTS)
def test_has_a_case_in_which_it_is_quiet_fires_and_ends(alert: str) -> None:
    courses = ["".join("f" if alerts else "q" for alerts in case.expected.values()) for case in CASES if case.alert == alert]
    assert any("q" in course and "fq" in course for course in courses)


async def test_rules_and_settings_are_good(promtool: Promtool) -> None:
    assert "" == await promtool.complaints("check", "config", FOLDER / "prometheus.yml")


async def test_a_case_that_is_wrong_is_noticed(promtool: Promtool) -> None:
    wrong = Case("BanSlow", {"gatehouse_ban_oldest_not_in_force_seconds": "0x40"}, {"5m": [{}]})
    assert "FAILED" in await promtool.complaints("test", "rules", promtool.written("case.yml", wrong.written()))
