"""`scimsrv completion` and `scimsrv man`: the command line told to a shell, and to man(1)."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from scimsrv import __version__
from scimsrv.cli.common import add_command
from scimsrv.cli.manual import Command, commands_of, manual

_BASH: Final = """\
_scimsrv() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" command="" words="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$command ${{COMP_WORDS[i]}}" in
            {paths}) command="$command ${{COMP_WORDS[i]}}" ;;
        esac
    done
    COMPREPLY=()
    case "$command $previous" in
{values}
    esac
    case "$command" in
{words}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _scimsrv scimsrv
"""

_ZSH: Final = """\
#compdef scimsrv
_scimsrv() {{
    local command="" i
    local -a words_here
    for ((i = 2; i < CURRENT; i++)); do
        case "$command ${{words[i]}}" in
            {paths}) command="$command ${{words[i]}}" ;;
        esac
    done
    case "$command ${{words[CURRENT-1]}}" in
{values}
    esac
    case "$command" in
{words}
    esac
    _describe -t commands scimsrv words_here || _files
}}
compdef _scimsrv scimsrv
"""

_FISH: Final = """\
function __scimsrv_command
    set -l command ""
    for word in (commandline -opc)[2..-1]
        switch "$command $word"
            case {paths}
                set command "$command $word"
        end
    end
    echo "$command"
end
complete -c scimsrv -e
{lines}
"""


def register(commands: Any) -> None:
    """Add the commands."""
    parser = add_command(
        commands,
        "completion",
        "print a script that completes commands and flags in a shell",
        "scimsrv completion bash > /etc/bash_completion.d/scimsrv",
        _completion,
    )
    parser.add_argument("shell", choices=sorted(_SCRIPTS), help="the shell")
    add_command(commands, "man", "print the manual page", "scimsrv man > /usr/local/share/man/man1/scimsrv.1", _man)


def _completion(arguments: argparse.Namespace) -> int:
    sys.stdout.write(_SCRIPTS[arguments.shell](_commands()))
    return 0


def _man(arguments: argparse.Namespace) -> int:
    from scimsrv.cli import build_parser

    sys.stdout.write(manual(build_parser(), __version__))
    return 0


def _commands() -> list[Command]:
    from scimsrv.cli import build_parser

    return list(commands_of(build_parser()))


def _path(command: Command) -> str:
    """A command as the scripts know it: each word with a space before it."""
    return "".join(f" {word}" for word in command.words)


def _bash(commands: Sequence[Command]) -> str:
    words, values = [], []
    for command in commands:
        options = [spelling for flag in command.options for spelling in flag.spellings]
        words.append(f'        "{_path(command)}") words="{" ".join([*command.subcommands, *_positional(command), *options])}" ;;')
        for flag in command.options:
            if flag.values is not None:
                cases = "|".join(f'"{_path(command)} {spelling}"' for spelling in flag.spellings)
                # What is not one of a few values may be a file: an empty answer makes bash look for one.
                chosen = f'COMPREPLY=($(compgen -W "{" ".join(flag.values)}" -- "$current"))' if flag.values else ":"
                values.append(f"        {cases}) {chosen}; return ;;")
    return _BASH.format(paths=_quoted(commands, "|"), values="\n".join(values), words="\n".join(words))


def _zsh(commands: Sequence[Command]) -> str:
    words, values = [], []
    for command in commands:
        shown = [f"{name}:{about}" for name, about in command.subcommands.items()] + list(_positional(command))
        shown += [f"{spelling}:{flag.about}" for flag in command.options for spelling in flag.spellings]
        words.append(f'        "{_path(command)}") words_here=({" ".join(_plain(one) for one in shown)}) ;;')
        for flag in command.options:
            if flag.values is not None:
                cases = "|".join(f'"{_path(command)} {spelling}"' for spelling in flag.spellings)
                chosen = f"compadd -- {' '.join(flag.values)}" if flag.values else "_files"
                values.append(f"        {cases}) {chosen}; return ;;")
    return _ZSH.format(paths=_quoted(commands, "|"), values="\n".join(values), words="\n".join(words))


def _fish(commands: Sequence[Command]) -> str:
    lines = []
    for command in commands:
        here = f"complete -c scimsrv -n 'test (__scimsrv_command) = \"{_path(command)}\"'"
        for name, about in command.subcommands.items():
            lines.append(f"{here} -f -a {name} -d {_plain(about)}")
        if _positional(command):
            lines.append(f"{here} -f -a {_plain(' '.join(_positional(command)))}")
        for flag in command.options:
            spelled = " ".join(f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in flag.spellings)
            given = "" if flag.values is None else f" -x -a {_plain(' '.join(flag.values))}" if flag.values else " -r"
            lines.append(f"{here} {spelled}{given} -d {_plain(flag.about)}")
    return _FISH.format(paths=_quoted(commands, " "), lines="\n".join(lines))


def _positional(command: Command) -> tuple[str, ...]:
    """The values of those arguments that have no name and may be one of a few."""
    return tuple(value for flag in command.flags if not flag.spellings for value in flag.values or ())


def _quoted(commands: Sequence[Command], between: str) -> str:
    return between.join(f'"{_path(command)}"' for command in commands if command.words)


def _plain(text: str) -> str:
    return shlex.quote(text.replace("'", "’").replace("\n", " "))


_SCRIPTS: Final[dict[str, Callable[[Sequence[Command]], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
