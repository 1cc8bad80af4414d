"""What a command line that cannot be read is answered: what is wrong with it in the command's own words, and what may have been meant."""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

_CHOICE: Final = re.compile(r"invalid choice: '?(?P<given>[^' ]*)'? \(choose from (?P<known>.*)\)")
_WORD: Final = re.compile(r"[\w-]+")

#: Choices that are listed; of more the command's help tells.
_LISTED: Final = 12


class Parser(argparse.ArgumentParser):
    """A parser whose refusals say what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Say it, and end with the code for wrong usage."""
        found = _CHOICE.search(message)
        if found is not None:
            known = _WORD.findall(found["known"])
            if len(known) > _LISTED:
                message = f"{message[: found.start()]}there is no {found['given']!r}; {self.prog} --help lists what there is"
            message += _meant(found["given"], known)
        super().error(message)


def unknown(parser: argparse.ArgumentParser, extra: Sequence[str]) -> NoReturn:
    """Refuse what a command does not take, with that command's usage."""
    flags = re.findall(r"--[\w-]+", parser.format_usage())
    hints = [_meant(one.partition("=")[0], flags) for one in extra if one.startswith("--")]
    parser.error(f"unrecognized arguments: {' '.join(extra)}{next(filter(None, hints), '')}")


def _meant(given: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""
