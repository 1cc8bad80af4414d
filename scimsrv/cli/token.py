"""`scimsrv token`: create, list, revoke, rotate. A token is printed once, alone on stdout."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from scimsrv import tokens
from scimsrv.cli.common import add_command, add_common, add_group, emit, note, on_database, settings_of, table, tenant_url
from scimsrv.keys import TOKEN_PEPPER, ServerKeys
from scimsrv.scopes import ALIASES, SCOPES, expand
from scimsrv.settings import Settings
from scimsrv.store import credentials
from scimsrv.store.tenants import find_tenant

_LIFE = re.compile(r"(\d{1,5})([hdwy])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "token", "manage the bearer tokens of tenants")
    create = add_command(
        group, "create", "create a token and print it, this once", "scimsrv token create --tenant acme --label entra", _create
    )
    create.add_argument("--label", default="default", help="what it is for; two live tokens per label (default: default)")
    create.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help=f"repeatable: {', '.join((*ALIASES, *SCOPES))} (default: scim; with --subject scim:me)",
    )
    create.add_argument("--subject", metavar="VALUE", help="the user whom it stands for at /Me, by the attribute that policy `me` names")
    rotate = add_command(
        group, "rotate", "create a label's next token; the old one works 7 more days", "scimsrv token rotate --tenant acme", _rotate
    )
    rotate.add_argument("--label", default="default", help="label of the token to replace (default: default)")
    for parser in (create, rotate):
        parser.add_argument("--expires", type=_life, default="365d", metavar="LIFE", help="such as 12h, 90d, 2y, or never (default: 365d)")
    revoke = add_command(group, "revoke", "end a token at once", "scimsrv token revoke --tenant acme k3x9ab", _revoke)
    revoke.add_argument("kid", help="the token's id, its second part, as `token list` shows it")
    listing = add_command(group, "list", "list a tenant's tokens", "scimsrv token list --tenant acme", _list)
    for parser in (create, rotate, revoke, listing):
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")
        add_common(parser)


def _create(arguments: argparse.Namespace) -> int:
    try:
        scopes = expand(arguments.scope or ["scim" if arguments.subject is None else "scim:me"])
    except ValueError as error:
        raise credentials.CredentialError(str(error)) from None
    settings = settings_of(arguments)
    token, digest = _new_token(settings)

    async def issue(connection: Any) -> credentials.Credential:
        tenant = await find_tenant(connection, arguments.tenant)
        return await credentials.create_credential(
            connection,
            tenant.id,
            digest=digest,
            kid=token.kid,
            label=arguments.label,
            scopes=scopes,
            expires=_end(arguments),
            subject=arguments.subject,
        )

    return _hand_out(arguments, settings, token, on_database(settings, issue))


def _rotate(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    token, digest = _new_token(settings)

    async def issue(connection: Any) -> credentials.Credential:
        tenant = await find_tenant(connection, arguments.tenant)
        return await credentials.rotate_credential(
            connection, tenant.id, digest=digest, kid=token.kid, label=arguments.label, expires=_end(arguments)
        )

    return _hand_out(arguments, settings, token, on_database(settings, issue))


def _list(arguments: argparse.Namespace) -> int:
    async def look(connection: Any) -> list[credentials.Credential]:
        return await credentials.list_credentials(connection, (await find_tenant(connection, arguments.tenant)).id)

    found = on_database(settings_of(arguments), look)
    rows = [(one.kid, one.label, one.scopes, one.created, one.expires, one.last_used, one.subject or "") for one in found]
    emit(arguments, {"tokens": found}, table(("ID", "LABEL", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "SUBJECT"), rows))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    async def end(connection: Any) -> None:
        await credentials.revoke_credential(connection, (await find_tenant(connection, arguments.tenant)).id, arguments.kid)

    on_database(settings_of(arguments), end)
    emit(arguments, {"revoked": arguments.kid}, f"revoked {arguments.kid}")
    return 0


def _new_token(settings: Settings) -> tuple[tokens.Token, bytes]:
    token = tokens.new_token()
    return token, tokens.digest(ServerKeys.load(settings).derive(TOKEN_PEPPER), token.text)


def _hand_out(arguments: argparse.Namespace, settings: Settings, token: tokens.Token, made: credentials.Credential) -> int:
    url = tenant_url(settings, arguments.tenant)
    emit(arguments, {"token": token.text, "url": url, **_shown(made)}, token.text)
    ends = made.expires.strftime("%Y-%m-%d") if made.expires else "never"
    note(f"Tenant URL {url}, label {made.label}, expires {ends}. The token is not shown again.")
    return 0


def _shown(made: credentials.Credential) -> dict[str, object]:
    return {
        "kid": made.kid,
        "label": made.label,
        "scopes": made.scopes,
        "created": made.created,
        "expires": made.expires,
        "subject": made.subject,
    }


def _life(text: str) -> timedelta | None:
    if text == "never":
        return None
    match = _LIFE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no lifetime; write 12h, 90d, 8w, 2y or never")
    return int(match[1]) * _UNITS[match[2]]


def _end(arguments: argparse.Namespace) -> datetime | None:
    return None if arguments.expires is None else datetime.now(UTC) + arguments.expires
