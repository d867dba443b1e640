"""Places as people write them, recognised by the names of provinces and cities (GB/T 2260)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_TABLE: Mapping[str, list[str]] = json.loads((Path(__file__).parent / "regions.json").read_text(encoding="utf-8"))
"""Code to full and short names of provinces, cities, and counties that belong to no city. Short names that mean another
place too (吉林, 朝阳, 海南 of 青海) stand only with the one that people mean, or not at all."""

CODES: Mapping[str, str] = MappingProxyType({name: code for code, names in _TABLE.items() for name in names})
"""Name to code."""

_NAMES = re.compile("|".join(sorted(map(re.escape, CODES), key=len, reverse=True)))
_BETWEEN_PLACES = re.compile(r"[\s、,,;;。/|+→>~～—–-]+|转")


def recognised_region(text: str) -> str | None:
    """The code of the one place that the text names, as exactly as it names it. None where any part of it is not known.

    Fewer recognised is safer than more: what is not recognised becomes a question, what is recognised wrongly a pass. So
    every place in the text must be known and all must lie within each other: 湖北省 武汉市 is Wuhan, 合肥、武汉 is nothing.
    """
    codes = set()
    for place in filter(None, _BETWEEN_PLACES.split(text)):
        found = {CODES[name] for name in _NAMES.findall(place)}
        if not found:
            return None
        codes |= found
    if not codes:
        return None
    finest = max(codes, key=lambda code: len(_significant(code)))
    return finest if all(finest.startswith(_significant(code)) for code in codes) else None


def _significant(code: str) -> str:
    """The code without the pairs of zeros at its end."""
    return re.sub(r"(00)+$", "", code)
