"""Who a person is: identity documents, names and mobile numbers, and how each is shown masked.

Citizen identity numbers have a module of their own, `citizen_id.py`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from contracts.citizen_id import CitizenIdWarning, check_character, parse_citizen_id, warnings_of
from contracts.invalid import Flaw, InvalidValue
from contracts.texts import hides_something
from contracts.times import shanghai_date

DOCUMENT_CHARS_MAX = 40
NAME_CHARS_MAX = 100


class DocumentType(StrEnum):
    """The kinds of identity document that are accepted."""

    CITIZEN_ID = "citizen_id"  # 居民身份证, residence permits of HK, Macau and Taiwan, permanent residence since 2023-12
    HK_MACAU_PERMIT = "hk_macau_permit"  # 港澳居民来往内地通行证
    TAIWAN_PERMIT = "taiwan_permit"  # 台湾居民来往大陆通行证
    PERMANENT_RESIDENCE = "permanent_residence"  # 外国人永久居留身份证, the card of 2017
    PASSPORT = "passport"  # 护照


def parse_hk_macau_permit(text: str) -> str:
    """`H` or `M` and eight digits. Raises: InvalidValue.

    The older form has two digits more, which count renewals: they are dropped, so that all cards of one person agree.
    """
    if re.fullmatch(r"[HMhm]([0-9]{8}|[0-9]{10})", text) is None:
        raise InvalidValue(Flaw.HK_MACAU_PERMIT_FORM)
    return text[:9].upper()


def parse_taiwan_permit(text: str) -> str:
    """Eight digits. Raises: InvalidValue."""
    if re.fullmatch(r"[0-9]{8}", text) is None:
        raise InvalidValue(Flaw.TAIWAN_PERMIT_FORM)
    return text


def parse_permanent_residence(text: str) -> str:
    """The card of 2017: three letters of the country and twelve digits. Raises: InvalidValue."""
    if re.fullmatch(r"[A-Za-z]{3}[0-9]{12}", text) is None:
        raise InvalidValue(Flaw.PERMANENT_RESIDENCE_FORM)
    return text.upper()


def parse_passport(text: str) -> str:
    """`<country>/<number>`: three letters (ISO 3166 alpha-3) and the number as printed. Raises: InvalidValue."""
    if re.fullmatch(r"[A-Za-z]{3}/[A-Za-z0-9]{3,20}", text) is None:
        raise InvalidValue(Flaw.PASSPORT_FORM)
    return text.upper()


_PARSERS: Mapping[DocumentType, Callable[[str], str]] = MappingProxyType(
    {
        DocumentType.HK_MACAU_PERMIT: parse_hk_macau_permit,
        DocumentType.TAIWAN_PERMIT: parse_taiwan_permit,
        DocumentType.PERMANENT_RESIDENCE: parse_permanent_residence,
        DocumentType.PASSPORT: parse_passport,
    }
)


def canonical_number(document_type: DocumentType, text: str, *, today: date) -> str:
    """The one way to write this document's number, however it was typed. Raises: InvalidValue."""
    if document_type is DocumentType.CITIZEN_ID:
        return parse_citizen_id(text, today=today).number
    return _PARSERS[document_type](text)


def _canonical_today(document_type: DocumentType, text: str) -> str:
    # A document is read while somebody waits, at the edge, never when events are folded: the clock may be asked.
    return canonical_number(document_type, text, today=shanghai_date(datetime.now(UTC)))


class Document(BaseModel):
    """An identity document. Equal numbers mean the same document, whatever was typed."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    type: DocumentType
    """What kind of document."""
    number: Annotated[str, Field(max_length=DOCUMENT_CHARS_MAX)]
    """Its number in canonical form: capitals, a citizen ID of fifteen digits written out to eighteen."""
    original: SkipJsonSchema[str | None] = Field(default=None, repr=False)
    """What was typed, where it differs from the canonical number. Set here, not by clients."""

    @model_validator(mode="before")
    @classmethod
    def _keep_original(cls, given: Any) -> Any:
        return {"original": given.get("number"), **given} if isinstance(given, Mapping) else given

    @field_validator("number")
    @classmethod
    def _canonical(cls, number: str, info: ValidationInfo) -> str:
        # Without a type, the unknown type is the error that is told.
        return _canonical_today(info.data["type"], number) if "type" in info.data else number

    @field_validator("original")
    @classmethod
    def _only_where_it_differs(cls, original: str | None, info: ValidationInfo) -> str | None:
        if original is None or "number" not in info.data or original == info.data["number"]:
            return None
        if _canonical_today(info.data["type"], original) != info.data["number"]:
            raise InvalidValue(Flaw.ORIGINAL_DIFFERS)
        return original

    @property
    def warnings(self) -> tuple[CitizenIdWarning, ...]:
        """What is unusual about the number as typed."""
        if self.type is not DocumentType.CITIZEN_ID:
            return ()
        return warnings_of(self.original or self.number)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("type", self.type.value)]  # A number has no place in a log or a traceback.


def parse_name(text: str) -> str:
    """A person's name, exactly as given: normalising would rewrite characters that are legal in names. Raises: InvalidValue."""
    if not text.strip():
        raise InvalidValue(Flaw.BLANK)
    if len(text) > NAME_CHARS_MAX:
        raise InvalidValue(Flaw.TEXT_TOO_LONG)
    if hides_something(text):
        raise InvalidValue(Flaw.INVISIBLE_CHARACTERS)
    return text


PersonName = Annotated[str, AfterValidator(parse_name), Field(min_length=1, max_length=NAME_CHARS_MAX)]
"""姓名, kept exactly as given."""

_MIDDLE_DOTS = dict.fromkeys(map(ord, "·•‧∙⋅・･·᛫"), "·")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def folded_name(name: str) -> str:
    """What two spellings of one name have in common, to compare only, never to store.

    Middle dots, letter case, full-width Latin and spaces do not count. Chinese characters are never folded.
    """
    return "".join(name.translate(_FULL_WIDTH).translate(_MIDDLE_DOTS).split()).casefold()


def parse_mobile(text: str) -> str:
    """A mobile number: eleven digits for mainland China, E.164 with its plus for the rest. Raises: InvalidValue.

    Spaces and the prefixes +86 and 0086 are dropped.
    """
    compact = text.replace(" ", "")
    national = re.fullmatch(r"(?:\+86|0086)?(1[3-9][0-9]{9})", compact)
    if national is not None:
        return national[1]
    if re.fullmatch(r"\+(?!86)[1-9][0-9]{6,14}", compact) is None:
        raise InvalidValue(Flaw.MOBILE_FORM)
    return compact


Mobile = Annotated[str, AfterValidator(parse_mobile), Field(max_length=32)]
"""手机号 in canonical form: eleven digits, or E.164 with its plus."""


def holds_a_number_of_somebody(text: str) -> bool:
    """Whether a citizen's identity number or a mainland mobile stands in it, apart from other digits and from hexadecimal ones.

    For texts that nobody is meant in, such as keys: what is made at random, a UUID above all, never looks like that.
    """
    return any(mobile or _is_citizen_id(number) for number, mobile in _NUMBERS.findall(text))


_NUMBERS = re.compile(r"(?<![0-9A-Fa-f])(?:([0-9]{17}[0-9Xx])|(?:\+?86|0086)?(1[3-9][0-9]{9}))(?![0-9A-Fa-f])")


def _is_citizen_id(number: str) -> bool:
    """Check character and birth date agree: of other numbers of that length one in ten thousand looks so."""
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return born.year >= 1900 and check_character(number) == number[-1].upper()


def masked_number(number: str) -> str:
    """A document's number for lists: `310***********1234`. Short numbers show two characters less at either end."""
    shown_before, shown_after = (3, 4) if len(number) >= 15 else (1, 2)
    return _masked(list(number), shown_before, shown_after)


def masked_name(name: str) -> str:
    """A name for lists: `张*三`, `张*`. Of a single character nothing is shown."""
    characters = _as_written(name)
    return _masked(characters, 1, 1 if len(characters) > 2 else 0)


def masked_mobile(mobile: str) -> str:
    """A mobile number for lists: `138****5678`."""
    return _masked(list(mobile), 3, 4)


def _masked(characters: list[str], shown_before: int, shown_after: int) -> str:
    hidden = len(characters) - shown_before - shown_after
    if hidden < 1:
        return "*" * len(characters)
    return "".join(characters[:shown_before]) + "*" * hidden + "".join(characters[len(characters) - shown_after :])


def _as_written(name: str) -> list[str]:
    """What a reader counts as characters: variation selectors and accents belong to the one before."""
    characters: list[str] = []
    for character in name:
        if characters and unicodedata.category(character).startswith("M"):
            characters[-1] += character
        else:
            characters.append(character)
    return characters
