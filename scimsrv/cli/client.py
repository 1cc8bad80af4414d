"""`scimsrv client`: OAuth clients of a tenant. A secret is printed once, alone on stdout after the client's id."""

import argparse
from pathlib import Path
from typing import Any

import orjson

from scimsrv.admin import granting_models as models
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import CommandError, add_command, add_group, emit, note, table
from scimsrv.cli.token import add_narrowing, end, life
from scimsrv.scopes import ALIASES, SCOPES


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "client", "manage the OAuth clients of tenants")
    create = add_command(
        group, "create", "create an OAuth client, print its id and, this once, its secret", "scimsrv client create --tenant acme", _create
    )
    create.add_argument("--label", default="default", help="what the client is (default: default)")
    add_extent(create)
    create.add_argument("--jwks", type=Path, metavar="FILE", help="its public keys (JWK Set): it signs assertions and has no secret")
    rotate = add_command(
        group, "rotate", "print a client's next secret; the old one works 7 more days", "scimsrv client rotate --tenant acme ID", _rotate
    )
    rotate.add_argument("--jwks", type=Path, metavar="FILE", help="for a client that signs: its next public keys, beside the present ones")
    for parser in (create, rotate):
        parser.add_argument(
            "--expires", type=life, default="365d", metavar="LIFE", help="end of the secret: 12h, 90d, 2y or never (default: 365d)"
        )
    revoke = add_command(group, "revoke", "end a client, or one of its secrets, at once", "scimsrv client revoke --tenant acme ID", _revoke)
    revoke.add_argument("--secret", metavar="KID", help="end this secret alone, by its second part; access tokens end in any case")
    for parser in (rotate, revoke):
        parser.add_argument("client", metavar="ID", help="the client's id, as `client list` shows it")
    listing = add_command(group, "list", "list a tenant's OAuth clients", "scimsrv client list --tenant acme", _list)
    for parser in (create, rotate, revoke, listing):
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")
        add_administration(parser)


def add_extent(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how far access goes."""
    parser.add_argument("--scope", action="append", metavar="SCOPE", help=f"repeatable: {', '.join((*ALIASES, *SCOPES))} (default: scim)")
    add_narrowing(parser)
    parser.add_argument("--lifetime", type=int, default=3600, metavar="SECONDS", help="how long access tokens work (default: 3600)")


def read_keys(path: Path | None) -> Any:
    """The JWK Set in a file, None without one. Raises CommandError."""
    if path is None:
        return None
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise CommandError(f"The key set {path} cannot be read: {error}.") from None


def _create(arguments: argparse.Namespace) -> int:
    wanted = asked(
        models.ClientCreation,
        label=arguments.label,
        scopes=arguments.scope or ["scim"],
        types=arguments.type,
        networks=arguments.network,
        lifetime=arguments.lifetime,
        jwks=read_keys(arguments.jwks),
        expires=end(arguments),
    )
    return _hand_out(arguments, administer(arguments, lambda verbs: verbs.create_client(arguments.tenant, wanted)))


def _rotate(arguments: argparse.Namespace) -> int:
    wanted = asked(models.ClientRotation, expires=end(arguments), jwks=read_keys(arguments.jwks))
    return _hand_out(arguments, administer(arguments, lambda verbs: verbs.rotate_client(arguments.tenant, arguments.client, wanted)))


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_clients(arguments.tenant))
    heads = ("ID", "LABEL", "SCOPES", "TYPES", "NETWORKS", "SECRETS", "CREATED", "LAST USED")
    rows = [
        (
            *(one.id, one.label, one.scopes, one.types or None, one.networks or None),
            "signs"
            if one.signs
            else [f"{secret.kid}:{secret.expires:%Y-%m-%d}" if secret.expires else secret.kid for secret in one.secrets],
            *(one.created, one.last_used),
        )
        for one in found.clients
    ]
    emit(arguments, found.model_dump(), table(heads, rows))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    done = administer(arguments, lambda verbs: verbs.revoke_client(arguments.tenant, arguments.client, arguments.secret))
    emit(arguments, done.model_dump(), f"revoked {done.revoked}")
    return 0


def _hand_out(arguments: argparse.Namespace, made: models.NewClient) -> int:
    emit(arguments, made.model_dump(exclude={"last_used"}), "\n".join(filter(None, (made.id, made.secret))))
    note(f"Token endpoint {made.token_endpoint}, tenant URL {made.url}." + (" The secret is not shown again." if made.secret else ""))
    return 0
