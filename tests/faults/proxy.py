"""A TCP proxy that injects faults: `python -m tests.faults.proxy LISTEN UPSTREAM [--latency S] [--loss P --after BYTES] [--reset-every S]`.

It stands between a server and its database and does to their connections what networks do: delay, silence after some bytes, resets, half
of a connection closed, no new connections, no way back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_CHUNK = 64 * 1024


@dataclass
class Proxy:
    """Faults that may be changed while it runs. `upstream` is host:port, or the path of a Unix socket."""

    upstream: str
    seed: int = 0
    #: Seconds that each chunk takes, in each direction.
    latency: float = 0.0
    #: Bytes per second and direction; None for no limit.
    bandwidth: float | None = None
    #: The share of connections that fall silent for good, and the bytes of both directions after which they do.
    loss: float = 0.0
    after: int = 0
    #: Whether bytes get through, and whether new connections are taken.
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: bool = False
    #: Messages of clients until the one at which its connection is reset, and whether that one still gets through.
    trap: int = 0
    forwarding: bool = False
    #: Messages of its client after which each connection falls silent; 0 for never. Counted from `arm`.
    silent_at: int = 0
    port: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _passed: set[_Passed] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Proxy]:
        """Take connections for the length of a block; `port` has the address then."""
        self._chance = random.Random(self.seed)
        self.flowing.set()
        server = await asyncio.start_server(self._connected, host, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reset()

    def freeze(self) -> None:
        """Let no byte through, while connections stay open on both sides: a cable that was pulled."""
        self.flowing.clear()

    def thaw(self) -> None:
        """Let what has waited through, and all that follows."""
        self.flowing.set()

    def arm(self, *, trap: int = 0, forwarding: bool = False, silent_at: int = 0) -> None:
        """Reset the connection on which the message of this number is sent, counted from now over all connections, before or after it
        gets through; or let each connection fall silent at its message of a number."""
        self.trap, self.forwarding, self.silent_at = trap, forwarding, silent_at
        for passed in self._passed:
            passed.messages = 0

    def reset(self) -> int:
        """Reset every connection, on both sides and wherever in a message; returns their number."""
        ended = len(self._open) // 2
        _abort(*self._open)
        self._open.clear()
        return ended

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        silent_after = self.after if self._chance.random() < self.loss else None
        try:
            if self.upstream.startswith("/"):
                there, back = await asyncio.open_unix_connection(self.upstream)
            else:
                host, _, port = self.upstream.rpartition(":")
                there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        passed = _Passed(silent_after)
        self._open |= {writer, back}
        self._passed.add(passed)
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the end of the loop
                await asyncio.gather(self._pump(reader, back, passed, writer), self._pump(there, writer, passed))
        finally:
            self._open -= {writer, back}
            self._passed.discard(passed)
            for one in (writer, back):
                one.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, passed: _Passed, client: asyncio.StreamWriter | None = None
    ) -> None:
        """Carry one direction; `client` is given for the one from the client."""
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK):
                if client is not None and self._sprung(passed):
                    if self.forwarding:
                        passed.silent_after = 0  # the answer does not come back
                        sink.write(chunk)
                        await sink.drain()
                        await asyncio.sleep(0.05)  # until it has been carried out
                    _abort(client, sink)
                    return
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self.bandwidth is not None:
                    await asyncio.sleep(len(chunk) / self.bandwidth)
                await self.flowing.wait()
                passed.bytes += len(chunk)
                if passed.silent or (self.silent_at and passed.messages >= self.silent_at):
                    continue  # for good: nobody is told
                sink.write(chunk)
                await sink.drain()
            if passed.silent or self.silent_at:
                _abort(sink)
            elif sink.can_write_eof():
                sink.write_eof()

    def _sprung(self, passed: _Passed) -> bool:
        passed.messages += 1
        if self.trap:
            self.trap -= 1
            return self.trap == 0
        return False


def _abort(*writers: asyncio.StreamWriter) -> None:
    """Close with a reset, which says that the connection is broken and not at its end."""
    for writer in writers:
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@dataclass(eq=False)
class _Passed:
    """What a connection has carried, and when it falls silent."""

    silent_after: int | None
    bytes: int = 0
    messages: int = 0

    @property
    def silent(self) -> bool:
        return self.silent_after is not None and self.bytes >= self.silent_after


async def _main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.listen.rpartition(":")
    proxy = Proxy(arguments.upstream, arguments.seed, latency=arguments.latency, loss=arguments.loss, after=arguments.after)
    async with proxy.listening(host, int(port)):
        print(f"{host}:{proxy.port} to {proxy.upstream}, seed {proxy.seed}", flush=True)
        while True:
            await asyncio.sleep(arguments.reset_every or 3600)
            if arguments.reset_every:
                print(f"reset {proxy.reset()} connections", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listen", help="host:port")
    parser.add_argument("upstream", help="host:port, or the path of a Unix socket")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds for each chunk")
    parser.add_argument("--loss", type=float, default=0.0, help="share of connections that fall silent")
    parser.add_argument("--after", type=int, default=0, help="bytes after which they do")
    parser.add_argument("--reset-every", type=float, default=0.0, help="seconds between resets of all connections")
    asyncio.run(_main(parser.parse_args()))
