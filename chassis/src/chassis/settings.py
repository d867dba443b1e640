"""What a service is told from outside: environment variables with the prefix `GATEHOUSE_`, checked when it starts.

A service with settings of its own inherits from `ServiceSettings`. Secrets are `SecretStr`, so that printing or logging
the settings never shows them.

Whatever is told by a variable can be told by a file of that name, in lower case, as containers are given their secrets:
`/run/secrets/gatehouse_index_key`, or in the folder that `GATEHOUSE_SECRETS_FOLDER` names. The variable counts where both are.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from chassis.kafka import Brokers
from contracts.event import SHARDS

KEY_BYTES = 32
KEYS_MAX = 64
SECRETS_FOLDER = "/run/secrets"
SECRETS_FOLDER_VARIABLE = "GATEHOUSE_SECRETS_FOLDER"


def _is_key(value: SecretStr) -> SecretStr:
    _insist_on_key(value.get_secret_value())
    return value


def _are_keys(value: SecretStr) -> SecretStr:
    keys = value.get_secret_value().split()
    if not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"not one to {KEYS_MAX} keys")
    for key in keys:
        _insist_on_key(key)
    return value


def _insist_on_key(text: str) -> None:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
    if len(decoded) != KEY_BYTES:
        raise ValueError(f"not {KEY_BYTES} bytes")


Key = Annotated[SecretStr, AfterValidator(_is_key)]
"""32 random bytes in base64, e.g. from `openssl rand -base64 32`."""

Keys = Annotated[SecretStr, AfterValidator(_are_keys)]
"""One such key or several, with white space between them."""

Port = Annotated[int, Field(ge=0, le=65_535)]


def key_bytes(key: SecretStr) -> bytes:
    """The 32 bytes of a `Key`."""
    return base64.b64decode(key.get_secret_value())


def keys_bytes(keys: SecretStr) -> list[bytes]:
    """32 bytes for each of `Keys`."""
    return [base64.b64decode(each) for each in keys.get_secret_value().split()]


def _with_password(dsn: SecretStr | str, password: SecretStr | str) -> SecretStr:
    place = urlsplit(_clear(dsn))
    role, _, host = place.netloc.rpartition("@")
    return SecretStr(urlunsplit(place._replace(netloc=f"{role.partition(':')[0]}:{quote(_clear(password), safe='')}@{host}")))


def _clear(text: SecretStr | str) -> str:
    return text.get_secret_value() if isinstance(text, SecretStr) else text


class OutsideSettings(BaseSettings):
    """How programs of ours are told anything: by variables and by files of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="GATEHOUSE_", frozen=True, extra="ignore", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Named when they are read, not when the class is made: a program may be told where its secrets are."""
        folder = Path(os.environ.get(SECRETS_FOLDER_VARIABLE, SECRETS_FOLDER))
        files = [SecretsSettingsSource(settings_cls, secrets_dir=folder)] if folder.is_dir() else []
        return (init_settings, env_settings, *files)

    @model_validator(mode="before")
    @classmethod
    def _put_passwords_into_dsns(cls, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where a `…_password` comes beside a `…_dsn`, the DSN gets it: so it need not be a secret itself."""
        names = [name.removesuffix("_password") for name in told if name.endswith("_password") and f"{name[:-9]}_dsn" in told]
        return {**told, **{f"{name}_dsn": _with_password(told[f"{name}_dsn"], told[f"{name}_password"]) for name in names}}


class ServiceSettings(OutsideSettings):
    """Settings that every service process has."""

    database_dsn: SecretStr
    """The service's own database, as its role with least grants: `postgresql://role:password@host:port/database`."""
    database_password: SecretStr | None = None
    """Of the role in `database_dsn`, where that says none: a secret by itself."""
    migration_dsn: SecretStr | None = None
    """The same database as the role that owns it. Needed by `migrate` and `rebuild` only."""
    migration_password: SecretStr | None = None
    """Of the role in `migration_dsn`."""
    keys_dsn: SecretStr | None = None
    """The key server, as the service's role there. Needed by services that identify, seal or unseal."""
    keys_password: SecretStr | None = None
    """Of the role in `keys_dsn`."""
    kafka_bootstrap: str = "127.0.0.1:9092"
    """Kafka brokers, `host:port[,host:port…]`."""
    kafka_user: str | None = None
    """Who comes to the brokers, with SCRAM-SHA-512. Without it nobody in particular does, which a broker must allow."""
    kafka_password: SecretStr | None = None
    """Of `kafka_user`."""
    topic_prefix: Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{0,64}$")] = ""
    """Put before every topic's name, so that several systems can share a broker."""
    partitions: Annotated[int, Field(ge=1, le=SHARDS)] = 16
    """Partitions of an event topic. Divides 64, and never changes while a topic lives."""
    drain_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How long an api that was told to stop goes on taking requests, seconds. Until then whoever shares out the load has to have
    seen that it is no longer ready."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 0
    """TCP port of the api. 0 lets the system choose."""
    worker_port: Port = 0
    """TCP port of a worker's probes and metrics. 0 lets the system choose."""
    jwks_url: str = "http://127.0.0.1:8100/.well-known/jwks.json"
    """Where the keys that tokens are signed with are published."""
    key_encryption_key: Key | None = None
    """Wraps the data keys on the key server. Held by services that seal or unseal, never by the key server."""
    other_key_encryption_key: Key | None = None
    """Opens what it wrapped, and wraps nothing: the key that was, or the one to come, while `key_encryption_key` is changed."""
    index_key: Keys | None = None
    """Key of the blind index over document numbers; and after it, once it was changed, those on top of it, the newest last. Held by
    services that identify people."""
    database_bytes_max: Annotated[int, Field(gt=0)] = 100 * 2**30
    """How large the database may become, for the alarm that tells how many days are left. Nothing stops it there."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is written."""

    @property
    def brokers(self) -> Brokers:
        """Where the brokers are, and who comes there."""
        return Brokers(self.kafka_bootstrap, self.kafka_user, self.kafka_password)

    @model_validator(mode="after")
    def _partitions_divide_the_shards(self) -> Self:
        if SHARDS % self.partitions:
            raise ValueError(f"partitions must divide {SHARDS}")
        return self
