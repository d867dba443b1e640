"""The rules as Prometheus reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.house.house import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "prometheus"
FILE = FOLDER / "alerts.yml"
ALERTS: Mapping[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
}
METRIC = re.compile(r"\bgatehouse_[a-z_]+")


def metrics_of(expression: str) -> set[str]:
    """Which of ours it names."""
    return set(METRIC.findall(expression))


def annotations_of(alert: str, labels: Mapping[str, str]) -> dict[str, str]:
    """As they are told of an alert with these labels. Ours quote labels and nothing else."""
    written = ALERTS[alert]["annotations"]
    return {name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda quoted: labels[quoted[1]], text) for name, text in written.items()}
