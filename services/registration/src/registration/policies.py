"""What others tell becomes a fact of the person's own stream.

A declaration of Health Cloud appears: the forms that waited for it are taken up. Somebody leaves a site for good: the
pre-registration is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.gatekeeper import ExitRegistered
from contracts.healthcloud_bridge import DeclarationReceived
from registration.domain.declaration import declaration_of
from registration.domain.pre_registration import Close
from registration.domain.waiting import TakeUp

TAKE_UP_POLICY = "take_up_v1"
CLOSE_POLICY = "close_v1"


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
