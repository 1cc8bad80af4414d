"""`scimsrv schema` and `scimsrv type`: list, show, create, replace, delete what a tenant serves."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from scimsrv.admin import models
from scimsrv.cli.administer import add_administration, administer
from scimsrv.cli.common import CommandError, add_command, add_group, emit, note, table
from scimsrv.schema.redefinition import Subject

#: The command of each subject, what it is called, what names one of them, and an example of that.
_GROUPS: Final = (
    (Subject.SCHEMA, "schema", "schema", "urn", "urn:example:params:scim:schemas:core:1.0:Device"),
    (Subject.RESOURCE_TYPE, "type", "resource type", "name", "Device"),
)


def register(commands: Any) -> None:
    """Add both commands and their subcommands."""
    for subject, command, called, key, example in _GROUPS:
        group = add_group(commands, command, f"manage the {called}s of tenants, while they are in use")
        listing = add_command(group, "list", f"list a tenant's {called}s", f"scimsrv {command} list acme", partial(_list, subject))
        show = add_command(group, "show", f"print a {called} as JSON", f"scimsrv {command} show acme {example}", partial(_show, subject))
        create = add_command(
            group,
            "create",
            f"create a {called} from a JSON file",
            f"scimsrv {command} create acme {command}.json",
            partial(_create, subject),
        )
        replace = add_command(
            *(group, "replace", f"replace a {called}; stored resources are looked at first"),
            *(f"scimsrv {command} replace acme {example} {command}.json --dry-run", partial(_replace, subject)),
        )
        delete = add_command(
            group, "delete", f"delete a {called} that is not in use", f"scimsrv {command} delete acme {example}", partial(_delete, subject)
        )
        for parser in (listing, show, create, replace, delete):
            parser.add_argument("tenant", help="the tenant")
        for parser in (show, replace, delete):
            parser.add_argument("name", metavar=key.upper(), help=f"the {called}'s {key}")
        for parser in (create, replace):
            parser.add_argument("file", type=Path, help="JSON file with the definition as RFC 7643 has it; - for the standard input")
        for parser in (create, replace, delete):
            parser.add_argument("--dry-run", action="store_true", help="only say what it would mean for stored resources")
        for parser in (listing, show, create, replace, delete):
            add_administration(parser)


def _list(subject: Subject, arguments: argparse.Namespace) -> int:
    if subject is Subject.SCHEMA:
        schemas = administer(arguments, lambda verbs: verbs.list_schemas(arguments.tenant)).schemas
        rows = [(one["id"], one["name"], len(one["attributes"])) for one in schemas]
        emit(arguments, {"schemas": schemas}, table(("URN", "NAME", "ATTRIBUTES"), rows))
        return 0
    types = administer(arguments, lambda verbs: verbs.list_types(arguments.tenant)).resource_types
    lines = [(one["name"], one["endpoint"], one["schema"], len(one.get("schemaExtensions", ()))) for one in types]
    emit(arguments, {"resource_types": types}, table(("NAME", "ENDPOINT", "SCHEMA", "EXTENSIONS"), lines))
    return 0


def _show(subject: Subject, arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.show_definition(arguments.tenant, subject, arguments.name))
    emit(arguments, found.definition, orjson.dumps(found.definition, option=orjson.OPT_INDENT_2).decode())
    return 0


def _create(subject: Subject, arguments: argparse.Namespace) -> int:
    document = _document(arguments.file)
    return _tell(
        arguments, administer(arguments, lambda verbs: verbs.define(arguments.tenant, subject, None, document, dry_run=arguments.dry_run))
    )


def _replace(subject: Subject, arguments: argparse.Namespace) -> int:
    document, name = _document(arguments.file), arguments.name
    return _tell(
        arguments, administer(arguments, lambda verbs: verbs.define(arguments.tenant, subject, name, document, dry_run=arguments.dry_run))
    )


def _delete(subject: Subject, arguments: argparse.Namespace) -> int:
    name = arguments.name
    return _tell(
        arguments, administer(arguments, lambda verbs: verbs.define(arguments.tenant, subject, name, None, dry_run=arguments.dry_run))
    )


def _tell(arguments: argparse.Namespace, done: models.Defined) -> int:
    """Print what a change came to, or would come to; 1 when it is not possible."""
    rows = [
        (
            *(one["resourceType"], one["path"], one["member"], one["effect"]),
            one.get("offending", one.get("resources")),
            one.get("rule") if "offending" in one else None,
        )
        for one in done.changes
    ]
    shown = table(("TYPE", "ATTRIBUTE", "WHAT", "EFFECT", "RESOURCES", "RULE BROKEN"), rows) if rows else f"version {done.version}"
    emit(arguments, done.model_dump(mode="json"), shown)
    if done.later:
        note(f"Takes effect when the background has made the new keys: {', '.join(done.later)}.")
    if done.jobs:
        note(f"The servers begin with what follows in about half a minute; `scimsrv job list {arguments.tenant}` shows how far they are.")
    return 0 if done.possible else 1


def _document(file: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{file} is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise CommandError(f"{file} must hold one JSON object.")
    return found
