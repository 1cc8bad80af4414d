"""What a change of definitions means for the resources of a type: each difference classified, with what has to hold before it is taken.

`widening` never concerns stored resources; `tightening` demands more of them; `breaking` takes something away or reads it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from scimsrv.errors import mutability
from scimsrv.schema.attribute import Attribute, Mutability, Returned, Type, Uniqueness
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.validate import SCHEMAS


class Effect(Enum):
    """What a change does to resources that are there."""

    WIDENING = "widening"
    TIGHTENING = "tightening"
    BREAKING = "breaking"


@dataclass(frozen=True)
class Present:
    """Every resource has a value at the place; within an extension or a complex attribute only where that is there."""

    place: Resolved
    extension_required: bool = False


@dataclass(frozen=True)
class Carries:
    """Every resource has the extension."""

    urn: str


@dataclass(frozen=True)
class Fits:
    """Every value is one of the attribute as it will be: its type, its enforced canonical values."""

    place: Resolved
    after: Resolved


@dataclass(frozen=True)
class Compares:
    """Every value keeps its comparison key, so that what is stored for filters, sorting and uniqueness stays right."""

    place: Resolved
    after: Resolved


@dataclass(frozen=True)
class Absent:
    """No resource has a value: the values of the new definition are kept in another form."""

    place: Resolved


@dataclass(frozen=True)
class Distinct:
    """No two resources have the same value."""

    place: Resolved


@dataclass(frozen=True)
class Refers:
    """Every reference is to a resource of one of these types."""

    place: Resolved
    types: tuple[str, ...]


@dataclass(frozen=True)
class Unused:
    """The type has no resources."""


@dataclass(frozen=True)
class SetAside:
    """Values at the place are kept aside: nothing is demanded, but said how many there are."""

    place: Resolved


Check: TypeAlias = Present | Carries | Fits | Compares | Absent | Distinct | Refers | Unused | SetAside


@dataclass(frozen=True)
class Change:
    """One difference between two versions of a resource type. `path` is the attribute (or extension) and `member` what of it differs;
    `rule` completes "<path> …" when a check fails."""

    path: str
    member: str
    old: Any
    new: Any
    effect: Effect
    checks: tuple[Check, ...] = ()
    rule: str = ""


def compare(old: EffectiveSchema, new: EffectiveSchema) -> list[Change]:
    """The differences between two versions of a resource type that mean something for its resources or clients.

    Raises ScimError mutability for what cannot change at all: the spelling of names.
    """
    found = [*_of_type(old, new)]
    before = {Resolved(urn, attribute).key: Resolved(urn, attribute) for urn, attribute in old.top_level()}
    after = {Resolved(urn, attribute).key: Resolved(urn, attribute) for urn, attribute in new.top_level()}
    for key, place in before.items():
        if key not in after:
            found.append(_removed(place))
        else:
            found += _changed(place, after[key], new)
    for key, place in after.items():
        if key not in before:
            found += _added(place, old, new)
    return found


def _of_type(old: EffectiveSchema, new: EffectiveSchema) -> Iterator[Change]:
    for member, one, other in (("endpoint", old.endpoint, new.endpoint), ("schema", old.base.key, new.base.key)):
        if one != other:
            yield Change(old.name, member, one, other, Effect.BREAKING, (Unused(),), f"has resources, so that its {member} cannot change")
    required = {schema.key for schema in old.required_extensions}
    held = {schema.key for schema, _ in old.extensions}
    for schema, needed in new.extensions:
        if needed and schema.key not in required:
            rule = "is required as an extension"
            yield Change(schema.urn, "required", False, True, Effect.TIGHTENING, (Carries(schema.urn),), rule)
        elif schema.key not in held or (not needed and schema.key in required):
            yield Change(schema.urn, "schemaExtensions", None, needed, Effect.WIDENING)


def _removed(place: Resolved) -> Change:
    return Change(place.name, "name", place.leaf.name, None, Effect.BREAKING, (SetAside(place),))


def _added(place: Resolved, old: EffectiveSchema, new: EffectiveSchema) -> Iterator[Change]:
    if place.attribute.is_link or place.attribute.is_annotated:
        # Rows of an attribute of this name that was removed, of which nobody knows now, would be its values.
        types = place.attribute.resource_types if place.attribute.is_link else ()
        kept = f"must refer to {', '.join(types)}" if types else "are kept in another form"
        rule = f"had values before it was removed, which {kept}"
        yield Change(
            place.name, "referenceTypes", None, list(place.attribute.resource_types), Effect.WIDENING, (Refers(place, types),), rule
        )
    carried = place.extension is None or old.extension(place.extension) is not None
    if not (carried and _demands(place)):
        yield Change(place.name, "name", None, place.leaf.name, Effect.WIDENING)
        return
    yield Change(place.name, "name", None, place.leaf.name, Effect.TIGHTENING, (_present(place, new),), "is required")


def _present(place: Resolved, new: EffectiveSchema) -> Present:
    return Present(place, any(schema.urn == place.extension for schema in new.required_extensions))


def _changed(old: Resolved, new: Resolved, schema: EffectiveSchema) -> Iterator[Change]:
    before, after = old.attribute, new.attribute
    if old.name != new.name:
        raise mutability(f"{old.name}: names are compared without case, and the spelling of one cannot change to {new.name}")
    if _form(before) != _form(after):
        rule = "has values, which the new definition would keep in another form"
        yield Change(old.name, "type", _form(before), _form(after), Effect.BREAKING, (Absent(old),), rule)
        yield from _demanded(old, new, schema)
        return
    yield from _characteristics(old, new, schema)
    if before.refers:  # its parts are what the server makes of rows
        return
    for sub in before.sub_attributes:
        other = after.sub(sub.name)
        if other is None:
            yield _removed(Resolved(old.extension, before, sub))
        elif other.name != sub.name:
            raise mutability(f"{old.name}.{sub.name}: the spelling of a name cannot change")
        elif _form(sub) != _form(other):
            rule = "has values, which the new definition would keep in another form"
            part = Resolved(old.extension, before, sub)
            yield Change(part.name, "type", _form(sub), _form(other), Effect.BREAKING, (Absent(part),), rule)
            yield from _demanded(part, Resolved(new.extension, after, other), schema)
        else:
            yield from _characteristics(Resolved(old.extension, before, sub), Resolved(new.extension, after, other), schema)
    for sub in after.sub_attributes:
        if before.sub(sub.name) is None:
            place = Resolved(new.extension, after, sub)
            demanded = _demands(place)
            checks = (Present(place),) if demanded else ()
            effect = Effect.TIGHTENING if demanded else Effect.WIDENING
            yield Change(place.name, "name", None, sub.name, effect, checks, "is required")


#: Types whose values are the same JSON text or number, so that one may become the other where every value fits.
_FAMILIES = {
    Type.STRING: "text",
    Type.REFERENCE: "text",
    Type.DATETIME: "text",
    Type.BINARY: "text",
    Type.INTEGER: "number",
    Type.DECIMAL: "number",
}


#: How a definition says what `Attribute.index` holds.
_INDEXED = {None: False, False: True, True: "substring"}


def _form(attribute: Attribute) -> str:
    """In what form values are stored: what differs here cannot be read as the other."""
    if attribute.refers:
        return "links" if attribute.is_link else "backlinks"
    if attribute.is_annotated:  # values of a document that have rows beside it
        return "references of which more is said"
    form = "hash" if attribute.returned is Returned.NEVER else _FAMILIES.get(attribute.type, attribute.type.value)
    return f"array of {form}" if attribute.multi_valued else form


def _demands(place: Resolved) -> bool:
    """Whether clients have to give a value; what is readOnly is the server's to give."""
    return place.leaf.required and place.leaf.mutability is not Mutability.READ_ONLY and place.leaf.key != SCHEMAS


def _demanded(old: Resolved, new: Resolved, schema: EffectiveSchema) -> Iterator[Change]:
    """Whether a value is required: said by `required`, and by `mutability` alone where that is what makes it hold."""
    before, after = old.leaf, new.leaf
    begins = _demands(new) and not _demands(old)
    checks = (_present(new, schema),) if begins else ()
    if before.required != after.required:
        effect = Effect.TIGHTENING if after.required else Effect.WIDENING
        yield Change(old.name, "required", before.required, after.required, effect, checks, "is required")
    elif begins:
        yield Change(old.name, "required", False, True, Effect.TIGHTENING, checks, "is required")


def _characteristics(old: Resolved, new: Resolved, schema: EffectiveSchema) -> Iterator[Change]:
    """Differences of one attribute or sub-attribute whose form stays."""
    before, after, path = old.leaf, new.leaf, old.name
    stored = before.type is not Type.COMPLEX and Returned.NEVER not in (before.returned, old.attribute.returned)
    if before.type is not after.type:
        checks: tuple[Check, ...] = (Fits(old, new), Compares(old, new)) if stored else ()
        effect = Effect.WIDENING if (before.type, after.type) == (Type.INTEGER, Type.DECIMAL) else Effect.BREAKING
        rule = f"has values that are not of the type {after.type.value}, or compare differently"
        yield Change(path, "type", before.type.value, after.type.value, effect, checks, rule)
    elif before.case_exact != after.case_exact:
        rule = f"has values that compare differently when caseExact is {str(after.case_exact).lower()}"
        checks = (Compares(old, new),) if stored else ()
        yield Change(path, "caseExact", before.case_exact, after.case_exact, Effect.BREAKING, checks, rule)
    yield from _demanded(old, new, schema)
    unique, was = after.uniqueness is not Uniqueness.NONE, before.uniqueness is not Uniqueness.NONE
    if unique != was:
        names = (before.uniqueness.value, after.uniqueness.value)
        if unique:
            rule = "must be unique, in at most 256 characters, and not change by width mapping"
            yield Change(path, "uniqueness", *names, Effect.TIGHTENING, (Compares(old, new), Fits(old, new), Distinct(old)), rule)
        else:
            rule = "has values of full or half width, which compare differently when they are not unique"
            yield Change(path, "uniqueness", *names, Effect.WIDENING, (Compares(old, new),), rule)
    if after.enforced and not (before.enforced and set(before.canonical_values) <= set(after.canonical_values)):
        rule = f"must be one of {', '.join(after.canonical_values)[:200]}"
        shown = (list(before.canonical_values), list(after.canonical_values))
        yield Change(path, "canonicalValues", *shown, Effect.TIGHTENING, (Fits(old, new),) if stored else (), rule)
    elif (before.enforced, before.canonical_values) != (after.enforced, after.canonical_values):
        yield Change(path, "canonicalValues", list(before.canonical_values), list(after.canonical_values), Effect.WIDENING)
    for member, one, other in (
        ("mutability", before.mutability.value, after.mutability.value),
        ("returned", before.returned.value, after.returned.value),
        ("indexed", _INDEXED[before.index], _INDEXED[after.index]),
    ):
        if one != other:
            yield Change(path, member, one, other, Effect.WIDENING)
    yield from _targets(old, new)


def _targets(old: Resolved, new: Resolved) -> Iterator[Change]:
    before, after = old.leaf.resource_types, new.leaf.resource_types
    if before != after:
        lost = not set(before) <= set(after)
        checks = (Refers(old, after),) if lost and not old.leaf.is_backlink else ()
        effect = Effect.TIGHTENING if lost else Effect.WIDENING
        yield Change(old.name, "referenceTypes", list(before), list(after), effect, checks, f"must refer to {', '.join(after)}")
