"""Somebody whose data nobody else has, and the search for them in whatever form they may have leaked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from urllib.parse import quote

from contracts.citizen_id import check_character

BASE64_CHARS_MIN = 8
GB18030_BYTES_MIN = 6
"""Shorter ones stand by chance in a megabyte of envelopes."""
URL_SAFE = bytes.maketrans(b"+/", b"-_")


def citizen_id(born: date, order: int) -> str:
    seventeen = f"320623{born:%Y%m%d}{order:03}"
    return seventeen + check_character(seventeen)


@dataclass(frozen=True)
class Canary:
    """What must be found with the police and nowhere else; of the free texts, nowhere at all."""

    name: str
    number: str
    mobile: str
    address: str
    travel: str
    origin: str
    report_place: str = "金丝雀机场九号口"
    health_text: str = "金丝雀般轻微头晕"
    evidence: str = "金丝雀居委会来电称其密接"
    release_document: str = "金丝雀疾控解字九一七号"
    reason: str = "金丝雀误登记到本工地"

    @property
    def document(self) -> dict[str, str]:
        return {"type": "citizen_id", "number": self.number}

    def texts(self) -> dict[str, str]:
        """Everything to look for, by what it is; also the part of the number that says where and when somebody was born."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return told | {"birthplace_and_date": self.number[:14], "name_beginning": self.name[:2]}


DECLARED = Canary(
    name="柒棠鉴舫",
    number=citizen_id(date(1983, 4, 17), 917),
    mobile="13894177701",
    address="上海市虹口区金丝雀路四一七号",
    travel="火车G94177",
    origin="江苏省南通市金丝雀村",
)
LATE = Canary(
    name="捌菀霁筝",
    number=citizen_id(date(1979, 9, 17), 919),
    mobile="13894177702",
    address="上海市虹口区画眉路九一九号",
    travel="长途客车沪画眉",
    origin="安徽省淮南市画眉村",
)
ROSTERED = Canary(
    name="玖岚熠笙",
    number=citizen_id(date(1968, 12, 17), 921),
    mobile="13894177703",
    address="不在系统中的云雀路",
    travel="不在系统中的云雀车",
    origin="不在系统中的云雀村",
)
EVERYBODY = (DECLARED, LATE, ROSTERED)


def forms(text: str) -> Iterator[bytes]:
    """The text as bytes may carry it: plain, escaped for JSON and for addresses, in hexadecimal, in base64, in GB 18030."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    if not text.isascii():
        yield json.dumps(text)[1:-1].encode()
        yield json.dumps(text)[1:-1].upper().replace("\\U", "\\u").encode()
        yield quote(text).encode()
        yield quote(text).lower().encode()
        if len(gb18030 := text.encode("gb18030")) >= GB18030_BYTES_MIN:
            yield gb18030
    for shift in range(3):
        # Whatever stands before it, base64 shows one of three middles.
        middle = base64.b64encode(bytes(shift) + plain)[4 if shift else 0 : -4]
        if len(middle) >= BASE64_CHARS_MIN:
            yield middle
            yield middle.translate(URL_SAFE)


NEEDLES = [
    (f"{each.name}: {what}", needle) for each in EVERYBODY for what, text in each.texts().items() for needle in set(forms(text))
]


def found_in(where: str, content: bytes) -> list[str]:
    """What of anybody is in there."""
    return sorted({f"{where}: {what}" for what, needle in NEEDLES if needle in content})
