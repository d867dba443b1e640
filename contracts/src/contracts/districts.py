"""The districts of Shanghai (GB/T 2260)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from contracts.invalid import Flaw, InvalidValue

DISTRICTS: Mapping[str, str] = MappingProxyType(
    {
        "310101": "黄浦",
        "310104": "徐汇",
        "310105": "长宁",
        "310106": "静安",
        "310107": "普陀",
        "310109": "虹口",
        "310110": "杨浦",
        "310112": "闵行",
        "310113": "宝山",
        "310114": "嘉定",
        "310115": "浦东新区",
        "310116": "金山",
        "310117": "松江",
        "310118": "青浦",
        "310120": "奉贤",
        "310151": "崇明",
    }
)
"""Code to name. Only ever extended: a code that once stood in an event must stay readable."""


def _known(code: str) -> str:
    if code not in DISTRICTS:
        raise InvalidValue(Flaw.DISTRICT_UNKNOWN)
    return code


DistrictCode = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(DISTRICTS)})]
"""A district of Shanghai, six digits of GB/T 2260."""
