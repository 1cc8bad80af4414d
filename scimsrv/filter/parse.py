"""Text of filters and PATCH paths to trees (RFC 7644 §3.4.2.2, §3.5.2), by grammar/scim.lark.

Clients repeat themselves: nearly every request has a filter that differs from the one before in its strings only. So the text is
parsed with its strings emptied, that tree is kept, and the strings are put back in the order in which they stand in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NoReturn, cast

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

from scimsrv.assets import ROOT
from scimsrv.errors import Kind
from scimsrv.filter.caret import refusal, shown
from scimsrv.filter.strings import Refill, UnreadableError, split
from scimsrv.filter.tree import And, Compare, Filter, Literal, Name, Not, Or, PatchPath, Present, ValuePath
from scimsrv.schema.semantics import Op

#: Characters of a filter or path, depth of its brackets, and comparisons joined by `and` and `or`, that are read at all.
MAX_LENGTH: Final = 10_000
MAX_DEPTH: Final = 32
MAX_TERMS: Final = 200
#: Characters of a number: beyond this it is no quantity, and turning it into one costs time.
MAX_NUMBER: Final = 64

_BRACKET: Final = re.compile(r"[()\[\]]")
_JOIN: Final = re.compile(r"(?<=[ )\]\"])(?:and|or)(?=[ (])", re.IGNORECASE)
_BARE_NOT: Final = re.compile(r"(?:^|[ (\[])not +\Z", re.IGNORECASE)
_FOUND: Final = re.compile(r"[^ ()\[\]\"]{1,40}")
#: Skeletons longer than this are parsed each time, so that the memory of the caches has a bound.
_KEPT_LENGTH: Final = 512

_VALUE: Final = "a value (text in double quotation marks, a number, true, false or null)"
_OPERATOR: Final = "an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)"
#: What each terminal of the grammar is called in messages, in the order in which they are listed.
_WORDS: Final = {
    "NAME": "an attribute name",
    "_LPAR": "'('",
    "OP": _OPERATOR,
    "_PR": _OPERATOR,
    "_LSQB": "'['",
    "STRING": _VALUE,
    "_AND": "'and'",
    "_OR": "'or'",
    "_RPAR": "')'",
    "_RSQB": "']'",
    "SUB": "'.' with a sub-attribute",
    "$END": "the end",
}
_CONSTANTS: Final[dict[str, Literal]] = {"true": True, "false": False, "null": None}


def _name(token: Token) -> Name:
    return Name(str(token), token.start_pos or 0)


def _sub(token: Token) -> Name:
    return Name(token[1:], (token.start_pos or 0) + 1)


def _literal(token: Token) -> Literal:
    match token.type:
        case "STRING":
            return ""
        case "WORD":
            return _CONSTANTS[token.lower()]
    at = token.start_pos or 0
    if len(token) > MAX_NUMBER:
        raise UnreadableError(f"The number is too long: expected at most {MAX_NUMBER} characters.", at)
    if token.lstrip("-").isdigit():
        return int(token)
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise UnreadableError("The number is too large: expected one that a double-precision float can hold.", at)
    return number


def _compare(name: Name, op: Token, literal: Token) -> Compare:
    return Compare(name, Op(op.lower()), _literal(literal), literal.start_pos or 0)


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """Makes tree nodes of grammar rules, while the parser runs."""

    def compare(self, name: Token, op: Token, literal: Token) -> Compare:
        return _compare(_name(name), op, literal)

    def present(self, name: Token) -> Present:
        return Present(_name(name))

    def value_path(self, name: Token, inner: Filter) -> ValuePath:
        return ValuePath(_name(name), inner)

    def value_path_compare(self, name: Token, inner: Filter, sub: Token, op: Token, literal: Token) -> ValuePath:
        return ValuePath(_name(name), inner, _compare(_sub(sub), op, literal))

    def value_path_present(self, name: Token, inner: Filter, sub: Token) -> ValuePath:
        return ValuePath(_name(name), inner, Present(_sub(sub)))

    def negation(self, inner: Filter) -> Not:
        return Not(inner)

    def all_of(self, *parts: Filter) -> And:
        return And(parts)

    def any_of(self, *parts: Filter) -> Or:
        return Or(parts)

    def whole_path(self, name: Token) -> PatchPath:
        return PatchPath(_name(name))

    def selected_path(self, name: Token, inner: Filter, sub: Token | None = None) -> PatchPath:
        return PatchPath(_name(name), inner, None if sub is None else _sub(sub))


_LARK: Final = Lark(
    (ROOT / "grammar" / "scim.lark").read_text(encoding="utf-8"),
    parser="lalr",
    lexer="contextual",
    start=["filter", "path"],
    transformer=_Build(),
)


def parse_filter(text: str) -> Filter:
    """The tree of a filter. Raises ScimError invalidFilter, whose detail shows the place (RFC 7644 §3.4.2.2)."""
    literals, skeleton = _split(text, Kind.INVALID_FILTER, "filter")
    try:
        template = _kept_filter(skeleton) if len(skeleton) <= _KEPT_LENGTH else _read_filter(skeleton)
        return Refill(literals).filter(template) if literals else template
    except UnreadableError as problem:
        raise refusal(Kind.INVALID_FILTER, problem.sentence, text, problem.place(skeleton, literals)) from None


def parse_path(text: str) -> PatchPath:
    """The tree of a PATCH path. Raises ScimError invalidPath when it cannot be read (RFC 7644 §3.5.2, Figure 7)."""
    literals, skeleton = _split(text, Kind.INVALID_PATH, "path")
    try:
        template = _kept_path(skeleton) if len(skeleton) <= _KEPT_LENGTH else _read_path(skeleton)
        return Refill(literals).path(template) if literals else template
    except UnreadableError as problem:
        raise refusal(Kind.INVALID_PATH, problem.sentence, text, problem.place(skeleton, literals)) from None


def _split(text: str, kind: Kind, what: str) -> tuple[list[str], str]:
    if len(text) > MAX_LENGTH:
        raise refusal(kind, f"The {what} is too long: expected at most {MAX_LENGTH} characters.", text, MAX_LENGTH)
    return split(text)


def _read_filter(skeleton: str) -> Filter:
    return cast("Filter", _read("filter", skeleton))


def _read_path(skeleton: str) -> PatchPath:
    return cast("PatchPath", _read("path", skeleton))


_kept_filter: Final[Callable[[str], Filter]] = lru_cache(2048)(_read_filter)
_kept_path: Final[Callable[[str], PatchPath]] = lru_cache(2048)(_read_path)


def _read(start: str, skeleton: str) -> Filter | PatchPath:
    _check_limits(start, skeleton)
    if not skeleton.strip(" "):
        raise UnreadableError(f"The {start} is empty: expected an attribute name.", 0)
    try:
        return cast("Filter | PatchPath", _LARK.parse(skeleton, start=start))
    except UnexpectedInput as problem:
        _explain(start, skeleton, problem)


def _check_limits(start: str, skeleton: str) -> None:
    """Refuses what would cost the parser, or anything that walks the tree, too much."""
    if skeleton.count("(") + skeleton.count("[") > MAX_DEPTH:
        depth = 0
        for bracket in _BRACKET.finditer(skeleton):
            depth += 1 if bracket[0] in "([" else -1
            if depth > MAX_DEPTH:
                raise UnreadableError(f"The {start} is nested too deep: expected at most {MAX_DEPTH} levels.", bracket.start())
    for number, join in enumerate(_JOIN.finditer(skeleton), start=2):
        if number > MAX_TERMS:
            raise UnreadableError(f"The {start} is too long: expected at most {MAX_TERMS} comparisons.", join.start())


def _explain(start: str, skeleton: str, problem: UnexpectedInput) -> NoReturn:
    """Says in words what the parser expected."""
    at_end = isinstance(problem, UnexpectedToken) and problem.token.type == "$END"
    offset = len(skeleton) if at_end else cast("int", problem.pos_in_stream)
    accepted: set[str] = problem.interactive_parser.accepts()  # type: ignore[no-untyped-call]  # Lark lacks the annotation
    if accepted & {"_RPAR", "_RSQB"} or (start == "filter" and "$END" in accepted):
        accepted |= {"_AND", "_OR"}  # what ends an expression could have continued it, too; the parser has left that state
    if skeleton[:offset].endswith(" "):
        accepted -= {"_LSQB", "SUB"}  # these follow their name at once
    words = list(dict.fromkeys(word for terminal, word in _WORDS.items() if terminal in accepted))
    expected = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    raise UnreadableError(f"{_complaint(start, skeleton, offset, accepted)}: expected {expected}.", offset)


def _complaint(start: str, skeleton: str, offset: int, accepted: set[str]) -> str:
    found = _FOUND.match(skeleton, offset)
    if found and "STRING" in accepted and found[0][0] not in "-0123456789":
        return f"The {start} cannot be read; text values need double quotation marks"
    if "OP" in accepted and _BARE_NOT.search(skeleton, 0, offset):
        return f"The {start} cannot be read; 'not' needs '(' after it"
    if found and "OP" in accepted and skeleton[:offset].endswith(" "):
        return f"The operator '{shown(found[0])}' is not supported"
    if skeleton.startswith("[", offset) and "[" in skeleton[:offset]:
        return f"The {start} cannot be read; value paths may not be nested"
    return f"The {start} cannot be read"
