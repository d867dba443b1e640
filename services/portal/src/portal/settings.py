"""Settings of the portal."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from chassis.settings import Key, Keys, ServiceSettings
from portal.addresses import is_among


def _are_networks(text: str) -> str:
    for each in text.split():
        ip_network(each)
    return text


Networks = Annotated[str, AfterValidator(_are_networks)]
"""Such as `10.0.0.0/8 ::1`."""


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are the portal's own."""

    signing_key: Key
    """Seed of the Ed25519 key that tokens are signed with. Only the portal has it."""
    retiring_signing_key: Key | None = None
    """Seed of the key before it, published a while longer: for a minute after the last process changed to the new one."""
    user_key: Keys
    """Key of the digests by which users and sessions are found, and of one-time passwords' seeds; and after it, once it was
    changed, those on top of it, the newest last. Only the portal has it."""
    registration_url: str = "http://127.0.0.1:8101"
    """Where registration is."""
    health_url: str = "http://127.0.0.1:8102"
    """Where health is."""
    gatekeeper_url: str = "http://127.0.0.1:8103"
    """Where gatekeeper is."""
    reporting_url: str = "http://127.0.0.1:8104"
    """Where reporting is."""
    healthcloud_bridge_url: str = "http://127.0.0.1:8105"
    """Where healthcloud-bridge is."""
    police_bridge_url: str = "http://127.0.0.1:8106"
    """Where police-bridge is."""
    certificate: Path | None = None
    """PEM file of the certificate that the proxy before the portal shows to browsers: its end is told, for an alarm in time."""
    consultation_line: str = "021-00000000"
    """咨询电话, shown on every page."""
    help_notice: str = ""
    """What the authority wants to be read first on the help page, such as office hours."""
    message_gateway_url: str | None = None
    """Where short messages are posted to. Without it the portal starts only where it `shows_login_codes`."""
    shows_login_codes: bool = False
    """Whether the login page shows the code itself, and without a gateway the terminal too. For a stack on one's own machine
    only: whoever knows somebody's number and mobile is let in as him."""
    trusted_proxies: Networks = ""
    """Networks of the proxies before the portal, separated by spaces: what they say in `X-Forwarded-For` is believed. Guessing is
    counted by address, so behind a proxy that is not named everybody is counted as one."""
    supervisor_networks: Networks = "127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"
    """内网: networks from which supervisors may sign in, separated by spaces."""

    def is_inside(self, address: str) -> bool:
        """Whether a supervisor may sign in from there."""
        return is_among(address, self.supervisor_networks)
