"""Connections that are given up in time: a transaction whose statement ran out of time does not wait as long again for its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from asyncpg.transaction import Transaction

if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection

#: Seconds for the end of a transaction, and of one in which a statement ran out of time. The driver's own limit does not end every COMMIT
#: that waits for a standby.
_COMMITTING: Final = 5.0
_ENDING: Final = 1.0


class PatientConnection(_Base):
    """A connection whose transactions are `PatientTransaction`s."""

    def transaction(self, *, isolation: Any = None, readonly: bool = False, deferrable: bool = False) -> PatientTransaction:
        """A transaction for the length of a block."""
        return PatientTransaction(super().transaction(isolation=isolation, readonly=readonly, deferrable=deferrable), self)


class PatientTransaction(Transaction):
    """A transaction that gives its connection up rather than wait for a server that answers nothing any more: on one whose way is cut
    the ROLLBACK would wait as long again, and nobody hears of it."""

    def __init__(self, made: Transaction, connection: PatientConnection) -> None:
        super().__init__(connection, made._isolation, made._readonly, made._deferrable)  # type: ignore[attr-defined]
        self._patient = connection

    async def __aexit__(self, kind: object, problem: object, trace: object) -> None:
        async with ending(self._patient, problem):
            await super().__aexit__(kind, problem, trace)


@asynccontextmanager
async def ending(connection: Any, problem: object) -> AsyncIterator[None]:
    """The end of a transaction, in which this went wrong or nothing, for the length of the block: a connection on which it takes too long
    is given up."""
    late = ran_out_of_time(problem)
    try:
        async with asyncio.timeout(_ENDING if late else _COMMITTING):
            yield
    except Exception as failure:
        if late or isinstance(failure, TimeoutError):
            connection.terminate()
        if not late:  # else the statement's own failure is what the caller hears of
            raise


def ran_out_of_time(problem: object) -> bool:
    """Whether the failure is, or comes from, a statement that was not answered in time."""
    return _caused_by(problem, TimeoutError)


def is_left_behind(problem: object) -> bool:
    """Whether the failure is, or comes from, a server that no longer takes writes: another one does, so the connection is of no use."""
    return _caused_by(problem, asyncpg.ReadOnlySQLTransactionError)


def _caused_by(problem: object, kind: type[BaseException]) -> bool:
    while isinstance(problem, BaseException):
        if isinstance(problem, kind):
            return True
        problem = problem.__cause__
    return False
