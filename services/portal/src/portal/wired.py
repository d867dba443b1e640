"""What the pages find in `request.app.state`."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from chassis.clock import Clock
from portal.forms import Uploads
from portal.login_codes import LoginCodes
from portal.message_gateway import Outbox
from portal.rendering import Renderer
from portal.session import Sessions
from portal.settings import Settings
from portal.throttle import Throttle
from portal.upstream.calls import Calls
from portal.users import Users


@dataclass(frozen=True)
class Portal:
    settings: Settings
    clock: Clock
    users: Users
    codes: LoginCodes
    outbox: Outbox
    sessions: Sessions
    guessing: Throttle
    """By address: whoever fails to sign in again and again is not even looked at."""
    calls: Calls
    renderer: Renderer
    uploads: Uploads = field(default_factory=Uploads)


def portal_of(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal
