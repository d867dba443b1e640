"""Which release this process is of."""

from __future__ import annotations

import os
from importlib.metadata import version

RELEASE_VARIABLE = "GATEHOUSE_RELEASE"
"""Told by the image, which holds the code and not what a package manager knows of it (`deploy/service.Dockerfile`)."""


def release() -> str:
    """As whoever built it says; else as it is installed."""
    return os.environ.get(RELEASE_VARIABLE) or version("gatehouse-chassis")
