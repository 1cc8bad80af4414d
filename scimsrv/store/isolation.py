"""Row-level security: put up by the role that owns the tables, and inspected by the one that serves requests before it does."""

from __future__ import annotations

from dataclasses import dataclass

from scimsrv.store.connection import Connection, DatabaseError, connect
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("isolation")


@dataclass(frozen=True, slots=True)
class Wall:
    """What row-level security means to a role: whether it passes it by, the tenants' tables that it owns (or could, as a member of their
    owner), those that are open to it, and those that are not."""

    role: str
    exempt: bool
    owned: tuple[str, ...]
    open: tuple[str, ...]
    walled: tuple[str, ...]

    @property
    def gap(self) -> str | None:
        """Why the role is not held back, and what to do; None when it is."""
        if self.exempt:
            return f"{self.role} is a superuser or has BYPASSRLS: let database_url name a role that is neither"
        if self.owned:
            return f"{self.role} owns {', '.join(self.owned)}, or is a member of the role that does: let database_url name another role"
        if self.open:
            return f"row-level security is not forced on {', '.join(self.open)}: run `scimsrv db migrate` with isolation = rls"
        return None


async def inspect(queries: Queries | Connection) -> Wall:
    """How the connection's role stands to the wall."""
    row = await queries.fetchrow(_SQL["inspect"])
    assert row is not None
    return Wall(row["role"], row["exempt"], *(tuple(row[name]) for name in ("owned", "open", "walled")))


async def check(queries: Queries | Connection, *, isolated: bool) -> None:
    """Raises DatabaseError unless the role is held back (`isolated`), or, without, has what it needs."""
    wall = await inspect(queries)
    if isolated and wall.gap is not None:
        raise DatabaseError(f"isolation = rls does not hold: {wall.gap}.")
    if not isolated and wall.walled and not wall.exempt and not wall.owned:
        raise DatabaseError(f"Row-level security keeps the role {wall.role} from every row: serve with isolation = rls.")


async def check_at(dsn: str, *, isolated: bool) -> None:
    """As `check`, with a connection of its own."""
    async with connect(dsn) as connection:
        await check(connection, isolated=isolated)


async def role_at(dsn: str) -> str:
    """The role that connections to this URL have."""
    async with connect(dsn) as connection:
        role: str = await connection.fetchval(load("checkup")["role"])
    return role


async def isolate(connection: Connection, role: str) -> int:
    """Put up what is missing of the wall, in the transaction that the connection is in, and give the role its rights; returns the number
    of statements that it took."""
    rows = await connection.fetch(_SQL["isolate"], role)
    for row in rows:
        await connection.execute(row["statement"])
    return len(rows)
