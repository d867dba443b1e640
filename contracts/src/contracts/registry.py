"""Every event type by its written name. Reading goes through here, never through a class path."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import get_args

from contracts.event import Event
from contracts.gatekeeper import GatekeeperEvent
from contracts.health import HealthEvent, PolicyEvent
from contracts.healthcloud_bridge import HealthcloudBridgeEvent
from contracts.police import PoliceBridgeEvent, PoliceMessage
from contracts.registration import RegistrationEvent

EVENTS_BY_OWNER: Mapping[str, tuple[type[Event], ...]] = MappingProxyType(
    {
        "registration": get_args(RegistrationEvent),
        "healthcloud-bridge": get_args(HealthcloudBridgeEvent),
        "health": (*get_args(HealthEvent), *get_args(PolicyEvent)),
        "gatekeeper": get_args(GatekeeperEvent),
        "police-bridge": get_args(PoliceBridgeEvent),
        "police": get_args(PoliceMessage),
    }
)
"""The second part of the type name, with its events. `police` is written by police-bridge, for readers outside."""

EVENTS: Mapping[str, type[Event]] = MappingProxyType({event.TYPE: event for events in EVENTS_BY_OWNER.values() for event in events})
"""Written type name to class."""


class UnknownEventType(LookupError):
    """This process does not know the type: it is older than whoever wrote the event."""


def event_class(type_name: str) -> type[Event]:
    """The class of a written type name. Raises: UnknownEventType."""
    try:
        return EVENTS[type_name]
    except KeyError:
        raise UnknownEventType(type_name) from None


def decode(type_name: str, data: bytes) -> Event:
    """The event that these bytes say. Raises: UnknownEventType, pydantic.ValidationError."""
    return event_class(type_name).decode(data)
