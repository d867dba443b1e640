"""Since when tokens are signed with the key, and how long the certificate is good that browsers are shown: for alarms in time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import asyncpg
from cryptography.x509 import load_pem_x509_certificate
from prometheus_client import Gauge

LOOK_EVERY_S = 60.0
KEY_FIRST_USED_S = Gauge(
    "gatehouse_signing_key_first_used_timestamp_seconds", "When the portal first signed a token with its present key, by Unix time."
)
CERTIFICATE_ENDS_S = Gauge(
    "gatehouse_certificate_not_after_timestamp_seconds",
    "When the certificate ends, by Unix time; 0: it cannot be read; NaN: nobody says where it is.",
)

NOTE = "INSERT INTO signing_key (kid) VALUES ($1) ON CONFLICT DO NOTHING"
FIRST_USED = "SELECT extract(epoch FROM first_used_at)::float8 FROM signing_key WHERE kid = $1"


@dataclass(frozen=True)
class KeyAges:
    """Of one portal."""

    pool: asyncpg.Pool
    kid: str
    """Of the key that tokens are signed with: its RFC 7638 thumbprint."""
    certificate: Path | None
    """PEM, the server's own certificate first."""

    async def look(self) -> None:
        """Tell both as metrics. A key that is new here is noted."""
        CERTIFICATE_ENDS_S.set(self._ends_at_s())
        await self.pool.execute(NOTE, self.kid)
        KEY_FIRST_USED_S.set(await self.pool.fetchval(FIRST_USED, self.kid))

    def _ends_at_s(self) -> float:
        if self.certificate is None:
            return float("nan")
        try:
            return load_pem_x509_certificate(self.certificate.read_bytes()).not_valid_after_utc.timestamp()
        except (OSError, ValueError):
            return 0.0
