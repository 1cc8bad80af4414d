"""A transport that sends what one turn of the event loop writes in one piece: head and body of a response leave in one system call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

#: Bytes that are copied into one piece; of more the pieces go as they are.
_COPIED: Final = 65_536


class CorkedTransport:
    """Stands before a transport; everything but writing goes straight to it. `stays` is asked when it is to be closed: where it says so,
    the transport stays open for reading, and whoever said so closes it."""

    __slots__ = ("_held", "_loop", "_stays", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stays: Callable[[], bool]) -> None:
        self._transport = transport
        self._loop = loop
        self._stays = stays
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Hold the data until this turn of the loop is over."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def _flush(self) -> None:
        if self._held:
            data = self._held if sum(map(len, self._held)) > _COPIED else [b"".join(self._held)]
            self._held = []
            if not self._transport.is_closing():
                self._transport.writelines(data)

    def write_eof(self) -> None:
        """Send what is held, then the end of the stream."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        if not self._stays():
            self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
