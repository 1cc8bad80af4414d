"""`scimsrv index`: add, list, remove. The work itself is done by the servers, in the background."""

import argparse
from typing import Any

from scimsrv.cli.common import add_command, add_common, add_group, emit, note, on_database, settings_of, table
from scimsrv.store import indexes
from scimsrv.store.tenants import find_tenant


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "index", "manage the attributes of tenants that are indexed")
    add = add_command(
        group,
        "add",
        "index an attribute, so that filters and sorting by it are fast; built in the background",
        "scimsrv index add acme User title",
        _add,
    )
    remove = add_command(
        group, "remove", "give up an index; filters and sorting work as before", "scimsrv index remove acme User title", _remove
    )
    listing = add_command(group, "list", "list a tenant's indexes and how far they are", "scimsrv index list acme", _list)
    for parser in (add, remove, listing):
        parser.add_argument("tenant", help="the tenant")
    for parser in (add, remove):
        parser.add_argument("type", help="the resource type, such as User")
        parser.add_argument("attribute", help="the attribute, such as title, name.givenName or urn:…:User:department")
    add.add_argument("--substring", action="store_true", help="make filters with co and ew fast as well; for text only")
    for parser in (add, remove, listing):
        add_common(parser)


def _add(arguments: argparse.Namespace) -> int:
    async def mark(connection: Any) -> indexes.IndexStatus:
        tenant = await find_tenant(connection, arguments.tenant)
        return await indexes.add_index(connection, tenant.id, arguments.type, arguments.attribute, substring=arguments.substring)

    made = on_database(settings_of(arguments), mark)
    emit(arguments, {"index": made}, made.state)
    if made.state == "building":
        note(
            f"The servers begin to build the index of {made.type} {made.attribute} in about half a minute ({made.resources} resources). "
            f"`scimsrv index list {arguments.tenant}` shows how far they are."
        )
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    async def retire(connection: Any) -> indexes.IndexStatus:
        tenant = await find_tenant(connection, arguments.tenant)
        return await indexes.remove_index(connection, tenant.id, arguments.type, arguments.attribute)

    gone = on_database(settings_of(arguments), retire)
    emit(arguments, {"index": gone}, gone.state)
    note(
        f"Filters no longer use the index of {gone.type} {gone.attribute}. The servers remove it in the background, within minutes; "
        "until then it cannot be added again."
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    async def look(connection: Any) -> list[indexes.IndexStatus]:
        return await indexes.list_indexes(connection, (await find_tenant(connection, arguments.tenant)).id)

    found = on_database(settings_of(arguments), look)
    rows = [
        (one.type, one.attribute, "yes" if one.substring else "no", one.state, f"{one.done} of {one.resources}", one.since) for one in found
    ]
    emit(arguments, {"indexes": found}, table(("TYPE", "ATTRIBUTE", "SUBSTRING", "STATE", "DONE", "SINCE"), rows))
    return 0
