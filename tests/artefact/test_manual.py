"""What the commands say of themselves: every `--help`, completion in the shells that are installed, the manual page."""

import contextlib
import io
import shutil
import subprocess
from pathlib import Path

import pytest

from scimsrv.cli import build_parser, main
from scimsrv.cli.manual import Command, commands_of
from scimsrv.settings import Settings

COMMANDS = list(commands_of(build_parser()))

#: What stands before the cursor, and what has to be among the answers, and what must not.
_CASES = [
    (("",), {"serve", "tenant", "completion"}, {"create", "--port"}),
    (("ten",), {"tenant"}, {"token"}),
    (("tenant", ""), {"create", "policy"}, {"serve"}),
    (("tenant", "policy", ""), {"show", "set"}, {"create"}),
    (("tenant", "create", "--"), {"--preset", "--json"}, {"--port"}),
    (("tenant", "create", "--json", "--"), {"--preset"}, {"--port"}),
    (("tenant", "create", "--preset", ""), {"entra", "okta"}, {"--json"}),
    (("completion", ""), {"bash", "fish", "zsh"}, {"serve"}),
]

#: A call of the function in each shell, as the shell makes it, with the answers one in each line.
_BASH = 'source "$1"; shift; COMP_WORDS=(scimsrv "$@"); COMP_CWORD=$#; _scimsrv; printf "%s\\n" "${COMPREPLY[@]}"'
_ZSH = """
autoload -Uz compinit; compinit -u -D; source "$1"; shift
[[ ${_comps[scimsrv]} = _scimsrv ]] || exit 1
_describe() { print -rl -- ${${(P)4}%%:*} }
compadd() { shift; print -rl -- "$@" }
_files() { : }
typeset -a words; words=(scimsrv "$@"); CURRENT=$#words; _scimsrv
"""
_FISH = 'source $argv[1]; complete -C "scimsrv "(string join " " -- $argv[2..-1]) | string split -f 1 \\t; true'


def _printed(*arguments: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main(arguments) == 0
    return printed.getvalue()


def _asked(shell: str, script: Path, words: tuple[str, ...]) -> set[str]:
    call = {
        "bash": ["bash", "--norc", "--noprofile", "-c", _BASH, "bash"],
        "zsh": ["zsh", "-f", "-c", _ZSH, "zsh"],
        "fish": ["fish", "--no-config", "-c", _FISH],
    }[shell]
    done = subprocess.run([*call, str(script), *words], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    """A shell that read the script offers subcommands, flags and the few values that one may have, of the command before the cursor."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_text(_printed("completion", shell))
    for words, offered, others in _CASES:
        found = _asked(shell, script, words)
        # Only bash's function narrows what it offers to what was begun; the others leave that to the shell.
        assert offered <= found, (words, found)
        assert not others & found or shell == "zsh", (words, found)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words) or "scimsrv")
def test_help_is_whole(command: Command) -> None:
    """Every command says what it does, gives an example that its own parser takes, and lists exit codes and environment."""
    text = command.parser.format_help()
    assert command.about.endswith("."), text
    sections = [line for line in text.splitlines() if line in ("Example:", "Exit codes:", "Environment:")]
    assert sections == ["Example:", "Exit codes:", "Environment:"], text
    example = text.partition("Example:\n")[2].splitlines()[0].strip()
    assert " ".join(("scimsrv", *command.words)) in example
    for flag in command.flags:
        assert flag.about, (command.words, flag)
    environment = text.partition("Environment:\n")[2]
    for name in Settings.model_fields:
        asked = any(action.dest == name for action in command.parser._actions)
        assert asked <= (f"SCIMSRV_{name.upper()}" in environment), name


def test_manual_page() -> None:
    """The page has every command and every setting, and man(1) finds nothing wrong with it, where it is installed."""
    page = _printed("man")
    plain = page.replace("\\-", "-")
    for command in COMMANDS:
        if not command.subcommands:
            assert f".SS scimsrv {' '.join(command.words)}\n" in plain
    for name in Settings.model_fields:
        assert f"SCIMSRV_{name.upper()}" in plain
    if shutil.which("groff") is not None:
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
