"""Commands without their start: a process that has the program in memory already, and a copy of it for each command.

Python takes most of a second to load the program, and tests run hundreds of commands. `python -m tests.forking SOCKET` loads it once; who
connects sends arguments, folder and environment with its three streams, and is told the exit code of the copy that ran the command.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

#: Longest request, in bytes.
_MOST: Final = 1 << 20

_LENGTH: Final = 4

#: A program of the shell that runs a command so; it knows the folder of the tests and the socket.
_SHIM: Final = """#!{python} -S
import os, sys
sys.path.insert(0, {root!r})
from tests.forking import ask
sys.exit(ask({socket!r}, sys.argv[1:], os.getcwd(), dict(os.environ), (0, 1, 2)))
"""


def serve(path: str) -> None:
    """Listen on a socket until whoever started this process goes."""
    from scimsrv.cli import main  # what takes so long

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that look after a command
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    print("listening", flush=True)
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(_look_after(connection, main))
        connection.close()


def _look_after(connection: socket.socket, main: Any) -> int:
    """Run the command that is asked for in a process of its own, and tell its exit code."""
    request, streams = _received(connection)
    child = os.fork()
    if child == 0:
        _run(request, streams, main)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):  # who asked has gone
        connection.sendall(json.dumps(os.waitstatus_to_exitcode(status)).encode())
    return 0


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    streams = array.array("i")
    head, ancillary, _, _ = connection.recvmsg(_LENGTH, socket.CMSG_SPACE(3 * streams.itemsize))
    for _level, _kind, data in ancillary:
        streams.frombytes(data)
    size, text = int.from_bytes(head), b""
    while len(text) < size:
        text += connection.recv(_MOST)
    return json.loads(text), list(streams)


def _run(request: dict[str, Any], streams: Sequence[int], main: Any) -> None:
    """Be the command."""
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        sys.argv = ["scimsrv", *request["arguments"]]
        try:
            code = main(request["arguments"])
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
        atexit._run_exitfuncs()
        for written in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError, OSError):
                written.flush()
    except BaseException as problem:  # as the interpreter ends a program that fails
        sys.excepthook(type(problem), problem, problem.__traceback__)
        code = 1
    finally:
        os._exit(code)


def ask(path: str, arguments: Sequence[str], cwd: str, environment: dict[str, str], streams: Sequence[int], seconds: float = 60) -> int:
    """Run a command with these streams for standard input, output and error; return its exit code. Raises TimeoutError."""
    text = json.dumps({"arguments": list(arguments), "cwd": cwd, "environment": environment}).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendmsg([len(text).to_bytes(_LENGTH)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams).tobytes())])
        connection.sendall(text)
        return int(json.loads(connection.recv(100)))


@cache
def started() -> str:
    """Return the socket of the process that has the program in memory; the first who asks starts it."""
    folder = tempfile.TemporaryDirectory(prefix="scimsrv-commands-")
    path = f"{folder.name}/socket"
    process = subprocess.Popen([sys.executable, "-m", "tests.forking", path], cwd=_ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    atexit.register(folder.cleanup)
    atexit.register(process.kill)
    return path


@cache
def shim() -> Path:
    """Return a folder with a program `scimsrv` for scripts."""
    path = Path(started()).with_name("bin")
    path.mkdir()
    program = path / "scimsrv"
    program.write_text(_SHIM.format(python=sys.executable, root=str(_ROOT), socket=started()))
    program.chmod(0o755)
    return path


_ROOT: Final = Path(__file__).parents[1]

if __name__ == "__main__":
    serve(sys.argv[1])
