"""`scimsrv config`: the settings as a server would read them here."""

import argparse
import os
from typing import Any

from scimsrv.cli.common import CommandError, add_command, add_common, add_group, emit, note, settings_of, table
from scimsrv.cli.serve import check_external
from scimsrv.listeners import check_exposure
from scimsrv.reloading import check_tls
from scimsrv.settings import SECRETS, Settings
from scimsrv.tracing import TracingError, wanted


def register(commands: Any) -> None:
    """Add the command and its subcommands."""
    group = add_group(commands, "config", "look at the settings that file, environment and flags come to")
    add_common(add_command(group, "show", "show every setting; of secrets only whether they are set", "scimsrv config show --json", _show))
    check = "check the settings as a start would, without one; exit code 2 when something is wrong with them"
    add_common(add_command(group, "check", check, "scimsrv config check --config new.toml", _check))


def _show(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    given = settings.model_dump(mode="json")
    shown = {name: "***" if name in SECRETS and value is not None else value for name, value in given.items()}
    rows = [(name, value, "set" if name in settings.model_fields_set else "default") for name, value in shown.items()]
    emit(arguments, shown, table(("SETTING", "VALUE", ""), rows))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    settings: Settings = settings_of(arguments)
    check_exposure(settings)
    check_tls(settings)
    if not settings.embedded:
        check_external(settings)
    try:
        wanted(os.environ)
    except TracingError as error:
        raise CommandError(str(error)) from None
    emit(arguments, {"ok": True}, "")
    note("The settings are in order. `scimsrv doctor` examines what they lead to.")
    return 0
