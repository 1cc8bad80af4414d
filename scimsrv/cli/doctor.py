"""`scimsrv doctor`: examine settings, machine and database, and say for each finding how to mend it."""

import argparse
import asyncio
from typing import Any

from scimsrv import __version__
from scimsrv.badges.bake import IMPLEMENTATION, PACKAGE
from scimsrv.badges.contexts import load
from scimsrv.badges.integrity import Canonicalizer
from scimsrv.cli.common import FAILED, CommandError, add_command, add_common, advised, database_url, emit, settings_of
from scimsrv.cli.probing import add_probe, probe
from scimsrv.cli.surroundings import examine_issuers, examine_machine
from scimsrv.settings import Settings
from scimsrv.store.checkup import Finding, examine
from scimsrv.store.connection import DatabaseError
from scimsrv.store.isolation import check_at


def register(commands: Any) -> None:
    """Add the command."""
    summary = "examine settings, machine and database, or probe a server; exit code 1 when something has to be mended"
    parser = add_command(
        commands, "doctor", summary, "scimsrv doctor --probe https://scim.example.com/scim/acme/v2 --token-file entra.token", _doctor
    )
    add_common(parser)
    add_probe(parser)


def _doctor(arguments: argparse.Namespace) -> int:
    if arguments.probe is not None:
        return probe(arguments)
    if arguments.token is not None or arguments.token_file is not None or arguments.write:
        raise CommandError("--token, --token-file and --write go with --probe URL, the tenant URL of the server to be probed.")
    settings = settings_of(arguments)
    findings = [*examine_machine(settings), _badges(), _contexts(settings)]
    try:
        with database_url(settings) as dsn:
            # Of a database of one's own what counts is how requests are served.
            served = settings.database_url or dsn
            findings += asyncio.run(examine(served, statement_cache=settings.statement_cache, isolated=settings.isolated))
            findings.append(_isolation(settings, served))
            if all(one.ok for one in findings if one.check == "schema"):
                findings += asyncio.run(examine_issuers(dsn, settings))
    except DatabaseError as error:
        findings.append(Finding("connection", False, str(error), "start the database, or correct database_url"))
    rows = [(("ok" if one.ok else "MEND", one.check, one.found), "" if one.ok else one.fix) for one in findings]
    emit(arguments, {"findings": findings}, advised(("", "CHECK", "FOUND"), rows))
    return 0 if all(one.ok for one in findings) else FAILED


def _isolation(settings: Settings, dsn: str) -> Finding:
    """Whether what the settings say keeps tenants apart does so for the role that requests are served as."""
    try:
        asyncio.run(check_at(dsn, isolated=settings.isolated))
    except DatabaseError as error:
        return Finding("isolation", False, str(error), "see docs/isolation.md")
    return Finding("isolation", True, settings.isolation, "")


def _badges() -> Finding:
    if PACKAGE not in (None, __version__):
        found = f"scimsrv-badges {PACKAGE} is not the server's version: badges are baked in Python"
        return Finding("badges", False, found, f"install scimsrv-badges {__version__}, or none")
    return Finding("badges", True, f"baked in {IMPLEMENTATION.capitalize()}", "")


def _contexts(settings: Settings) -> Finding:
    """Whether credentials with embedded proofs can be made; without them there are tokens."""
    try:
        problem = Canonicalizer(load(settings.badge_contexts)).problem()
    except OSError as error:
        return Finding("badge contexts", False, f"the folder cannot be read: {error}", "correct badge_contexts")
    return Finding("badge contexts", True, "all there" if problem is None else f"no embedded proofs: {problem}", "")
