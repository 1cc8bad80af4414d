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


def read_object(body: bytes, limits: Limits) -> dict[str, Any]:
    """The JSON object in `body`. Raises ScimError invalidSyntax for anything that JSON parsers disagree about: duplicate names (also
    such as differ only in case, RFC 7644 §3.10), NaN, integers beyond 64 bits, NUL, lone surrogates; and for more depth, names or
    values than allowed.
    """
    if not body.strip():
        raise invalid_syntax("The request needs a JSON body")
    if body.count(b"{") + body.count(b"[") > limits.json_containers or body.count(b",") > limits.json_values:
        raise invalid_syntax(f"The body has more than {limits.json_containers} objects and arrays, or {limits.json_values} values")
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


def _plain(body: bytes, limits: Limits) -> dict[str, Any] | None:
    """The object in a body that has nothing to be refused; None where the strict reader has to say what it is.

    The quick parser drops names that an object has twice, so that the names in the text are counted against those in the result:
    in the text they end with a quote and a colon, and so may a piece of a string, which makes the count too high. In a text with a NUL,
    or with a name that does not end right before its colon, the two parsers might see different things.
    """
    if rb"\u0000" in body or b" :" in body or b"\t:" in body or b"\n:" in body or b"\r:" in body:
        return None
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict):
        return None
    count = _names(document, limits.json_depth, limits)
    return document if count == body.count(b'":') else None


def _names(value: dict[str, Any] | list[Any], depth: int, limits: Limits) -> int:
    """How many names the objects in a value have. Less than none where they are too many, too deep, or doubled but for their case, and
    where there are numbers that the quick parser may have rounded."""
    if depth == 0:
        return _NEVER
    count = 0
    inner: Iterable[Any] = value
    if isinstance(value, dict):
        count = len(value)
        if count > limits.json_keys or len({*map(str.lower, value)}) != count:
            return _NEVER
        inner = value.values()
    for member in inner:
        kind = type(member)
        if kind is str:
            continue
        if kind is dict or kind is list:
            count += _names(member, depth - 1, limits)
        elif kind is float or (kind is int and not -_INT64 <= member < _INT64):
            return _NEVER
    return count


_NEVER = -(10**9)


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
