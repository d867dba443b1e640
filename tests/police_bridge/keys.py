"""Data keys of a few people, in memory: sealed and unsealed by the real cipher."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from chassis.key_server import WrappedKey
from chassis.sealing import KeyEncryption, Sealer, Unsealer

KEY_ENCRYPTION = KeyEncryption(bytes(range(32)))


@dataclass
class Keys:
    """What the key server holds."""

    wrapped: dict[UUID, WrappedKey] = field(default_factory=dict)

    def seal(self, person_id: UUID, name: str, text: str) -> str:
        if person_id not in self.wrapped:
            self.wrapped[person_id] = WrappedKey(person_id, 1, KEY_ENCRYPTION.new_wrapped_key(person_id))
        return Sealer({person_id: KEY_ENCRYPTION.open(self.wrapped[person_id])}).seal(person_id, name, text)

    def erase(self, person_id: UUID) -> None:
        self.wrapped[person_id] = WrappedKey(person_id, 1, None)

    @property
    def unsealer(self) -> Unsealer:
        return Unsealer(self.wrapped, asked=list(self.wrapped), key_encryption=KEY_ENCRYPTION)
