"""The ceiling: bare Starlette routes over asyncpg on the server's own table, served by the same uvicorn with the same pool.

Each route does the least that can answer its question: no authentication, no parsing, no schema, no headers beyond the type.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.data import user
from bench.uvicorn_options import serve_like_ours
from scimsrv.settings import Settings
from scimsrv.store.connection import Connection
from scimsrv.store.pool import STATEMENT_TIMEOUT

TENANT: Final = "BENCH_TENANT"
DATABASE: Final = "BENCH_DATABASE"

#: Rows that the ceiling inserts belong to a tenant that does not exist, so that the measured tenant's data stay what they were.
_NOWHERE: Final = 1_000_000

_GROUPS: Final = (
    "SELECT document, (SELECT json_agg(json_build_array(t.id, t.type, t.display))::text FROM reference ref"
    " JOIN resource t ON t.tenant = $1 AND t.id = ref.source"
    " WHERE ref.tenant = $1 AND ref.target = r.id AND ref.attribute = 'members') FROM resource r WHERE tenant = $1 AND id = $2"
)
_DOCUMENT: Final = "SELECT document FROM resource WHERE tenant = $1 AND id = $2"
_FIRST: Final = "SELECT document FROM resource WHERE tenant = $1 AND type = 'User' ORDER BY id LIMIT 100"
_CONTAINS: Final = (
    "SELECT document FROM resource WHERE tenant = $1 AND type = 'User' AND strpos(search ->> 'nickname', $2) > 0 ORDER BY id LIMIT 100"
)
_INSERT: Final = (
    "INSERT INTO resource (tenant, id, type, version, created, modified, display, document, search)"
    " VALUES ($1, $2, 'User', 1, $3, $3, $4, $5, $6::jsonb)"
)
_UPDATE: Final = "UPDATE resource SET version = version + 1, modified = $3, document = document WHERE tenant = $1 AND id = $2"


_PREBUILT: Final = user(0).decode()
_PREBUILT_SEARCH: Final = _PREBUILT.lower()


class Bare:
    """The routes and their pool."""

    pool: asyncpg.Pool

    def __init__(self, dsn: str, tenant: int) -> None:
        self._dsn = dsn
        self._tenant = tenant

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Open the driver's own pool, of the size and with the options of the server's, and without the round trip of a reset."""
        usual = Settings()
        self.pool = await asyncpg.create_pool(
            self._dsn,
            min_size=2,
            max_size=usual.pool_size,
            statement_cache_size=usual.statement_cache,
            command_timeout=STATEMENT_TIMEOUT,
            reset=_keep,
        )
        yield
        await self.pool.close()

    async def read(self, request: Request) -> Response:
        """One document by primary key."""
        return _json(await self.pool.fetchval(_DOCUMENT, self._tenant, request.path_params["id"]))

    async def with_groups(self, request: Request) -> Response:
        """One document by primary key and the groups that it is a direct member of."""
        row = await self.pool.fetchrow(_GROUPS, self._tenant, request.path_params["id"])
        assert row is not None
        return _json(row[0][:-1] + ',"groups":' + (row[1] or "[]") + "}")

    async def first(self, request: Request) -> Response:
        """The first hundred documents by id."""
        rows = await self.pool.fetch(_FIRST, self._tenant)
        return _json("[" + ",".join([row[0] for row in rows]) + "]")

    async def contains(self, request: Request) -> Response:
        """The documents whose nickName contains a text: every row of the type is looked at."""
        rows = await self.pool.fetch(_CONTAINS, self._tenant, request.query_params["text"])
        return _json("[" + ",".join([row[0] for row in rows]) + "]")

    async def insert(self, request: Request) -> Response:
        """One row with a document made beforehand; what the client sent is read and dropped."""
        await request.body()
        id_ = str(uuid.uuid4())
        await self.pool.execute(_INSERT, _NOWHERE, id_, datetime.now(UTC), "Ada Lovelace", _PREBUILT, _PREBUILT_SEARCH)
        return _json(_PREBUILT, 201)

    async def update(self, request: Request) -> Response:
        """One row written again, as a change of its document would; what the client sent is read and dropped."""
        await request.body()
        await self.pool.execute(_UPDATE, self._tenant, request.path_params["id"], datetime.now(UTC))
        return _json(_PREBUILT)


async def _keep(connection: Connection) -> None:
    """Nothing to reset."""


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/scim+json")


def make() -> Starlette:
    """The application, which finds database and tenant in the environment."""
    bare = Bare(os.environ[DATABASE], int(os.environ[TENANT]))
    routes = [
        Route("/first", bare.first),
        Route("/contains", bare.contains),
        Route("/WithGroups/{id}", bare.with_groups),
        Route("/Users/{id}", bare.read, methods=["GET"]),
        Route("/Users/{id}", bare.update, methods=["PATCH"]),
        Route("/Users", bare.insert, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=bare.lifespan)


if __name__ == "__main__":
    serve_like_ours("bench.ceiling:make", int(sys.argv[1]))
