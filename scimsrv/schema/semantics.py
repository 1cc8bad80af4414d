"""What values mean: coercion, comparison keys, order and presence, once for the whole server (one row per attribute type).

The validator, the filter compiler, the in-memory matcher, uniqueness and PATCH all ask this module and nobody else.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import orjson

from scimsrv.schema.attribute import Attribute, Type, Uniqueness

Key = str | bool | int | float


class Op(Enum):
    """Comparison operators (RFC 7644 §3.4.2.2, Table 3; `pr` takes no literal and is a node of its own)."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


EQUALITY: Final = frozenset({Op.EQ, Op.NE})
SUBSTRING: Final = frozenset({Op.CO, Op.SW, Op.EW})
ORDERING: Final = frozenset({Op.GT, Op.GE, Op.LT, Op.LE})


@dataclass(frozen=True, slots=True)
class Rule:
    """The meaning of one type: operators it accepts, how JSON becomes a value, how a value becomes its key.

    `coerce` raises ValueError whose text completes "<attribute> …"; `key` takes a coerced value.
    """

    accepts: frozenset[Op]
    coerce: Callable[[Any], Any]
    key: Callable[[Attribute, Any], Key]


def fold(text: str) -> str:
    """Comparison form of text that is not case-exact: NFC, full case folding, NFC again (so folding twice changes nothing)."""
    return text.lower() if text.isascii() else _folded(text)


@lru_cache(maxsize=128)
def _folded(text: str) -> str:
    """Kept for a while: a PATCH of many operations compares the same long values again and again."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _width_mapped(text: str) -> str:
    """Full-width and half-width forms replaced by their ordinary ones (RFC 7613 §3.2.2, width mapping rule)."""
    if text.isascii():
        return text
    return "".join(
        unicodedata.normalize("NFKC", char) if unicodedata.decomposition(char).startswith(("<wide>", "<narrow>")) else char for char in text
    )


def _text_key(attribute: Attribute, value: str) -> str:
    if value.isascii():
        return value if attribute.case_exact else value.lower()
    if attribute.case_exact:
        return unicodedata.normalize("NFC", value)
    if attribute.uniqueness is not Uniqueness.NONE:
        value = _width_mapped(value)
    return fold(value)


def _same(_attribute: Attribute, value: Any) -> Key:
    key: Key = value
    return key


#: Longest run of combining marks that is taken: normalisation is quadratic in it, and no language needs more (UAX #15 §13).
_MOST_MARKS: Final = 30

#: The characters that are no combining marks and become nothing but these when they are normalised.
_OF_MARKS: Final = frozenset("\u0f73\u0f75\u0f81")


def _coerce_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if "\x00" in value:
        raise ValueError("must not have the character U+0000")
    if not value.isascii():
        _check_unicode(value)
    return value


def is_plain_text(value: Any) -> bool:
    """Whether this is text in which `coerce` of no kind of text has anything to look for."""
    return type(value) is str and value.isascii() and "\x00" not in value


def _check_unicode(value: str) -> None:
    run = 0
    for char in value:
        run = run + 1 if unicodedata.combining(char) or char in _OF_MARKS else 0
        if run > _MOST_MARKS:
            raise ValueError(f"must not have more than {_MOST_MARKS} combining marks in a row")
        if "\ud800" <= char <= "\udfff":
            raise ValueError("must not have half of a surrogate pair")


_BOOLEANS: Final = {"true": True, "false": False}


def _coerce_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise ValueError("must be true or false")


_INT64: Final = 1 << 63


def _coerce_integer(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be an integer")
    if not -_INT64 <= value < _INT64:
        raise ValueError("must be an integer of 64 bits")
    return value


def _coerce_decimal(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if isinstance(value, int):
        return _coerce_integer(value)
    return value


_DATETIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(Z|z|[+-]\d\d:\d\d)?", re.ASCII)


def instant(text: str) -> datetime:
    """The UTC instant of an xsd:dateTime, cut to milliseconds; no offset means UTC. Raises ValueError (RFC 7643 §2.3.5)."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        raise ValueError("must be a dateTime such as 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micros = int((match[7] or "0")[:3].ljust(3, "0")) * 1000
    zone = match[8] or "Z"
    whole_day = hour == 24 and minute == second == micros == 0
    try:
        local = datetime(year, month, day, 0 if whole_day else hour, minute, second, micros, UTC)
        if whole_day:
            local += timedelta(days=1)
        if zone not in "Zz":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if hours > 14 or minutes > 59:
                raise ValueError("offset")
            offset = timedelta(hours=hours, minutes=minutes)
            local = local - offset if zone[0] == "+" else local + offset
    except (ValueError, OverflowError) as problem:
        raise ValueError("must be a dateTime that exists") from problem
    return local


def timestamp(moment: datetime) -> str:
    """UTC text with milliseconds and Z: fixed width, so that text order is time order."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = orjson.dumps(moment)  # several times as fast as isoformat: "2026-01-31T12:00:00.123000+00:00", without a fraction that is 0
    return (text[1:24] if text[20:21] == b"." else text[1:20] + b".000").decode() + "Z"


def _coerce_datetime(value: Any) -> str:
    text = _coerce_text(value)
    instant(text)
    return text


def _datetime_key(_attribute: Attribute, value: str) -> str:
    return timestamp(instant(value))


def _coerce_binary(value: Any) -> str:
    text = _coerce_text(value)
    squeezed = text.replace("\r", "").replace("\n", "").replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(squeezed + "=" * (-len(squeezed) % 4), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise ValueError("must be base64") from problem
    return text


def _coerce_complex(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _no_key(attribute: Attribute, _value: Any) -> Key:
    raise TypeError(f"{attribute.name}: a complex value has no key")


_ALL: Final = EQUALITY | SUBSTRING | ORDERING

#: RFC 7643 §2.3 row by row; the operators are those of RFC 7644 Table 3 that make sense for the type.
SEMANTICS: Final[dict[Type, Rule]] = {
    Type.STRING: Rule(_ALL, _coerce_text, _text_key),
    Type.BOOLEAN: Rule(EQUALITY, _coerce_boolean, _same),
    Type.INTEGER: Rule(EQUALITY | ORDERING, _coerce_integer, _same),
    Type.DECIMAL: Rule(EQUALITY | ORDERING, _coerce_decimal, _same),
    Type.DATETIME: Rule(EQUALITY | ORDERING, _coerce_datetime, _datetime_key),
    Type.BINARY: Rule(EQUALITY, _coerce_binary, _text_key),
    Type.REFERENCE: Rule(EQUALITY | SUBSTRING, _coerce_text, _text_key),
    Type.COMPLEX: Rule(frozenset(), _coerce_complex, _no_key),
}


def key_of(attribute: Attribute, value: Any) -> Key:
    """The comparison key of a coerced value of this (simple) attribute."""
    return SEMANTICS[attribute.type].key(attribute, value)


def keys_maker(attribute: Attribute) -> Callable[[Any], Any]:
    """`key_of` for what documents hold of one (simple) attribute, a value or a list of them: what can be known beforehand is."""
    key = SEMANTICS[attribute.type].key
    exact = attribute.case_exact

    def several(held: Any) -> Any:
        return [key(attribute, value) for value in held] if type(held) is list else key(attribute, held)

    def text(held: Any) -> Any:
        if type(held) is str and held.isascii():
            return held if exact else held.lower()
        return several(held)

    return text if key is _text_key else several


def unique_text(key: Key) -> str:
    """The comparison key as text by which values that must be unique are told apart: numbers that are equal have one."""
    if isinstance(key, float) and key.is_integer() and abs(key) < READ_AS_INTEGER:
        return str(int(Decimal(repr(key))))
    return str(key)


#: From here on JSON's numbers are read as doubles, however they are written.
READ_AS_INTEGER: Final = 1 << 64


def present(value: Any) -> bool:
    """Whether a value counts as assigned for `pr`: null, [], {} and "" do not, nor does what holds only such (RFC 7643 §2.5)."""
    if value is None or value == "":
        return False
    if isinstance(value, list):
        return any(map(present, value))
    if isinstance(value, dict):
        return any(map(present, value.values()))
    return True


def satisfies(op: Op, key: Key, literal: Key) -> bool:
    """Whether `key op literal` holds for two keys of one attribute."""
    match op:
        case Op.EQ:
            return key == literal
        case Op.NE:
            return key != literal
        case Op.CO:
            return str(literal) in str(key)
        case Op.SW:
            return str(key).startswith(str(literal))
        case Op.EW:
            return str(key).endswith(str(literal))
        case Op.GT:
            return key > literal  # type: ignore[operator]  # both are keys of one ordered type
        case Op.GE:
            return key >= literal  # type: ignore[operator]
        case Op.LT:
            return key < literal  # type: ignore[operator]
        case Op.LE:
            return key <= literal  # type: ignore[operator]
