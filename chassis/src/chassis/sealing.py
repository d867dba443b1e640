"""Sealing: personal data and free text become unreadable before they are appended to a log.

Each stream has a random data key, which the key server keeps in wrapped form (`chassis.key_server`). An envelope says
its algorithm and key version, `g1.<key version>.<base64url of nonce, ciphertext and tag>`, and opens only for the stream
and the field it was made for. Erasing somebody is destroying the key: every copy of every envelope, in logs, topics,
projections and backups, is unreadable from then on, and reads as `Erased`.

    sealer = await sealing.sealer_for([person_id])
    name = sealer.seal(person_id, "name", "张三")
    ...
    unsealer = await sealing.unwrap([person_id], actor=principal.subject, purpose=Purpose.MASKED_PAGE)
    unsealer.unseal(person_id, "name", name)

How long does a process still hold a destroyed key? It may go on *sealing* with it for `cache_ttl_s`, which only makes
more envelopes that nobody can read. It never *reads* from that cache: an `Unsealer` is made anew by the key server for
each request or batch, is recorded there, and must not be kept.

An envelope hides what the text says, not how long it is.
"""

from __future__ import annotations

import asyncio
import binascii
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final
from uuid import UUID

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from chassis import key_server
from chassis.crash_points import CrashPoint, passing
from chassis.gathering import Gatherer
from chassis.key_server import Access, Purpose, WrappedKey
from contracts.identity import folded_name
from contracts.rejection import Rejection
from contracts.sealing import Sealed

KEY_BYTES = 32
NONCE_BYTES = 12
ALGORITHM = "g1"
WRAPPING = b"\x01"
"""First byte of a wrapped key: AES-256-GCM under the key-encryption key, with the stream's id as associated data."""
FINGERPRINT_INFO = b"gatehouse fingerprint 1"

STREAMS_MAX = 2_000
"""Streams in one call."""
GROUP_KEYS_MAX = 500
"""Keys in one round trip."""
QUEUE_KEYS_MAX = 10_000
CACHED_KEYS_MAX = 10_000
CACHE_TTL_S = 60.0

__all__ = ["ERASED", "Erased", "Purpose", "SealBroken", "Sealer", "Sealing", "StreamIsErased", "Unsealer"]


class SealBroken(Exception):
    """An envelope, or a wrapped key, is not what was once made for this stream and field: altered, moved, or of a lost key.

    A fault, never something a user did. Says where, never what.
    """


class StreamIsErased(Rejection):
    """Nothing can be sealed any more for somebody who was erased."""

    code: ClassVar[str] = "stream-is-erased"
    status: ClassVar[int] = 404
    title_zh: ClassVar[str] = "该对象的个人信息已删除"
    title_en: ClassVar[str] = "The personal data of this subject has been erased"


@dataclass(frozen=True, slots=True)
class Erased:
    """Stands where a text was whose key has been destroyed."""


ERASED: Final = Erased()


class DataKey:
    """The key of one stream, ready for use."""

    def __init__(self, stream_id: UUID, *, version: int, key: bytes) -> None:
        self._stream_id = stream_id
        self._version = str(version)
        self._key = key
        self._cipher = AESGCM(key)
        # Fixed lengths before the field's name: no two combinations run into the same bytes.
        self._context = stream_id.bytes + version.to_bytes(4, "big")

    def seal(self, field: str, text: str) -> Sealed:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, text.encode(), self._context + field.encode())
        return f"{ALGORITHM}.{self._version}.{_base64url(nonce + sealed)}"

    def unseal(self, field: str, sealed: Sealed) -> str:
        """Raises: SealBroken."""
        try:
            algorithm, version, payload = sealed.split(".")
            content = binascii.a2b_base64(payload.translate(_FROM_URL) + "=" * (-len(payload) % 4))
            if (algorithm, version, _base64url(content)) != (ALGORITHM, self._version, payload):
                raise ValueError("of another kind, of another key, or more than one way to write it")
            text = self._cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], self._context + field.encode())
            return text.decode()
        except (ValueError, InvalidTag):
            raise SealBroken(f"{field} of {self._stream_id}") from None

    @cached_property
    def fingerprint_key(self) -> bytes:
        """Follows from the data key, and so dies with it."""
        return HKDFExpand(SHA256(), KEY_BYTES, FINGERPRINT_INFO).derive(self._key)


class KeyEncryption:
    """Wraps data keys, each for its own stream."""

    def __init__(self, key_encryption_key: bytes, *, other: bytes | None = None) -> None:
        """`other` opens as well: the key that was, or the one to come, while it is changed (ADR 48)."""
        keys = (key_encryption_key,) if other is None else (key_encryption_key, other)
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key-encryption key has {KEY_BYTES} bytes")
        self._ciphers = [AESGCM(key) for key in keys]

    def new_wrapped_key(self, stream_id: UUID) -> bytes:
        return self._wrap(stream_id, os.urandom(KEY_BYTES))

    def open(self, key: WrappedKey) -> DataKey | None:
        """The data key; None if it was destroyed. Raises: SealBroken."""
        if key.wrapped is None:
            return None
        data_key, _ = self._unwrapped(key.stream_id, key.wrapped)
        return DataKey(key.stream_id, version=key.key_version, key=data_key)

    def rewrapped(self, stream_id: UUID, wrapped: bytes) -> bytes | None:
        """What `other` wrapped, wrapped by the first key; None where that is so already. Raises: SealBroken."""
        data_key, is_by_first = self._unwrapped(stream_id, wrapped)
        return None if is_by_first else self._wrap(stream_id, data_key)

    def _wrap(self, stream_id: UUID, data_key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return WRAPPING + nonce + self._ciphers[0].encrypt(nonce, data_key, stream_id.bytes)

    def _unwrapped(self, stream_id: UUID, wrapped: bytes) -> tuple[bytes, bool]:
        """The data key, and whether it was the first key that opened it. Raises: SealBroken."""
        nonce, sealed = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        if wrapped[:1] == WRAPPING:
            for cipher in self._ciphers:
                with suppress(ValueError, InvalidTag):
                    return cipher.decrypt(nonce, sealed, stream_id.bytes), cipher is self._ciphers[0]
        raise SealBroken(f"key of {stream_id}")


class Sealer:
    """Seals for the streams it was made for. Holds keys: use it for one command or batch and let it go."""

    def __init__(self, keys: Mapping[UUID, DataKey | None]) -> None:
        self._keys = keys

    def seal(self, stream_id: UUID, field: str, text: str) -> Sealed:
        """The envelope of `text`, another one each time. It opens for this stream and this field only.

        `field` is the name of the event's field, for life. Raises: StreamIsErased; KeyError for a stream not asked for.
        """
        return self._key(stream_id).seal(field, text)

    def fingerprint(self, stream_id: UUID, name: str) -> str:
        """64 hex digits, equal for names of this stream that are the same name: compares names without opening anything.

        Fingerprints of two streams say nothing about each other. Raises: StreamIsErased; KeyError for a stream not asked for.
        """
        return hmac.digest(self._key(stream_id).fingerprint_key, folded_name(name).encode(), "sha256").hex()

    def _key(self, stream_id: UUID) -> DataKey:
        key = self._keys[stream_id]
        if key is None:
            raise StreamIsErased
        return key


class Unsealer:
    """Reads what was sealed for the streams it was made for. One request or batch long: what it reads was recorded as that."""

    def __init__(self, keys: Mapping[UUID, WrappedKey], *, asked: Collection[UUID], key_encryption: KeyEncryption) -> None:
        self._wrapped = keys
        self._asked = frozenset(asked)
        self._key_encryption = key_encryption
        self._opened: dict[UUID, DataKey | None] = {}

    def unseal(self, stream_id: UUID, field: str, sealed: Sealed) -> str | Erased:
        """The text, or `ERASED` if the stream's key was destroyed.

        Raises: SealBroken if the envelope was altered, or made for another stream or field, or its key is lost;
        KeyError for a stream not asked for.
        """
        key = self._key(stream_id)
        return ERASED if key is None else key.unseal(field, sealed)

    def text(self, stream_id: UUID, field: str, sealed: Sealed | None) -> str | None:
        """What it says, to be shown. None: there is nothing, or it was erased. Raises: as `unseal`."""
        opened = None if sealed is None else self.unseal(stream_id, field, sealed)
        return None if isinstance(opened, Erased) else opened

    def _key(self, stream_id: UUID) -> DataKey | None:
        # Opened when first needed, so that one damaged key does not spoil the page for everybody else.
        if stream_id not in self._opened:
            if stream_id not in self._asked:
                raise KeyError(stream_id)
            if stream_id not in self._wrapped:
                raise SealBroken(f"no key was ever made for {stream_id}")
            self._opened[stream_id] = self._key_encryption.open(self._wrapped[stream_id])
        return self._opened[stream_id]


class Sealing:
    """Makes sealers and unsealers. One per process and event loop."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        key_encryption_key: bytes,
        other_key_encryption_key: bytes | None = None,
        cached_keys_max: int = CACHED_KEYS_MAX,
        cache_ttl_s: float = CACHE_TTL_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`pool` leads to the key server, under the service's own role."""
        self._pool = pool
        self._key_encryption = KeyEncryption(key_encryption_key, other=other_key_encryption_key)
        self._cache = KeyCache(size_max=cached_keys_max, ttl_s=cache_ttl_s, monotonic_s=monotonic_s)
        self._creator = Gatherer(self._create_waiting, name="create-keys", batch_max=GROUP_KEYS_MAX, queue_max=QUEUE_KEYS_MAX)

    async def sealer_for(self, stream_ids: Collection[UUID]) -> Sealer:
        """A sealer for these streams. Streams without a key get one, durable before this returns.

        Concurrent calls share a round trip; a key used within the last `cache_ttl_s` takes none.

        Raises: Unavailable (overloaded, or the key server is away); SealBroken; ValueError beyond `STREAMS_MAX`.
        """
        _check_count(stream_ids)
        keys: dict[UUID, DataKey | None] = {stream_id: self._cache.get(stream_id) for stream_id in stream_ids}
        missing = [stream_id for stream_id, key in keys.items() if key is None]
        if len(missing) == 1:
            keys[missing[0]] = await self._creator.submit(missing[0])
        elif missing:
            keys.update(zip(missing, await asyncio.gather(*map(self._creator.submit, missing)), strict=True))
        return Sealer(keys)

    async def unwrap(self, stream_ids: Collection[UUID], *, actor: str, purpose: Purpose) -> Unsealer:
        """An unsealer for these streams, after it was recorded that `actor` (an account, never a name) got it, and why.

        `Purpose.REVEAL` is recorded once for each stream, every other purpose once for all of them.

        Raises: Unavailable if the key server is away; ValueError beyond `STREAMS_MAX`.
        """
        _check_count(stream_ids)
        asked = list(stream_ids)
        keys = await key_server.unwrap(self._pool, asked, actor, purpose) if asked else {}
        return Unsealer(keys, asked=asked, key_encryption=self._key_encryption)

    async def accesses(self, stream_id: UUID, *, before: int, limit: int) -> list[Access]:
        """Who was given an unsealer for the stream, newest first, from before that `access_id`; sealing itself apart.

        Raises: Unavailable if the key server is away.
        """
        return await key_server.accesses(self._pool, stream_id, before=before, limit=limit)

    async def is_erasable(self, person_id: UUID) -> bool:
        """Whether anything was sealed for the person, also if that was destroyed since. Raises: Unavailable as `destroy`."""
        return await key_server.is_erasable(self._pool, person_id)

    async def destroyed_among(self, stream_ids: Collection[UUID]) -> Collection[UUID]:
        """Those whose key was destroyed. Nobody is given one. Raises: Unavailable as `destroy`; ValueError beyond `STREAMS_MAX`."""
        _check_count(stream_ids)
        return await key_server.destroyed_among(self._pool, [*stream_ids]) if stream_ids else []

    async def others_after(self, stream_id: UUID, *, limit: int) -> list[UUID]:
        """Streams that can be opened and are nobody's whom a document leads to, a site's say, in order of their ids.

        Raises: Unavailable as `destroy`.
        """
        return await key_server.other_keys_after(self._pool, stream_id, limit)

    async def destroy(self, stream_id: UUID) -> None:
        """Make all that was or will be sealed for this stream unreadable, for ever. Repeating it changes nothing.

        No document leads to a person of this id any more. Other processes may seal, never read, with the key for another
        `cache_ttl_s`. Raises: Unavailable if the key server is away: then ask again.
        """
        await key_server.destroy_key(self._pool, stream_id)
        self._cache.forget(stream_id)
        passing(CrashPoint.KEY_DESTROYED)

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        await self._creator.close()

    async def _create_waiting(self, stream_ids: list[UUID]) -> list[DataKey | Exception | None]:
        distinct = list(dict.fromkeys(stream_ids))
        proposed = [self._key_encryption.new_wrapped_key(stream_id) for stream_id in distinct]
        asked_at_s = self._cache.now_s()
        wrapped = await key_server.create_keys(self._pool, distinct, proposed)
        passing(CrashPoint.KEY_MADE)
        opened = {stream_id: self._open(wrapped[stream_id]) for stream_id in distinct}
        for stream_id, key in opened.items():
            if isinstance(key, DataKey):
                self._cache.put(stream_id, key, known_at_s=asked_at_s)
        return [opened[stream_id] for stream_id in stream_ids]

    def _open(self, wrapped: WrappedKey) -> DataKey | Exception | None:
        try:
            return self._key_encryption.open(wrapped)
        except SealBroken as error:
            return error


class KeyCache:
    """The data keys used last. A key stays for `ttl_s` after the key server vouched for it, however often it is used."""

    def __init__(self, *, size_max: int, ttl_s: float, monotonic_s: Callable[[], float]) -> None:
        self._size_max = size_max
        self._ttl_s = ttl_s
        self.now_s = monotonic_s
        self._entries: OrderedDict[UUID, tuple[float, DataKey]] = OrderedDict()

    def get(self, stream_id: UUID) -> DataKey | None:
        entry = self._entries.get(stream_id)
        if entry is None:
            return None
        if entry[0] <= self.now_s():
            del self._entries[stream_id]
            return None
        self._entries.move_to_end(stream_id)
        return entry[1]

    def put(self, stream_id: UUID, key: DataKey, *, known_at_s: float) -> None:
        self._entries[stream_id] = (known_at_s + self._ttl_s, key)
        self._entries.move_to_end(stream_id)
        if len(self._entries) > self._size_max:
            self._entries.popitem(last=False)

    def forget(self, stream_id: UUID) -> None:
        self._entries.pop(stream_id, None)


def _check_count(stream_ids: Collection[UUID]) -> None:
    if len(stream_ids) > STREAMS_MAX:
        raise ValueError(f"{len(stream_ids)} streams in one call, at most {STREAMS_MAX}")


_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = str.maketrans("-_", "+/")


def _base64url(content: bytes) -> str:
    """Without padding."""
    return binascii.b2a_base64(content, newline=False).translate(_TO_URL, b"=").decode("ascii")
