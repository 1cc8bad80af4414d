"""Tells systemd, where it started the server and waits for that, how the server stands: sd_notify(3), by hand."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"

_VARIABLE: Final = "NOTIFY_SOCKET"


def tell(*states: str) -> None:
    """Send the states, such as READY, in one datagram. Does nothing where no service manager waits, or it has gone: a server does not end
    for that."""
    address = os.environ.get(_VARIABLE, "")
    # "@" stands for the null byte that abstract addresses begin with; other kinds of addresses are for virtual machines.
    if address[:1] not in ("/", "@"):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as way:
        way.sendto("\n".join(states).encode(), "\0" + address[1:] if address[0] == "@" else address)
