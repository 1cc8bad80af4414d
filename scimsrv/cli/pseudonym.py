"""`scimsrv pseudonym`: by which word the log has a userName, to find the lines of a person."""

import argparse
from typing import Any

from scimsrv.cli.common import add_command, add_common, emit, settings_of
from scimsrv.keys import PSEUDONYM_KEY, ServerKeys
from scimsrv.pseudonyms import pseudonym


def register(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pseudonym",
        "print the words by which the log has a userName, where log_pii = hash: that of the present key, then those of former ones",
        "scimsrv pseudonym acme ana@example.com",
        _run,
    )
    parser.add_argument("tenant", help="the tenant")
    parser.add_argument("user_name", metavar="USERNAME", help="the userName, in any spelling that counts as the same")
    parser.add_argument("--secret-key-file", metavar="KEY", help="file with the server's secret key")
    add_common(parser)


def _run(arguments: argparse.Namespace) -> int:
    keys = ServerKeys.load(settings_of(arguments)).derive_all(PSEUDONYM_KEY)
    words = [pseudonym(key, arguments.tenant, arguments.user_name) for key in keys]
    emit(arguments, {"user_hash": words}, "\n".join(words))
    return 0
