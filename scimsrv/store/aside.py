"""Keeping values of attributes that a resource's type has no more."""

from __future__ import annotations

from typing import Any

import orjson

from scimsrv.schema.effective import EffectiveSchema
from scimsrv.store.connection import Connection
from scimsrv.store.queries import load
from scimsrv.store.scope import now

_SQL = load("jobs")


async def set_aside(conn: Connection, tenant: int, schema: EffectiveSchema, id_: str, strays: dict[str, Any]) -> None:
    """Keep what a resource had of attributes that its type has no more, by the keys of their places; it refers to nothing by them."""
    texts = [orjson.dumps(value).decode() for value in strays.values()]
    await conn.execute(_SQL["set_aside"], tenant, schema.name, id_, list(strays), texts, now())
    await conn.execute(_SQL["forget_references"], tenant, id_, list(strays))
