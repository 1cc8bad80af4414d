"""Keys of indexed attributes: text whose byte order is the attribute's own order.

So one b-tree serves equality, prefix, range and sorting of every type. A resource has for each index of its type the keys of the
attribute's values, or one key that says that it has none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

from scimsrv.schema.attribute import Attribute, Returned, Type, fold_name
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import READ_AS_INTEGER, Key, timestamp

#: What a value's key starts with, and the key of a resource without value: the latter sorts behind every value.
VALUE: Final = "="
NO_VALUE: Final = "~"

#: Characters of a value that its key has at most.
LONGEST: Final = 256

#: (resource type, attribute, whether pieces of the text are looked for) of the indexes that every tenant starts with.
STANDARD: Final = (
    ("User", "userName", True),
    ("User", "externalId", False),
    ("User", "displayName", True),
    ("User", "name.familyName", False),
    ("User", "emails.value", False),
    ("User", "active", False),
    ("User", "meta.lastModified", False),
    ("Group", "displayName", True),
    ("Group", "externalId", False),
    ("Group", "meta.lastModified", False),
)


class IndexKey(NamedTuple):
    """A row of the index. A negative number marks that the resource has a value that may be longer than its key."""

    number: int
    substring: bool
    key: str


@dataclass(frozen=True)
class Index:
    """An indexed attribute of a resource type. `number` names it in the tenant's rows.

    `ready`: every resource has its keys, so that queries may rely on them; writers keep them up to date in any case.
    `substring`: pieces of the text are indexed as well.
    """

    number: int
    place: Resolved
    ready: bool
    substring: bool

    @cached_property
    def single(self) -> bool:
        """Whether a resource has exactly one key, so that the index's order is the order of resources."""
        return not (self.place.attribute.multi_valued or self.place.leaf.multi_valued)

    @cached_property
    def of_modified(self) -> bool:
        """Whether it is the index of meta.lastModified, which is a column and not part of a search document."""
        return is_modified(self.place)

    @cached_property
    def _member(self) -> tuple[str | None, str, str | None]:
        """The members of search documents that lead to the values."""
        place = self.place
        extension = None if place.extension is None else fold_name(place.extension)
        return extension, place.attribute.search_key, None if place.sub is None else place.sub.search_key

    def keys(self, search: dict[str, Any]) -> list[IndexKey]:
        """The keys of a resource with this search document."""
        extension, name, sub = self._member
        held: Any = search if extension is None else search.get(extension, _NOTHING)
        only = held.get(name)
        if only is None:
            return [self._no_value]
        if type(only) is list and len(only) == 1:
            only = only[0]
        if sub is not None:
            only = only.get(sub) if type(only) is dict else None
        if type(only) is str and len(only) < LONGEST:
            return [IndexKey(self.number, self.substring, VALUE + only)]
        if only is True or only is False:
            return [IndexKey(self.number, self.substring, "=true" if only else "=false")]
        found: dict[str, None] = {}
        cut = False
        for value in _values(search, self.place):
            text = value if type(value) is str else sortable(self.place.leaf, value)
            cut = cut or len(text) >= LONGEST
            found[VALUE + text[:LONGEST]] = None
        keys = [IndexKey(self.number, self.substring, key) for key in found] or [self._no_value]
        return [*keys, IndexKey(-self.number, False, "")] if cut else keys

    @cached_property
    def _no_value(self) -> IndexKey:
        return IndexKey(self.number, False, NO_VALUE)


#: The members of an extension that is not there.
_NOTHING: Final[dict[str, Any]] = {}


def is_modified(place: Resolved) -> bool:
    """Whether the place is meta.lastModified."""
    return place.extension is None and place.attribute.key == "meta" and place.leaf.key == "lastmodified"


def indexable(schema: EffectiveSchema, name: str) -> Resolved:
    """The place of this name, if it can be indexed. Raises ValueError that says why not."""
    place = schema.resolve(name)
    if place is None:
        raise ValueError(f"{schema.name} has no attribute {name!r}")
    if place.attribute.refers:
        raise ValueError(f"{place.name} is a reference to resources, which is always indexed")
    if place.sub is None and place.attribute.type is Type.COMPLEX:
        raise ValueError(f"{place.name} is complex: name one of its sub-attributes")
    if place.attribute.key in ("id", "meta") and place.extension is None and not is_modified(place):
        raise ValueError(f"{place.name} cannot be indexed")
    if Returned.NEVER in (place.attribute.returned, place.leaf.returned):
        raise ValueError(f"{place.name} is never returned, so that it cannot be searched for")
    if place.leaf.type is Type.BINARY:
        raise ValueError(f"{place.name} is binary, which has no order")
    return place


def index_keys(search: dict[str, Any], indexes: Iterable[Index], modified: datetime | None = None) -> list[IndexKey]:
    """The keys of a resource in all indexes of its type; that of meta.lastModified only when `modified` is given."""
    keys: list[IndexKey] = []
    for index in indexes:
        if not index.of_modified:
            keys += index.keys(search)
        elif modified is not None:
            keys.append(IndexKey(index.number, False, key_of_moment(modified)))
    return keys


@lru_cache(maxsize=16)
def key_of_moment(modified: datetime) -> str:
    """The key of a resource in an index of meta.lastModified; resources that are stored together have it in common."""
    return VALUE + timestamp(modified)


def sortable(leaf: Attribute, key: Key) -> str:
    """A comparison key (schema/semantics) of this simple attribute as text in the same order."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if leaf.type in (Type.INTEGER, Type.DECIMAL) and isinstance(key, int | float):
        return _number(key)
    return str(key)


def after_prefix(prefix: str) -> str | None:
    """The least text behind every text that starts with this one; None when there is no such text."""
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1]) + 1
        if code <= 0x10FFFF:
            return prefix[: end - 1] + chr(0xE000 if code == 0xD800 else code)
    return None


def _number(value: float) -> str:
    """The nearest double's bits in an order that is theirs, then what an integer differs from it.

    A double without fraction counts as the integer that its shortest decimal form is: it is stored as that, and read again as one.
    """
    near = float(value)
    if not isinstance(value, int) and near.is_integer() and abs(near) < READ_AS_INTEGER:
        value = int(Decimal(repr(value)))
    bits: int = struct.unpack(">Q", struct.pack(">d", near or 0.0))[0]
    ordered = bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)
    rest = value - int(near) if isinstance(value, int) else 0
    return f"{ordered:016x}{rest + 0x800:03x}"


def _values(search: dict[str, Any], place: Resolved) -> Sequence[Any]:
    held: Any = search if place.extension is None else search.get(fold_name(place.extension), {})
    value = held.get(place.attribute.search_key)
    if value is None:
        return ()
    elements = value if isinstance(value, list) else [value]
    if place.sub is None:
        return elements
    name = place.sub.search_key
    parts = [element[name] for element in elements if name in element]
    return [one for part in parts for one in (part if isinstance(part, list) else [part])]
