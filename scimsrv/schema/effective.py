"""A resource type's schema as one thing: common attributes, base schema and extensions, and how names resolve in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type, Uniqueness, fold_name, parse_attribute

#: Single references, by the folded URN of their schema, whose values have rows in the reference table too: whom an award is of.
TIED: Final[Mapping[str, str]] = {"urn:scimsrv:scim:schemas:badges:1.0:award": "recipient"}


#: Attributes, by the folded URN of their schema, whose stored value passes at a moment that another attribute has: the attribute, the
#: moment's, the stored value, and what it becomes once the moment is past.
EXPIRING: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "urn:scimsrv:scim:schemas:badges:1.0:award": ("status", "validUntil", "active", "expired")
}


@dataclass(frozen=True, eq=False)
class Schema:
    """A schema: its URN as the tenant spells it, and its attributes."""

    urn: str
    attributes: tuple[Attribute, ...]

    @cached_property
    def key(self) -> str:
        """The URN in the form in which URNs are compared."""
        return fold_name(self.urn)

    @cached_property
    def _by_name(self) -> dict[str, Attribute]:
        return {attribute.key: attribute for attribute in self.attributes}

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name in any case, or None."""
        return self._by_name.get(fold_name(name))


def parse_schema(definition: Mapping[str, Any]) -> Schema:
    """The schema that a Schema resource describes (RFC 7643 §7)."""
    return Schema(definition["id"], tuple(map(parse_attribute, definition["attributes"])))


@dataclass(frozen=True)
class Resolved:
    """A place that a name stands for: an attribute or sub-attribute, in the core or in an extension's object.

    `extension` is the URN under which the attribute is kept, None for core and common attributes.
    """

    extension: str | None
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        """The attribute that is meant in the end."""
        return self.sub or self.attribute

    @cached_property
    def name(self) -> str:
        """Canonical spelling, as used in messages and under `attributes=`."""
        prefix = f"{self.extension}:" if self.extension else ""
        return f"{prefix}{self.attribute.name}" + (f".{self.sub.name}" if self.sub else "")

    @property
    def search_path(self) -> tuple[str, ...]:
        """Where the attribute (not the sub-attribute) is in a search document: folded names from the root."""
        name = self.attribute.search_key
        return (fold_name(self.extension), name) if self.extension else (name,)

    @property
    def whole(self) -> Resolved:
        """The place of the attribute itself."""
        return self if self.sub is None else Resolved(self.extension, self.attribute)

    @cached_property
    def key(self) -> str:
        """Folded name, unique within the resource type: names the attribute in unique_key, reference and secret rows."""
        return fold_name(self.name)


@dataclass(frozen=True, slots=True)
class Expiring:
    """An attribute at `place` that is stored as `passing` and served as `past` once the moment at `until`, where there is one, is past."""

    place: Resolved
    until: Resolved
    passing: str
    past: str


@dataclass(frozen=True, eq=False)
class EffectiveSchema:
    """Everything that holds for the resources of one type. `extensions` pairs each extension with whether it is required.

    `common` are schemas, id, externalId and meta (RFC 7643 §3). While the stored resources are being brought up to a change of the
    definitions, `unsettled` says that documents may still hold what the schema does not have any more, and `claiming` has the keys of
    the places whose values became unique and whose unique keys are not complete yet.
    """

    name: str
    endpoint: str
    common: tuple[Attribute, ...]
    base: Schema
    extensions: tuple[tuple[Schema, bool], ...] = ()
    unsettled: bool = False
    claiming: frozenset[str] = frozenset()
    _cache: dict[str, Resolved | None] = field(default_factory=dict, repr=False)
    #: What modules above make of the schema once and keep, by their names.
    derived: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def _common(self) -> dict[str, Attribute]:
        return {attribute.key: attribute for attribute in self.common}

    @cached_property
    def _by_urn(self) -> dict[str, Schema]:
        return {schema.key: schema for schema in self.schemas()}

    @cached_property
    def required_extensions(self) -> tuple[Schema, ...]:
        """Extensions that every resource of the type must carry (RFC 7643 §6)."""
        return tuple(schema for schema, required in self.extensions if required)

    def schemas(self) -> Iterator[Schema]:
        """The base schema, then the extensions in their order."""
        yield self.base
        for extension, _ in self.extensions:
            yield extension

    def schema(self, urn: str) -> Schema | None:
        """The base or extension schema of this URN in any case, or None."""
        return self._by_urn.get(fold_name(urn))

    def extension(self, urn: str) -> Schema | None:
        """The extension schema of this URN in any case, or None."""
        if ":" not in urn and urn in self.held[None]:
            return None
        found = self.schema(urn)
        return None if found is self.base else found

    def core(self, name: str) -> Attribute | None:
        """The common or core attribute of this name in any case, or None."""
        return self._common.get(fold_name(name)) or self.base.attribute(name)

    def top_level(self) -> Iterator[tuple[str | None, Attribute]]:
        """Every attribute with the URN of its extension (None for common and core attributes), in the order of output."""
        for attribute in self.common:
            yield None, attribute
        for attribute in self.base.attributes:
            yield None, attribute
        for schema, _ in self.extensions:
            for attribute in schema.attributes:
                yield schema.urn, attribute

    @cached_property
    def places(self) -> tuple[Resolved, ...]:
        """The same as places."""
        return tuple(Resolved(urn, attribute) for urn, attribute in self.top_level())

    @cached_property
    def held(self) -> dict[str | None, dict[str, Resolved]]:
        """The places by the URN of their extension (None for common and core attributes) and by name, as documents spell both."""
        found: dict[str | None, dict[str, Resolved]] = {None: {}}
        for place in reversed(self.places):  # of several attributes of one name the first is meant
            found.setdefault(place.extension, {})[place.attribute.name] = place
        return found

    @cached_property
    def demanded(self) -> tuple[Resolved, ...]:
        """The places that are required."""
        return tuple(place for place in self.places if place.attribute.required)

    @cached_property
    def ruled(self) -> tuple[tuple[str | None, dict[str, Resolved]], ...]:
        """The places with a rule for the elements of a complex attribute, by the URN of their extension and by name."""
        found = (
            (urn, {name: place for name, place in places.items() if place.attribute.has_rules_for_elements})
            for urn, places in self.held.items()
        )
        return tuple((urn, places) for urn, places in found if places)

    def resolve(self, name: str) -> Resolved | None:
        """What an attribute path without filter means here, or None if nothing: `userName`, `name.givenName`,
        `urn:…:User:userName`, `urn:…:enterprise:2.0:User:manager.value`, in any case (RFC 7644 §3.10).

        The longest URN of the type that the text starts with decides where the attribute name begins. A name without URN that
        neither the common attributes nor the base schema has is looked for in the extensions, if exactly one of them has it.
        """
        key = fold_name(name)
        if key not in self._cache:
            found = self._resolve(key)
            if found is None:  # names that clients make up are not kept
                return None
            self._cache[key] = found
        return self._cache[key]

    def _resolve(self, key: str) -> Resolved | None:
        if key.startswith("urn:"):
            for urn in sorted(self._by_urn, key=len, reverse=True):
                if key.startswith(urn + ":"):
                    return self._within(self._by_urn[urn], key[len(urn) + 1 :])
            return None
        name, dot, sub = key.partition(".")
        attribute = self.core(name)
        if attribute is not None:
            return _part(None, attribute, sub if dot else None)
        holders = [schema for schema, _ in self.extensions if schema.attribute(name)]
        return self._within(holders[0], key) if len(holders) == 1 else None

    def _within(self, schema: Schema, key: str) -> Resolved | None:
        name, dot, sub = key.partition(".")
        attribute = schema.attribute(name)
        extension = None if schema is self.base else schema.urn
        if attribute is None and extension is None:
            attribute = self._common.get(name)
        return None if attribute is None else _part(extension, attribute, sub if dot else None)

    @cached_property
    def links(self) -> tuple[Resolved, ...]:
        """The attributes whose values are reference rows (members)."""
        return tuple(Resolved(urn, attribute) for urn, attribute in self.top_level() if attribute.is_link)

    @cached_property
    def annotated(self) -> dict[str, Resolved]:
        """The attributes whose values refer to resources and are in the document, since more is said of each, by folded name."""
        places = (Resolved(urn, attribute) for urn, attribute in self.top_level() if attribute.is_annotated)
        return {place.key: place for place in places}

    @cached_property
    def referring(self) -> dict[str, Resolved]:
        """The attributes whose values have rows in the reference table, wherever the values themselves are, by folded name."""
        return self.writable_links | self.annotated

    @cached_property
    def tied(self) -> dict[str, Resolved]:
        """Single-valued references that never change and have rows in the reference table, so that backlinks show them, by folded name."""
        name = TIED.get(self.base.key)
        return {place.key: place for place in self.pointers if place.extension is None and place.attribute.name == name}

    @cached_property
    def expiring(self) -> Expiring | None:
        """The attribute whose value passes with time, or None."""
        names = EXPIRING.get(self.base.key)
        place, until = (None, None) if names is None else (self.resolve(names[0]), self.resolve(names[1]))
        return None if names is None or place is None or until is None else Expiring(place, until, names[2], names[3])

    @cached_property
    def seen_from_behind(self) -> dict[str, Resolved]:
        """The attributes that backlinks of other types may show from the other side, by folded name."""
        return self.referring | self.tied

    @cached_property
    def backlinks(self) -> tuple[Resolved, ...]:
        """The attributes that are derived from other resources' links (groups)."""
        return tuple(Resolved(urn, attribute) for urn, attribute in self.top_level() if attribute.is_backlink)

    @cached_property
    def pointers(self) -> tuple[Resolved, ...]:
        """Single-valued attributes that refer to a resource by `value` (manager)."""
        return tuple(
            Resolved(urn, attribute)
            for urn, attribute in self.top_level()
            if attribute.type is Type.COMPLEX and not attribute.multi_valued and attribute.resource_types
        )

    @cached_property
    def unique(self) -> tuple[Resolved, ...]:
        """Simple attributes and sub-attributes whose values must be unique, `id` excepted (it is the primary key)."""
        found = []
        for urn, attribute in self.top_level():
            if attribute.uniqueness is not Uniqueness.NONE and attribute.type is not Type.COMPLEX and attribute.key != "id":
                found.append(Resolved(urn, attribute))
            found += [Resolved(urn, attribute, sub) for sub in attribute.sub_attributes if sub.uniqueness is not Uniqueness.NONE]
        return tuple(found)

    @cached_property
    def found_by_key(self) -> frozenset[str]:
        """The keys of the unique places of which every value has its unique key, so that queries may rely on these."""
        return frozenset(place.key for place in self.unique) - self.claiming

    @cached_property
    def secrets(self) -> tuple[Resolved, ...]:
        """Simple attributes that are never returned: kept as hashes, apart from the document."""
        return tuple(Resolved(urn, attribute) for urn, attribute in self.top_level() if attribute.returned is Returned.NEVER)

    @cached_property
    def served_as_stored(self) -> bool:
        """Whether a stored document can be served unparsed: nothing in it has to be hidden until it is asked for."""
        return not self.unsettled and not any(
            part.returned in (Returned.REQUEST,) or (part.returned is Returned.NEVER and part is not attribute)
            for _, attribute in self.top_level()
            for part in (attribute, *attribute.sub_attributes)
        )

    @cached_property
    def on_request(self) -> tuple[Resolved, ...]:
        """The attributes that are returned on request only."""
        return tuple(Resolved(urn, attribute) for urn, attribute in self.top_level() if attribute.returned is Returned.REQUEST)

    @cached_property
    def writable_links(self) -> dict[str, Resolved]:
        """The links by the folded name of their attribute."""
        return {link.key: link for link in self.links}


def _part(extension: str | None, attribute: Attribute, sub: str | None) -> Resolved | None:
    if sub is None:
        return Resolved(extension, attribute)
    found = attribute.sub(sub)
    return None if found is None else Resolved(extension, attribute, found)


def is_read_only(place: Resolved) -> bool:
    """Whether clients may not write here: the attribute or its sub-attribute is readOnly."""
    return Mutability.READ_ONLY in (place.attribute.mutability, place.leaf.mutability)
