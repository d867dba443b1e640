"""A ban does not go on because everybody forgot it: it has a day by which somebody looks at it again, and the banned may object.

Neither changes what the gates do. That takes a decision (`dispositions.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from contracts.health import BanObjected, BanReviewed, Disposition
from contracts.rejection import Rejection
from contracts.times import shanghai_date
from health.domain.commands import ObjectToBan, ReviewBan
from health.domain.state import HealthPerson

REVIEWED_WITHIN_DAYS = 7
"""Days after a decision by which a ban is looked at again, unless it says otherwise: half of the usual isolation."""
REVIEWED_WITHIN_DAYS_MAX = 30
"""No ban says that it need not be looked at for longer."""


class PersonIsNotBanned(Rejection):
    """There is nothing to review or to object to where nobody is banned."""

    code = "person-is-not-banned"
    title_zh = "该人员当前为可进场，没有可复核或申诉的处置"
    title_en = "The person is not banned: there is nothing to review or to object to"


class ReviewIsOutOfReach(Rejection):
    """A review lies ahead, and not so far that nobody would remember what it was about."""

    code = "review-is-out-of-reach"
    status = 422
    title_zh = "复核日期须在今天起30天以内"
    title_en = "A ban is reviewed from today on and within 30 days"


def review_day(asked: date | None, today: date) -> date:
    """The day by which the ban is to be looked at. Raises: ReviewIsOutOfReach."""
    day = asked or today + timedelta(days=REVIEWED_WITHIN_DAYS)
    if not today <= day <= today + timedelta(days=REVIEWED_WITHIN_DAYS_MAX):
        raise ReviewIsOutOfReach
    return day


def review_ban(command: ReviewBan, person: HealthPerson) -> Sequence[BanReviewed]:
    """The review, each time: what the ban still rests on may be new. Raises: Rejection."""
    _require_banned(person)
    review_on = review_day(command.review_on, shanghai_date(command.at))
    return [
        BanReviewed(
            person_id=command.person_id,
            review_on=review_on,
            evidence=command.evidence,
            reviewed_by=command.reviewed_by,
            reviewed_at=command.at,
        )
    ]


def object_to_ban(command: ObjectToBan, person: HealthPerson) -> Sequence[BanObjected]:
    """The objection, each time: what is said may be new. Raises: PersonIsNotBanned."""
    _require_banned(person)
    return [BanObjected(person_id=command.person_id, note=command.note, noted_by=command.noted_by, objected_at=command.at)]


def _require_banned(person: HealthPerson) -> None:
    if person.decided.disposition is Disposition.ADMISSIBLE:
        raise PersonIsNotBanned
