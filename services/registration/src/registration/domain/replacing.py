"""A form is handed in anew under the right document: whoever was registered under the wrong one is the same person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from registration.domain.person import Person, PersonCommand, PreRegister
from registration.domain.same_person import Link, ReplacedIsNotWithdrawn, ReplacingIsForTheSite


def replace_document(command: PreRegister, replaced: UUID, records: Mapping[UUID, Person]) -> Mapping[UUID, PersonCommand]:
    """What is asked of which of the `records`, which are all that either has. Who was set apart since is not linked again.

    Raises: ReplacedIsNotWithdrawn; ReplacingIsForTheSite."""
    anew, before, form = records[command.person_id].records, records[replaced], command.form
    if before.is_to_be_expected_on(form.contract_no):
        raise ReplacedIsNotWithdrawn
    known = [records[each] for each in (replaced, *before.records.same_as)]
    employers = {record.employer_on(each) for record in known for each in record.contracts}
    if command.for_one_firm and employers != {form.employer_credit_code}:
        raise ReplacingIsForTheSite
    if replaced in {command.person_id, *anew.known}:
        return {command.person_id: command}
    everybody = frozenset(records)
    linked = {each: Link(each, everybody - {each}, command.at) for each in records}
    return {**linked, command.person_id: replace(command, replaces=everybody - {command.person_id})}
