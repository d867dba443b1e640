"""Citizen identity numbers (公民身份号码, GB 11643-1999).

Eighteen characters: six of the region, eight of the birth date, three in order (odd for men), one check character.
Written by hand, because python-stdnum's `cn.ric` refuses valid numbers (residence permits of Hong Kong, Macau and
Taiwan, permanent residence cards, regions younger than the person) and accepts full-width digits and a line end. Only
its table of regions is used, for a warning.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

from stdnum import numdb

from contracts.invalid import Flaw, InvalidValue

AGE_YEARS_MAX = 120

_DIGITS = frozenset("0123456789")  # Not str.isdigit, which knows full-width, Arabic-Indic and superscript digits too.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_ISSUED_ELSEWHERE = ("81", "82", "83", "9")
"""Residence permits of people from Hong Kong, Macau and Taiwan, and permanent residence cards since December 2023."""


class CitizenIdWarning(StrEnum):
    """What is unusual about a valid number."""

    REGION_UNKNOWN = "region_unknown"  # abolished, or younger than the table: the number stays valid for life
    FIFTEEN_DIGITS = "fifteen_digits"  # the form before 1999; nobody should hold such a card any more


@dataclass(frozen=True, slots=True)
class CitizenId:
    """A valid number and what it says."""

    number: str
    """Eighteen characters, the last in capitals."""
    original: str
    """As given."""
    birth_date: date
    warnings: tuple[CitizenIdWarning, ...]

    @property
    def region_code(self) -> str:
        """Where it was first issued (GB/T 2260 of that day)."""
        return self.number[:6]


def parse_citizen_id(text: str, *, today: date) -> CitizenId:
    """Read a number of eighteen characters, or of fifteen digits in its old form. Raises: InvalidValue."""
    _check_characters(text)
    number = _eighteen(text)
    if number[-1] != check_character(number):
        raise InvalidValue(Flaw.CITIZEN_ID_CHECK_CHARACTER)
    return CitizenId(number=number, original=text, birth_date=_birth_date(number, today), warnings=warnings_of(text))


def check_character(number: str) -> str:
    """The eighteenth character that belongs to the first seventeen digits (ISO 7064, MOD 11-2)."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number[:17], strict=True))
    return _CHECK_CHARACTERS[total % 11]


def _check_characters(text: str) -> None:
    digits = text[:-1] if text[-1:] in ("X", "x") else text
    if not _DIGITS.issuperset(digits):
        raise InvalidValue(Flaw.CITIZEN_ID_CHARACTERS)


def _eighteen(text: str) -> str:
    if len(text) == 18:
        return text.upper()
    if len(text) == 15 and _DIGITS.issuperset(text):
        seventeen = text[:6] + "19" + text[6:]
        return seventeen + check_character(seventeen)
    raise InvalidValue(Flaw.CITIZEN_ID_LENGTH)


def _birth_date(number: str, today: date) -> date:
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise InvalidValue(Flaw.CITIZEN_ID_BIRTH_DATE) from None
    if born > today:
        raise InvalidValue(Flaw.CITIZEN_ID_BORN_IN_FUTURE)
    if age_years(born, today) > AGE_YEARS_MAX:
        raise InvalidValue(Flaw.CITIZEN_ID_TOO_OLD)
    return born


def age_years(born: date, today: date) -> int:
    """Completed years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def warnings_of(text: str) -> tuple[CitizenIdWarning, ...]:
    """What is unusual about a valid number, as typed."""
    warnings = []
    if len(text) == 15:
        warnings.append(CitizenIdWarning.FIFTEEN_DIGITS)
    if not text.startswith(_ISSUED_ELSEWHERE) and not is_current_region(text[:6]):
        warnings.append(CitizenIdWarning.REGION_UNKNOWN)
    return tuple(warnings)


@cache
def is_current_region(code: str) -> bool:
    """Whether the county exists today, whenever it was made. Bounded: there are a million codes at most."""
    counties = numdb.get("cn/loc").info(code)[-1][1].get("county", "")
    # `[1980-1987]乾安县,[1987-]松原市`: a county without an end still exists.
    return any(county and (not county.startswith("[") or county.partition("]")[0].endswith("-")) for county in counties.split(","))
