"""Their words ↔ ours. Contradictions are flagged with codes, never fixed and never a reason to refuse.

Where an answer cannot be read the stricter one is assumed, and flagged too: whatever is not plainly 否 counts as 是.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from contracts.identity import parse_mobile, parse_name
from contracts.invalid import InvalidValue
from contracts.temperatures import CELSIUS_MAX, CELSIUS_MIN
from contracts.times import parse_day
from healthcloud_bridge.client import Submission
from healthcloud_bridge.regions import recognised_region

FEVER_CELSIUS = 37.3
"""From here on 无异常症状 is a contradiction. A flag for readers: who may enter is judged elsewhere, by policy."""

WUHAN = "4201"
"""GB/T 2260 prefix. Nobody stops over where he sets out; from elsewhere in Hubei he may well stop in Wuhan."""

CHANNELS = {"健康云APP": "app", "APP": "app", "微信": "wechat", "微信公众号": "wechat", "上海健康云": "wechat"}
RELATIONS = {
    "本人": "self",
    "配偶": "spouse",
    "父母": "parent",
    "子女": "child",
    "兄弟姐妹": "sibling",
    "同事": "colleague",
}
OTHER = "other"

_NO_PLACE = frozenset({"", "无", "没有", "未经停", "/", "-"})
_DATE = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:[ T].*)?")
_TEMPERATURE = re.compile(r"(-?[0-9]{1,3}(?:\.[0-9]{1,3})?) ?(?:℃|°C|度)?")
_BY_AIR = re.compile("机场|航站楼|飞机|航班")
_BY_LAND_OR_WATER = re.compile("火车|高铁|动车|汽车|客车|大巴|自驾|轮船")
_AT_A_STATION = re.compile("火车站|高铁站|汽车站|客运站|道口|码头")


class Untranslatable(Exception):
    """The submission lacks what makes it one: who, or when it was reported."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A declaration in our words, unsealed. It lives as long as the request."""

    name: str = field(repr=False)
    reported_on: date
    report_place: str = field(repr=False)
    temperature_celsius: float | None = field(repr=False)
    health_text: str = field(repr=False)
    departed_on: date | None
    travel: str = field(repr=False)
    from_hubei: bool
    from_wuhan: bool
    stopover: bool
    stopover_place: str | None = field(repr=False)
    stopover_code: str | None
    stay_address: str = field(repr=False)
    mobile: str | None = field(repr=False)
    contradictions: tuple[str, ...]
    channel: str
    relation: str
    source: str
    """64 hex digits that stand for the submission, number and content."""


def translated(submission: Submission, *, today: date) -> Declared:
    """The submission in our words. `today` is the day in Shanghai. Raises: Untranslatable."""
    try:
        name = parse_name(submission.name)
    except InvalidValue:
        raise Untranslatable("name") from None
    reported_on = _day(submission.reported_on)
    if reported_on is None:
        raise Untranslatable("reported_on")
    place = None if submission.stopover_place in _NO_PLACE else submission.stopover_place
    return Declared(
        name=name,
        reported_on=reported_on,
        report_place=submission.report_place,
        temperature_celsius=_celsius(submission.temperature),
        health_text=submission.health,
        departed_on=_day(submission.departed_on),
        travel=submission.travel,
        from_hubei=_is_yes(submission.from_hubei),
        from_wuhan=_is_yes(submission.from_wuhan),
        stopover=_is_yes(submission.stopover),
        stopover_place=place,
        stopover_code=recognised_region(place) if place else None,
        stay_address=submission.stay_address,
        mobile=_mobile(submission.mobile),
        contradictions=(*_unreadable(submission), *_contradictions(submission, reported_on, today)),
        channel=CHANNELS.get(submission.channel, OTHER),
        relation=RELATIONS.get(submission.relation, OTHER),
        source=_source(submission),
    )


def _source(submission: Submission) -> str:
    # By alias and without what is empty: renaming a field of ours, or reading one more that was never filled in, must not
    # make every submission look new.
    said = submission.model_dump(exclude_defaults=True, by_alias=True)
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _unreadable(submission: Submission) -> Iterator[str]:
    if submission.temperature and _celsius(submission.temperature) is None:
        yield "temperature_unreadable"
    if submission.departed_on and _day(submission.departed_on) is None:
        yield "departure_unreadable"
    if submission.mobile and _mobile(submission.mobile) is None:
        yield "mobile_unreadable"
    answers = {"from_hubei": submission.from_hubei, "from_wuhan": submission.from_wuhan, "stopover": submission.stopover}
    yield from (f"{question}_unreadable" for question, answer in answers.items() if answer not in ("是", "否"))


def _contradictions(submission: Submission, reported_on: date, today: date) -> Iterator[str]:
    celsius, departed_on = _celsius(submission.temperature), _day(submission.departed_on)
    if celsius is not None and not CELSIUS_MIN <= celsius <= CELSIUS_MAX:
        yield "temperature_implausible"
    if celsius is not None and celsius >= FEVER_CELSIUS and "无" in submission.health:
        yield "temperature_against_health_text"
    if _contradict(submission.report_place, submission.travel):
        yield "report_place_against_travel"
    if departed_on is not None and departed_on > reported_on:
        yield "report_before_departure"
    if reported_on > today:
        yield "report_in_the_future"
    if submission.from_wuhan == "是" and submission.from_hubei == "否":
        yield "wuhan_against_hubei"
    if submission.stopover == "否" and submission.stopover_place not in _NO_PLACE:
        yield "stopover_against_place"
    if submission.from_wuhan == "是" and (recognised_region(submission.stopover_place) or "").startswith(WUHAN):
        yield "origin_against_stopover"


def _contradict(report_place: str, travel: str) -> bool:
    """An airport and a train, or a station and a flight."""
    lands = _BY_AIR.search(report_place) and _BY_LAND_OR_WATER.search(travel)
    flies = _AT_A_STATION.search(report_place) and _BY_AIR.search(travel)
    return bool(lands or flies)


def _is_yes(answer: str) -> bool:
    return answer != "否"


def _day(text: str) -> date | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        year, month, day = map(int, found.groups())
        return parse_day(date(year, month, day))
    except ValueError:
        return None


def _celsius(text: str) -> float | None:
    found = _TEMPERATURE.fullmatch(text)
    return float(found[1]) if found else None


def _mobile(text: str) -> str | None:
    try:
        return parse_mobile(text)
    except InvalidValue:
        return None
