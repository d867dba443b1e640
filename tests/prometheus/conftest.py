"""promtool, which Debian's package `prometheus` brings. `make test` installs what is missing, where it may."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import doctor
from tests.prometheus.promtool import Promtool


@pytest.fixture
def promtool(tmp_path: Path) -> Promtool:
    """Fails where there is none: alerts that nobody tested are worse than none."""
    (finding,) = doctor.survey_prometheus()
    if finding.found is None:
        pytest.fail(doctor.how_to_get([finding]))
    return Promtool(finding.found, tmp_path)
