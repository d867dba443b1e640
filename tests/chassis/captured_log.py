"""What a process would have written to stdout, for tests that look at it."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from chassis.telemetry import configure_logging


class CapturedLog:
    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue().decode()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def captured_log(level: str = "INFO") -> Iterator[CapturedLog]:
    """The log as services configure it, kept in memory; everything is put back afterwards."""
    root = logging.getLogger()
    handlers, threshold = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    stream = io.BytesIO()
    configure_logging(service="sample", role="test", level=level, to=stream)
    try:
        yield CapturedLog(stream)
    finally:
        structlog.reset_defaults()
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(threshold)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
