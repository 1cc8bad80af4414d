"""`scimsrv verify`: prove that a database agrees with itself, such as one that was restored, and put right what follows from documents."""

import argparse
from typing import Any

from scimsrv.cli.common import FAILED, CommandError, add_command, add_common, emit, note, on_database, settings_of, table
from scimsrv.errors import ScimError
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store.connection import Connection
from scimsrv.store.consistency.kinds import Tally
from scimsrv.store.consistency.verifying import Result, verify_tenant
from scimsrv.store.migrate import note_folded
from scimsrv.store.tenants import TenantMissing, find_tenant, list_tenants


def register(commands: Any) -> None:
    """Add the command."""
    summary = "verify that all that follows from documents does, and the audit chains; exit code 1 where anything does not"
    parser = add_command(commands, "verify", summary, "scimsrv verify acme", _verify)
    parser.add_argument("tenant", nargs="?", help="the tenant; all of them without it")
    parser.add_argument("--repair", action="store_true", help="make anew what differs from what it follows from; never changes a document")
    add_common(parser)


def _verify(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    keys = ServerKeys.load(settings).derive_all(AUDIT_KEY)

    async def work(connection: Connection) -> dict[str, Result]:
        named = [await find_tenant(connection, arguments.tenant)] if arguments.tenant else await list_tenants(connection)
        found = {}
        for one in named:
            try:
                found[one.slug] = made = await verify_tenant(connection, one.id, keys, repair=arguments.repair)
            except TenantMissing:
                note(f"{one.slug}: it was deleted meanwhile")
                continue
            except ScimError as problem:
                raise CommandError(f"{one.slug}: repairing was given up, begin again when it is quieter: {problem.sentence}") from None
            _tell(one.slug, "", made.found)
            _tell(one.slug, "repaired: ", made.repaired)
            for left in made.left_out:
                note(f"{one.slug}: not looked at: {left}")
        if arguments.repair and not arguments.tenant and not any(one.found.total or one.left_out for one in found.values()):
            await note_folded(connection)
        return found

    found = on_database(settings, work)
    rows = [
        (slug, one.found.total, one.repaired.total, one.resources, one.rows, one.audit.rows if one.audit else 0, len(one.left_out))
        for slug, one in found.items()
    ]
    heads = ("TENANT", "FINDINGS", "REPAIRED", "RESOURCES", "ROWS BESIDE", "AUDIT ROWS", "LEFT OUT")
    emit(arguments, {"tenants": {slug: _document(one) for slug, one in found.items()}}, table(heads, rows))
    return FAILED if any(one.found.total for one in found.values()) else 0


def _tell(slug: str, done: str, tally: Tally) -> None:
    """A line for each kind, with some of what it is about."""
    for kind, found in tally.kinds.items():
        examples = ", ".join(f"{one.id} ({one.of})" if one.of else one.id for one in found.examples[:5] if one.id)
        more = " and others" if found.number > 5 and examples else ""
        note(f"{slug}: {done}{kind.value.called}, {found.number}: {kind.value.sentence}{f': {examples}{more}' if examples else ''}")


def _document(one: Result) -> dict[str, Any]:
    audit = None if one.audit is None else {"rows": one.audit.rows, "position": one.audit.position, "head": one.audit.head.hex()}
    return {
        "findings": one.found.documents(),
        "repaired": one.repaired.documents(),
        "resources": one.resources,
        "rows": one.rows,
        "left_out": list(one.left_out),
        "audit": audit,
    }
