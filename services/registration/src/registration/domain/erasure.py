"""Erasing a person: what may be asked, what is refused, and what follows. The key itself is the key server's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.registration import PersonErased
from contracts.rejection import Rejection
from contracts.times import shanghai_date


@dataclass(frozen=True, slots=True)
class Erase:
    """The epidemic is over, and nobody needs to know any more who this was."""

    person_id: UUID
    has_key: bool
    """Whether anything was sealed for the person, as far as the key server knows: then there is somebody to erase, of whom nothing
    need be told here. A declaration, an operator, a document that was linked by mistake."""
    epidemic_ended_on: date | None
    """Day in Shanghai. None: it has not ended."""
    at: datetime


class PersonIsErased(Rejection):
    """Nothing is registered any more for somebody who was erased; the document leads to another person by now."""

    code = "person-is-erased"
    status = 404
    title_zh = "该人员的个人信息已删除"
    title_en = "The personal data of this person has been erased"


class PersonIsUnknown(Rejection):
    """There is nothing to erase."""

    code = "person-is-unknown"
    status = 404
    title_zh = "没有该人员的登记信息"
    title_en = "Nothing is known of this person"


class EpidemicIsNotOver(Rejection):
    """Whoever is erased comes back as a stranger, against whom nothing stands: no ban may end in that way."""

    code = "epidemic-is-not-over"
    title_zh = "疫情防控期间不能删除个人信息"
    title_en = "Nobody is erased before the epidemic is over"


def require_the_end(epidemic_ended_on: date | None, *, at: datetime) -> None:
    """Return once the epidemic is over. Raises: EpidemicIsNotOver."""
    if epidemic_ended_on is None or shanghai_date(at) < epidemic_ended_on:
        raise EpidemicIsNotOver


def erase(command: Erase, *, waiting: Collection[str], is_known: bool, is_erased: bool) -> Sequence[PersonErased]:
    """`waiting`: the contracts for which a form waits for a declaration."""
    if is_erased:
        return []
    if not is_known and not command.has_key:
        raise PersonIsUnknown
    require_the_end(command.epidemic_ended_on, at=command.at)
    return [PersonErased(person_id=command.person_id, dropped_forms=tuple(sorted(waiting)), erased_at=command.at)]
