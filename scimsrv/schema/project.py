"""Which attributes an answer shows: `returned` × attributes × excludedAttributes, at every depth (RFC 7644 §3.9, RFC 7643 §7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, TypeAlias

from scimsrv.schema.attribute import Attribute, Returned, fold_name
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved

#: From a value to what is left of it, None for nothing.
_Member: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """What the client asked for: folded names as written. `only` is None when `attributes` was not given."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @property
    def asked(self) -> bool:
        """Whether the client gave either parameter."""
        return self.only is not None or bool(self.without)


EVERYTHING = Projection()


@dataclass(frozen=True, slots=True)
class View:
    """A projection bound to a schema. `only` and `without` hold the keys of places; `only` is None when nothing was named.

    `links` and `backlinks` are those that are shown. `sent` has the keys of what the client wrote: the answer to a write shows it
    even where it is returned on request only (RFC 7643 §7).
    `as_stored`: the stored document is what is shown (links and backlinks apart, which are read separately).
    """

    only: frozenset[str] | None
    without: frozenset[str]
    as_stored: bool
    links: tuple[Resolved, ...] = ()
    backlinks: tuple[Resolved, ...] = ()
    sent: frozenset[str] = frozenset()
    #: What to do with a member of a representation, by its name: found out once.
    _members: dict[str, _Member] = field(default_factory=dict, compare=False, repr=False)

    def shows(self, place: Resolved) -> bool:
        """Whether a top-level attribute is part of the answer, at least in part."""
        returned = place.attribute.returned
        if returned is Returned.ALWAYS:
            return True
        if returned is Returned.NEVER or place.key in self.without:
            return False
        if self.only is None:
            return returned is Returned.DEFAULT or place.key in self.sent
        return place.key in self.only or bool(self._named_parts(place))

    def _named_parts(self, place: Resolved) -> list[Attribute]:
        if self.only is None:
            return []
        return [sub for sub in place.attribute.sub_attributes if f"{place.key}.{sub.key}" in self.only]

    def value(self, place: Resolved, value: Any) -> Any:
        """The part of a shown attribute's value that the answer has; None when nothing is left of it."""
        subs = place.attribute.sub_attributes
        return _parts(frozenset(sub.name for sub in subs if self.shows_part(place, sub)), value) if subs else value

    def shows_part(self, place: Resolved, sub: Attribute) -> bool:
        """Whether the answer has this sub-attribute of a shown attribute."""
        if sub.returned is Returned.ALWAYS:
            return True
        key = f"{place.key}.{sub.key}"
        if sub.returned is Returned.NEVER or key in self.without:
            return False
        if self.only is not None and key in self.only:
            return True
        whole = self.only is None or place.key in self.only or place.attribute.returned is Returned.ALWAYS
        return whole and sub.returned is Returned.DEFAULT and not (self.only is not None and self._only_parts(place))

    def _only_parts(self, place: Resolved) -> bool:
        """Whether the client named sub-attributes of the attribute and not the attribute itself."""
        return self.only is not None and place.key not in self.only and bool(self._named_parts(place))


@lru_cache(maxsize=1024)
def view(projection: Projection, schema: EffectiveSchema, sent: frozenset[str] = frozenset()) -> View:
    """Bind the projection's names to the schema; names that mean nothing here are ignored. `sent`: see View."""
    only = None if projection.only is None else _keys(projection.only, schema)
    without = _keys(projection.without, schema)
    derived = {place.key for place in (*schema.links, *schema.backlinks)}
    as_stored = only is None and schema.served_as_stored and without <= derived
    bound = View(only, without, as_stored, sent=sent)
    return replace(
        bound,
        links=tuple(place for place in schema.links if bound.shows(place)),
        backlinks=tuple(place for place in schema.backlinks if bound.shows(place)),
    )


def _keys(names: Iterable[str], schema: EffectiveSchema) -> frozenset[str]:
    keys: set[str] = set()
    for name in names:
        whole = schema.schema(name)
        if whole is not None:
            urn = None if whole is schema.base else whole.urn
            keys |= {Resolved(urn, attribute).key for attribute in whole.attributes}
        elif (place := schema.resolve(name)) is not None:
            keys.add(place.key)
    return frozenset(keys)


def project(document: Document, schema: EffectiveSchema, shown: View) -> Document:
    """The part of a whole representation (meta, links and backlinks included) that the view shows, in the document's order."""
    result: Document = {}
    members = shown._members
    for name, value in document.items():
        member = members.get(name)
        if member is None:
            member = members[name] = _member(name, schema, shown)
        part = member(value)
        if part is not None:
            result[name] = part
    return result


def _member(name: str, schema: EffectiveSchema, shown: View) -> _Member:
    """What is left of a member of this name: of an extension's object, or of an attribute's value."""
    extension = schema.extension(name)
    if extension is not None:
        parts = {attribute.name: _part(Resolved(extension.urn, attribute), shown) for attribute in extension.attributes}

        def held(value: Any) -> Any:
            kept = {inner: part for inner in value if inner in parts and (part := parts[inner](value[inner])) is not None}
            return kept or None

        return held
    place = schema.resolve(fold_name(name))
    return _nothing if place is None else _part(place, shown)


def _part(place: Resolved, shown: View) -> _Member:
    if not shown.shows(place):
        return _nothing
    subs = place.attribute.sub_attributes
    if not subs:
        return _everything
    return partial(_parts, frozenset(sub.name for sub in subs if shown.shows_part(place, sub)))


def _parts(kept: frozenset[str], value: Any) -> Any:
    """The kept sub-attributes of a complex value, or of each of several; None when nothing is left."""
    if isinstance(value, list):
        elements = [left for element in value if (left := {name: part for name, part in element.items() if name in kept})]
        return elements or None
    return {name: part for name, part in value.items() if name in kept} or None


def _nothing(_value: Any) -> Any:
    return None


def _everything(value: Any) -> Any:
    return value
