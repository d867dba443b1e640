"""Times and dates as Gatehouse speaks them: stored in UTC, shown and counted in days of Asia/Shanghai."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Strict
from pydantic_core import PydanticKnownError

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


def _written_as(form: str) -> BeforeValidator:
    """Digits alone pydantic would take for seconds since 1970, in a text too, also where it is strict."""
    pattern = re.compile(form, re.ASCII)

    def read(value: object) -> object:
        if isinstance(value, date) or (isinstance(value, str) and pattern.fullmatch(value)):
            return value
        raise PydanticKnownError("date_parsing", {"error": "not YYYY-MM-DD"})

    return BeforeValidator(read)


UtcTime = Annotated[AwareDatetime, Strict(False), _written_as(r"\d{4}-\d\d-\d\d[Tt ].+"), AfterValidator(parse_time)]
"""A moment of the years 1900–2999. Any offset is read, UTC is kept; a time without an offset is refused."""

Day = Annotated[date, Strict(False), _written_as(r"\d{4}-\d\d-\d\d"), AfterValidator(parse_day)]
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
