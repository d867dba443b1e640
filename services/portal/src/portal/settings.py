"""Settings of the portal."""

from __future__ import annotations

from chassis.settings import Key, ServiceSettings


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are the portal's own."""

    signing_key: Key
    """Seed of the Ed25519 key that tokens are signed with. Only the portal has it."""
    retiring_signing_key: Key | None = None
    """Seed of the key before it, published a while longer: for a minute after the last process changed to the new one."""
    registration_url: str = "http://127.0.0.1:8101"
    """Where registration is, as a browser reaches it."""
    health_url: str = "http://127.0.0.1:8102"
    """Where health is, as a browser reaches it."""
    gatekeeper_url: str = "http://127.0.0.1:8103"
    """Where gatekeeper is, as a browser reaches it."""
    reporting_url: str = "http://127.0.0.1:8104"
    """Where reporting is, as a browser reaches it."""
    healthcloud_bridge_url: str = "http://127.0.0.1:8105"
    """Where healthcloud-bridge is, as a browser reaches it."""
    police_bridge_url: str = "http://127.0.0.1:8106"
    """Where police-bridge is, as a browser reaches it."""
