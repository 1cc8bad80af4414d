"""`scimsrv badges`: what an operator does about a tenant's badges."""

import argparse
from typing import Any

from scimsrv.cli.administer import add_administration, administer
from scimsrv.cli.common import add_command, add_group, emit, note


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "badges", "look after a tenant's badges")
    recompute = add_command(
        group, "recompute", "have what follows from everybody's awards computed anew", "scimsrv badges recompute acme", _recompute
    )
    recompute.add_argument("tenant", help="the tenant")
    add_administration(recompute)


def _recompute(arguments: argparse.Namespace) -> int:
    job = administer(arguments, lambda verbs: verbs.recompute_badges(arguments.tenant))
    emit(arguments, {"job": job.model_dump()}, str(job.number))
    note(f"The servers compute it; `scimsrv job list {arguments.tenant}` shows how far they are.")
    return 0
