"""How the commands about tenants and tokens reach them: on the database, or through the admin API where its address is given."""

import argparse
import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from scimsrv.admin.client import Client
from scimsrv.admin.operations import Operations
from scimsrv.admin.verbs import Verbs
from scimsrv.cli.common import CommandError, add_common, on_database, settings_of, tenant_url
from scimsrv.errors import ScimError
from scimsrv.keys import ServerKeys
from scimsrv.settings import SettingsError

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


def add_administration(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which database or admin API a command works on and how it prints."""
    add_common(parser)
    parser.add_argument(
        "--admin-url", metavar="URL", help="admin API to speak to instead of a database; its token comes from SCIMSRV_ADMIN_TOKEN(_FILE)"
    )


def administer(arguments: argparse.Namespace, work: Callable[[Verbs], Awaitable[_T]]) -> _T:
    """Do the work by the way that the settings name, and return its result.

    Raises SettingsError for an admin API without a token or over plain http, and whatever the verbs raise.
    """
    settings = settings_of(arguments)
    if settings.admin_url is None:
        try:
            return on_database(
                settings,
                lambda connection: work(
                    Operations(
                        *(connection, actor()),
                        lambda label: ServerKeys.load(settings).derive(label),
                        lambda slug: tenant_url(settings, slug),
                    )
                ),
            )
        except ScimError as refused:
            raise CommandError(f"{refused.sentence}.") from None
    if settings.admin_token is None:
        raise SettingsError("The admin API needs a token: set SCIMSRV_ADMIN_TOKEN, or SCIMSRV_ADMIN_TOKEN_FILE to a file with it.")
    try:
        client = Client(settings.admin_url, settings.admin_token, allow_plain_http=settings.allow_plain_http)
    except ValueError as error:
        raise SettingsError(str(error)) from None

    async def ask() -> _T:
        return await work(client)

    return asyncio.run(ask())


def actor() -> str:
    """Who is recorded as having done what a command does on the database."""
    try:
        return f"command:{getpass.getuser()}"
    except (OSError, KeyError):  # an account without a name, as containers have
        return "command"


def asked(model: type[_M], **values: Any) -> _M:
    """The request's model. Raises CommandError that names what is wrong with it."""
    try:
        return model.model_validate(values)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        raise CommandError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}.") from None
