"""Contracts, employers, pre-registrations, and the family that comes along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "registration"
PAGE_ROWS = 50
PEOPLE_ASKED_MAX = 50
"""At once; more is refused."""
CORRECTIONS_MAX = 20
"""The last ones about somebody: more than a page need tell."""


class Firm(BaseModel):
    name: str


class Station(BaseModel):
    name: str


class Contract(BaseModel):
    contract_no: str
    construction_no: str
    project_name: str
    general_contractor: Firm
    station: Station


class ContractList(BaseModel):
    items: list[Contract]


class Employer(BaseModel):
    credit_code: str
    name: str
    sub_contract_no: str | None


class EmployerList(BaseModel):
    items: list[Employer]


class Registrant(BaseModel):
    """Who handed a form in."""

    account: str
    role: str
    registered_at: datetime


class PreRegistration(BaseModel):
    """Masked."""

    person_id: UUID
    state: str
    name: str | None
    document_type: str
    document_number: str | None
    mobile: str | None
    person_kind: str
    trade: str | None
    employer_credit_code: str
    origin_code: str
    arrival_date: date | None
    declaration_version: int | None
    waits_for: str | None
    """Of a form that waits: what it lacks."""
    taken_up: bool
    registered_by: Registrant | None
    changed_at: datetime
    etag: str = ""
    """What a change is based on that is made of this. Empty: registration is of the release before, and does not compare."""


class PreRegistrationPage(BaseModel):
    items: list[PreRegistration]
    next: str | None


class PreRegistered(BaseModel):
    person_id: UUID


class FamilyMember(BaseModel):
    """Masked."""

    person_id: UUID
    state: str
    relation: str | None
    name: str | None
    document_type: str
    document_number: str | None
    mobile: str | None
    declaration_version: int | None
    waits_for: str | None
    """Of a form that waits: what it lacks."""
    registered_by: Registrant | None
    changed_at: datetime
    etag: str = ""
    """What a change is based on that is made of this. Empty: registration is of the release before, and does not compare."""


class Family(BaseModel):
    items: list[FamilyMember]


class PersonHere(BaseModel):
    """Somebody whom the contract knows, masked: expected, come along, or of the old roster."""

    person_id: UUID
    standing: str
    name: str | None
    document_type: str
    document_number: str | None
    mobile: None = None
    """It stands in a form alone."""


class PeopleHere(BaseModel):
    items: list[PersonHere]


class FieldChange(BaseModel):
    """Masked."""

    field: str
    before: str | None
    after: str | None


class Correction(BaseModel):
    """Something that was put right, and why."""

    version: int
    kind: str
    grounds: str | None
    corrected_by: str | None
    corrected_at: datetime
    changes: list[FieldChange] = []
    """Of what was registered. What health corrects stands in its own lists, as it was and as it is."""


class Corrections(BaseModel):
    items: list[Correction]


class Nothing(BaseModel):
    """An answer without content."""


@dataclass(frozen=True)
class Registration:
    calls: Calls
    caller: Caller

    async def contracts(self) -> list[Contract]:
        return (await self.calls.get(self.caller, SERVICE, "/v1/contracts", ContractList)).items

    async def contract(self, contract_no: str) -> Contract:
        return await self.calls.get(self.caller, SERVICE, f"/v1/contracts/{contract_no}", Contract)

    async def employers(self, contract_no: str) -> list[Employer]:
        return (await self.calls.get(self.caller, SERVICE, f"/v1/contracts/{contract_no}/employers", EmployerList)).items

    async def pre_registrations(
        self, contract_no: str, *, state: str | None = None, after: str | None = None, limit: int = PAGE_ROWS
    ) -> PreRegistrationPage:
        path = _expected(contract_no)
        return await self.calls.get(self.caller, SERVICE, path, PreRegistrationPage, state=state, after=after, limit=limit)

    async def pre_registration(self, contract_no: str, person_id: UUID) -> PreRegistration:
        path = f"{_expected(contract_no)}/{person_id}"
        return await self.calls.get(self.caller, SERVICE, path, PreRegistration)

    async def people(self, contract_no: str, wanted: Iterable[UUID]) -> Mapping[UUID, PersonHere]:
        """Who they are, for health and the gate can read no names. Whoever is nobody here is left out."""
        asked = [str(each) for each in dict.fromkeys(wanted)]
        some = [asked[begin : begin + PEOPLE_ASKED_MAX] for begin in range(0, len(asked), PEOPLE_ASKED_MAX)]
        path = f"/v1/contracts/{contract_no}/people"
        pages = await asyncio.gather(*(self.calls.get(self.caller, SERVICE, path, PeopleHere, person_id=each) for each in some))
        return {each.person_id: each for page in pages for each in page.items}

    async def pre_register(self, contract_no: str, form: Mapping[str, Any], *, key: str) -> PreRegistered:
        return await self.calls.post(self.caller, SERVICE, _expected(contract_no), form, PreRegistered, key=key)

    async def correct(self, contract_no: str, person_id: UUID, correction: Mapping[str, Any], *, based_on: str, key: str) -> None:
        path = f"{_expected(contract_no)}/{person_id}/corrections"
        await self.calls.post(self.caller, SERVICE, path, correction, Nothing, key=key, based_on=based_on)

    async def corrections(self, contract_no: str, person_id: UUID, *, accompanies: UUID | None = None) -> list[Correction]:
        """What was put right about somebody whom the contract knows, the last one first. That it was read is recorded."""
        whose = f"{_family(contract_no, accompanies)}/{person_id}" if accompanies else f"{_expected(contract_no)}/{person_id}"
        path = f"{whose}/corrections"
        return (await self.calls.get(self.caller, SERVICE, path, Corrections, limit=CORRECTIONS_MAX)).items

    async def withdraw(self, contract_no: str, person_id: UUID, *, reason: str, based_on: str, key: str) -> None:
        path = f"{_expected(contract_no)}/{person_id}/withdrawal"
        await self.calls.post(self.caller, SERVICE, path, {"reason": reason}, Nothing, key=key, based_on=based_on)

    # --- 携带家属 ------------------------------------------------------------------------------------------------------

    async def family_members(self, contract_no: str, person_id: UUID) -> list[FamilyMember]:
        return (await self.calls.get(self.caller, SERVICE, _family(contract_no, person_id), Family)).items

    async def pre_register_family_member(self, contract_no: str, person_id: UUID, form: Mapping[str, Any], *, key: str) -> None:
        await self.calls.post(self.caller, SERVICE, _family(contract_no, person_id), form, Nothing, key=key)

    async def correct_family_member(
        self, contract_no: str, person_id: UUID, member_id: UUID, correction: Mapping[str, Any], *, based_on: str, key: str
    ) -> None:
        path = f"{_family(contract_no, person_id)}/{member_id}/corrections"
        await self.calls.post(self.caller, SERVICE, path, correction, Nothing, key=key, based_on=based_on)

    async def withdraw_family_member(
        self, contract_no: str, person_id: UUID, member_id: UUID, *, reason: str, based_on: str, key: str
    ) -> None:
        path = f"{_family(contract_no, person_id)}/{member_id}/withdrawal"
        await self.calls.post(self.caller, SERVICE, path, {"reason": reason}, Nothing, key=key, based_on=based_on)


def _expected(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/pre-registrations"


def _family(contract_no: str, person_id: UUID) -> str:
    return f"{_expected(contract_no)}/{person_id}/family-members"
