"""Steps at which a process can be made to die, to show that nothing is lost there. Armed by tests only.

`GATEHOUSE_CRASH_AT=relay-acknowledged` ends the process with SIGKILL when it first gets there, after a line on standard
error. Without it `passing` does nothing: one call a request or batch. `tests/faults/test_crash_points.py` goes through all.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import StrEnum

VARIABLE = "GATEHOUSE_CRASH_AT"


class CrashPoint(StrEnum):
    """Where."""

    PERSON_IDENTIFIED = "person-identified"
    """A document has its person on the key server; nobody here knows yet."""
    KEY_MADE = "key-made"
    """A stream has its key on the key server; nothing was sealed with it yet."""
    COMMAND_DECIDED = "command-decided"
    """The events are made, the append is not asked for."""
    APPEND_BEGUN = "append-begun"
    """A group is complete, nothing of it is stored."""
    APPEND_COMMITTED = "append-committed"
    """A group is stored, nobody was told."""
    ATTEMPT_RECORDED = "attempt-recorded"
    """What the gate decided is stored, and not yet looked at again."""
    COMMAND_DONE = "command-done"
    """Whoever asked is about to be told what became of it."""

    LEASE_TAKEN = "lease-taken"
    """Names are ours, their work has not begun."""
    LEASE_RETURNED = "lease-returned"
    """A worker that was told to stop has given its names back, and still counts as one."""
    RELAY_READ = "relay-read"
    """Events are read from the log, the broker has none of them."""
    RELAY_SENT = "relay-sent"
    """A batch is on its way to the broker, which has not acknowledged it."""
    RELAY_ACKNOWLEDGED = "relay-acknowledged"
    """The broker has them, the mark has not moved."""
    RELAY_MARKED = "relay-marked"
    """The mark has moved in the database, not in memory."""
    RELAY_BEGUN_ANEW = "relay-begun-anew"
    """The marks of a topic that was lost are gone, nothing was published again."""
    INTAKE_DECIDED = "intake-decided"
    """What a batch comes to is decided, its transaction has not begun."""
    INTAKE_FENCED = "intake-fenced"
    """The lease row is locked, nothing is written."""
    INTAKE_MOVED = "intake-moved"
    """The positions are written, the rows and events are not; nothing is committed."""
    INTAKE_APPLIED = "intake-applied"
    """All is written, nothing is committed."""
    INTAKE_COMMITTED = "intake-committed"
    """All is committed, memory has not moved."""
    FRESHNESS_PROVED = "freshness-proved"
    """A partition is known to know everything, its stamp is not written."""

    PARKING_WRITTEN = "parking-written"
    """What cannot be applied is set aside, nothing is committed."""
    CURE_APPLIED = "cure-applied"
    """A stream that was parked is taken in, or one event of it given up; nothing is committed."""
    CURE_COMMITTED = "cure-committed"
    """That is committed, neither the relay nor the operator was told."""

    IMPORT_DECIDED = "import-decided"
    """Rows of a file are decided, their verdicts are not recorded."""
    KEY_DESTROYED = "key-destroyed"
    """What was sealed for a stream is unreadable, the fact that says so is not stored."""

    RESTORE_BEGUN = "restore-begun"
    """A restored log is closed, nothing is taken back."""
    RESTORE_TAKEN_BACK = "restore-taken-back"
    """Some of what its topic has is taken back."""
    RESTORE_ENDED = "restore-ended"
    """It is open in a later epoch, this process does not know of it."""

    REBUILD_MADE = "rebuild-made"
    """The new tables are there, empty."""
    REBUILD_FOLDED = "rebuild-folded"
    """One partition is written."""
    REBUILD_INDEXED = "rebuild-indexed"
    """The keys are made, what came meanwhile is not taken in."""
    REBUILD_COMPARED = "rebuild-compared"
    """The new tables are equal to the live ones."""
    REBUILD_SWITCHING = "rebuild-switching"
    """The tables have changed places, nothing is committed."""
    REBUILD_SWITCHED = "rebuild-switched"
    """The switch is committed, the operator was not told."""


def _go_on(point: CrashPoint) -> None:
    """Nothing is armed."""


def _dying_at(armed: CrashPoint) -> Callable[[CrashPoint], None]:
    line = b'{"event": "crash_point.reached", "point": "%s"}\n' % armed.encode()

    def die_there(point: CrashPoint) -> None:
        if point is armed:
            os.write(2, line)
            os.kill(os.getpid(), signal.SIGKILL)

    return die_there


passing: Callable[[CrashPoint], None] = _dying_at(CrashPoint(os.environ[VARIABLE])) if os.environ.get(VARIABLE) else _go_on
"""Says that the process is at this point."""
