"""Trees back to text: canonical spelling for messages and tests, and shapes without literals for logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import assert_never

from scimsrv.filter.tree import And, Compare, Filter, Literal, Not, Or, PatchPath, Present, ValuePath


def render(tree: Filter | PatchPath) -> str:
    """Canonical text of a filter or path: operators in lower case, one space, brackets only where needed.

    Parsing the text gives the tree again, offsets aside. Names stay as the client spelled them.
    """
    return _path(tree, _json) if isinstance(tree, PatchPath) else _text(tree, _json)


def shape(tree: Filter | PatchPath) -> str:
    """The same text with `?` in place of every literal: what a log may hold."""
    return _path(tree, _hidden) if isinstance(tree, PatchPath) else _text(tree, _hidden)


_Literals = Callable[[Literal], str]


def _json(literal: Literal) -> str:
    return json.dumps(literal, ensure_ascii=False, allow_nan=False)


def _hidden(_literal: Literal) -> str:
    return "?"


def _path(path: PatchPath, literals: _Literals) -> str:
    selector = "" if path.filter is None else f"[{_text(path.filter, literals)}]"
    return path.name.text + selector + ("" if path.sub is None else f".{path.sub.text}")


def _text(node: Filter, literals: _Literals) -> str:
    match node:
        case Or(parts):
            return " or ".join(_grouped(part, literals, (Or,)) for part in parts)
        case And(parts):
            return " and ".join(_grouped(part, literals, (And, Or)) for part in parts)
        case Not(inner):
            return f"not ({_text(inner, literals)})"
        case Compare(name, op, literal):
            return f"{name.text} {op.value} {literals(literal)}"
        case Present(name):
            return f"{name.text} pr"
        case ValuePath(name, inner, rest):
            return f"{name.text}[{_text(inner, literals)}]" + ("" if rest is None else f".{_text(rest, literals)}")
        case _:
            assert_never(node)


def _grouped(node: Filter, literals: _Literals, weaker: tuple[type[Filter], ...]) -> str:
    """The text of a part, in brackets if it would otherwise be read as a part of its surroundings."""
    text = _text(node, literals)
    return f"({text})" if isinstance(node, weaker) else text
