"""A single connection to the database, for commands; failures come as one exception with a sentence for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
"""A connection of its own, or one borrowed from a pool. The driver's classes take parameters in its stubs only, hence the quotes."""

_CONNECT_SECONDS = 10.0


class DatabaseError(Exception):
    """The database cannot be reached or is not ours; the message says why and holds no password."""


@asynccontextmanager
async def connect(dsn: str) -> AsyncIterator[Connection]:
    """Connect for the length of a block. Raises DatabaseError when that fails, is refused, the schema or a right is missing, or the
    connection is lost."""
    try:
        # A command gains nothing by keeping statements, and a pooler that cannot keep them would refuse the second one of a name.
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS, statement_cache_size=0)
    except TimeoutError:
        raise DatabaseError(f"The database {_shown(dsn)} did not answer within {_CONNECT_SECONDS:g} seconds.") from None
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(f"Cannot connect to the database {_shown(dsn)}: {error}.") from None
    try:
        yield connection
    except asyncpg.UndefinedTableError:
        raise DatabaseError(f"The database {_shown(dsn)} has no scimsrv schema: run `scimsrv db migrate`.") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseError(f"The database {_shown(dsn)} does not let the role do this: {error}; grant it.") from None
    except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise DatabaseError(f"The connection to the database {_shown(dsn)} was lost: {error}.") from None
    finally:
        await connection.close()


def _shown(dsn: str) -> str:
    try:
        parts = urlsplit(dsn)
        hosts = parts.netloc.rpartition("@")[2]  # several, with a comma between each two
        return f"{hosts or '(local)'}{parts.path}"
    except ValueError:
        return "(malformed URL)"
