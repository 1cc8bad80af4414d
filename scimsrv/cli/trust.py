"""`scimsrv trust`: issuers whose JWTs a tenant trusts."""

import argparse
from pathlib import Path
from typing import Any, Final

from scimsrv.admin import granting_models as models
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.client import add_extent, read_keys
from scimsrv.cli.common import CommandError, add_command, add_group, emit, table
from scimsrv.oauth.jose import ALGORITHMS
from scimsrv.oauth.trusting import ENTRA_AUDIENCE
from scimsrv.scopes import ROLES

_ENTRA_ISSUER: Final = "https://sts.windows.net/{}/"
_ENTRA_KEYS: Final = "https://login.microsoftonline.com/{}/discovery/keys"


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "trust", "manage the issuers of tokens that tenants trust")
    add = add_command(
        group,
        "add",
        "trust the tokens of an issuer",
        "scimsrv trust add --tenant acme --entra DIRECTORY --app APP",
        _add,
    )
    add.add_argument("--label", default="default", help="whose issuer it is (default: default)")
    add.add_argument(
        "--entra", metavar="DIRECTORY", help="Entra ID's provisioning tokens for the directory with this id; sets what is not given"
    )
    add.add_argument("--app", metavar="ID", help="with --entra: the application whose tokens they are (claim appid)")
    add.add_argument("--issuer", metavar="URL", help="the value of iss, exactly")
    add.add_argument("--audience", action="append", metavar="TEXT", help="repeatable: a value of aud")
    add.add_argument("--pin", action="append", default=[], metavar="CLAIM=VALUE", help="repeatable: a claim and a value that it may have")
    add.add_argument("--jwks", type=Path, metavar="FILE", help="its public keys (JWK Set)")
    add.add_argument("--jwks-uri", metavar="URL", help="where its keys are; fetched from hosts that the setting jwks_hosts lists")
    add.add_argument("--algorithm", action="append", choices=ALGORITHMS, metavar="ALG", help=f"repeatable: {', '.join(ALGORITHMS)}")
    add.add_argument(
        "--use", action="append", choices=("bearer", "exchange"),
        help="repeatable: its tokens open the tenant, or get access tokens at the token endpoint (default: exchange; with --entra bearer)",
    )  # fmt: skip
    add.add_argument("--single-use", action="store_true", help="each token is good for one exchange and needs a jti")
    add.add_argument(
        "--role",
        action="append",
        default=[],
        metavar="ROLE:CLAIM=VALUE",
        help=f"repeatable: who has the claim has the role ({', '.join(ROLES)})",
    )
    add_extent(add)
    remove = add_command(group, "remove", "trust an issuer no more, at once", "scimsrv trust remove --tenant acme ID", _remove)
    remove.add_argument("trust", metavar="ID", help="the trust's id, as `trust list` shows it")
    listing = add_command(group, "list", "list the issuers that a tenant trusts", "scimsrv trust list --tenant acme", _list)
    for parser in (add, remove, listing):
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")
        add_administration(parser)


def _add(arguments: argparse.Namespace) -> int:
    wanted = asked(models.TrustCreation, **_entra(arguments) if arguments.entra else _given(arguments))
    made = administer(arguments, lambda verbs: verbs.add_trust(arguments.tenant, wanted))
    emit(arguments, made.model_dump(exclude={"last_used"}), made.id)
    return 0


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the flags say."""
    pins: dict[str, list[str]] = {}
    for claim, value in map(_pair, arguments.pin):
        pins.setdefault(claim, []).append(value)
    found = {
        "label": arguments.label,
        "issuer": arguments.issuer or "",
        "audiences": arguments.audience or [],
        "pins": pins,
        "jwks": read_keys(arguments.jwks),
        "jwks_uri": arguments.jwks_uri,
        "uses": arguments.use or ["exchange"],
        "single_use": arguments.single_use,
        "scopes": arguments.scope if arguments.scope is not None else [] if arguments.role else ["scim"],
        "types": arguments.type,
        "networks": arguments.network,
        "roles": [_rule(text) for text in arguments.role],
        "lifetime": arguments.lifetime,
    }
    return found | ({"algorithms": arguments.algorithm} if arguments.algorithm else {})


def _entra(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, completed for the tokens by which Entra ID provisions."""
    if arguments.app is None:
        raise CommandError("--entra needs --app: the audience of the tokens is that of all applications, whose ever they are.")
    directory = arguments.entra.lower()
    found = _given(arguments)
    found["issuer"] = arguments.issuer or _ENTRA_ISSUER.format(directory)
    found["audiences"] = arguments.audience or [ENTRA_AUDIENCE]
    found["pins"] = {"tid": [directory], "appid": [arguments.app]} | found["pins"]
    found["uses"] = arguments.use or ["bearer"]
    found["algorithms"] = arguments.algorithm or ["RS256"]
    if arguments.jwks is None and arguments.jwks_uri is None:
        found["jwks_uri"] = _ENTRA_KEYS.format(directory)
    return found


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_trusts(arguments.tenant))
    heads = ("ID", "LABEL", "ISSUER", "PINS", "USES", "SCOPES", "KEYS", "LAST USED")
    rows = [
        (
            *(one.id, one.label, one.issuer, [f"{claim}={'|'.join(values)}" for claim, values in one.pins.items()]),
            *(one.uses, one.scopes, one.jwks_uri or "given", one.last_used),
        )
        for one in found.trusts
    ]
    emit(arguments, found.model_dump(), table(heads, rows))
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    done = administer(arguments, lambda verbs: verbs.remove_trust(arguments.tenant, arguments.trust))
    emit(arguments, done.model_dump(), f"removed {done.removed}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    claim, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{text!r} has no value; write CLAIM=VALUE.")
    return claim, value


def _rule(text: str) -> dict[str, str]:
    role, colon, rest = text.partition(":")
    if not colon:
        raise CommandError(f"{text!r} names no role; write ROLE:CLAIM=VALUE.")
    claim, value = _pair(rest)
    return {"role": role, "claim": claim, "value": value}
