"""Every test has its own people."""

from __future__ import annotations

import pytest

from tests.registration.asking import begin_test


@pytest.fixture(autouse=True)
def own_people() -> None:
    begin_test()
