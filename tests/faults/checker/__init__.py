"""Is everything that was acknowledged there, exactly once, everywhere?

This reads logs, topics and projections itself, with SQL, a plain consumer and folds of its own over the stored JSON, and
shares no code with what it checks. Every check gives a list of sentences: what is wrong.

In reading order: `logs`, `topics`, `people`, `police`, `projections`, `gate`, `acknowledged`, and `verdict`, which does all of
it once everybody has caught up.
"""

from tests.faults.checker.acknowledged import check_acknowledged, check_bans
from tests.faults.checker.logs import ATTRIBUTES, PARTITIONS, WITH_LOG, Log, Stored, check_log, package, read_log
from tests.faults.checker.police import check_told
from tests.faults.checker.topics import Record, check_topic, distinct
from tests.faults.checker.verdict import caught_up, check

__all__ = [
    "ATTRIBUTES",
    "PARTITIONS",
    "WITH_LOG",
    "Log",
    "Record",
    "Stored",
    "caught_up",
    "check",
    "check_acknowledged",
    "check_bans",
    "check_log",
    "check_told",
    "check_topic",
    "distinct",
    "package",
    "read_log",
]
