"""A process that runs servers for tests: each is a fork of it, with a mutation applied before it serves.

Reads one JSON object per line: {"start": mutant name or null, "settings": {…}} answers {"pid", "url"} once the server answers requests,
or {"problem"}; {"stop": pid} answers {}. The end of the input ends every server. The settings come from the environment; those of
the line go before them.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from scimsrv.listeners import Listeners
from scimsrv.serve import run, worker_app
from scimsrv.settings import Settings, load_settings
from tests.conformance.mutants.registry import load

assert callable(worker_app)


def main() -> None:
    """Serve the commands on standard input."""
    settings = load_settings({}, os.environ)
    mutants = load()
    servers: set[int] = set()
    try:
        for line in sys.stdin:
            command = json.loads(line)
            answer: dict[str, Any] = {}
            if "start" in command:
                name = command["start"]
                answer = _start(settings.model_copy(update=command["settings"]), None if name is None else mutants[name].apply)
                if "pid" in answer:
                    servers.add(answer["pid"])
            else:
                _stop(command["stop"])
                servers.discard(command["stop"])
            print(json.dumps(answer), flush=True)
    finally:
        for pid in servers:
            _stop(pid)


def _start(settings: Settings, mutate: Any) -> dict[str, Any]:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    heard, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(heard)
        _serve(settings.model_copy(update={"port": port}), listening, said, mutate)
    os.close(said)
    listening.close()
    with os.fdopen(heard, "rb") as pipe:
        if pipe.read(1) != b"+":
            os.waitpid(pid, 0)
            return {"problem": "the server did not start; its message is above"}
    return {"pid": pid, "url": f"http://127.0.0.1:{port}"}


def _serve(settings: Settings, listening: socket.socket, said: int, mutate: Any) -> None:
    """Be a server until the signal to stop; never returns."""
    code = 1
    try:
        with Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        if mutate is not None:
            mutate()

        def ready() -> None:
            os.write(said, b"+")
            os.close(said)

        run(settings, Listeners(listening, None), ready, lambda: settings)
        code = 0
    except BaseException as problem:
        print(f"server: {type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
