"""`scimsrv admin token`: create, list, revoke. Works on the database only: who can reach it decides who is an administrator."""

import argparse
from typing import Any

from scimsrv import tokens
from scimsrv.admin.access import AUDIT, READ, SCOPES, WRITE
from scimsrv.cli.administer import actor
from scimsrv.cli.common import add_command, add_common, add_group, emit, note, on_database, settings_of, table
from scimsrv.cli.token import end, life
from scimsrv.keys import ADMIN_PEPPER, ServerKeys
from scimsrv.store import administrators
from scimsrv.store.credentials import Credential


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(add_group(commands, "admin", "manage access to the admin API"), "token", "manage the tokens of administrators")
    create = add_command(
        group, "create", "create an admin token and print it, this once", "scimsrv admin token create --label console", _create
    )
    create.add_argument("--label", default="default", help="what it is for (default: default)")
    create.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        help=f"repeatable: {READ} looks, {WRITE} changes (default: these two), {AUDIT} reads audit trails only",
    )
    create.add_argument("--expires", type=life, default="90d", metavar="LIFE", help="such as 12h, 90d, 2y, or never (default: 90d)")
    revoke = add_command(group, "revoke", "end an admin token at once", "scimsrv admin token revoke k3x9ab", _revoke)
    revoke.add_argument("kid", help="the token's id, its second part, as `admin token list` shows it")
    listing = add_command(group, "list", "list the admin tokens", "scimsrv admin token list", _list)
    for parser in (create, revoke, listing):
        add_common(parser)


def _create(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    token = tokens.new_token(tokens.ADMIN)
    digest = tokens.digest(ServerKeys.load(settings).derive(ADMIN_PEPPER), token.text)
    scopes = arguments.scope or [READ, WRITE]

    async def issue(connection: Any) -> Credential:
        async with connection.transaction():
            made = await administrators.create_admin_credential(
                connection, digest=digest, kid=token.kid, label=arguments.label, scopes=scopes, expires=end(arguments)
            )
            await administrators.note_change(connection, actor(), "admin.token.create", subject=token.kid, detail={"scopes": scopes})
        return made

    made = on_database(settings, issue)
    shown = {"kid": made.kid, "label": made.label, "scopes": made.scopes, "created": made.created, "expires": made.expires}
    emit(arguments, {"token": token.text, **shown}, token.text)
    ends = made.expires.strftime("%Y-%m-%d") if made.expires else "never"
    note(f"Label {made.label}, scopes {' '.join(made.scopes)}, expires {ends}. The token is not shown again.")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    found = on_database(settings_of(arguments), administrators.list_admin_credentials)
    rows = [(one.kid, one.label, one.scopes, one.created, one.expires, one.last_used) for one in found]
    emit(arguments, {"tokens": found}, table(("ID", "LABEL", "SCOPES", "CREATED", "EXPIRES", "LAST USED"), rows))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    async def work(connection: Any) -> None:
        async with connection.transaction():
            await administrators.revoke_admin_credential(connection, arguments.kid)
            await administrators.note_change(connection, actor(), "admin.token.revoke", subject=arguments.kid)

    on_database(settings_of(arguments), work)
    emit(arguments, {"revoked": arguments.kid}, f"revoked {arguments.kid}")
    return 0
