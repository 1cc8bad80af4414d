"""python -m bench.switched PORT: a server whose log of recent requests is switched on and off by POST /on and /off, as both are measured in
one process: two would differ by more than the log takes."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

import uvicorn

from scimsrv.app import App
from scimsrv.board import Board
from scimsrv.exposition import metrics_of
from scimsrv.guard import GuardedProtocol
from scimsrv.observe import project
from scimsrv.settings import load_settings


def main() -> None:
    """Serve until told to end, as `scimsrv serve` does."""
    settings = load_settings({}, os.environ)
    project(metrics_of(board := Board(None), board.claim()[1], settings.metrics_tenants)[0])
    app = App(settings)
    gc.freeze()
    gc.set_threshold(10_000)

    async def switched(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/on", "/off"):
            await app(scope, receive, send)
            return
        app.record = app.recorder.add if scope["path"] == "/on" else None
        await app.recorder.flush()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    GuardedProtocol.concurrency = settings.concurrency
    given: dict[str, Any] = {"http": GuardedProtocol, "loop": "uvloop", "ws": "none", "lifespan": "on", "log_config": None}
    uvicorn.run(switched, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, server_header=False, **given)


if __name__ == "__main__":
    main()
