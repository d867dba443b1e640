"""The composition root of the portal."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from chassis.service import Application, Machinery, Service
from chassis.settings import key_bytes
from portal import token_api
from portal.accounts import Accounts
from portal.pages import home
from portal.settings import Settings
from portal.token_api import TokenIssuer


def signing_key(seed: bytes) -> OKPKey:
    """The private key of a seed of 32 bytes, with its RFC 7638 thumbprint as key id."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = OKPKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.ensure_kid()
    return key


def wire(parts: Machinery[Settings]) -> Application:
    settings = parts.settings
    issuer = TokenIssuer(
        accounts=Accounts(parts.pool),
        key=signing_key(key_bytes(settings.signing_key)),
        retiring_keys=[signing_key(key_bytes(key)) for key in (settings.retiring_signing_key,) if key is not None],
        clock=parts.clock,
    )
    return Application(routers=[token_api.router, home.router], state={"issuer": issuer, "settings": settings})


SERVICE = Service(
    name="portal",
    title="Gatehouse portal",
    settings=Settings,
    migrations=[Path(__file__).parent / "migrations"],
    wire=wire,
    has_log=False,
)
