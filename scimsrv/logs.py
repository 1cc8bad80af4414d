"""The log: one JSON object per line on stderr, of fields that are named here and of no others, which is what keeps secrets out of it.

Requests are logged from observations. What other parts of the program and its libraries log passes the same door: of libraries only the
constant text of a message, of exceptions their class and where they passed, but neither what they say nor what variables held.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, Final, TextIO

import orjson

from scimsrv.observe import CURRENT, Exchange, Observation, Refused

#: Every field that a line may have, in this order.
FIELDS: Final = (
    *("ts", "level", "event", "logger", "request_id", "client_request_id", "plane", "tenant", "token_id", "method", "route", "status"),
    *(
        "scim_type",
        "failure",
        "op",
        "result",
        "resource_type",
        "resource_id",
        "user_hash",
        "operations",
        "bytes_in",
        "bytes_out",
        "dur_ms",
        "db_ms",
    ),
    *("error", "reason", "sqlstate", "frames", "pid"),
)

LEVELS: Final = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

#: Exceptions of ours that are written for the operator, and whose texts hold no secrets.
_SPOKEN: Final = frozenset(
    {"DatabaseError", "MigrationError", "SettingsError", "SecretKeyError", "ServeError", "EmbeddedError", "TenantError"}
)

#: Classes of SQLSTATE whose messages speak of the connection and the server, never of values.
_ABOUT_THE_SERVER: Final = frozenset({"08", "28", "3D", "53", "57"})

_TEXT: Final = 500
_FRAMES: Final = 20

#: Seconds for which lines of requests are gathered, and how many of them at most.
_GATHERED: Final = 0.1
_LINES: Final = 200


_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class Log:
    """Writes lines to a stream. Those of requests are gathered for a moment: a system call for each would cost more than the line."""

    def __init__(self, stream: TextIO, level: int) -> None:
        self.level = level
        self._stream = stream
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, observation: Observation) -> None:
        """Log the observation, if it is one for people."""
        match observation:
            case Exchange() if self.level <= (logging.ERROR if observation.status >= 500 else logging.INFO):
                self._gather(_of_exchange(observation))
            case Refused(plane, request, status, slow) if self.level <= logging.WARNING:
                fields = _line(logging.WARNING, "refused", request_id=request, plane=plane, status=status, failure=slow and f"slow_{slow}")
                self._gather(orjson.dumps(fields, option=_OPTIONS).decode())
            case _:
                return

    def write(self, **fields: Any) -> None:
        """Write a line now. `level` is a number of `logging`."""
        self._write(orjson.dumps(_line(**fields), default=str, option=_OPTIONS).decode())

    def flush(self) -> None:
        """Write what is gathered."""
        self._write("")

    def _gather(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= _LINES:
            self.flush()
        elif self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(_GATHERED, self.flush)
            except RuntimeError:  # nobody comes back to it without an event loop
                self.flush()

    def _write(self, line: str) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer = None
            lines, self._lines = self._lines, []
            text = "".join((*lines, line))
            if text:
                self._stream.write(text)
                self._stream.flush()


def _line(level: int, event: str, **fields: Any) -> dict[str, Any]:
    """The fields that are allowed and have a value, in the order of the list."""
    fields |= {"ts": datetime.now(UTC), "level": logging.getLevelName(level).lower(), "event": event}
    return {name: fields[name] for name in FIELDS if fields.get(name) is not None}


def _of_exchange(done: Exchange) -> str:
    """The line of a request. It is put together by hand, as there is one for each: every text of an exchange is a word or an id of ours,
    without characters that JSON would have to escape."""
    now = time.time()
    second, level = int(now), "error" if done.status >= 500 else "info"
    line = f'{{"ts":"{_second(second)}.{int((now - second) * 1000):03}Z","level":"{level}","event":"request"'
    line += f',"request_id":"{done.request_id}"'
    if done.correlation is not None:
        line += f',"client_request_id":"{done.correlation}"'
    line += f',"plane":"{done.plane}"'
    if done.tenant:
        line += f',"tenant":"{done.tenant}"'
    if done.token is not None:
        line += f',"token_id":"{done.token}"'
    line += f',"method":"{done.method}","route":"{done.route}","status":{done.status}'
    if done.scim_type is not None:
        line += f',"scim_type":"{done.scim_type}"'
    failure = done.denial or done.failure
    if failure is not None:
        line += f',"failure":"{failure}"'
    if len(done.operations) == 1:
        one = done.operations[0]
        line += f',"op":"{one.op}","result":"{one.result}","resource_type":"{one.resource_type}"'
    if done.resource is not None:
        line += f',"resource_id":"{done.resource}"'
    if done.user_hash is not None:
        line += f',"user_hash":"{done.user_hash}"'
    operations = done.bulk_ops if done.bulk_ops is not None else done.patch_ops
    if operations is not None:
        line += f',"operations":{operations}'
    if done.received is not None:
        line += f',"bytes_in":{done.received}'
    if done.sent is not None:
        line += f',"bytes_out":{done.sent}'
    line += f',"dur_ms":{done.seconds * 1e3:.2f}'
    if done.queries:
        line += f',"db_ms":{sum([seconds for _, seconds in done.queries]) * 1e3:.2f}'
    return line + "}\n"


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class Handler(logging.Handler):
    """Takes what is logged by `logging` to the same place in the same form."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line for a record of `logging`."""
        try:
            exchange = CURRENT.get()
            own = record.name == "scimsrv" or record.name.startswith("scimsrv.")
            # A library's message may hold anything: its first line without what is put into it is what the library itself wrote.
            event = record.getMessage() if own else str(record.msg).partition("\n")[0]
            problem = record.exc_info[1] if record.exc_info else None
            self._log.write(
                level=record.levelno,
                event=event[:_TEXT],
                logger=record.name,
                request_id=exchange and exchange.request_id,
                tenant=(exchange and exchange.tenant) or None,
                **({} if problem is None else described(problem)),
            )
        except Exception:
            self.handleError(record)


def described(problem: BaseException) -> dict[str, Any]:
    """An exception as fields: its class, where it passed, and what it says where that is known to hold no values."""
    state = getattr(problem, "sqlstate", None)
    name = type(problem).__name__
    reason = None
    if isinstance(problem, OSError):
        reason = problem.strerror or name
    elif name in _SPOKEN or (isinstance(state, str) and state[:2] in _ABOUT_THE_SERVER):
        reason = str(problem)[:_TEXT]
    return {"error": name, "reason": reason, "sqlstate": state, "frames": _frames(problem.__traceback__)}


def _frames(passed: TracebackType | None) -> list[str]:
    """The places that an exception passed, the innermost last: file and line and function, no source and no variables."""
    steps = traceback.StackSummary.extract(traceback.walk_tb(passed), lookup_lines=False)[-_FRAMES:]
    return [f"{'/'.join(step.filename.split('/')[-2:])}:{step.lineno} {step.name}" for step in steps]


def set_up(level: str, stream: TextIO | None = None) -> Log:
    """Send everything that this process logs through one `Log`; what was set up before is replaced."""
    log = Log(stream or sys.stderr, LEVELS[level])
    root = logging.getLogger()
    root.handlers[:] = [Handler(log)]
    set_level(log, level)
    sys.excepthook = _hook(log)
    Finalize(None, log.flush, exitpriority=0)  # at the end of a process that serves too, which knows no atexit
    return log


def set_level(log: Log, level: str) -> None:
    """Log from this weight on what this process logs."""
    log.level = LEVELS[level]
    root = logging.getLogger()
    root.setLevel(log.level)
    for handler in root.handlers:
        handler.setLevel(log.level)
    for name in ("uvicorn", "asyncio"):  # each start and stop of a process is nothing that an operator has to read
        logging.getLogger(name).setLevel(max(log.level, logging.WARNING))


def _hook(log: Log) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def hook(_kind: type[BaseException], problem: BaseException, _passed: TracebackType | None) -> None:
        if not isinstance(problem, KeyboardInterrupt):
            log.write(level=logging.ERROR, event="the program ended", **described(problem))

    return hook
