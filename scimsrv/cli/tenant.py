"""`scimsrv tenant`: create, list, show, suspend, resume, delete."""

import argparse
import sys
from typing import Any

from scimsrv.cli.common import CommandError, add_command, add_common, add_group, emit, on_database, settings_of, table, tenant_url
from scimsrv.schema.policy import LISTS, PROFILES
from scimsrv.store import tenants


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "tenant", "manage tenants")
    create = add_command(group, "create", "create a tenant", "scimsrv tenant create acme --profile entra", _create)
    create.add_argument("slug", help="name in URLs: lower-case letters, digits and hyphens")
    create.add_argument("--profile", choices=sorted(PROFILES), default="standard", help="how it treats choices the RFCs leave open")
    create.add_argument(
        "--set", action="append", default=[], metavar="SWITCH=VALUE", help="repeatable: a policy switch that differs from the profile"
    )
    add_common(create)
    add_common(add_command(group, "list", "list all tenants", "scimsrv tenant list --json", _list))
    for name, summary, run in (
        ("show", "show a tenant, its URL and the number of its resources", _show),
        ("suspend", "refuse a tenant's tokens until it is resumed", _suspend),
        ("resume", "accept a suspended tenant's tokens again", _resume),
    ):
        one = add_command(group, name, summary, f"scimsrv tenant {name} acme", run)
        one.add_argument("slug")
        add_common(one)
    delete = add_command(group, "delete", "delete a tenant with everything in it, for good", "scimsrv tenant delete acme --yes", _delete)
    delete.add_argument("slug")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    add_common(delete)


def _create(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    switches = _switches(arguments.set)
    made = on_database(settings, lambda connection: tenants.create_tenant(connection, arguments.slug, arguments.profile, switches))
    url = tenant_url(settings, made.slug)
    emit(arguments, {"tenant": made, "url": url}, url)
    return 0


def _switches(given: list[str]) -> dict[str, object]:
    """The switches of --set; true and false are booleans, names with commas between them are lists, anything else is text."""
    words: dict[str, object] = {"true": True, "false": False}
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not equals:
            raise CommandError(f"--set {name!r} has no value; write SWITCH=VALUE, such as empty_string_clears=true.")
    found = {name.strip(): value.strip() for name, _, value in pairs}
    lists = {name: [one.strip() for one in value.split(",") if one.strip()] for name, value in found.items() if name in LISTS}
    return {name: words.get(value.lower(), value) for name, value in found.items()} | lists


def _list(arguments: argparse.Namespace) -> int:
    found = on_database(settings_of(arguments), tenants.list_tenants)
    rows = [(one.slug, one.status, one.profile, one.created) for one in found]
    emit(arguments, {"tenants": found}, table(("TENANT", "STATUS", "PROFILE", "CREATED"), rows))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    async def look(connection: Any) -> tuple[tenants.Tenant, dict[str, int]]:
        found = await tenants.find_tenant(connection, arguments.slug)
        return found, await tenants.count_resources(connection, found.id)

    settings = settings_of(arguments)
    found, resources = on_database(settings, look)
    url = tenant_url(settings, found.slug)
    rows: list[tuple[str, object]] = [("url", url), ("status", found.status), ("profile", found.profile), ("created", found.created)]
    rows += [(f"resources {name}", count) for name, count in resources.items()]
    emit(arguments, {"tenant": found, "url": url, "resources": resources}, table(("TENANT", found.slug), rows))
    return 0


def _suspend(arguments: argparse.Namespace) -> int:
    found = on_database(settings_of(arguments), lambda connection: tenants.suspend_tenant(connection, arguments.slug))
    emit(arguments, {"tenant": found}, found.status)
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    found = on_database(settings_of(arguments), lambda connection: tenants.resume_tenant(connection, arguments.slug))
    emit(arguments, {"tenant": found}, found.status)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CommandError("Deleting a tenant cannot be undone: confirm with --yes.")
        sys.stderr.write(f"Delete tenant {arguments.slug!r} with everything in it? Type its name: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != arguments.slug:
            raise CommandError("Nothing was deleted.")
    gone = on_database(settings_of(arguments), lambda connection: tenants.delete_tenant(connection, arguments.slug))
    emit(arguments, {"deleted": arguments.slug, "resources": gone}, f"deleted {arguments.slug} with {gone} resources")
    return 0
