"""`scimsrv token`: create, list, revoke, rotate. A token is printed once, alone on stdout."""

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from scimsrv.admin import models
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import add_command, add_group, emit, note, table
from scimsrv.scopes import ALIASES, SCOPES, expand
from scimsrv.store.credentials import CredentialError

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
    add_narrowing(create)
    rotate = add_command(
        group, "rotate", "create a label's next token; the old one works 7 more days", "scimsrv token rotate --tenant acme", _rotate
    )
    rotate.add_argument("--label", default="default", help="label of the token to replace (default: default)")
    for parser in (create, rotate):
        parser.add_argument("--expires", type=life, default="365d", metavar="LIFE", help="such as 12h, 90d, 2y, or never (default: 365d)")
    revoke = add_command(group, "revoke", "end a token at once", "scimsrv token revoke --tenant acme k3x9ab", _revoke)
    revoke.add_argument("kid", help="the token's id, its second part, as `token list` shows it")
    listing = add_command(group, "list", "list a tenant's tokens", "scimsrv token list --tenant acme", _list)
    for parser in (create, rotate, revoke, listing):
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")
        add_administration(parser)


def _create(arguments: argparse.Namespace) -> int:
    try:
        scopes = expand(arguments.scope or ["scim" if arguments.subject is None else "scim:me"])
    except ValueError as error:
        raise CredentialError(str(error)) from None
    narrowed = {"subject": arguments.subject, "types": arguments.type, "networks": arguments.network}
    wanted = asked(models.TokenCreation, label=arguments.label, scopes=scopes, expires=end(arguments), **narrowed)
    return _hand_out(arguments, administer(arguments, lambda verbs: verbs.create_token(arguments.tenant, wanted)))


def _rotate(arguments: argparse.Namespace) -> int:
    wanted = asked(models.TokenRotation, label=arguments.label, expires=end(arguments))
    return _hand_out(arguments, administer(arguments, lambda verbs: verbs.rotate_token(arguments.tenant, wanted)))


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_tokens(arguments.tenant))
    rows = [(one.kid, one.label, one.scopes, one.created, one.expires, one.last_used, one.subject or "") for one in found.tokens]
    emit(arguments, found.model_dump(), table(("ID", "LABEL", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "SUBJECT"), rows))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    done = administer(arguments, lambda verbs: verbs.revoke_token(arguments.tenant, arguments.kid))
    emit(arguments, done.model_dump(), f"revoked {done.revoked}")
    return 0


def _hand_out(arguments: argparse.Namespace, made: models.NewToken) -> int:
    emit(arguments, made.model_dump(exclude={"last_used"}), made.token)
    ends = made.expires.strftime("%Y-%m-%d") if made.expires else "never"
    note(f"Tenant URL {made.url}, label {made.label}, expires {ends}. The token is not shown again.")
    return 0


def add_narrowing(parser: argparse.ArgumentParser) -> None:
    """Add the flags that narrow a credential."""
    parser.add_argument(
        "--type", action="append", default=[], metavar="TYPE", help="repeatable: resource types it is good for (default: all)"
    )
    parser.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="repeatable: where it may be used from (default: anywhere)"
    )


def life(text: str) -> timedelta | None:
    """The lifetime that a flag names, None for `never`. Raises ArgumentTypeError."""
    if text == "never":
        return None
    match = _LIFE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no lifetime; write 12h, 90d, 8w, 2y or never")
    return int(match[1]) * _UNITS[match[2]]


def end(arguments: argparse.Namespace) -> datetime | None:
    """When the lifetime that was asked for ends, None for never."""
    return None if arguments.expires is None else datetime.now(UTC) + arguments.expires
