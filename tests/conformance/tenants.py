"""Tenants for conformance runs: with the schemas that every tenant has, or extended by data with what those leave untouched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import asyncpg

from scimsrv import tokens
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.settings import load_settings
from scimsrv.store.connection import Connection
from scimsrv.store.credentials import create_credential
from scimsrv.store.tenants import create_tenant

#: Schemas and a resource type as a tenant's administrator would add them, with attributes of every type and characteristic.
EXTENSION = json.loads((Path(__file__).parent / "extension.json").read_text(encoding="utf-8"))


class Tokens(NamedTuple):
    """A tenant's tokens: one that reads and writes resources, one that changes schemas and resource types."""

    ordinary: str
    admin: str


async def make_tenants(database_url: str, secret_key: str, plain: Iterable[str], extended: Iterable[str] = ()) -> dict[str, Tokens]:
    """Create tenants of the profile `standard` and return the tokens of each by slug."""
    pepper = ServerKeys.load(load_settings({"database_url": database_url, "secret_key": secret_key}, {})).derive(TOKEN_PEPPER)
    made = {}
    connection = await asyncpg.connect(database_url)
    try:
        for slug in plain:
            made[slug] = await _make(connection, pepper, slug)
        for slug in extended:
            made[slug] = await _make(connection, pepper, slug)
            await _extend(connection, slug)
    finally:
        await connection.close()
    return made


async def _make(connection: Connection, pepper: bytes, slug: str) -> Tokens:
    tenant = (await create_tenant(connection, slug)).id
    made = []
    for scope in ("scim", "tenant:admin"):
        token = tokens.new_token()
        await create_credential(
            connection, tenant, digest=tokens.digest(pepper, token.text), kid=token.kid, label=scope, scopes=[scope], expires=None
        )
        made.append(token.text)
    return Tokens(*made)


async def _extend(connection: Connection, slug: str) -> None:
    """Add the schemas and the resource type, and the extension to users, by data alone; the revision tells the servers."""
    tenant = await connection.fetchval("SELECT id FROM tenant WHERE slug = $1", slug)
    for schema in EXTENSION["schemas"]:
        await connection.execute(
            "INSERT INTO tenant_schema VALUES ($1, $2, $3::text::json)", tenant, schema["id"].lower(), json.dumps(schema)
        )
    for kind in EXTENSION["resourceTypes"]:
        await connection.execute(
            "INSERT INTO tenant_resource_type VALUES ($1, $2, $3::text::json)", tenant, kind["name"].lower(), json.dumps(kind)
        )
    text = await connection.fetchval("SELECT definition::text FROM tenant_resource_type WHERE tenant = $1 AND name_key = 'user'", tenant)
    user = json.loads(text)
    user["schemaExtensions"] = [*user.get("schemaExtensions", []), *EXTENSION["userExtensions"]]
    await connection.execute(
        "UPDATE tenant_resource_type SET definition = $2::text::json WHERE tenant = $1 AND name_key = 'user'", tenant, json.dumps(user)
    )
    await connection.execute("UPDATE tenant SET revision = revision + 1 WHERE id = $1", tenant)
