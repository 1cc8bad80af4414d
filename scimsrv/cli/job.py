"""`scimsrv job` and `scimsrv removed`: what the background does with a tenant's resources, and values of removed attributes."""

import argparse
from typing import Any

from scimsrv.cli.administer import add_administration, administer
from scimsrv.cli.common import add_command, add_group, emit, note, table


def register(commands: Any) -> None:
    """Add both commands and their subcommands."""
    group = add_group(commands, "job", "look after what follows from changes of schemas in the background")
    listing = add_command(group, "list", "list a tenant's jobs and how far they are", "scimsrv job list acme", _list)
    retry = add_command(group, "retry", "have a failed job begin again", "scimsrv job retry acme 3", _retry)
    values = add_group(commands, "removed", "manage values of attributes that were removed from a tenant's schemas")
    kept = add_command(values, "list", "list the removed attributes of which values are kept", "scimsrv removed list acme", _list_removed)
    restore = add_command(
        values, "restore", "put values back, once the attribute is defined again", "scimsrv removed restore acme Device model", _restore
    )
    purge = add_command(values, "purge", "destroy values, for good", "scimsrv removed purge acme Device model", _purge)
    for parser in (listing, retry, kept, restore, purge):
        parser.add_argument("tenant", help="the tenant")
    retry.add_argument("number", type=int, help="the job's number")
    for parser in (restore, purge):
        parser.add_argument("type", help="the resource type")
        parser.add_argument("attribute", help="the attribute, as `removed list` shows it")
    for parser in (listing, retry, kept, restore, purge):
        add_administration(parser)


def _list(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_jobs(arguments.tenant))
    rows = [(one.number, one.kind, one.subject, one.state, f"{one.done} of {one.total}", one.since) for one in found.jobs]
    emit(arguments, found.model_dump(), table(("NUMBER", "KIND", "SUBJECT", "STATE", "DONE", "SINCE"), rows))
    return 0


def _retry(arguments: argparse.Namespace) -> int:
    job = administer(arguments, lambda verbs: verbs.retry_job(arguments.tenant, arguments.number))
    emit(arguments, {"job": job.model_dump()}, job.state)
    return 0


def _list_removed(arguments: argparse.Namespace) -> int:
    found = administer(arguments, lambda verbs: verbs.list_removed(arguments.tenant))
    rows = [(one.type, one.attribute, one.resources, one.removed) for one in found.removed]
    emit(arguments, found.model_dump(), table(("TYPE", "ATTRIBUTE", "RESOURCES", "LAST REMOVED"), rows))
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    job = administer(arguments, lambda verbs: verbs.restore_removed(arguments.tenant, arguments.type, arguments.attribute))
    emit(arguments, {"job": job.model_dump()}, str(job.number))
    note(f"The servers put the values back; `scimsrv job list {arguments.tenant}` shows how far they are.")
    return 0


def _purge(arguments: argparse.Namespace) -> int:
    job = administer(arguments, lambda verbs: verbs.purge_removed(arguments.tenant, arguments.type, arguments.attribute))
    emit(arguments, {"job": job.model_dump()}, str(job.number))
    note(f"The servers destroy the values; `scimsrv job list {arguments.tenant}` shows how far they are.")
    return 0
