"""`scimsrv deleted` and `scimsrv guard`: deleted resources brought back, and mass deletions that are held let through."""

import argparse
from typing import Any

from scimsrv.admin import models
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import add_command, add_group, emit, note, table


def register(commands: Any) -> None:
    """Add both commands and their subcommands."""
    group = add_group(commands, "deleted", "look at deleted resources, and bring them back")
    listing = add_command(
        group, "list", "list the deleted resources that can be brought back", "scimsrv deleted list acme --type User", _list
    )
    listing.add_argument("--type", help="only resources of this type")
    listing.add_argument("--id", help="only the one with this id")
    listing.add_argument("--after", default="", metavar="ID", help="only ids behind this one")
    listing.add_argument("--count", type=int, default=100, metavar="NUMBER", help="how many at most (default: 100)")
    restore = add_command(
        group, "restore", "bring deleted resources back, with their ids and memberships", "scimsrv deleted restore acme 2819c223", _restore
    )
    guards = add_group(commands, "guard", "look after the guard against mass deletions")
    show = add_command(
        guards, "show", "show what a tenant's deletion guard has counted, and what it holds", "scimsrv guard show acme", _show
    )
    release = add_command(
        guards, "release", "let deletions of a type through again", "scimsrv guard release acme User --allow 2000", _release
    )
    for parser in (listing, restore, show, release):
        parser.add_argument("tenant", help="the tenant")
    restore.add_argument("ids", nargs="+", metavar="ID", help="the id that a resource had")
    release.add_argument("type", help="the resource type")
    release.add_argument(
        "--allow", type=int, default=0, metavar="NUMBER", help="how many are let through before it counts again (default: 0)"
    )
    for parser in (listing, restore, show, release):
        add_administration(parser)


def _list(arguments: argparse.Namespace) -> int:
    page = asked(models.DeletedPage, type=arguments.type, id=arguments.id, after=arguments.after, count=arguments.count)
    found = administer(arguments, lambda verbs: verbs.list_deleted(arguments.tenant, page))
    rows = [(one.id, one.type, one.display, one.deleted, one.actor) for one in found.deleted]
    emit(arguments, found.model_dump(), table(("ID", "TYPE", "NAME", "DELETED", "BY"), rows))
    if found.next is not None:
        note(f"There are more: --after {found.next}")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    def back(id_: str) -> models.Restoration:
        return administer(arguments, lambda verbs: verbs.restore_deleted(arguments.tenant, id_))

    done = [back(id_) for id_ in arguments.ids]
    emit(arguments, {"restored": [one.model_dump() for one in done]}, "\n".join(one.restored for one in done))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.show_guard(arguments.tenant))
    rows = [(one.type, one.held, one.present, one.former, one.base, one.allowance, one.since) for one in found.types]
    emit(arguments, found.model_dump(), table(("TYPE", "HELD SINCE", "DELETED", "BEFORE", "OF", "ALLOWED", "WINDOW SINCE"), rows))
    return 0


def _release(arguments: argparse.Namespace) -> int:
    wanted = asked(models.GuardRelease, allow=arguments.allow)
    found = administer(arguments, lambda verbs: verbs.release_guard(arguments.tenant, arguments.type, wanted))
    emit(arguments, found.model_dump(), f"released {arguments.type}")
    return 0
