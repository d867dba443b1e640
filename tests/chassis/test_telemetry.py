"""The log: only what is known to be harmless passes, whoever writes it."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog

from chassis.telemetry import begin_context, request_context
from tests.chassis.captured_log import CapturedLog, captured_log

CANARY = "张三 310115198001011234"

log = structlog.get_logger()


@pytest.fixture
def lines() -> Iterator[CapturedLog]:
    with captured_log() as lines:
        yield lines


class TestLine:
    def test_holds_what_is_allowed(self, lines: CapturedLog) -> None:
        log.info("relay.batch_sent", count=3, lag_ms=1.5, partition=4, topic="t.health.events.v1", event_id=UUID(int=5))
        (line,) = lines.events
        line.pop("timestamp")
        assert {
            "event": "relay.batch_sent",
            "level": "info",
            "service": "sample",
            "role": "test",
            "count": 3,
            "lag_ms": 1.5,
            "partition": 4,
            "topic": "t.health.events.v1",
            "event_id": str(UUID(int=5)),
            "trace_id": line.get("trace_id"),
        } == {"trace_id": None, **line}

    @pytest.mark.parametrize(
        "values",
        [
            {"name": CANARY},
            {"person": {"name": CANARY}},
            {"route": CANARY},
            {"route": "/v1/people/310115198001011234"},
            {"count": CANARY},
            {"lag_ms": CANARY},
            {"event_id": CANARY},
            {"stream_id": "310115198001011234"},
            {"problem": ["13800000000"]},
            {"topic": "13800000000"},
            {"error_type": "ValueError: 13800000000"},
            {"frames": [CANARY]},
            {"count": None, "mobile": "13800000000"},
        ],
    )
    def test_drops_what_is_not(self, lines: CapturedLog, values: dict[str, object]) -> None:
        log.warning("something.happened", **values)
        (line,) = lines.events
        assert ("something.happened", 1) == (line["event"], line["dropped"])
        assert not any(secret in lines.text for secret in ("张三", "310115198001011234", "13800000000"))

    def test_loses_an_event_that_is_a_sentence(self, lines: CapturedLog) -> None:
        log.info(f"admitted {CANARY}")
        assert "log.unnamed" == lines.events[0]["event"]
        assert CANARY not in lines.text

    def test_names_its_trace(self, lines: CapturedLog) -> None:
        context = begin_context()
        log.info("something.happened")
        assert context.trace_id == lines.events[0]["trace_id"] == request_context().trace_id

    def test_below_the_level_is_not_written(self, lines: CapturedLog) -> None:
        log.debug("something.happened")
        assert [] == lines.events


class TestException:
    def test_is_named_with_places_and_causes_but_not_quoted(self, lines: CapturedLog) -> None:
        try:
            try:
                int(CANARY)
            except ValueError as error:
                raise RuntimeError(CANARY) from error
        except RuntimeError:
            log.exception("something.failed", count=1)
        (line,) = lines.events
        assert ("builtins.RuntimeError", ["builtins.ValueError"]) == (line["error_type"], line["causes"])
        assert "tests/chassis/test_telemetry.py:" in line["frames"][-1]
        assert "张三" not in lines.text

    def test_of_a_group_names_its_members(self, lines: CapturedLog) -> None:
        log.error("something.failed", exc_info=ExceptionGroup(CANARY, [ValueError(CANARY), KeyError(CANARY)]))
        assert ["builtins.ValueError", "builtins.KeyError"] == lines.events[0]["causes"]
        assert "张三" not in lines.text


class TestLibrary:
    """What others write through `logging` goes the same way."""

    def test_shows_a_template_but_no_arguments(self, lines: CapturedLog) -> None:
        logging.getLogger("aiokafka.conn").error("Unable to connect to %s", CANARY)
        (line,) = lines.events
        assert ("library.log", "aiokafka.conn", "error") == (line["event"], line["logger"], line["level"])
        assert "Unable to connect to %s" == line["template"]
        assert CANARY not in lines.text

    @pytest.mark.parametrize("message", [CANARY, "Zhang San came in", f"Failed for {CANARY}\nDETAIL: x"])
    def test_shows_no_message_that_was_put_together(self, lines: CapturedLog, message: str) -> None:
        logging.getLogger("some.library").error(message)
        assert "not shown" == lines.events[0]["template"]
        assert message not in lines.text

    def test_with_an_exception_is_not_quoted(self, lines: CapturedLog) -> None:
        try:
            int(CANARY)
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
        (line,) = lines.events
        assert ("Exception in ASGI application", "builtins.ValueError") == (line["template"], line["error_type"])
        assert CANARY not in lines.text

    def test_with_wrong_arguments_says_nothing_on_stderr(self, lines: CapturedLog, capfd: pytest.CaptureFixture[str]) -> None:
        record = logging.LogRecord("some.library", logging.ERROR, __file__, 1, "%d of %d", (CANARY,), None)
        logging.getLogger().handlers[0].handle(record)  # pytest's own handler would raise
        assert ("", "") == capfd.readouterr()
        assert 1 == len(lines.events)

    def test_warnings_are_not_quoted(self, lines: CapturedLog) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn(CANARY, stacklevel=1)
        assert "py.warnings" == lines.events[0]["logger"]
        assert CANARY not in lines.text

    async def test_lost_tasks_are_not_quoted(self, lines: CapturedLog) -> None:
        async def fail() -> None:
            raise ValueError(CANARY)

        task = asyncio.create_task(fail(), name=CANARY)
        await asyncio.wait([task])
        del task
        gc.collect()
        (line,) = lines.events
        assert ("asyncio", "builtins.ValueError") == (line["logger"], line["error_type"])
        assert CANARY not in lines.text


class TestCrash:
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_of_a_thread_is_logged(self, lines: CapturedLog) -> None:
        thread = threading.Thread(target=int, args=(CANARY,), name=CANARY)
        thread.start()
        thread.join()
        assert [("process.crashed", "builtins.ValueError")] == [(line["event"], line["error_type"]) for line in lines.events]
        assert CANARY not in lines.text

    def test_of_the_process_is_logged_and_not_printed(self) -> None:
        program = "from chassis.telemetry import configure_logging; configure_logging(service='s', role='api'); int('canary-0d1e')"
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=_path(), timeout=20, check=False
        )
        assert (1, "") == (ended.returncode, ended.stderr)
        assert '"event":"process.crashed"' in ended.stdout
        assert "canary" not in ended.stdout


def _path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}
