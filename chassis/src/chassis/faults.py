"""What the chassis raises when a request cannot be answered as asked. `chassis.web` maps it to HTTP, once.

A rule of the business that refuses a command is not here: it is a `contracts.rejection.Rejection`.

    Exception
    ├── Unauthenticated          401  no token, or none that counts
    ├── Forbidden                403  the role may not do this anywhere
    ├── NotFound                 404  absent, or somebody else's: both answer alike
    ├── VersionConflict          412  with If-Match, else 409: other facts came first
    │   └── OtherStreamMoved          the same of a stream that the command rests on
    ├── IdempotencyKeyReused     422  the key stands for another request
    ├── TooManyRequests          429  + Retry-After
    └── Unavailable              503  + Retry-After: something we need is missing or overloaded
        └── TooLate              503  the append's `not_after` had passed

None carries a message: what a client may read stands in `chassis.problems`, and personal data never travels in an
exception.
"""

from __future__ import annotations


class Unauthenticated(Exception):
    """No token, or none that counts. Which of the reasons it was is not told."""

    def __init__(self, *, token_given: bool = True) -> None:
        super().__init__()
        self.token_given = token_given


class Forbidden(Exception):
    """The caller's role may not do this, on whatever object."""


class NotFound(Exception):
    """The object does not exist, or is not the caller's to know of."""


class VersionConflict(Exception):
    """The stream is not at the version that was expected."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version
        """Where the stream stands instead; answered as `ETag`."""


class OtherStreamMoved(VersionConflict):
    """A stream that the command rests on has moved since it was read: what was read of it is to be read anew."""


class IdempotencyKeyReused(Exception):
    """The same caller sent this key before, with another request."""


class TooManyRequests(Exception):
    """A bound on how often something may be tried was reached."""

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class Unavailable(Exception):
    """Something that the answer needs is missing or overloaded. Nothing was done; the same request may succeed later."""

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class TooLate(Unavailable):
    """The log took nothing, because the append's `not_after` had passed by its clock."""

    def __init__(self, *, retry_after_s: int = 1) -> None:
        super().__init__(retry_after_s=retry_after_s)
