"""What the commands say of themselves: the sections under every `--help`, the tree that completion goes by, and the manual page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from scimsrv.settings import PREFIX, SECRETS, Settings

EXIT_CODES: Final = (
    "Exit codes:\n  0 done, 1 refused or failed, 2 wrong usage or settings,\n"
    "  3 the database or the admin API cannot be reached, 130 interrupted"
)

_CONFIG: Final = f"{PREFIX}CONFIG"
_OTHERS: Final = f"any other setting may be given as {PREFIX}<NAME>, too"


@dataclass(frozen=True, slots=True)
class Flag:
    """An argument of a command: its spellings (none for a positional one), what it is for, and what its value may be (None: it has none;
    empty: anything)."""

    spellings: tuple[str, ...]
    about: str
    values: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command by the words that follow the program's name, with its subcommands by name and what each does."""

    words: tuple[str, ...]
    about: str
    subcommands: dict[str, str]
    flags: tuple[Flag, ...]
    parser: argparse.ArgumentParser

    @property
    def options(self) -> tuple[Flag, ...]:
        """The arguments that have a name."""
        return tuple(flag for flag in self.flags if flag.spellings)


def commands_of(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """The program and every command below it, those that only have subcommands included."""
    group = next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)
    summaries = {} if group is None else {choice.dest: choice.help or "" for choice in group._choices_actions}
    flags = tuple(_flag(action) for action in parser._actions if action is not group and action.help != argparse.SUPPRESS)
    yield Command(words, parser.description or "", summaries, flags, parser)
    for name, child in (group.choices if group is not None else {}).items():
        yield from commands_of(child, (*words, name))


def complete_help(parser: argparse.ArgumentParser) -> None:
    """Add to the help of every command the environment that it looks at, and to those that only have subcommands what is missing."""
    for command in commands_of(parser):
        said = command.parser.epilog or f"Example:\n  {_example(command)}\n\n{EXIT_CODES}"
        command.parser.epilog = f"{said}\n\nEnvironment:\n{_environment(command)}"
        command.parser.formatter_class = argparse.RawDescriptionHelpFormatter


def manual(parser: argparse.ArgumentParser, version: str) -> str:
    """The manual page of the program, for man(1)."""
    commands = list(commands_of(parser))
    lines = [f'.TH SCIMSRV 1 "" "scimsrv {_roff(version)}" "User Commands"', ".SH NAME", f"scimsrv \\- {_roff(parser.description or '')}"]
    lines += [".SH SYNOPSIS", ".B scimsrv", ".I COMMAND", "[options]", ".SH COMMANDS"]
    for command in commands[1:]:
        if not command.subcommands:
            lines += [".SS " + _roff(f"scimsrv {' '.join(command.words)}"), _roff(command.about)]
            for flag in command.flags:
                lines += [".TP", _roff(", ".join(flag.spellings) or flag.about), *([_roff(flag.about)] if flag.spellings else [])]
            lines += [".PP", ".nf", *(_roff(line) for line in _example_of(command.parser)), ".fi"]
    lines += [".SH EXIT STATUS", *(_roff(line.strip()) for line in EXIT_CODES.splitlines()[1:]), ".SH ENVIRONMENT"]
    for name, field in Settings.model_fields.items():
        lines += [".TP", f".B {_variable(name)}", _roff(field.description or "")]
    return "\n".join(lines) + "\n"


def _flag(action: argparse.Action) -> Flag:
    values = None if action.nargs == 0 else tuple(str(choice) for choice in action.choices or ())
    return Flag(tuple(action.option_strings), action.help or str(action.metavar or action.dest), values)


def _example(command: Command) -> str:
    return " ".join(("scimsrv", *command.words, next(iter(command.subcommands)), "--help"))


def _example_of(parser: argparse.ArgumentParser) -> list[str]:
    """The lines of the example in a command's help."""
    return (parser.epilog or "").partition("\n\n")[0].splitlines()


def _environment(command: Command) -> str:
    """The variables of the settings that are arguments of the command, in its order."""
    names = [action.dest for action in command.parser._actions if action.dest in Settings.model_fields]
    if not names:
        return "  none" if not command.subcommands else f"  {PREFIX}<NAME> for every setting; see the commands below it"
    return "\n".join(f"  {line}" for line in (_CONFIG, *(_variable(name) for name in names), _OTHERS))


def _variable(name: str) -> str:
    from_file = name in SECRETS and f"{name}_file" not in Settings.model_fields
    return PREFIX + name.upper() + (f", or {PREFIX}{name.upper()}_FILE" if from_file else "")


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
