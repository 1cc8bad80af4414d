"""`scimsrv index`: add, list, remove. The work itself is done by the servers, in the background."""

import argparse
from typing import Any

from scimsrv.admin import models
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import add_command, add_group, emit, note, table


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
        add_administration(parser)


def _add(arguments: argparse.Namespace) -> int:
    wanted = asked(models.IndexCreation, type=arguments.type, attribute=arguments.attribute, substring=arguments.substring)
    made = administer(arguments, lambda verbs: verbs.add_index(arguments.tenant, wanted))
    emit(arguments, {"index": made.model_dump()}, made.state)
    if made.state == "building":
        note(
            f"The servers begin to build the index of {made.type} {made.attribute} in about half a minute ({made.resources} resources). "
            f"`scimsrv index list {arguments.tenant}` shows how far they are."
        )
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    gone = administer(arguments, lambda verbs: verbs.remove_index(arguments.tenant, arguments.type, arguments.attribute))
    emit(arguments, {"index": gone.model_dump()}, gone.state)
    note(
        f"Filters no longer use the index of {gone.type} {gone.attribute}. The servers remove it in the background, within minutes; "
        "until then it cannot be added again."
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_indexes(arguments.tenant))
    rows = [
        (one.type, one.attribute, "yes" if one.substring else "no", one.state, f"{one.done} of {one.resources}", one.since)
        for one in found.indexes
    ]
    emit(arguments, found.model_dump(), table(("TYPE", "ATTRIBUTE", "SUBSTRING", "STATE", "DONE", "SINCE"), rows))
    return 0
