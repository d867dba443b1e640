"""The key server's tables and keys, the brokers' topics, users and rules, and how full the disks are: once for all services.

Repeating what installs changes nothing, and sets everybody's password on the brokers to what it says now.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from pydantic import Field, SecretStr

from chassis.disks import watch
from chassis.index_keys import IndexKeys
from chassis.kafka import admit, provision
from chassis.migrations import KEYS, migrate
from chassis.reindexing import IndexKeyIsAnother, NeverAlone, reindex
from chassis.rewrapping import rewrap
from chassis.sealing import KeyEncryption
from chassis.settings import Key, Keys, OutsideSettings, Port, key_bytes, keys_bytes
from chassis.telemetry import configure_logging
from contracts.event import SHARDS
from contracts.topics import EVENT_TOPICS, TOPICS

NOT_TOLD = 2
"""Exit code of a command that lacks a setting."""


class InstallationSettings(OutsideSettings):
    """What the commands of `python -m chassis` are told."""

    keys_dsn: SecretStr | None = None
    """The key server, as the role that owns its database."""
    keys_password: SecretStr | None = None
    """Of the role in `keys_dsn`."""
    key_encryption_key: Key | None = None
    """As the services are told; for `rewrap-keys` only, as the next one."""
    other_key_encryption_key: Key | None = None
    """As the services are told."""
    index_key: Keys | None = None
    """As the services are told; for `reindex-documents` only."""
    kafka_bootstrap: str | None = None
    """The brokers, where the operator comes without a name and may do everything."""
    kafka_passwords: Mapping[str, SecretStr] = {}
    """By user: everybody who is admitted to the brokers, a JSON object. Nobody: to brokers that do not ask."""
    topic_prefix: str = ""
    """As the services are told."""
    partitions: Annotated[int, Field(ge=1, le=SHARDS)] = 16
    """As the services are told."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Copies of a topic that is made; not more than there are brokers."""
    disks: Path | None = None
    """For `watch-disks`: a folder with a folder for each volume."""
    host: str = "127.0.0.1"
    """Address to listen on, for `watch-disks`."""
    port: Port = 0
    """TCP port of its probes and metrics. 0 lets the system choose."""


async def migrate_keys(settings: InstallationSettings) -> int:
    """Bring the key server's database up to date. The roles of the services must be there: it grants each its rights."""
    if settings.keys_dsn is None:
        return _not_told("GATEHOUSE_KEYS_DSN")
    await migrate(settings.keys_dsn.get_secret_value(), [KEYS])
    return 0


async def rewrap_keys(settings: InstallationSettings) -> int:
    """Wrap by the key-encryption key whatever the other one wrapped, so that the other may go. 1: a key opens with neither."""
    key, other = settings.key_encryption_key, settings.other_key_encryption_key
    if settings.keys_dsn is None or key is None or other is None:
        return _not_told("GATEHOUSE_KEYS_DSN, GATEHOUSE_KEY_ENCRYPTION_KEY or GATEHOUSE_OTHER_KEY_ENCRYPTION_KEY")
    connection = await asyncpg.connect(settings.keys_dsn.get_secret_value())
    try:
        rewrapped = await rewrap(connection, KeyEncryption(key_bytes(key), other=key_bytes(other)))
    finally:
        await connection.close()
    print(f"{rewrapped.changed:,} keys wrapped anew, {rewrapped.unchanged:,} were already")
    for stream_id in rewrapped.closed:
        print(f"opens with neither key: {stream_id}", file=sys.stderr)
    return 1 if rewrapped.closed else 0


async def reindex_documents(settings: InstallationSettings) -> int:
    """Have every document found under the last index key, which all services know, and under nothing else. 1: it cannot be."""
    if settings.keys_dsn is None or settings.index_key is None:
        return _not_told("GATEHOUSE_KEYS_DSN or GATEHOUSE_INDEX_KEY")
    connection = await asyncpg.connect(settings.keys_dsn.get_secret_value(), server_settings={"statement_timeout": "0"})
    try:
        reindexed = await reindex(connection, IndexKeys(*keys_bytes(settings.index_key)))
    except IndexKeyIsAnother:
        print("not the index key that the services have, or not one key more than count", file=sys.stderr)
        return 1
    except NeverAlone:
        print("somebody is always in the way: repeat it, it goes on", file=sys.stderr)
        return 1
    finally:
        await connection.close()
    print(f"{reindexed.carried:,} documents indexed anew, {reindexed.dropped:,} old indexes dropped")
    return 0


async def provision_brokers(settings: InstallationSettings) -> int:
    """Make every topic, every user and every rule that `contracts/topics.py` grants."""
    if settings.kafka_bootstrap is None:
        return _not_told("GATEHOUSE_KAFKA_BOOTSTRAP")
    events = set(EVENT_TOPICS.values())
    topics = [topic.with_partitions(settings.partitions) if topic in events else topic for topic in TOPICS]
    provision(settings.kafka_bootstrap, topics, prefix=settings.topic_prefix, replication=settings.replication)
    if settings.kafka_passwords:
        admit(settings.kafka_bootstrap, topics, prefix=settings.topic_prefix, passwords=settings.kafka_passwords)
    return 0


async def watch_disks(settings: InstallationSettings) -> int:
    """Tell how full the disks are, until told to stop."""
    if settings.disks is None:
        return _not_told("GATEHOUSE_DISKS")
    configure_logging(service="disks", role="watch-disks")
    await watch(settings.disks, host=settings.host, port=settings.port)
    return 0


COMMANDS: Mapping[str, Callable[[InstallationSettings], Coroutine[Any, Any, int]]] = {
    "migrate-keys": migrate_keys,
    "provision-brokers": provision_brokers,
    "reindex-documents": reindex_documents,
    "rewrap-keys": rewrap_keys,
    "watch-disks": watch_disks,
}


def _not_told(variable: str) -> int:
    print(f"{variable} is not set", file=sys.stderr)
    return NOT_TOLD
