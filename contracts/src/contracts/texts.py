"""Text that a person can see: what is kept about firms, projects and people is never blank and hides nothing."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.invalid import Flaw, InvalidValue

VISIBLE_TEXT_CHARS_MAX = 200

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, formats (zero-width characters, bidi overrides), lone surrogates, line and paragraph separators.

Unassigned and private characters are left alone: rare Chinese names are written with characters that this Python does
not know yet, and with some that no standard has.
"""

_HIDDEN_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Fillers that show nothing although Unicode calls them letters, marks or symbols."""


def hides_something(text: str) -> bool:
    """Whether the text has characters that a reader does not see, or that change what is seen."""
    return any(character in _HIDDEN_LETTERS or unicodedata.category(character) in _HIDDEN_CATEGORIES for character in text)


def parse_visible_text(text: str) -> str:
    """The text exactly as given. Raises: InvalidValue."""
    if not text.strip():
        raise InvalidValue(Flaw.BLANK)
    if len(text) > VISIBLE_TEXT_CHARS_MAX:
        raise InvalidValue(Flaw.TEXT_TOO_LONG)
    if hides_something(text):
        raise InvalidValue(Flaw.INVISIBLE_CHARACTERS)
    return text


VisibleText = Annotated[str, AfterValidator(parse_visible_text), Field(min_length=1, max_length=VISIBLE_TEXT_CHARS_MAX)]
"""One line of text, kept exactly as given, 1–200 characters."""
