"""`scimsrv doctor --probe URL`: the connection tests of identity providers against a running server, this one or any other."""

import argparse
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scimsrv.cli.common import FAILED, CommandError, advised, emit
from scimsrv.probe.exchange import Prober
from scimsrv.probe.playing import Step, play
from scimsrv.settings import is_loopback


def add_probe(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the probe to the doctor's."""
    probe = parser.add_argument_group("probe", "play the connection tests of Entra ID and Okta instead, against a running server")
    probe.add_argument("--probe", metavar="URL", help="tenant URL, as it is entered at the identity provider")
    probe.add_argument("--token", metavar="TOKEN", help="its token; better given in a file")
    probe.add_argument("--token-file", metavar="FILE", help="file with the token; - for standard input")
    probe.add_argument("--write", action="store_true", help="also create a user and a group, change and delete them")
    probe.add_argument(
        "--allow-plain-http", action="store_const", const=True, help="send the token over http to an address other than loopback"
    )


def probe(arguments: argparse.Namespace) -> int:
    """Probe and print what was found; 1 where an identity provider would fail."""
    try:
        parts = urlsplit(arguments.probe)
    except ValueError as problem:
        raise CommandError(f"The URL cannot be read: {problem}.") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not arguments.allow_plain_http:
        raise CommandError(
            "Entra ID and Okta demand https, and the token would cross the network in clear text: give an https URL, or --allow-plain-http."
        )
    try:
        prober = Prober(arguments.probe, _token(arguments))
    except ValueError as problem:
        raise CommandError(str(problem)) from None
    findings = [_finding(step) for step in play(prober, writes=arguments.write)]
    rows = [
        (("ok" if one["ok"] else "MEND", one["for"], one["check"], f"{one['milliseconds']} ms", one["found"]), one["fix"])
        for one in findings
    ]
    emit(arguments, {"findings": findings}, advised(("", "FOR", "CHECK", "TIME", "FOUND"), rows))
    return 0 if all(one["ok"] for one in findings) else FAILED


def _finding(step: Step) -> dict[str, Any]:
    wrong = step.problem
    said = ("", "as expected", "") if wrong is None else wrong
    told = dict(zip(("problem", "found", "fix"), said, strict=True))
    return {"for": step.who, "check": step.what, "ok": wrong is None, "milliseconds": round(step.seconds * 1000)} | told


def _token(arguments: argparse.Namespace) -> str:
    if (arguments.token is None) == (arguments.token_file is None):
        raise CommandError("Say which token to show: --token-file FILE, or --token TOKEN.")
    if arguments.token is not None:
        return str(arguments.token)
    try:
        given = Path(arguments.token_file)
        return (sys.stdin.read() if str(given) == "-" else given.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise CommandError(f"The file {arguments.token_file} cannot be read: {problem}.") from None
