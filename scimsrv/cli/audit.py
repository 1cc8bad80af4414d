"""`scimsrv audit` and `scimsrv erase`: the audit trail verified, shown, exported and sealed, and a person's values destroyed."""

import argparse
import asyncio
import re
import sys
from typing import Any, Final

from scimsrv.admin import models
from scimsrv.admin.verbs import Verbs
from scimsrv.audit.export import FORMATS
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import FAILED, CommandError, add_command, add_common, add_group, emit, note, on_database, settings_of, table
from scimsrv.keys import AUDIT_KEY, ServerKeys
from scimsrv.store import seals
from scimsrv.store.audit import OVERDUE, Verification, verify
from scimsrv.store.connection import Connection
from scimsrv.store.tenants import find_tenant, list_tenants

_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


def register(commands: Any) -> None:
    """Add both commands and their subcommands."""
    group = add_group(commands, "audit", "look after the audit trails of tenants")
    check = add_command(
        group, "verify", "verify audit chains, on the database; 1 where something is wrong", "scimsrv audit verify acme", _verify
    )
    check.add_argument("tenant", nargs="?", help="the tenant; all of them without it")
    check.add_argument(
        "--head", action="append", default=[], metavar="POSITION:HASH", help="repeatable: a hash that was written down, which must be there"
    )
    check.add_argument(
        "--overdue", type=float, default=OVERDUE, metavar="SECONDS", help=f"after which a change is sealed (default: {OVERDUE:g})"
    )
    seal = add_command(
        group, "seal", "seal what is not sealed yet, however long ago it was made, on the database", "scimsrv audit seal acme", _seal
    )
    show = add_command(group, "show", "show where a tenant's audit chain ends", "scimsrv audit show acme", _show)
    export = add_command(
        group, "export", "print a tenant's audit trail, one row in each line", "scimsrv audit export acme --format ocsf", _export
    )
    export.add_argument("--format", choices=FORMATS, default=FORMATS[0], help=f"form of the rows (default: {FORMATS[0]})")
    export.add_argument("--after", type=int, default=0, metavar="POSITION", help="only rows behind this position")
    export.add_argument("--since", metavar="TIME", help="only rows of what happened at this time or later, such as 2026-01-31T12:00:00Z")
    export.add_argument("--count", type=int, metavar="NUMBER", help="how many rows at most")
    for parser in (seal, show, export):
        parser.add_argument("tenant", help="the tenant")
    for parser in (check, seal):
        add_common(parser)
    for parser in (show, export):
        add_administration(parser)
    erase = add_command(
        commands,
        "erase",
        "destroy what is kept of a deleted resource, and its values in the audit trail",
        "scimsrv erase acme 2819c223",
        _erase,
    )
    erase.add_argument("tenant", help="the tenant")
    erase.add_argument("id", help="the id that the resource had")
    erase.add_argument("--yes", action="store_true", help="do not ask")
    add_administration(erase)


def _verify(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    known = _heads(arguments)
    keys = ServerKeys.load(settings).derive_all(AUDIT_KEY)

    async def work(connection: Connection) -> dict[str, Verification]:
        named = [await find_tenant(connection, arguments.tenant)] if arguments.tenant else await list_tenants(connection)
        return {one.slug: await verify(connection, one.id, keys, known=known, overdue=arguments.overdue) for one in named}

    found = on_database(settings, work)
    for slug, one in found.items():
        for problem in one.problems:
            place = "".join(
                f"{word} {value}: " for word, value in (("row", problem.seq), ("position", problem.position)) if value is not None
            )
            note(f"{slug}: {place}{problem.what}")
    rows = [
        (slug, len(one.problems), one.rows, one.erased, f"{one.position}:{one.head.hex()}", one.unsealed, one.oldest)
        for slug, one in found.items()
    ]
    shown = {slug: {**_document(one), "head": one.head.hex()} for slug, one in found.items()}
    emit(arguments, {"tenants": shown}, table(("TENANT", "PROBLEMS", "ROWS", "ERASED", "HEAD", "NOT SEALED", "SINCE"), rows))
    return FAILED if any(one.problems for one in found.values()) else 0


def _document(one: Verification) -> dict[str, Any]:
    problems = [{"seq": problem.seq, "position": problem.position, "what": problem.what} for problem in one.problems]
    rest = {"rows": one.rows, "erased": one.erased, "position": one.position, "unsealed": one.unsealed, "oldest": one.oldest}
    return {"problems": problems, **rest}


def _heads(arguments: argparse.Namespace) -> dict[int, bytes]:
    known = {}
    for text in arguments.head:
        found = _HEAD.fullmatch(text)
        if found is None:
            raise CommandError(f"{text!r} is no position and hash; write POSITION:HASH as `scimsrv audit verify` prints them.")
        known[int(found[1])] = bytes.fromhex(found[2])
    if known and not arguments.tenant:
        raise CommandError("A hash is one of a tenant's: name the tenant, too.")
    return known


def _seal(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    key = ServerKeys.load(settings).derive(AUDIT_KEY)

    async def work(connection: Connection) -> int:
        tenant = await find_tenant(connection, arguments.tenant)
        async with connection.transaction():
            await seals.hold(connection, tenant.id)
            return await seals.seal_all(connection, tenant.id, key, thoroughly=True)

    sealed = on_database(settings, work)
    emit(arguments, {"sealed": sealed}, str(sealed))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.show_audit(arguments.tenant))
    rows = [(found.position, found.head, found.sealed, found.unsealed, found.oldest)]
    emit(arguments, found.model_dump(), table(("POSITION", "HASH", "SEALED", "NOT SEALED", "SINCE"), rows))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    wanted = asked(models.AuditExport, after=arguments.after, since=arguments.since, count=arguments.count, format=arguments.format)

    async def work(verbs: Verbs) -> None:
        async for lines in await verbs.export_audit(arguments.tenant, wanted):
            await asyncio.to_thread(sys.stdout.buffer.write, lines)

    administer(arguments, work)
    sys.stdout.flush()
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    if not arguments.yes:
        if not sys.stdin.isatty():
            raise CommandError("What is erased cannot be brought back: say --yes.")
        note(f"Everything kept of {arguments.id} in {arguments.tenant} is destroyed, and cannot be brought back. Type the id to go on:")
        if sys.stdin.readline().strip() != arguments.id:
            raise CommandError("Nothing was erased.")
    done = administer(arguments, lambda verbs: verbs.erase(arguments.tenant, asked(models.ErasureRequest, id=arguments.id)))
    emit(arguments, done.model_dump(), f"erased {done.erased}")
    note(f"{done.rows} rows of the audit trail lost their values; backups that were made before still have them.")
    return 0
