"""`scimsrv activity`: what a tenant's clients did lately, in sentences, and what they do now."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from scimsrv.admin.activity_models import Activity, ActivityFollow, ActivityPage, Outcome
from scimsrv.admin.verbs import Verbs
from scimsrv.cli.administer import add_administration, administer, asked
from scimsrv.cli.common import add_command, emit, note
from scimsrv.cli.token import life

_SHOWN: Final = 50


def register(commands: Any) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "activity",
        "show what a tenant's clients did lately, and what became of it",
        "scimsrv activity acme --outcome refused",
        _run,
    )
    parser.add_argument("tenant", help="the tenant")
    parser.add_argument("--follow", action="store_true", help="go on with what happens from now on, until interrupted")
    parser.add_argument("--user", metavar="USER", help="only what concerns this user: id or userName")
    parser.add_argument("--group", metavar="GROUP", help="only what concerns this group: id or displayName")
    parser.add_argument("--request", metavar="ID", help="only the request with this X-Request-Id")
    parser.add_argument("--outcome", choices=get_args(Outcome), help="only requests with this result; refused: all but ok")
    parser.add_argument("--since", type=life, metavar="TIME", help="only of the last 12h, 2d, …")
    parser.add_argument("--before", type=int, metavar="NUMBER", help="only what is numbered below: the next page")
    parser.add_argument("--count", type=int, default=_SHOWN, metavar="NUMBER", help=f"how many at most (default: {_SHOWN})")
    add_administration(parser)


def _run(arguments: argparse.Namespace) -> int:
    since = None if arguments.since is None else datetime.now(UTC) - arguments.since
    names = ("user", "group", "request", "outcome")
    given = {name: getattr(arguments, name) for name in names} | {"since": since}
    if arguments.follow:
        administer(arguments, lambda verbs: _follow(arguments, verbs, given))
        return 0
    page = asked(ActivityPage, before=arguments.before, count=arguments.count, **given)
    found = administer(arguments, lambda verbs: verbs.list_activity(arguments.tenant, page))
    emit(arguments, found.model_dump(), "\n".join(_line(one) for one in reversed(found.activity)))
    if not found.activity:
        note("The log has nothing of that kind.")
    if found.next is not None:
        note(f"There are more: --before {found.next}")
    return 0


async def _follow(arguments: argparse.Namespace, verbs: Verbs, given: Mapping[str, Any]) -> None:
    async for one in await verbs.follow_activity(arguments.tenant, asked(ActivityFollow, **given)):
        if one is not None:
            sys.stdout.write((one.model_dump_json() if arguments.json else _line(one)) + "\n")
            sys.stdout.flush()


def _line(one: Activity) -> str:
    return f"{one.at:%Y-%m-%d %H:%M:%SZ}  {one.sentence}  ({one.request_id})"
