"""Filters as written to filters whose names and literals fit a schema: after this, every leaf carries its attribute and a key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.caret import refusal
from scimsrv.filter.tree import And, Compare, Filter, Name, Not, Or, Present, ValuePath
from scimsrv.schema.attribute import Attribute, Returned, Type, fold_name
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import EQUALITY, SEMANTICS, Key, Op, key_of, satisfies


@dataclass(frozen=True, slots=True)
class BoundCompare:
    """Some value at `place` stands in the relation `op` to `key`; NE holds as well where there is no value (decision 5)."""

    place: Resolved
    op: Op
    key: Key


@dataclass(frozen=True, slots=True)
class BoundPresent:
    """`place` has a value that counts as assigned."""

    place: Resolved


@dataclass(frozen=True, slots=True)
class BoundElement:
    """Some one element of the attribute at `place` (its `sub` is None) satisfies `filter`.

    Places within `filter` are those of the attribute's sub-attributes; for an attribute of simple values, the attribute itself.
    """

    place: Resolved
    filter: Bound


@dataclass(frozen=True, slots=True)
class BoundNot:
    """Holds where `filter` does not."""

    filter: Bound


@dataclass(frozen=True, slots=True)
class BoundAnd:
    """All of two or more, none of them a BoundAnd or a BoundConstant."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class BoundOr:
    """Any of two or more, none of them a BoundOr or a BoundConstant."""

    parts: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class BoundConstant:
    """Holds for every resource, or for none. Only ever the whole filter, never a part."""

    value: bool


Bound: TypeAlias = BoundCompare | BoundPresent | BoundElement | BoundNot | BoundAnd | BoundOr | BoundConstant

#: Names longer than this get no suggestion: comparing them with every name of the schema would cost more than it helps.
_SUGGESTED_LENGTH: Final = 80


def bind(tree: Filter, schema: EffectiveSchema, text: str, *, unknown_matches_nothing: bool) -> Bound:
    """The filter bound to a resource type; `text` is what the tree was parsed from, for the carets in messages.

    With `unknown_matches_nothing`, names that the type lacks stand for attributes without a value, as queries over several types
    demand (RFC 7644 §3.4.2.1). Raises ScimError invalidFilter for unknown names otherwise, and always for what does not fit the
    schema: operators that a type lacks, literals of another type, and attributes that are never returned (RFC 7644 §3.4.2.2).
    """
    return _Binder(text, Kind.INVALID_FILTER, _Resource(schema), unknown_matches_nothing).filter(tree)


def bind_element(tree: Filter, place: Resolved, text: str, kind: Kind) -> Bound:
    """The filter of a PATCH path `place[tree]`, bound for match_element. Raises ScimError of this kind."""
    binder = _Binder(text, kind, _Element(place), False)
    binder.check_selectable(place, 0)
    return binder.filter(tree)


@dataclass(frozen=True, slots=True)
class _Resource:
    """Where names are attribute paths of a resource type."""

    schema: EffectiveSchema

    @property
    def owner(self) -> str:
        return f"resource type {self.schema.name}"

    def resolve(self, name: str) -> Resolved | None:
        return self.schema.resolve(name)

    def names(self) -> Iterator[str]:
        for extension, attribute in self.schema.top_level():
            yield from _readable_names(attribute, f"{extension}:" if extension else "")
            if extension and self.schema.resolve(attribute.name):
                yield from _readable_names(attribute, "")


@dataclass(frozen=True, slots=True)
class _Element:
    """Where names are sub-attributes of an attribute, or `value` for the elements of an attribute of simple values."""

    place: Resolved

    @property
    def owner(self) -> str:
        return f"'{self.place.name}'"

    def resolve(self, name: str) -> Resolved | None:
        extension, attribute = self.place.extension, self.place.attribute
        if attribute.type is not Type.COMPLEX:
            return Resolved(extension, attribute) if fold_name(name) == "value" else None
        sub = attribute.sub(name)
        return None if sub is None else Resolved(extension, attribute, sub)

    def names(self) -> Iterator[str]:
        if self.place.attribute.type is not Type.COMPLEX:
            yield "value"
        yield from (sub.name for sub in self.place.attribute.sub_attributes if sub.returned is not Returned.NEVER)


@dataclass(frozen=True, slots=True)
class _Binder:
    """Binds the nodes of one text, names being those of the scope."""

    text: str
    kind: Kind
    scope: _Resource | _Element
    unknown_matches_nothing: bool

    def filter(self, node: Filter) -> Bound:
        match node:
            case And(parts):
                return conjunction(map(self.filter, parts))
            case Or(parts):
                return disjunction(map(self.filter, parts))
            case Not(inner):
                return negation(self.filter(inner))
            case Compare():
                return self.compare(node)
            case Present(name):
                place = self.resolve(name)
                return BoundConstant(False) if place is None else BoundPresent(place)
            case ValuePath():
                return self.value_path(node)
            case _:
                assert_never(node)

    def value_path(self, node: ValuePath) -> Bound:
        place = self.resolve(node.name)
        if place is None:
            return BoundConstant(False)
        self.check_selectable(place, node.name.offset)
        within = _Binder(self.text, self.kind, _Element(place), self.unknown_matches_nothing)
        inner = conjunction(map(within.filter, (node.filter,) if node.rest is None else (node.filter, node.rest)))
        if isinstance(inner, BoundConstant):
            return BoundPresent(place) if inner.value else inner
        return BoundElement(place, inner)

    def compare(self, node: Compare) -> Bound:
        op, literal = node.op, node.literal
        if literal is None and op not in EQUALITY:
            raise self.refusal(f"'{op.value}' does not apply to null: expected eq or ne.", node.offset)
        place = self.resolve(node.name)
        if literal is None:  # null means unassigned (RFC 7643 §2.5)
            present: Bound = BoundConstant(False) if place is None else BoundPresent(place)
            return negation(present) if op is Op.EQ else present
        if place is None:
            return BoundConstant(op is Op.NE)
        if place.leaf.type is Type.COMPLEX:
            place = self.value_part(place, node.name)
        rule = SEMANTICS[place.leaf.type]
        if op not in rule.accepts:
            accepted = ", ".join(other.value for other in Op if other in rule.accepts)
            sentence = f"'{op.value}' does not apply to '{place.name}', of type {place.leaf.type.value}: expected {accepted} or pr."
            raise self.refusal(sentence, node.name.offset)
        try:
            key = key_of(place.leaf, rule.coerce(literal))
        except ValueError as problem:
            raise self.refusal(f"The value for '{place.name}' {problem}.", node.offset) from None
        if isinstance(self.scope, _Resource) and _is_type_name(place):  # known of every resource of the type
            return BoundConstant(satisfies(op, key_of(place.leaf, self.scope.schema.name), key))
        if place.leaf is place.attribute.primary_part and (op is Op.NE or key is False):
            return self.not_primary(place, op, key)
        return BoundCompare(place, op, key)

    def not_primary(self, place: Resolved, op: Op, key: Key) -> Bound:
        """`primary` is false where it is missing (RFC 7643 §2.4): `eq false` means that it is not true."""
        leaf = BoundCompare(place, Op.EQ if (op is Op.EQ) is (key is True) else Op.NE, True)
        if isinstance(self.scope, _Element):
            return leaf
        attribute = Resolved(place.extension, place.attribute)
        found = BoundElement(attribute, leaf)
        return found if op is Op.EQ else disjunction((found, BoundNot(BoundPresent(attribute))))

    def value_part(self, place: Resolved, name: Name) -> Resolved:
        """Where a comparison with a complex attribute goes: to its `value` (decision 25)."""
        part = None if place.sub else place.attribute.value_part
        if part is None:
            raise self.refusal(f"'{_short(name)}' is complex: expected one of its sub-attributes.", name.offset)
        return self.readable(Resolved(place.extension, place.attribute, part), name)

    def resolve(self, name: Name) -> Resolved | None:
        """The place that a name stands for; None for a name that is to match nothing."""
        place = self.scope.resolve(name.text)
        if place is not None:
            return self.readable(place, name)
        if self.unknown_matches_nothing:
            return None
        close = self.closest(name.text)
        hint = f"; expected perhaps '{close}'" if close else ""
        raise self.refusal(f"'{_short(name)}' is no attribute of {self.scope.owner}{hint}.", name.offset)

    def readable(self, place: Resolved, name: Name) -> Resolved:
        """Refuses what is never returned, whatever its value: a filter must not become a way to guess it (decision 9)."""
        if Returned.NEVER in (place.attribute.returned, place.leaf.returned):
            # The excerpt ends with the name: what it is compared with is not shown to whoever reads an identity provider's log.
            sentence = f"'{_short(name)}' cannot be used in filters: it is never returned."
            raise refusal(self.kind, sentence, self.text[: name.offset + len(name.text)], name.offset)
        return place

    def check_selectable(self, place: Resolved, offset: int) -> None:
        """Refuses a value path on anything but a complex or multi-valued attribute."""
        attribute = place.attribute
        if place.sub is not None:
            raise self.refusal(f"'{place.name}' is a sub-attribute: expected an attribute before '['.", offset)
        if attribute.type is not Type.COMPLEX and not attribute.multi_valued:
            raise self.refusal(f"'{place.name}' is a single simple value: expected a complex or multi-valued attribute before '['.", offset)

    def closest(self, name: str) -> str | None:
        """The name in scope that is most like this one, if any is."""
        if len(name) > _SUGGESTED_LENGTH:
            return None
        known = {fold_name(candidate): candidate for candidate in self.scope.names()}
        close = difflib.get_close_matches(fold_name(name), known, n=1)
        return known[close[0]] if close else None

    def refusal(self, sentence: str, offset: int) -> ScimError:
        return refusal(self.kind, sentence, self.text, offset)


def _is_type_name(place: Resolved) -> bool:
    return place.extension is None and place.attribute.key == "meta" and place.leaf.key == "resourcetype"


def _short(name: Name) -> str:
    """The name as messages quote it."""
    return name.text if len(name.text) <= _SUGGESTED_LENGTH else name.text[:_SUGGESTED_LENGTH] + "…"


def _readable_names(attribute: Attribute, prefix: str) -> Iterator[str]:
    if attribute.returned is not Returned.NEVER:
        yield prefix + attribute.name
        yield from (f"{prefix}{attribute.name}.{sub.name}" for sub in attribute.sub_attributes if sub.returned is not Returned.NEVER)


def conjunction(parts: Iterable[Bound]) -> Bound:
    """All of the parts, as simple as possible: nested conjunctions become one, constants vanish."""
    return _joined(parts, BoundAnd, neutral=True)


def disjunction(parts: Iterable[Bound]) -> Bound:
    """Any of the parts, as simple as possible."""
    return _joined(parts, BoundOr, neutral=False)


def negation(bound: Bound) -> Bound:
    """The opposite, as simple as possible."""
    match bound:
        case BoundConstant(value):
            return BoundConstant(not value)
        case BoundNot(inner):
            return inner
        case _:
            return BoundNot(bound)


def _joined(parts: Iterable[Bound], join: type[BoundAnd] | type[BoundOr], *, neutral: bool) -> Bound:
    flat: list[Bound] = []
    decided = False
    for part in parts:  # all of them, for binding a part may raise
        if isinstance(part, BoundConstant):
            decided = decided or part.value is not neutral
        elif isinstance(part, join):
            flat += part.parts
        else:
            flat.append(part)
    if decided or not flat:
        return BoundConstant(neutral is not decided)
    return flat[0] if len(flat) == 1 else join(tuple(flat))
