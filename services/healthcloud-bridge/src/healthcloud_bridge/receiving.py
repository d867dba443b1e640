"""One query, from a document to facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from chassis.clock import Clock
from chassis.command_handling import CommandHandler
from chassis.consistency import ConsistencyToken
from chassis.sealing import Purpose, Sealer, Sealing
from contracts.healthcloud_bridge import DeclarationReceived, HealthcloudBridgeEvent, LookUpOutcome, LookUpPurpose
from contracts.identity import Document, folded_name
from contracts.times import shanghai_date
from healthcloud_bridge.client import AnswerNotUnderstood, HealthCloud
from healthcloud_bridge.domain.declarations import Declaration, DeclaredPerson, LookUp, Receive
from healthcloud_bridge.translation import Declared, Untranslatable, translated

DECLARATIONS_AT_ONCE = 50
"""Of one command, which can make `EVENTS_MAX` facts."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Received:
    """The latest declaration of a person, stored."""

    version: int
    """Of the declaration."""
    stream_version: int
    token: ConsistencyToken | None
    is_new: bool
    """Whether anything was stored that was not there."""


@dataclass(frozen=True)
class Receiving:
    """Ask, translate, seal, decide."""

    health_cloud: HealthCloud
    handler: CommandHandler[Receive | LookUp, DeclaredPerson, HealthcloudBridgeEvent]
    sealing: Sealing
    clock: Clock

    async def ask(self, document: Document, *, name: str) -> Sequence[Declared]:
        """Everything that was declared for this document, oldest first, in our words. Raises: HealthCloudUnavailable."""
        submissions = await self.health_cloud.submissions(document, name=name)
        today = shanghai_date(self.clock.now())
        try:
            return [translated(submission, today=today) for submission in submissions]
        except Untranslatable:
            # To leave one out would be to answer with an older one: better no answer, and somebody looks into it.
            log.error("healthcloud.untranslatable", count=len(submissions))
            raise AnswerNotUnderstood from None

    async def receive(self, person_id: UUID, declared: Sequence[Declared]) -> Received:
        """Store what is new of it. The last one given is the latest. Repeating it stores nothing.

        Raises: StreamIsErased; VersionConflict; Unavailable.
        """
        declarations = await self._but_the_last(person_id, await self._sealed(person_id, declared))
        return await self._handled(Receive(person_id, declarations, self.clock.now()))

    async def look_up(
        self, person_id: UUID, declared: Sequence[Declared], *, name: str, account: str, purpose: LookUpPurpose
    ) -> Received | None:
        """Put the look-up on record, together with what is new. None where nothing may be shown: no declaration of that name.

        Raises: StreamIsErased; VersionConflict; Unavailable.
        """
        outcome = _outcome(declared, name=name)
        shown = declared if outcome is LookUpOutcome.SHOWN else ()
        declarations = await self._but_the_last(person_id, await self._sealed(person_id, shown))
        command = LookUp(person_id, account, purpose, outcome, declarations, self.clock.now())
        if not declarations:
            await self.handler.handle(person_id, command)
            return None
        received = await self._handled(command)
        # It came from elsewhere and needs no key. But whoever is shown it stands in the person's own record, like every reader.
        await self.sealing.unwrap([person_id], actor=account, purpose=Purpose.REVEAL)
        return received

    async def _sealed(self, person_id: UUID, declared: Sequence[Declared]) -> tuple[Declaration, ...]:
        sealer = await self.sealing.sealer_for([person_id])
        return tuple(_sealed(each, person_id, sealer) for each in declared)

    async def _but_the_last(self, person_id: UUID, declarations: tuple[Declaration, ...]) -> tuple[Declaration, ...]:
        """Store those that one command cannot hold besides the last ones, which are left to it."""
        while len(declarations) > DECLARATIONS_AT_ONCE:
            now, declarations = declarations[:DECLARATIONS_AT_ONCE], declarations[DECLARATIONS_AT_ONCE:]
            await self.handler.handle(person_id, Receive(person_id, now, self.clock.now()))
        return declarations

    async def _handled(self, command: Receive | LookUp) -> Received:
        person_id, declarations = command.person_id, command.declarations
        outcome = await self.handler.handle(person_id, command)
        _, person = await self.handler.read(person_id)
        version = person.versions[declarations[-1].source_fingerprint]
        # Not of the look-up, which nobody needs to have seen: without the broker nobody could.
        token = await self.handler.token_at(person_id, version=person.received_at)
        is_new = any(isinstance(each, DeclarationReceived) for each in outcome.events)
        return Received(version, outcome.version, token, is_new)


def _outcome(declared: Sequence[Declared], *, name: str) -> LookUpOutcome:
    if not declared:
        return LookUpOutcome.NOT_DECLARED
    return LookUpOutcome.SHOWN if folded_name(declared[-1].name) == folded_name(name) else LookUpOutcome.NAME_DIFFERS


def _sealed(declared: Declared, person_id: UUID, sealer: Sealer) -> Declaration:
    def seal(field: str, text: str) -> str:
        return sealer.seal(person_id, field, text)

    return Declaration(
        reported_on=declared.reported_on,
        report_place=seal("report_place", declared.report_place),
        temperature_celsius=declared.temperature_celsius,
        health_text=seal("health_text", declared.health_text),
        departed_on=declared.departed_on,
        travel=seal("travel", declared.travel),
        from_hubei=declared.from_hubei,
        from_wuhan=declared.from_wuhan,
        stopover=declared.stopover,
        stopover_place=seal("stopover_place", declared.stopover_place) if declared.stopover_place else None,
        stopover_code=declared.stopover_code,
        stay_address=seal("stay_address", declared.stay_address),
        mobile=seal("mobile", declared.mobile) if declared.mobile else None,
        name_fingerprint=sealer.fingerprint(person_id, declared.name),
        source_fingerprint=sealer.fingerprint(person_id, declared.source),
        contradictions=declared.contradictions,
        channel=declared.channel,
        relation=declared.relation,
    )
