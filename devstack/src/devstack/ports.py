"""TCP ports of this machine."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"
ATTEMPTS_MAX = 20


_handed_out: set[int] = set()


def free_port(wished: int = 0) -> int:
    """`wished` if it is free, else any port that is, never the same one twice. It is only free until somebody takes it."""
    for port in (wished, *[0] * ATTEMPTS_MAX):
        with socket.socket() as listener:
            # As servers do: a connection of the last run, lingering on, does not make the port taken.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            found: int = listener.getsockname()[1]
        if found not in _handed_out:
            _handed_out.add(found)
            return found
    raise OSError("no free port")
