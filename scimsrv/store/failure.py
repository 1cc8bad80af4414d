"""Failures of the database as SCIM errors, by SQLSTATE and constraint, never by message text; and which of them are tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from scimsrv.errors import Kind, ScimError
from scimsrv.observe import DatabaseFailed, Retried, observe

T = TypeVar("T")

#: SQLSTATEs after which the whole unit of work is done again: serialization failure, deadlock.
RETRIED: Final = frozenset({"40001", "40P01"})

#: SQLSTATE, or its first two characters, to the kind of answer.
KINDS: Final[dict[str, Kind]] = {
    "57014": Kind.UNAVAILABLE,
    "53": Kind.UNAVAILABLE,
    "57": Kind.UNAVAILABLE,
    "08": Kind.UNAVAILABLE,
    "40": Kind.UNAVAILABLE,
    "28": Kind.UNAVAILABLE,
    "3D": Kind.UNAVAILABLE,
    "55": Kind.UNAVAILABLE,
    "25006": Kind.UNAVAILABLE,
    "23505": Kind.UNIQUENESS,
    "23503": Kind.INVALID_VALUE,
    "22P02": Kind.INVALID_VALUE,
    "22P05": Kind.INVALID_VALUE,
    "22021": Kind.INVALID_VALUE,
    "54000": Kind.INVALID_VALUE,
}

#: The first attempt and three more.
_ATTEMPTS: Final = 4


class TenantGoneError(ScimError, LookupError):
    """The tenant was deleted while somebody who had been let in asked something of it."""

    def __init__(self) -> None:
        super().__init__(Kind.NOT_FOUND, "There is no such endpoint")


#: The end of the names of those constraints by which a row belongs to a tenant that there is.
_OF_TENANT: Final = "_tenant_fkey"


def kind_of(sqlstate: str | None) -> Kind | None:
    """The kind of answer for a SQLSTATE; None when the failure is a bug of ours."""
    if sqlstate is None:
        return None
    return KINDS.get(sqlstate) or KINDS.get(sqlstate[:2])


def translated(problem: BaseException, *, search: bool = False) -> ScimError | None:
    """The SCIM error for what asyncpg or the network raised; None when it is none of the known failures.

    A search that runs out of time is `tooMany`: it costs more than the server allows (RFC 7644 §3.4.2.1).
    """
    if isinstance(problem, asyncpg.DataError) and problem.sqlstate in (None, "22000"):  # the driver could not encode a parameter
        kind: Kind | None = Kind.INVALID_VALUE
    elif isinstance(problem, asyncpg.ForeignKeyViolationError) and (problem.constraint_name or "").endswith(_OF_TENANT):
        return TenantGoneError()
    elif isinstance(problem, asyncpg.PostgresError):
        kind = kind_of(problem.sqlstate)
        if search and problem.sqlstate == "57014":
            kind = Kind.TOO_MANY
    elif isinstance(problem, TimeoutError):
        kind = Kind.TOO_MANY if search else Kind.UNAVAILABLE
    elif isinstance(problem, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError):
        kind = Kind.UNAVAILABLE
    else:
        return None
    if kind is None:
        return None
    return unavailable() if kind is Kind.UNAVAILABLE else ScimError(kind)


def unavailable(detail: str | None = None) -> ScimError:
    """503 that asks to come back in a few seconds, not all at once."""
    return ScimError(Kind.UNAVAILABLE, detail, headers={"Retry-After": str(random.randint(2, 5))})  # noqa: S311 - jitter, not a secret


async def guarded(unit: Callable[[], Awaitable[T]], *, search: bool = False) -> T:
    """Run a unit of work; conflicts between transactions are tried again, other failures raised as ScimError."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await unit()
        except ScimError:
            raise
        except Exception as problem:
            state = problem.sqlstate if isinstance(problem, asyncpg.PostgresError) else None
            if state is not None or translated(problem) is not None:
                observe(DatabaseFailed(state))
            if state in RETRIED and attempt < _ATTEMPTS:
                observe(Retried())
                await asyncio.sleep(random.uniform(0.005, 0.05) * attempt)  # noqa: S311 - jitter, not a secret
                continue
            error = translated(problem, search=search)
            if error is None:
                raise
            raise error from problem
    raise AssertionError("the last attempt returns or raises")
