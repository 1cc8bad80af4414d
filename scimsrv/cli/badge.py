"""`scimsrv badge`: what is not signed, applications, and keys of issuers. No command shows a private key."""

import argparse
from datetime import UTC, datetime
from typing import Any

from scimsrv.admin import badge_models
from scimsrv.badges.signing import ALGORITHMS
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import add_command, add_group, emit, note, table


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    badge = add_group(commands, "badge", "manage badges")
    waiting = add_command(
        badge,
        "unsigned",
        "list the credentials of awards that are not signed, and why",
        "scimsrv badge unsigned --tenant acme",
        _unsigned,
    )
    applications = add_group(badge, "application", "manage applications that registered themselves for the Open Badges API")
    registered = add_command(
        applications,
        "list",
        "list the applications and how many users let them in",
        "scimsrv badge application list --tenant acme",
        _registered,
    )
    remove = add_command(
        applications,
        "remove",
        "remove an application with everything that users permitted it",
        "scimsrv badge application remove --tenant acme sba_0123456789abcdef",
        _remove,
    )
    remove.add_argument("application", metavar="ID", help="the application's id, as `badge application list` shows it")
    group = add_group(badge, "key", "manage the keys of badge issuers")
    listing = add_command(group, "list", "list the keys of a tenant's badge issuers", "scimsrv badge key list --tenant acme", _list)
    listing.add_argument("--issuer", metavar="ID", help="only those of this BadgeIssuer")
    rotate = add_command(
        group,
        "rotate",
        "make a badge issuer's next key; it is published now and signs after an hour",
        "scimsrv badge key rotate --tenant acme --issuer 0198c1f2 --alg ES256",
        _rotate,
    )
    rotate.add_argument("--purpose", choices=("token", "proof"), default="token", help="what it signs (default: token)")
    rotate.add_argument("--alg", choices=ALGORITHMS, help="algorithm (default: RS256 for tokens; proofs are EdDSA)")
    rotate.add_argument("--overlap", type=int, default=3_600, metavar="SECONDS", help="time until it signs (default: 3600)")
    retire = add_command(
        group,
        "retire",
        "let a key sign nothing more; what it signed still verifies",
        "scimsrv badge key retire --tenant acme --issuer 0198c1f2 dGh1bWI",
        _retire,
    )
    compromise = add_command(
        group,
        "compromise",
        "mark a key as known to others; what it signed since then is invalid, and signed again",
        "scimsrv badge key compromise --tenant acme --issuer 0198c1f2 dGh1bWI --since 2026-05-01T00:00:00Z",
        _compromise,
    )
    compromise.add_argument("--since", type=_moment, metavar="TIME", help="since when, such as 2026-05-01T00:00:00Z (default: now)")
    for parser in (retire, compromise):
        parser.add_argument("thumbprint", help="the key's thumbprint, as `badge key list` shows it")
    for parser in (rotate, retire, compromise):
        parser.add_argument("--issuer", required=True, metavar="ID", help="the id of the BadgeIssuer")
    for parser in (waiting, registered, remove, listing, rotate, retire, compromise):
        parser.add_argument("--tenant", required=True, metavar="SLUG", help="the tenant")
        add_administration(parser)


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_badge_keys(arguments.tenant, arguments.issuer))
    rows = [(one.thumbprint, one.issuer, one.purpose, one.alg, one.state, one.signs_from, one.compromised) for one in found.keys]
    emit(arguments, found.model_dump(), table(("THUMBPRINT", "ISSUER", "PURPOSE", "ALG", "STATE", "SIGNS FROM", "COMPROMISED"), rows))
    return 0


def _unsigned(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_waiting_credentials(arguments.tenant))
    rows = [(one.award, one.issuer, one.issued, one.failures, one.again, one.problem or "") for one in found.credentials]
    emit(arguments, found.model_dump(), table(("AWARD", "ISSUER", "ISSUED", "FAILURES", "AGAIN", "PROBLEM"), rows))
    return 0


def _registered(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_badge_applications(arguments.tenant))
    rows = [(one.id, one.client_name, one.client_uri, one.created, one.used, one.users) for one in found.applications]
    emit(arguments, found.model_dump(), table(("ID", "NAME", "URL", "REGISTERED", "USED", "USERS"), rows))
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    done = administer(arguments, lambda verbs: verbs.remove_badge_application(arguments.tenant, arguments.application))
    emit(arguments, done.model_dump(), f"removed {done.removed}")
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    wanted = asked(badge_models.BadgeKeyRotation, purpose=arguments.purpose, alg=arguments.alg, overlap=arguments.overlap)
    made = administer(arguments, lambda verbs: verbs.rotate_badge_key(arguments.tenant, arguments.issuer, wanted))
    emit(arguments, made.model_dump(), made.thumbprint)
    note(f"The {made.alg} key is published now and signs from {made.signs_from:%Y-%m-%d %H:%M:%SZ} on. Older ones stay published.")
    return 0


def _retire(arguments: argparse.Namespace) -> int:
    done = administer(arguments, lambda verbs: verbs.retire_badge_key(arguments.tenant, arguments.issuer, arguments.thumbprint))
    emit(arguments, done.model_dump(), f"{done.state} {done.thumbprint}")
    return 0


def _compromise(arguments: argparse.Namespace) -> int:
    wanted = asked(badge_models.BadgeKeyCompromise, since=arguments.since)
    done = administer(arguments, lambda verbs: verbs.compromise_badge_key(arguments.tenant, arguments.issuer, arguments.thumbprint, wanted))
    emit(arguments, done.model_dump(), f"{done.state} {done.thumbprint}")
    note("What this server keeps is signed again by the issuer's next key; copies that people have are invalid where it signed them since.")
    return 0


def _moment(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-05-01T00:00:00Z") from None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
