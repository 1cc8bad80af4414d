"""Slow clients, in a process of their own, so that who measures beside them does not wait for them: connections on which a byte comes per
second, of headers or of bodies.

python -m tests.faults.slow PORT SECONDS HEADS BODIES < the head of a request with a body; prints how connections ended and how long the
longest of each kind lived, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import time
from collections import Counter
from typing import Final

#: The beginning of a request whose headers never end.
_HEAD: Final = b"GET / HTTP/1.1\r\nA: "


def allow_files(needed: int) -> bool:
    """Let this process open so many files; False where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    return True


async def _one(port: int, head: bytes, until: float, lives: list[float], ends: Counter[str]) -> None:
    """Connect, send a beginning and then a byte per second, and come again when the server has had enough."""
    while time.monotonic() < until:
        begun = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            ends["not connected"] += 1
            await asyncio.sleep(1)
            continue
        writer.write(head)
        answer = asyncio.create_task(reader.read(200))
        while not answer.done() and time.monotonic() < until + 20:
            writer.write(b"x")
            await asyncio.wait({answer}, timeout=1)
        with contextlib.suppress(ConnectionError):
            lives.append(time.monotonic() - begun)
            ends[answer.result().partition(b"\r\n")[0].decode("latin-1") if answer.done() else "hangs"] += 1
        answer.cancel()
        writer.close()


async def _all(port: int, seconds: float, heads: int, bodies: int, beginning: bytes) -> dict[str, object]:
    until = time.monotonic() + seconds
    lives: tuple[list[float], list[float]] = [0.0], [0.0]
    ends: Counter[str] = Counter()
    await asyncio.gather(
        *(_one(port, _HEAD, until, lives[0], ends) for _ in range(heads)),
        *(_one(port, beginning, until, lives[1], ends) for _ in range(bodies)),
    )
    return {"ends": ends, "heads": max(lives[0]), "bodies": max(lives[1])}


def main() -> None:
    """Send, and print what came of it."""
    port, seconds, heads, bodies = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    allow_files(2 * (heads + bodies))
    print(json.dumps(asyncio.run(_all(port, seconds, heads, bodies, sys.stdin.buffer.read()))))


if __name__ == "__main__":
    main()
