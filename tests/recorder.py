"""Collects the distinct statements that the program sends while tests run, so that those nobody wrote a test for are looked at too."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg

from scimsrv.store import queries
from tests.statements import forbidden, unbound

#: Statements that look beyond one tenant, each with its reason. What is not here has to be bound.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "activity": {
        "settings": "from the slugs in URLs of requests to the tenants whose logs they belong to",
        "with_log": "the background looks for tenants with entries to be removed",
    },
    "expiry": {"tenants": "the background looks for tenants whose credentials end soon"},
    "identity": {
        "credential": "a token's digest comes before the tenant: this is where the tenant is found",
        "client": "from the slug in the URL to the client that an access token names",
        "client_by_secret": "from the slug in the URL to the client whose secret it is",
        "trusts": "from the slug in the URL to the issuers that its tenant trusts",
        "basic": "from the slug in the URL to what its tenant's policy says",
    },
    "credentialing": {
        "tenant_of": "from the slug in a public URL to the tenant",
        "all_keys": "the keys of every issuer, which the authority as a whole publishes",
        "with_unsigned": "the background looks for issuers whose credentials wait for being signed",
    },
    "indexes": {"with_work": "the background looks for tenants that have something to do"},
    "jobs": {"with_work": "the background looks for tenants that have something to do"},
    "requests": {
        "with_jobs": "the background looks for tenants whose requests wait",
        "with_old": "the background looks for tenants whose results and answers have been kept for long enough",
    },
    "tenants": {
        "create": "the tenant does not exist yet",
        "list_all": "the operator's list of all tenants",
        "find": "from the slug that an operator names to the tenant",
        "keys_of": "from the slugs in URLs of denied requests to the tenants",
    },
    "survey": {
        "tenants": "monitoring counts what each tenant has",
        "endings": "monitoring shows which credentials end next",
        "audit": "monitoring shows whether sealing keeps up at every tenant",
        "waiting": "monitoring shows the requests of all tenants that wait",
        "unsigned": "monitoring shows the credentials of all tenants that wait for being signed",
    },
    "trusts": {"fetched": "doctor tries the addresses from which keys are fetched, whoever's they are"},
    "tombstones": {"with_old": "the background looks for tenants with resources to be removed for good"},
    "audit": {
        "with_unsealed": "the background looks for tenants with changes to be sealed",
        "without_chain": "the background looks for tenants that have no chain yet",
        "with_retention": "the background looks for tenants whose trail is kept for a time",
    },
}

#: Modules whose statements are about the database as a whole: schema changes and a look at the server.
_ABOUT_THE_DATABASE = frozenset({"migrate.py", "checkup.py", "isolation.py"})

_PROGRAM = Path(queries.__file__).parents[1]
_TESTS = Path(__file__).parent

#: Everything by which the driver is given a statement.
_METHODS = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare")

#: Files of tests, and modules of the program, that only pass on what others send.
_PASSING_ON = frozenset({"recorder.py", "support.py"})
_PASSED_BY = frozenset({"pool.py", "bound.py"})


def excepted() -> frozenset[str]:
    """The texts of the exceptions."""
    return frozenset(str(queries.load(file)[name]) for file, names in EXCEPTIONS.items() for name in names)


def faults(text: str) -> list[str]:
    """What is wrong with a statement of the program."""
    return forbidden(text) + ([] if text in excepted() else unbound(text))


@contextmanager
def recording() -> Iterator[set[str]]:
    """Yield the set that the statements sent in this block are added to; the tests' own, and the driver's, are left out."""
    seen: set[str] = set()
    sent: set[str] = set()
    kept = {name: getattr(asyncpg.Connection, name) for name in _METHODS}
    for name, method in kept.items():
        setattr(asyncpg.Connection, name, _watched(method, seen, sent))
    try:
        yield sent
    finally:
        for name, method in kept.items():
            setattr(asyncpg.Connection, name, method)


def _watched(method: Any, seen: set[str], sent: set[str]) -> Any:
    # Not the driver's query loggers: those are called later, when it cannot be seen any more who sent a statement.
    @functools.wraps(method)
    async def call(connection: Any, text: str, *arguments: Any, **named: Any) -> Any:
        if text not in seen and _by_the_program(text):
            sent.add(text)
            seen.add(text)
        return await method(connection, text, *arguments, **named)

    return call


def _by_the_program(text: str) -> bool:
    """Whether the nearest caller is a module of the program, one that has to keep to its tenant, and not a test."""
    if "pg_advisory_unlock_all" in text:  # how the driver's pools tidy up by default, which the program's pool is told not to do
        return False
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if _PROGRAM in file.parents and file.name not in _PASSED_BY:
            return file.name not in _ABOUT_THE_DATABASE
        if _TESTS in file.parents and file.name not in _PASSING_ON:
            return False
        frame = frame.f_back
    return False
