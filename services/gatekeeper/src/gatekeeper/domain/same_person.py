"""One person with several documents: each has a record, and so a stream, of its own. What stands against one stands against all.

Nothing is copied from one record to another: whoever judges reads all of them. Which ones these are, each of them says.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from gatekeeper.domain.state import GatePerson
from gatekeeper.domain.verdict import pre_registration

Records = Mapping[UUID, GatePerson]
"""By `person_id`."""


class RecordNeeded(Exception):
    """Nothing can be said of the person before this record has been read, too."""

    def __init__(self, person_id: UUID) -> None:
        super().__init__(person_id)
        self.person_id = person_id


def others_of(person_id: UUID, person: GatePerson, known: Records) -> Records:
    """All other records of the person, in order, out of those that are known. Raises: RecordNeeded."""
    found: dict[UUID, GatePerson] = {}
    asked = [*(person.clearance.same_as or ())]
    while asked:
        each = asked.pop()
        if each == person_id or each in found:
            continue
        if each not in known:
            raise RecordNeeded(each)
        found[each] = known[each]
        asked += known[each].clearance.same_as or ()
    return dict(sorted(found.items()))


def record_here(records: Records, contract_no: str) -> UUID:
    """Which record is acted on where the person shows one of his documents. The one that he shows comes first.

    On site under one document, he is not outside under another; expected under one, he is expected.
    """
    on_site = [each for each, person in records.items() if contract_no in person.on_site]
    expected = [each for each, person in records.items() if pre_registration(person, contract_no) is not None]
    return [*on_site, *expected, *records][0]
