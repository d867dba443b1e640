"""How old the signing key is, and when the certificate ends."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from portal.key_ages import KeyAges
from portal.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.measured import measured

KEY, CERTIFICATE = "gatehouse_signing_key_first_used_timestamp_seconds", "gatehouse_certificate_not_after_timestamp_seconds"
ENDS = datetime(2020, 6, 17, tzinfo=UTC)


def certificate() -> bytes:
    """Signed by itself."""
    name, key = x509.Name([]), Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(ENDS - timedelta(days=90)).not_valid_after(ENDS).sign(key, None).public_bytes(Encoding.PEM)


async def test_a_key_is_as_old_as_its_first_use_whoever_starts_again(database: MakeDatabase) -> None:
    made = await database("portal", SERVICE.migrations)
    async with asyncpg.create_pool(made.app_dsn, min_size=1, max_size=1) as pool:
        await KeyAges(pool, "old", None).look()
        first = measured(KEY)
        assert first
        assert abs(first - datetime.now(UTC).timestamp()) < 60
        await KeyAges(pool, "old", None).look()
        assert first == measured(KEY)
        await KeyAges(pool, "new", None).look()
        assert first < (measured(KEY) or 0)


async def test_a_certificate_is_told_by_its_end(database: MakeDatabase, tmp_path: Path) -> None:
    made = await database("portal", SERVICE.migrations)
    file = tmp_path / "certificate.pem"
    async with asyncpg.create_pool(made.app_dsn, min_size=1, max_size=1) as pool:
        await KeyAges(pool, "key", None).look()
        assert math.isnan(measured(CERTIFICATE) or 0)
        for content, expected in ((certificate(), ENDS.timestamp()), (b"no certificate", 0)):
            file.write_bytes(content)
            await KeyAges(pool, "key", file).look()
            assert expected == measured(CERTIFICATE)
        file.unlink()
        await KeyAges(pool, "key", file).look()
        assert 0 == measured(CERTIFICATE), "it went away"
