"""Values that are canonical as they come: most of what clients send, told by a function that is made once for each attribute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from scimsrv.limits import Limits
from scimsrv.schema.attribute import Attribute, Mutability, Type
from scimsrv.schema.semantics import is_plain_text

#: Whether a value has to be neither changed nor refused, whatever the policy. False where that takes a closer look.
IsPlain: TypeAlias = Callable[[Any, Limits], bool]


def plain(attribute: Attribute) -> IsPlain:
    """The function for the attribute's values."""
    one = _one(attribute)
    return one if one is _never or not attribute.multi_valued else _several(one)


def _one(attribute: Attribute) -> IsPlain:
    if attribute.is_free_text:
        return _text
    if attribute.type is Type.BOOLEAN:
        return _boolean
    if attribute.type is not Type.COMPLEX or attribute.resource_types:
        return _never
    parts = {sub.name: plain(sub) for sub in attribute.sub_attributes if sub.mutability is not Mutability.READ_ONLY}
    return _complex({name: part for name, part in parts.items() if part is not _never})


def _never(_value: Any, _limits: Limits) -> bool:
    return False


def _text(value: Any, limits: Limits) -> bool:
    return is_plain_text(value) and 0 < len(value) <= limits.string_length


def _boolean(value: Any, _limits: Limits) -> bool:
    return value is True or value is False


def _complex(parts: dict[str, IsPlain]) -> IsPlain:
    def is_plain(value: Any, limits: Limits) -> bool:
        if type(value) is not dict or not value:
            return False
        for name, given in value.items():
            part = parts.get(name, _never)
            if not part(given, limits):
                return False
        return True

    return is_plain


#: Elements among which repetitions are looked for by comparing each with each.
_FEW: Final = 8


def _several(one: IsPlain) -> IsPlain:
    def is_plain(value: Any, limits: Limits) -> bool:
        if type(value) is not list or not 0 < len(value) <= min(_FEW, limits.values):
            return False
        if len(value) == 1:
            return one(value[0], limits)
        return all(one(element, limits) and element not in value[:number] for number, element in enumerate(value))

    return is_plain
