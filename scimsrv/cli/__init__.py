"""The command line: arguments in, one call, results on stdout and everything else on stderr."""

import argparse
import sys
from collections.abc import Sequence

from scimsrv import __version__
from scimsrv.admin.client import ApiUnreachable, ClientError
from scimsrv.cli import (
    activity,
    admin,
    audit,
    badge,
    badges,
    client,
    completion,
    config,
    database,
    definition,
    deleted,
    doctor,
    index,
    job,
    openapi,
    pseudonym,
    serve,
    tenant,
    token,
    trust,
    verify,
)
from scimsrv.cli.common import DATABASE_FAILED, FAILED, INTERRUPTED, USAGE, CommandError, add_command, emit, note
from scimsrv.cli.manual import EXIT_CODES, complete_help
from scimsrv.cli.mistaken import Parser, unknown
from scimsrv.embedded import EmbeddedError
from scimsrv.listeners import ServeError
from scimsrv.settings import SettingsError
from scimsrv.store.badge_keys import BadgeKeyError
from scimsrv.store.connection import DatabaseError
from scimsrv.store.credentials import CredentialError
from scimsrv.store.indexes import AttributeIndexError
from scimsrv.store.migrate import MigrationError
from scimsrv.store.policy import PolicyError
from scimsrv.store.tenants import TenantError

_REFUSALS = (
    *(CommandError, ClientError, TenantError, CredentialError, PolicyError, AttributeIndexError, BadgeKeyError, MigrationError),
    ServeError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 wrong usage or settings, 3 no database, 130 interrupted."""
    arguments, extra = build_parser().parse_known_args(argv)
    if extra:
        unknown(arguments.parser, extra)
    try:
        code: int = arguments.run(arguments)
    except SettingsError as error:
        return _fail(error, USAGE)
    except _REFUSALS as error:
        return _fail(error, FAILED)
    except (DatabaseError, EmbeddedError, ApiUnreachable) as error:
        return _fail(error, DATABASE_FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left, as `| head` does.
        sys.stderr.close()
        return FAILED
    return code


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of all commands; each leaves the function that runs it in `run`."""
    parser = Parser(
        prog="scimsrv",
        description="A multi-tenant SCIM 2.0 provisioning server on Postgres.",
        epilog=f"Example:\n  scimsrv serve\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.register(commands)
    tenant.register(commands)
    token.register(commands)
    client.register(commands)
    trust.register(commands)
    admin.register(commands)
    index.register(commands)
    definition.register(commands)
    job.register(commands)
    badges.register(commands)
    audit.register(commands)
    activity.register(commands)
    deleted.register(commands)
    badge.register(commands)
    database.register(commands)
    config.register(commands)
    doctor.register(commands)
    verify.register(commands)
    openapi.register(commands)
    pseudonym.register(commands)
    completion.register(commands)
    version = add_command(commands, "version", "print the version", "scimsrv version", _version)
    version.add_argument("--json", action="store_true", help="print JSON")
    complete_help(parser)
    return parser


def _version(arguments: argparse.Namespace) -> int:
    emit(arguments, {"version": __version__}, __version__)
    return 0


def _fail(error: Exception, code: int) -> int:
    note(f"scimsrv: {error}")
    return code
