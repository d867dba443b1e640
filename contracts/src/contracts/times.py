"""Times and dates as Gatehouse speaks them: stored in UTC, shown and counted in days of Asia/Shanghai."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime

from contracts.invalid import Flaw, InvalidValue

SHANGHAI = ZoneInfo("Asia/Shanghai")

AHEAD_MINUTES_MAX = 5
"""How far ahead of ours another clock may be. A time beyond that is refused as not yet happened."""


YEAR_MIN = 1900
YEAR_MAX = 2999
"""What lies outside is a typing mistake. The bounds leave room to add days and offsets without an overflow."""


def parse_time(time: datetime) -> datetime:
    """The moment in UTC. Raises: InvalidValue."""
    if not YEAR_MIN <= time.year <= YEAR_MAX:
        raise InvalidValue(Flaw.TIME_RANGE)
    return time.astimezone(UTC)


def parse_day(day: date) -> date:
    """The day itself. Raises: InvalidValue."""
    if not YEAR_MIN <= day.year <= YEAR_MAX:
        raise InvalidValue(Flaw.TIME_RANGE)
    return day


UtcTime = Annotated[AwareDatetime, AfterValidator(parse_time)]
"""A moment of the years 1900–2999. Any offset is read, UTC is kept; a time without an offset is refused."""

Day = Annotated[date, AfterValidator(parse_day)]
"""A calendar day of the years 1900–2999, as counted in Shanghai."""


def shanghai_date(time: datetime) -> date:
    """The calendar day in Shanghai on which this moment falls."""
    return time.astimezone(SHANGHAI).date()


def shanghai_midnight(day: date) -> datetime:
    """The moment, in UTC, at which this day begins in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


def is_ahead(time: datetime, now: datetime) -> bool:
    """Whether this moment lies further in the future than clocks may differ."""
    return time - now > timedelta(minutes=AHEAD_MINUTES_MAX)
