"""A declaration of Health Cloud appears: the forms that waited for it are taken up, in the person's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.healthcloud_bridge import DeclarationReceived
from registration.domain.declaration import declaration_of
from registration.domain.person import TakeUp

TAKE_UP_POLICY = "take_up_v1"


def take_up_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[TakeUp]:
    return Policy(name=TAKE_UP_POLICY, subscribes=(DeclarationReceived,), handler=handler, react=when_a_declaration_appears)


def when_a_declaration_appears(fact: Fact[DeclarationReceived]) -> Sequence[tuple[UUID, TakeUp]]:
    person_id = fact.event.person_id
    return [(person_id, TakeUp(person_id=person_id, declaration=declaration_of(fact.event), at=fact.recorded.time))]
