"""The form of what is stored about a person: sealed envelopes and fingerprints. The keys and the cipher are elsewhere.

A sealed envelope is `g1.<key version>.<base64url of nonce, ciphertext and tag>`, without padding. `g1` names the
algorithm: AES-256-GCM with a nonce of 12 bytes and a tag of 16.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

SEALED_CHARS_MAX = 4096
"""Upper bound of one envelope: some 1000 Chinese characters. Keeps every event below `EVENT_BYTES_MAX`."""

SEALED_PATTERN = r"^g1\.[0-9]{1,9}\.[A-Za-z0-9_-]{38,}$"
"""38 characters hold the nonce and the tag alone: the envelope of an empty text."""

Sealed = Annotated[
    str,
    StringConstraints(pattern=SEALED_PATTERN, max_length=SEALED_CHARS_MAX),
    Field(json_schema_extra={"format": "sealed"}),
]
"""Personal data or free text, sealed under the key of its stream. Never compared: every sealing gives another text."""

Fingerprint = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,128}$"),
    Field(json_schema_extra={"format": "fingerprint"}),
]
"""A keyed hash of a text. Equal texts of one stream have equal fingerprints; without the key it tells nothing."""
