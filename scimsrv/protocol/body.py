"""From the bytes of a request body to a JSON object that can do no harm (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

import orjson

from scimsrv.errors import invalid_syntax
from scimsrv.limits import Limits

_INT64 = 1 << 63

#: What may stand between a name and its colon (RFC 8259 §2).
_WHITE_SPACE = b" \t\n\r"


def read_object(body: bytes, limits: Limits) -> dict[str, Any]:
    """The JSON object in `body`. Raises ScimError invalidSyntax for anything that JSON parsers disagree about: duplicate names (also
    such as differ only in case, RFC 7644 §3.10), NaN, integers beyond 64 bits, NUL, lone surrogates; and for more depth, names or
    values than allowed.
    """
    if not body.strip():
        raise invalid_syntax("The request needs a JSON body")
    check_size(body, limits)
    plain = _plain(body, limits)
    if plain is not None:
        return plain
    reader = _Reader(limits)
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=reader.object,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError as problem:
        raise invalid_syntax("The body is not UTF-8") from problem
    except RecursionError as problem:
        raise invalid_syntax(f"The body is nested deeper than {limits.json_depth} levels") from problem
    except json.JSONDecodeError as problem:
        raise invalid_syntax(f"The body is not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}") from problem
    if not isinstance(document, dict):
        raise invalid_syntax("The body must be a JSON object")
    _walk(document, limits.json_depth)
    return document


def check_size(text: bytes, limits: Limits) -> None:
    """Raises ScimError invalidSyntax for text with more objects and arrays, or more values, than a body may have: before any is made."""
    if len(text) > min(limits.json_containers, limits.json_values) and (
        text.count(b"{") + text.count(b"[") > limits.json_containers or text.count(b",") > limits.json_values
    ):
        raise invalid_syntax(f"The body has more than {limits.json_containers} objects and arrays, or {limits.json_values} values")


def _plain(body: bytes, limits: Limits) -> dict[str, Any] | None:
    """The object in a body that has nothing to be refused; None where the strict reader has to say what it is.

    The quick parser drops names that an object has twice, so that the names in the text are counted against those in the result:
    without white space they end with a quote and a colon in the text, and so may a piece of a string, which makes the count too high. In a
    text with a NUL the two parsers might see different things.
    """
    if rb"\u0000" in body:
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    count = _names(document, limits)
    return document if count == body.translate(None, _WHITE_SPACE).count(b'":') else None


def _names(document: dict[str, Any], limits: Limits) -> int | None:
    """How many names the objects in a document have. None where they are too many, too deep, or doubled but for their case, and where
    there are numbers that the quick parser may have rounded."""
    count = 0
    level: list[Any] = [document]
    for _ in range(limits.json_depth):
        below: list[Any] = []
        for value in level:
            inner: Iterable[Any] = value
            if type(value) is dict:
                names = tuple(value)
                count += len(names)
                if (names not in _told_apart and not _are_told_apart(names)) or len(names) > limits.json_keys:
                    return None
                inner = value.values()
            for member in inner:
                kind = type(member)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(member)
                elif kind is float or (kind is int and not -_INT64 <= member < _INT64):
                    return None
        if not below:
            return count
        level = below
    return None


#: Names of objects that were found to differ by more than case, since most objects have the names of others: so many objects at most, and
#: so many names and characters of each.
_told_apart: set[tuple[str, ...]] = set()
_KEPT = 500
_NAMES_KEPT = 32
_CHARACTERS_KEPT = 500


def _are_told_apart(names: tuple[str, ...]) -> bool:
    if len({*map(str.lower, names)}) != len(names):
        return False
    if len(names) <= _NAMES_KEPT and sum(map(len, names)) <= _CHARACTERS_KEPT:
        if len(_told_apart) >= _KEPT:
            _told_apart.clear()
        _told_apart.add(names)
    return True


class _Reader:
    """Builds objects while counting their names."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) > self.limits.json_keys:
            raise invalid_syntax(f"An object of the body has more than {self.limits.json_keys} names")
        if len(found) != len(pairs) or len({name.lower() for name in found}) != len(pairs):
            raise invalid_syntax("An object of the body has a name twice; names are compared without regard to case")
        return found


def _no_constant(text: str) -> NoReturn:
    raise invalid_syntax(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > 20 or not -_INT64 <= (value := int(text)) < _INT64:
        raise invalid_syntax("An integer of the body does not fit into 64 bits")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise invalid_syntax("A number of the body is too large")
    return value


def _walk(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as problem:
                raise invalid_syntax("A string of the body has half of a surrogate pair") from problem
        if "\x00" in value:
            raise invalid_syntax("A string of the body has the character U+0000")
        return
    if isinstance(value, dict):
        if depth == 0:
            raise invalid_syntax("The body is nested too deeply")
        for name, member in value.items():
            _walk(name, 0)
            _walk(member, depth - 1)
    elif isinstance(value, list):
        if depth == 0:
            raise invalid_syntax("The body is nested too deeply")
        for member in value:
            _walk(member, depth - 1)
