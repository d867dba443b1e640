"""One stack for all tests here: to start one takes far longer than any of them may. Each test leaves it whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, running_stack

FOLDER = Path(__file__).parent


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in REPORT.lines():
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All to the same xdist worker, where pytest is told `--dist loadgroup`: else each worker starts a stack."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="session")
async def running() -> AsyncIterator[FaultStack]:
    async with running_stack() as stack:
        yield stack


@pytest.fixture
async def stack(running: FaultStack) -> AsyncIterator[FaultStack]:
    """Everything up and ready before the test and after it, whatever the test did."""
    await running.start()
    yield running
    await running.start()
