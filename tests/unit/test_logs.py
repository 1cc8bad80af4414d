"""The log: lines of allowed fields, with nothing in them that a value could have got into."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from scimsrv.logs import FIELDS, Handler, Log
from scimsrv.observe import CURRENT, Exchange, Operated, Refused, Searched

_SECRET = "kanarienvogel"


@pytest.fixture
def stream() -> io.StringIO:
    """Return where the log goes."""
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[Any]:
    """Yield a function that returns a logger of a name, whose lines go to the stream."""
    made: list[logging.Logger] = []
    handler = Handler(Log(stream, logging.INFO))

    def named(name: str) -> logging.Logger:
        found = logging.getLogger(name)
        found.addHandler(handler)
        made.append(found)
        return found

    yield named
    for one in made:
        one.removeHandler(handler)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        assert [name for name in FIELDS if name in line] == list(line), "a field is not allowed, or out of order"
    return lines


def test_a_request_with_everything(stream: io.StringIO) -> None:
    """Every field that a request may have is in its line, in the order of the list."""
    done = Exchange(
        *("data", "request-1", "PATCH", "/Users/{id}", "entra-0001", "acme", "abc123", "0192a0b0-0000-7000-8000-000000000000", 412),
        failure="precondition_failed", scim_type="mutability", operations=[Operated("User", "patch", "precondition")], patch_ops=2,
        received=10, sent=20, user_hash="0123456789abcdef", queries=[("a", 0.001), ("b", 0.0025)], seconds=0.25,
    )  # fmt: skip
    Log(stream, logging.INFO)(done)
    (line,) = _lines(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "request-1",
        "client_request_id": "entra-0001",
        "plane": "data",
        "tenant": "acme",
        "token_id": "abc123",
        "method": "PATCH",
        "route": "/Users/{id}",
        "status": 412,
        "scim_type": "mutability",
        "failure": "precondition_failed",
        "op": "patch",
        "result": "precondition",
        "resource_type": "User",
        "resource_id": "0192a0b0-0000-7000-8000-000000000000",
        "user_hash": "0123456789abcdef",
        "operations": 2,
        "bytes_in": 10,
        "bytes_out": 20,
        "dur_ms": 250.0,
        "db_ms": 3.5,
    }


@pytest.mark.parametrize(
    ("level", "status", "logged"),
    [(logging.INFO, 200, True), (logging.WARNING, 200, False), (logging.WARNING, 503, True), (logging.ERROR, 500, True)],
)
def test_levels(stream: io.StringIO, level: int, status: int, *, logged: bool) -> None:
    """Requests are of level info, those that the server failed of level error."""
    Log(stream, level)(Exchange("data", "request-1", status=status))
    assert bool(_lines(stream)) == logged


def test_what_is_refused_below_the_application(stream: io.StringIO) -> None:
    """Has a line too; what only counts has none."""
    log = Log(stream, logging.INFO)
    log(Refused("data", "request-1", 408, "head"))
    log(Searched("User", "title co ?"))
    assert [(line["event"], line["status"], line["failure"]) for line in _lines(stream)] == [("refused", 408, "slow_head")]


def test_an_exception_says_where_and_not_what(stream: io.StringIO, logger: Any) -> None:
    """Class and places, neither the message nor variables; an error of the system by its own words."""
    for problem in (ValueError(_SECRET), OSError(2, "No such file or directory", _SECRET)):
        try:
            raise problem
        except Exception:
            logger("scimsrv.test_logs").exception("it failed")
    first, second = _lines(stream)
    assert (first["event"], first["error"], first.get("reason")) == ("it failed", "ValueError", None)
    assert (second["error"], second["reason"]) == ("FileNotFoundError", "No such file or directory")
    assert "test_logs.py" in first["frames"][0]
    assert _SECRET not in stream.getvalue()


def test_libraries_may_say_what_they_wrote_themselves(stream: io.StringIO, logger: Any) -> None:
    """The first line of a message, without what is put into it."""
    logger("somebody").error("it failed: %s", _SECRET)
    logger("somebody").error(f"it failed\nwith {_SECRET}")
    assert [line["event"] for line in _lines(stream)][::2][0] == "it failed: %s"
    assert _SECRET not in stream.getvalue()


def test_lines_name_the_request_that_caused_them(stream: io.StringIO, logger: Any) -> None:
    """Whatever is logged while a request is served has its id and tenant."""
    token = CURRENT.set(Exchange("data", "request-7", tenant="acme"))
    logger("scimsrv.test_logs").warning("noted")
    CURRENT.reset(token)
    assert [(line["request_id"], line["tenant"]) for line in _lines(stream)] == [("request-7", "acme")]
