"""The composition root of the portal."""

from __future__ import annotations

from pathlib import Path

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from chassis.measuring import Measure
from chassis.service import Application, Machinery, NotConfigured, Service
from chassis.settings import key_bytes, keys_bytes
from portal import token_api
from portal.accounts import Accounts
from portal.digests import Digests, UserKeys
from portal.key_ages import LOOK_EVERY_S, KeyAges
from portal.login_codes import LoginCodes
from portal.message_gateway import ConsoleGateway, HttpGateway, MessageGateway, Outbox
from portal.operators import Operators
from portal.pages import (
    ban_reviews,
    corrections,
    family,
    family_corrections,
    gate,
    health,
    history,
    home,
    imports,
    login,
    missing_reports,
    morning_round,
    open_work,
    operations,
    operator_grants,
    paper_entries,
    policies,
    pre_registrations,
    review_items,
    site_information,
    supervised_paper_entries,
    supervised_people,
    supervision,
    today,
    turnstile,
)
from portal.rendering import Renderer
from portal.session import Sessions
from portal.settings import Settings
from portal.throttle import Throttle
from portal.token_api import TokenIssuer
from portal.upstream.calls import ANSWER_S_MAX, CONNECT_S_MAX, CONNECTIONS_MAX, Calls, TokenDesk
from portal.user_keys import REHASH_USERS
from portal.users import Users
from portal.wired import Portal

FAILURES_MAX = 30
FAILURES_WITHIN_S = 60.0
"""Of all logins from one address: a site office has one, and several people."""


PAGES = [
    each.router
    for each in (
        home,
        login,
        site_information,
        pre_registrations,
        family,
        family_corrections,
        health,
        history,
        ban_reviews,
        corrections,
        review_items,
        morning_round,
        open_work,
        gate,
        turnstile,
        paper_entries,
        imports,
        today,
        missing_reports,
        supervision,
        supervised_paper_entries,
        supervised_people,
        policies,
        operations,
        operator_grants,
    )
]


def signing_key(seed: bytes) -> OKPKey:
    """The private key of a seed of 32 bytes, with its RFC 7638 thumbprint as key id."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = OKPKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.ensure_kid()
    return key


def wire(parts: Machinery[Settings]) -> Application:
    settings = parts.settings
    key = signing_key(key_bytes(settings.signing_key))
    issuer = TokenIssuer(
        accounts=Accounts(parts.pool),
        key=key,
        retiring_keys=[signing_key(key_bytes(old)) for old in (settings.retiring_signing_key,) if old is not None],
        clock=parts.clock,
    )
    portal = _portal(parts, key)
    key_ages = KeyAges(parts.pool, key.thumbprint(), settings.certificate)
    return Application(
        routers=[token_api.router, *PAGES],
        state={"issuer": issuer, "portal": portal},
        api_tasks=[portal.outbox.run, Measure("key_ages", key_ages.look, LOOK_EVERY_S).keep],
    )


def _portal(parts: Machinery[Settings], key: OKPKey) -> Portal:
    settings = parts.settings
    digests = Digests(UserKeys(*keys_bytes(settings.user_key)))
    users = Users(parts.pool, digests)
    outbox = Outbox(_gateway(settings))
    calls = Calls(_client(), _urls(settings), TokenDesk(key, parts.clock))
    operators = Operators(calls)
    return Portal(
        settings=settings,
        clock=parts.clock,
        users=users,
        codes=LoginCodes(parts.pool, digests, users, operators, outbox),
        outbox=outbox,
        sessions=Sessions(parts.pool, digests, users, operators),
        guessing=Throttle(FAILURES_MAX, FAILURES_WITHIN_S),
        calls=calls,
        renderer=Renderer(consultation_line=settings.consultation_line),
    )


def _gateway(settings: Settings) -> MessageGateway:
    """Raises: NotConfigured: a portal that seems well, and whose users wait for codes in vain, is worse than none."""
    if settings.message_gateway_url:
        return HttpGateway(settings.message_gateway_url)
    if settings.shows_login_codes:
        return ConsoleGateway()
    raise NotConfigured(
        "nobody would get a login code: set GATEHOUSE_MESSAGE_GATEWAY_URL, or GATEHOUSE_SHOWS_LOGIN_CODES=true on one's own machine"
    )


def _client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX),
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
        trust_env=False,
    )


def _urls(settings: Settings) -> dict[str, str]:
    return {
        "registration": settings.registration_url,
        "healthcloud-bridge": settings.healthcloud_bridge_url,
        "health": settings.health_url,
        "gatekeeper": settings.gatekeeper_url,
        "reporting": settings.reporting_url,
        "police-bridge": settings.police_bridge_url,
    }


SERVICE = Service(
    name="portal",
    title="Gatehouse portal",
    settings=Settings,
    migrations=[Path(__file__).parent / "migrations"],
    wire=wire,
    has_log=False,
    operations=[REHASH_USERS],
)
