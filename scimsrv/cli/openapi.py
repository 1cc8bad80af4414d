"""`scimsrv openapi`: the OpenAPI document of a tenant, or of a new one."""

import argparse
import asyncio
import sys
from typing import Any

import orjson

from scimsrv import __version__
from scimsrv.cli.common import add_command, add_common, database_url, settings_of
from scimsrv.limits import DEFAULT
from scimsrv.protocol.openapi import openapi
from scimsrv.schema.catalog import Catalog, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import PROFILES
from scimsrv.store.connection import connect
from scimsrv.store.identity import load_catalog
from scimsrv.store.tenants import find_tenant


def register(commands: Any) -> None:
    """Add the command."""
    summary = "print the OpenAPI 3.1 document of a tenant's SCIM endpoints"
    parser = add_command(commands, "openapi", summary, "scimsrv openapi --tenant acme > acme.json", _openapi)
    parser.add_argument("--tenant", help="the tenant; without it, what a new tenant has")
    add_common(parser)


def _openapi(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if arguments.tenant is None:
        known = load_definitions()
        catalog = build_catalog(known.schemas.values(), known.resource_types, known.common, PROFILES["standard"], [])
    else:
        with database_url(settings) as dsn:
            catalog = asyncio.run(_catalog(dsn, arguments.tenant))
    document = openapi(catalog, DEFAULT, f"{settings.base_url}/scim/{arguments.tenant or 'TENANT'}/v2", __version__)
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2).decode())
    return 0


async def _catalog(dsn: str, slug: str) -> Catalog:
    async with connect(dsn) as connection:
        tenant = await find_tenant(connection, slug)
        return (await load_catalog(connection, tenant.id))[1]
