"""What can be set from outside, all of it by environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parents[3]
"""devstack runs from a checkout: it is installed in editable form only."""


class Settings(BaseSettings):
    """Environment of devstack itself. What it hands to the services stands in `services.py`."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    state: Path = Field(default=REPOSITORY / ".local", validation_alias="GATEHOUSE_STATE")
    """Data, logs and secrets of the local stack. `reset` throws them away."""
    cache: Path = Field(default=REPOSITORY / ".local" / "cache", validation_alias="GATEHOUSE_CACHE")
    """What was downloaded and can be downloaded again. `reset` leaves it."""

    postgres_dsn: str | None = Field(default=None, validation_alias="GATEHOUSE_POSTGRES_DSN")
    """Superuser on a PostgreSQL server that exists already."""
    keys_postgres_dsn: str | None = Field(default=None, validation_alias="GATEHOUSE_KEYS_POSTGRES_DSN")
    """Superuser on another server: keys never share a WAL or a backup with the logs."""
    kafka_bootstrap: str | None = Field(default=None, validation_alias="GATEHOUSE_KAFKA_BOOTSTRAP")
    """host:port[,host:port…] of a Kafka that exists already."""

    kafka_clients: str | None = Field(default=None, validation_alias="GATEHOUSE_KAFKA_CLIENTS")
    """host:port[,host:port…] where the same Kafka asks its clients for name and password (SCRAM-SHA-512), if it does."""

    postgres_image: str = Field(default="postgres:17", validation_alias="POSTGRES_IMAGE")
    """Taken if a Docker engine holds it already; nothing is pulled."""
    kafka_image: str = Field(default="apache/kafka:4.3.0", validation_alias="KAFKA_IMAGE")
    """The same for Kafka."""

    postgres_port: int = Field(default=8190, validation_alias="GATEHOUSE_EMBEDDED_POSTGRES_PORT")
    """Wished for; where it is taken, any free port will do. So are the next two."""
    keys_postgres_port: int = Field(default=8191, validation_alias="GATEHOUSE_EMBEDDED_KEYS_POSTGRES_PORT")
    """Of the keys server."""
    kafka_port: int = Field(default=8192, validation_alias="GATEHOUSE_EMBEDDED_KAFKA_PORT")
    """Of Kafka's clients; its controller takes any free one."""

    def elsewhere(self) -> Settings:
        """The same with any free ports: beside a stack that has the wished ones."""
        return self.model_copy(update={"postgres_port": 0, "keys_postgres_port": 0, "kafka_port": 0})
