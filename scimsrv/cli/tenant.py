"""`scimsrv tenant`: create, list, show, suspend, resume, delete, and the policy."""

import argparse
import sys
from typing import Any

import orjson

from scimsrv.admin import models
from scimsrv.admin.verbs import PolicyState, Verbs
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import CommandError, add_command, add_group, emit, note, table
from scimsrv.schema.policy import LISTS, NUMBERS, PROFILES
from scimsrv.schema.presets import PRESETS


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "tenant", "manage tenants")
    create = add_command(group, "create", "create a tenant", "scimsrv tenant create acme --preset entra", _create)
    create.add_argument("slug", help="name in URLs: lower-case letters, digits and hyphens")
    create.add_argument("--preset", choices=list(PRESETS), default="standard", help="what it begins with (default: standard)")
    create.add_argument("--profile", choices=sorted(PROFILES), help="how it treats choices the RFCs leave open, instead of the preset's")
    create.add_argument(
        "--set", action="append", default=[], metavar="SWITCH=VALUE", help="repeatable: a policy switch that differs from the profile"
    )
    add_administration(create)
    add_administration(add_command(group, "list", "list all tenants", "scimsrv tenant list --json", _list))
    for name, summary, run in (
        ("show", "show a tenant, its URL and how much it holds", _show),
        ("suspend", "refuse a tenant's tokens until it is resumed", _suspend),
        ("resume", "accept a suspended tenant's tokens again", _resume),
    ):
        one = add_command(group, name, summary, f"scimsrv tenant {name} acme", run)
        one.add_argument("slug")
        add_administration(one)
    delete = add_command(group, "delete", "delete a tenant with everything in it, for good", "scimsrv tenant delete acme --yes", _delete)
    delete.add_argument("slug")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    add_administration(delete)
    _register_policy(add_group(group, "policy", "look at a tenant's policy, and change it while the tenant is in use"))


def _register_policy(group: Any) -> None:
    show = add_command(group, "show", "show a tenant's policy", "scimsrv tenant policy show acme --effective", _show_policy)
    show.add_argument("slug")
    show.add_argument("--effective", action="store_true", help="every switch with its value, not only those that were set")
    change = add_command(
        group, "set", "set switches of a tenant's policy", "scimsrv tenant policy set acme require_if_match=true", _set_policy
    )
    change.add_argument("slug")
    change.add_argument("switches", nargs="*", metavar="SWITCH=VALUE", help="a switch, or profile, and its value")
    change.add_argument("--unset", action="append", default=[], metavar="SWITCH", help="repeatable: let a switch follow the profile again")
    change.add_argument("--if-version", type=int, metavar="NUMBER", help="only if the policy still has this version")
    for parser in (show, change):
        add_administration(parser)


def _create(arguments: argparse.Namespace) -> int:
    wanted = asked(
        models.TenantCreation,
        slug=arguments.slug,
        preset=arguments.preset,
        profile=arguments.profile,
        switches=_switches(arguments.set, "--set "),
    )
    made = administer(arguments, lambda verbs: verbs.create_tenant(wanted))
    emit(arguments, {"tenant": made.model_dump(), "url": made.url}, made.url)
    return 0


def _switches(given: list[str], flag: str = "") -> dict[str, object]:
    """The switches of --set; true and false are booleans, names with commas between them are lists, digits are numbers, the rest text."""
    words: dict[str, object] = {"true": True, "false": False}
    pairs = [one.partition("=") for one in given]
    for name, equals, _ in pairs:
        if not equals:
            raise CommandError(f"{flag}{name!r} has no value; write SWITCH=VALUE, such as empty_string_clears=true.")
    found = {name.strip(): value.strip() for name, _, value in pairs}
    lists = {name: [one.strip() for one in value.split(",") if one.strip()] for name, value in found.items() if name in LISTS}
    numbers = {name: int(value) for name, value in found.items() if name in NUMBERS and value.isascii() and value.isdigit()}
    return {name: words.get(value.lower(), value) for name, value in found.items()} | lists | numbers


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_tenants())
    rows = [(one.slug, one.status, one.profile, one.created) for one in found.tenants]
    emit(arguments, found.model_dump(), table(("TENANT", "STATUS", "PROFILE", "CREATED"), rows))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    async def look(verbs: Verbs) -> tuple[models.Tenant, models.TenantStatistics]:
        return await verbs.show_tenant(arguments.slug), await verbs.tenant_statistics(arguments.slug)

    found, holds = administer(arguments, look)
    rows: list[tuple[str, object]] = [("url", found.url), ("status", found.status), ("profile", found.profile), ("created", found.created)]
    rows += [(f"resources {name}", count) for name, count in holds.resources.items()]
    rows += [("tokens", holds.tokens), ("token last used", holds.last_used), ("indexes", holds.indexes), ("last change", holds.last_change)]
    emit(arguments, {"tenant": found.model_dump(), "url": found.url, **holds.model_dump()}, table(("TENANT", found.slug), rows))
    return 0


def _suspend(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.suspend_tenant(arguments.slug))
    emit(arguments, {"tenant": found.model_dump()}, found.status)
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.resume_tenant(arguments.slug))
    emit(arguments, {"tenant": found.model_dump()}, found.status)
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CommandError("Deleting a tenant cannot be undone: confirm with --yes.")
        sys.stderr.write(f"Delete tenant {arguments.slug!r} with everything in it? Type its name: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != arguments.slug:
            raise CommandError("Nothing was deleted.")
    gone = administer(arguments, lambda verbs: verbs.delete_tenant(arguments.slug))
    emit(arguments, gone.model_dump(), f"deleted {gone.deleted} with {gone.resources} resources")
    return 0


def _show_policy(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.show_policy(arguments.slug, effective=arguments.effective))
    return _emit_policy(arguments, found)


def _set_policy(arguments: argparse.Namespace) -> int:
    changes = _switches(arguments.switches) | dict.fromkeys(arguments.unset)
    if not changes:
        raise CommandError("Name what to set: SWITCH=VALUE, or --unset SWITCH.")
    version = None if arguments.if_version is None else frozenset({arguments.if_version})
    made = administer(arguments, lambda verbs: verbs.write_policy(arguments.slug, changes, merge=True, if_match=version))
    note("Every server follows it within a second.")
    return _emit_policy(arguments, made)


def _emit_policy(arguments: argparse.Namespace, state: PolicyState) -> int:
    rows = [(name, orjson.dumps(value).decode().strip('"')) for name, value in state.document.items()]
    emit(arguments, {"policy": state.document, "version": state.version}, table(("SWITCH", "VALUE"), [*rows, ("version", state.version)]))
    return 0
