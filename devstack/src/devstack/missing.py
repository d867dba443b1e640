"""What to say when a part of the machine is not there."""

from __future__ import annotations


class MissingPart(Exception):
    """Something that devstack cannot do without. Its text is one sentence with the command that installs it."""
