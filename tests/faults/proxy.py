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
    port: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

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

    def reset(self) -> int:
        """Reset every connection, on both sides and wherever in a message; returns their number."""
        ended = len(self._open) // 2
        for writer in list(self._open):
            with contextlib.suppress(OSError):
                opened = writer.get_extra_info("socket")
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
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
        try:
            await asyncio.gather(self._pump(reader, back, passed), self._pump(there, writer, passed))
        finally:
            self._open -= {writer, back}
            for one in (writer, back):
                one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, passed: _Passed) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if self.bandwidth is not None:
                    await asyncio.sleep(len(chunk) / self.bandwidth)
                await self.flowing.wait()
                passed.bytes += len(chunk)
                if passed.silent:
                    await asyncio.Event().wait()  # for good: nobody is told
                sink.write(chunk)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()


@dataclass
class _Passed:
    """What a connection has carried, and when it falls silent."""

    silent_after: int | None
    bytes: int = 0

    @property
    def silent(self) -> bool:
        return self.silent_after is not None and self.bytes > self.silent_after


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
