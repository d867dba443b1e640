"""`--nothing-skipped`: before a release, what could not be tried on this machine counts as failed."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import pytest

OPTION = "--nothing-skipped"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="a test that is skipped fails")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _strict(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _strict(collector.config, (yield))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _strict(config: pytest.Config, report: Report) -> Report:
    if config.getoption(OPTION) and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"not tried: {reason}"
    return report
