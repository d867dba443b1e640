"""Firms and contracts: social credit codes (GB 32100), contract numbers, construction numbers."""

from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema

from contracts.invalid import Flaw, InvalidValue
from contracts.texts import VisibleText, hides_something

CREDIT_CODE_LENGTH = 18
_CREDIT_CODE_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015: digits and capitals, without I, O, S, V and Z. A character's place here is its value."""

NUMBER_CHARS_MAX = 40

DISTINCT_MAX = 16_384
"""Codes and numbers that a process remembers as valid. Few stand in very many events, and checking them is what costs most
when events are read."""


def credit_code_check_character(code: str) -> str:
    """The eighteenth character that belongs to the first seventeen (GB 32100-2015: weights are powers of 3, modulo 31)."""
    total = sum(_CREDIT_CODE_ALPHABET.index(character) * 3**place for place, character in enumerate(code[:17]))
    return _CREDIT_CODE_ALPHABET[-total % 31]


@lru_cache(maxsize=DISTINCT_MAX)
def parse_credit_code(text: str) -> str:
    """A unified social credit code (统一社会信用代码) in capitals. Codes may start with a letter. Raises: InvalidValue."""
    # upper() alone would also turn other scripts into Latin capitals, such as ß into SS.
    code = text.upper() if text.isascii() else text
    if any(character not in _CREDIT_CODE_ALPHABET for character in code):
        raise InvalidValue(Flaw.CREDIT_CODE_CHARACTERS)
    if len(code) != CREDIT_CODE_LENGTH:
        raise InvalidValue(Flaw.CREDIT_CODE_LENGTH)
    if code[-1] != credit_code_check_character(code):
        raise InvalidValue(Flaw.CREDIT_CODE_CHECK_CHARACTER)
    return code


CreditCode = Annotated[
    str,
    AfterValidator(parse_credit_code),
    WithJsonSchema({"type": "string", "pattern": f"^[{_CREDIT_CODE_ALPHABET}]{{{CREDIT_CODE_LENGTH}}}$"}),
]
"""A firm's unified social credit code (GB 32100), check character verified."""


@lru_cache(maxsize=DISTINCT_MAX)
def parse_number(text: str) -> str:
    """A number as an authority gave it, opaque to us, exactly as given. Raises: InvalidValue.

    Refused is only what could not stand in a path of the API.
    """
    if not text.strip():
        raise InvalidValue(Flaw.BLANK)
    if len(text) > NUMBER_CHARS_MAX:
        raise InvalidValue(Flaw.TEXT_TOO_LONG)
    if hides_something(text):
        raise InvalidValue(Flaw.INVISIBLE_CHARACTERS)
    if any(character.isspace() or character in r"/\?#%" for character in text) or set(text) == {"."}:
        raise InvalidValue(Flaw.NUMBER_CHARACTERS)
    return text


_Number = Annotated[
    str,
    AfterValidator(parse_number),
    # Said, not checked once more: `parse_number` does.
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NUMBER_CHARS_MAX}),
]

ContractNo = _Number
"""合同报送编号: usually `W`, a date and five digits."""

ConstructionNo = _Number
"""报建编号: usually ten characters."""

FirmName = VisibleText
"""A firm's full name, as registered."""


class Firm(BaseModel):
    """A firm as it was reported with a contract."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    credit_code: CreditCode
    """Its unified social credit code."""
    name: FirmName
    """Its full name."""
    kind: VisibleText
    """总包单位类型, such as 施工企业."""
