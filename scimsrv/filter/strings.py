"""The strings of filters and paths: cut out of the text before it is parsed, decoded, and put back into its tree."""

from __future__ import annotations

import json
import re
from typing import Final, cast

from scimsrv.filter.tree import And, Compare, Filter, Name, Not, Or, PatchPath, Present, ValuePath

#: A JSON string, or what is left of the text after a quotation mark that is never closed (so that the scan stays linear).
STRING: Final = re.compile(r'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))', re.DOTALL)


class UnreadableError(Exception):
    """A sentence about a place; `offset` counts in the skeleton or, when `exact`, in the text itself."""

    def __init__(self, sentence: str, offset: int, *, exact: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.offset = offset
        self.exact = exact

    def place(self, skeleton: str, literals: list[str]) -> int:
        """The offset in the text that was split into this skeleton and these literals."""
        if self.exact:
            return self.offset
        strings_before = skeleton.count('"', 0, self.offset) // 2
        return self.offset + sum(len(literal) - 2 for literal in literals[:strings_before])


def split(text: str) -> tuple[list[str], str]:
    """The strings of the text as they stand there, quotation marks included, and its skeleton: the text with `""` for each."""
    pieces = STRING.split(text)
    return pieces[1::2], '""'.join(pieces[::2])


def _decode(literal: str, offset: int) -> str:
    """The text that a JSON string stands for; `offset` is where it starts. Raises UnreadableError."""
    text = literal[1:-1]
    if text.isascii() and text.isprintable() and "\\" not in text and len(literal) > 1 and literal[-1] == '"':
        return text
    try:
        decoded = cast("str", json.loads(literal))
    except json.JSONDecodeError as problem:
        if problem.msg.startswith("Unterminated"):
            raise UnreadableError("The string is not closed: expected a closing quotation mark.", offset, exact=True) from None
        rule = "expected JSON's escapes after a backslash, and no control characters"
        raise UnreadableError(f"The string breaks the rules of JSON: {rule}.", offset + problem.pos, exact=True) from None
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in decoded):
        sentence = "The string cannot be stored: expected no U+0000 and no half of a surrogate pair."
        raise UnreadableError(sentence, offset, exact=True)
    return decoded


class Refill:
    """Puts strings back into the tree of a skeleton. Strings are met in the order of the text, for trees are walked in it."""

    __slots__ = ("literals", "shift", "used")

    def __init__(self, literals: list[str]) -> None:
        self.literals = literals
        self.used = 0
        self.shift = 0  #: how much further right a place is in the text than in the skeleton

    def filter(self, node: Filter) -> Filter:
        match node:
            case Compare():
                return self.compare(node)
            case And(parts):
                return And(tuple(map(self.filter, parts)))
            case Or(parts):
                return Or(tuple(map(self.filter, parts)))
            case Present(name):
                return Present(self.name(name))
            case Not(inner):
                return Not(self.filter(inner))
            case ValuePath(name, inner, rest):
                return ValuePath(self.name(name), self.filter(inner), self.rest(rest))

    def path(self, node: PatchPath) -> PatchPath:
        inner = None if node.filter is None else self.filter(node.filter)
        return PatchPath(node.name, inner, None if node.sub is None else self.name(node.sub))

    def rest(self, node: Compare | Present | None) -> Compare | Present | None:
        match node:
            case None:
                return None
            case Compare():
                return self.compare(node)
            case Present(name):
                return Present(self.name(name))

    def name(self, name: Name) -> Name:
        return Name(name.text, name.offset + self.shift) if self.shift else name

    def compare(self, node: Compare) -> Compare:
        name = self.name(node.name)
        offset = node.offset + self.shift
        if not isinstance(node.literal, str):
            return Compare(name, node.op, node.literal, offset)
        literal = self.literals[self.used]
        self.used += 1
        self.shift += len(literal) - 2
        return Compare(name, node.op, _decode(literal, offset), offset)
