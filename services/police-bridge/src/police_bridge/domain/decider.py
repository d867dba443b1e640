"""What the police is told next, given what it was told before.

The police of a district reads, for each person and contract: shared, then corrected any number of times, then withdrawn,
and so on. Which texts differ is not asked: they are sealed, and every sealing gives another text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.police import ArrivalCorrected, ArrivalErased, ArrivalLinked, ArrivalShared, ArrivalWithdrawn, PoliceBridgeEvent
from police_bridge.domain.commands import Erase, Link, PoliceBridgeCommand, Share, Withdraw
from police_bridge.domain.state import Arrival, SharedPerson


def decide(command: PoliceBridgeCommand, person: SharedPerson) -> Sequence[PoliceBridgeEvent]:
    match command:
        case Share():
            return _share(command, person)
        case Withdraw():
            return _withdraw(command, person)
        case Link():
            return _link(command, person)
        case Erase():
            return _erase(command, person)
        case _:
            assert_never(command)


def _share(command: Share, person: SharedPerson) -> Sequence[PoliceBridgeEvent]:
    known = person.arrivals.get(command.contract_no)
    if known is not None and known.told_at == command.at:
        return []  # The same pre-registration, or correction, once more.
    if known is None or not known.is_open:
        return [_shared(command), *_linked_in_a_new_district(command, person)]
    if known.district != command.particulars.district:
        # Two police forces: who was told first must not go on expecting the person.
        return [
            _withdrawn(command.person_id, command.contract_no, known, command.at),
            _shared(command),
            *_linked_in_a_new_district(command, person),
        ]
    return [_corrected(command)]


def _withdraw(command: Withdraw, person: SharedPerson) -> Sequence[ArrivalWithdrawn]:
    known = person.arrivals.get(command.contract_no)
    if known is None or not known.is_open:
        return []  # Repeated, or never told: there is nothing to take back.
    return [_withdrawn(command.person_id, command.contract_no, known, command.at)]


def _link(command: Link, person: SharedPerson) -> Sequence[ArrivalLinked]:
    """Told to whoever was told of the person. Whoever is told later is told of the link then."""
    if person.is_erased or command.same_as == person.same_as:
        return []
    return [_linked(command.person_id, each, command.same_as, command.at) for each in person.districts]


def _linked_in_a_new_district(command: Share, person: SharedPerson) -> Sequence[ArrivalLinked]:
    """What was told of a link before: to other districts, or to nobody, and then it stands in what was told of the person now."""
    district, same_as = command.particulars.district, person.same_as or command.same_as
    if district in person.districts or not same_as:
        return []
    return [_linked(command.person_id, district, same_as, command.at)]


def _erase(command: Erase, person: SharedPerson) -> Sequence[ArrivalErased]:
    if person.is_erased:
        return []  # Repeated.
    return [ArrivalErased(person_id=command.person_id, district=each, erased_at=command.at) for each in person.districts]


def _shared(command: Share) -> ArrivalShared:
    return ArrivalShared(
        person_id=command.person_id, contract_no=command.contract_no, shared_at=command.at, **asdict(command.particulars)
    )


def _corrected(command: Share) -> ArrivalCorrected:
    return ArrivalCorrected(
        person_id=command.person_id, contract_no=command.contract_no, corrected_at=command.at, **asdict(command.particulars)
    )


def _withdrawn(person_id: UUID, contract_no: str, known: Arrival, at: datetime) -> ArrivalWithdrawn:
    """Goes to the police that was told, whatever district the contract lies in by now."""
    return ArrivalWithdrawn(person_id=person_id, contract_no=contract_no, district=known.district, withdrawn_at=at)


def _linked(person_id: UUID, district: str, same_as: tuple[UUID, ...], at: datetime) -> ArrivalLinked:
    return ArrivalLinked(person_id=person_id, district=district, same_as=same_as, linked_at=at)


def evolve(person: SharedPerson, event: PoliceBridgeEvent) -> SharedPerson:
    match event:
        case ArrivalShared():
            return _with(person, event.contract_no, Arrival(event.district, event.shared_at, is_open=True))
        case ArrivalCorrected():
            return _with(person, event.contract_no, Arrival(event.district, event.corrected_at, is_open=True))
        case ArrivalWithdrawn():
            return _with(person, event.contract_no, replace(person.arrivals[event.contract_no], is_open=False))
        case ArrivalLinked():
            return replace(person, same_as=event.same_as)
        case ArrivalErased():
            return replace(person, is_erased=True)
        case _:
            assert_never(event)


def _with(person: SharedPerson, contract_no: str, arrival: Arrival) -> SharedPerson:
    districts = tuple(sorted({*person.districts, arrival.district}))
    return replace(person, arrivals={**person.arrivals, contract_no: arrival}, districts=districts)
