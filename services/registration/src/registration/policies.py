"""What others tell becomes a fact of the person's own stream.

A declaration of Health Cloud appears: the forms that waited for it are taken up. Somebody leaves a site for good: the
pre-registration is closed. A record is said to be of the same person as others, or not to be: each of these says so, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.gatekeeper import ExitRegistered
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.same_person import PersonLinked, PersonUnlinked
from registration.domain.declaration import declaration_of
from registration.domain.person import Close
from registration.domain.same_person import Link, LinkCommand, Unlink
from registration.domain.waiting import TakeUp

TAKE_UP_POLICY = "take_up_v1"
CLOSE_POLICY = "close_v1"
LINK_POLICY = "link_v1"


def take_up_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[TakeUp]:
    return Policy(name=TAKE_UP_POLICY, subscribes=(DeclarationReceived,), handler=handler, react=when_a_declaration_appears)


def when_a_declaration_appears(fact: Fact[DeclarationReceived]) -> Sequence[tuple[UUID, TakeUp]]:
    person_id = fact.event.person_id
    return [(person_id, TakeUp(person_id=person_id, declaration=declaration_of(fact.event), at=fact.recorded.time))]


def close_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[Close]:
    return Policy(name=CLOSE_POLICY, subscribes=(ExitRegistered,), handler=handler, react=when_somebody_leaves)


def when_somebody_leaves(fact: Fact[ExitRegistered]) -> Sequence[tuple[UUID, Close]]:
    event = fact.event
    return [(event.person_id, Close(person_id=event.person_id, contract_no=event.contract_no, exited_at=event.exited_at))]


def link_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[LinkCommand]:
    return Policy(name=LINK_POLICY, subscribes=(PersonLinked, PersonUnlinked), handler=handler, react=when_records_are_linked)


def when_records_are_linked(fact: Fact[PersonLinked | PersonUnlinked]) -> Sequence[tuple[UUID, LinkCommand]]:
    """Whatever one record tells, the others tell, too: also where somebody was cut short, or two linked at the same time."""
    event = fact.event
    everyone = frozenset({event.person_id, *event.same_as})
    if isinstance(event, PersonLinked):
        return [(each, Link(each, everyone - {each}, event.linked_at)) for each in event.same_as]
    mistaken = frozenset(event.not_the_same)
    apart = [*((each, everyone) for each in event.not_the_same), *((each, mistaken) for each in event.same_as)]
    return [(each, Unlink(each, others, event.unlinked_at)) for each, others in apart]
