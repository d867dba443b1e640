"""Stream ids that follow from a name. A person's stream id is the `person_id`, which is random and shows nothing."""

from uuid import UUID, uuid5

CONTRACT_NAMESPACE = UUID("5b0a1b9e-2f0c-5d53-9a0e-0c1f3d7e4a61")
"""For life: another value would give every contract a second stream."""

STATION_NAMESPACE = UUID("c4e7d2a8-93b1-5c6f-8d24-7f6a1e5b9c03")
"""For life, likewise."""

SITE_NAMESPACE = UUID("e2b7c1d4-5f86-5a39-b0c8-41d9a7e6f352")
"""For life, likewise."""

OPERATORS_NAMESPACE = UUID("a94d60f3-71c2-5e0b-8f3d-96b25c8e1d47")
"""For life, likewise."""

POLICY_STREAM = UUID("7c1f3b52-6a0e-5b8d-9d47-2f5e8a61c0b4")
"""Health's policies, all authorities' in one: their versions are those of one stream."""


def contract_stream(contract_no: str) -> UUID:
    """The stream of a contract in every service."""
    return uuid5(CONTRACT_NAMESPACE, contract_no)


def site_stream(contract_no: str) -> UUID:
    """The stream of what a contract's site says of its own precautions. Personal data in it has a key of its own."""
    return uuid5(SITE_NAMESPACE, contract_no)


def operators_stream(contract_no: str) -> UUID:
    """The stream of who may act on a contract."""
    return uuid5(OPERATORS_NAMESPACE, contract_no)


def station_stream(station_name: str) -> UUID:
    """The stream of a supervision station in every service."""
    return uuid5(STATION_NAMESPACE, station_name)
