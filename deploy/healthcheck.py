"""Ends with 0 if the process in this container says that it is ready. The standard library alone, so that it starts in no time.

An engine runs it every few seconds beside the process itself: what it costs is paid all day.
"""

import os
import socket
import sys

TIMEOUT_S = 3.0
REQUEST = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
READY = b"HTTP/1.1 200 "

try:
    with socket.create_connection(("127.0.0.1", int(os.environ["GATEHOUSE_PORT"])), timeout=TIMEOUT_S) as connection:
        connection.sendall(REQUEST)
        answer = connection.recv(len(READY), socket.MSG_WAITALL)
except OSError as error:
    sys.exit(f"no answer: {error}")
sys.exit(0 if answer == READY else "not ready")
