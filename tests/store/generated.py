"""Hypothesis strategies for a whole tenant: a schema with attributes of every kind, documents of it, and filters over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st

from scimsrv.filter.render import render
from scimsrv.filter.tree import And, Compare, Filter, Literal, Name, Not, Or, Present, ValuePath
from scimsrv.schema.attribute import Attribute, Returned, Type, Uniqueness
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema, Resolved
from scimsrv.schema.semantics import SEMANTICS, Op
from scimsrv.schema.validate import Coercer, complete, keys
from tests.store.support import catalog_of, everything_indexed

BASE: Final = "urn:example:params:scim:schemas:core:2.0:Thing"
EXTENSION: Final = "urn:example:params:scim:schemas:extension:more:2.0:Thing"

#: Values of each type. Few of them, so that documents and filters meet: characters that pattern languages treat specially, case
#: pairs, composed and decomposed letters, equal numbers and equal instants in different spellings, the ends of the ranges.
VALUES: Final[dict[Type, tuple[Literal, ...]]] = {
    Type.STRING: (
        *("", " ", "a", "A", "ab", "Ab", "aB_c", "a.c", "%", "_", "a%", "50%_", "\\", "\\%", "\\\\", 'q"q', '"', "o'neil", "''"),
        *("straße", "STRASSE", "ß", "ss", "ẞ", "İ", "i̇", "i", "ı", "Σ", "σ", "ς", "ΟΔΟΣ", "οδος", "ﬁ", "FI", "ǅ", "ﾞ", "ｗ", "W"),
        *("é", "e\u0301", "É", "\u212b", "å", "a\u030a", "\u0345", "\u03b1\u0345", "日本", "😀", "\U0001e900", "\U0001e922", "\ufb03"),
        *("\n", "\u0001", "\u200d", "\ud7ff", "\ue000", "\U0010ffff", "null", "true", "10", "{}", "[1]", "$1", "$.a", "a" * 300),
    ),
    Type.BOOLEAN: (True, False),
    Type.INTEGER: (0, 1, -1, 2, 10, 9, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)),
    Type.DECIMAL: (0, 0.0, -0.0, 1, 1.0, 0.1, 0.1 + 0.2, 0.3, -2.5, 10, 1e22, 1e-7, 2**53 + 1, 5e-324, 1.7976931348623157e308),
    Type.DATETIME: (
        *("2024-03-01T12:00:00Z", "2024-03-01T14:00:00+02:00", "2024-03-01T12:00:00.000", "2024-03-01T12:00:00.0009Z"),
        *("2024-03-01T12:00:00.001Z", "2024-03-01T11:59:59.999Z", "2024-02-29T24:00:00-12:00", "2023-12-31T23:59:59-05:00"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.5Z"),
    ),
    Type.BINARY: ("", "AA==", "aa==", "QUJD", "qujd", "+/+/"),
    Type.REFERENCE: ("urn:a:b", "URN:A:B", "https://example.com/%41_b", "https://example.com/%41_B", "../Things/1", "ß"),
}

_SIMPLE: Final = tuple(VALUES)
_NAMES: Final = ("alpha", "Beta", "order", "not", "and", "pr", "x-y", "z_1", "tags", "null", "eq")
_SUB_NAMES: Final = ("value", "type", "display", "Inner", "or", "when", "$ref")


#: What filters compare with: the same values, and other spellings of them.
LITERALS: Final[dict[Type, tuple[Literal, ...]]] = VALUES | {
    Type.INTEGER: (*VALUES[Type.INTEGER], 1.0, 2.0, -1.0),
    Type.BOOLEAN: (True, False, "True", "fALSE"),
}

Test = TypeVar("Test", bound=Callable[..., Any])
Item = TypeVar("Item")


@cache
def _below(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


def pick(draw: st.DrawFn, items: Sequence[Item]) -> Item:
    """One of the items. Much cheaper than a strategy made for them, of which there would be thousands."""
    return items[draw(_below(len(items)))]


def configured(number: int, *, shrink: bool = False) -> settings:
    """So many examples: the same ones at every run, unless HYPOTHESIS_SEED is a number. HYPOTHESIS_EXAMPLES multiplies how many."""
    return settings(
        max_examples=number * int(os.environ.get("HYPOTHESIS_EXAMPLES", "1")),
        deadline=None,
        derandomize="HYPOTHESIS_SEED" not in os.environ,
        database=None,
        phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if shrink else [])],
        suppress_health_check=list(HealthCheck),
    )


def seeded(test: Test) -> Test:
    """The property, or state machine, with the seed from HYPOTHESIS_SEED if there is one."""
    chosen = os.environ.get("HYPOTHESIS_SEED")
    return test if chosen is None else seed(int(chosen))(test)


def examples(number: int) -> Callable[[Test], Test]:
    """Run a property on so many examples. Failures are not shrunk, which would take minutes: a filter and a document are told."""
    return lambda test: configured(number)(seeded(test))


class World:
    """One tenant's contents: its only resource type, documents with ids, and filters as text."""

    def __init__(self, catalog: Catalog, documents: list[Document], filters: list[str]) -> None:
        self.catalog, self.documents, self.filters = catalog, documents, filters

    def __repr__(self) -> str:
        return f"<{len(self.documents)} documents, {len(self.filters)} filters>"

    @property
    def schema(self) -> EffectiveSchema:
        return self.catalog.by_name["Thing"]


@st.composite
def worlds(draw: st.DrawFn, *, documents: int, filters: int) -> World:
    """A tenant with so many documents, or fewer where their unique values clash, and so many filters over them."""
    schemas = [
        {"id": BASE, "name": "Thing", "attributes": _attributes(draw, 5)},
        {"id": EXTENSION, "name": "More", "attributes": _attributes(draw, 3)},
    ]
    kinds = [{"name": "Thing", "endpoint": "/Things", "schema": BASE, "schemaExtensions": [{"schema": EXTENSION}]}]
    catalog = catalog_of(schemas, kinds)
    # Every attribute indexed, every other one, or none.
    catalog = catalog_of(schemas, kinds, everything_indexed(catalog)[:: pick(draw, (1, 1, 2, 1_000))])
    schema = catalog.by_name["Thing"]
    made = [_document(draw, catalog, number) for number in range(documents)]
    trees = _Filters(draw, schema, list(places(schema)))
    return World(catalog, _without_clashes(made, schema), [render(trees.tree(3)) for _ in range(filters)])


# -- schemas -------------------------------------------------------------------------------------------------------


def _attributes(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    made = {}
    for _ in range(number):
        name = pick(draw, _NAMES)
        made[name.lower()] = _complex(draw, name) if pick(draw, (True, False)) else _simple(draw, name)
    return list(made.values())


def _simple(draw: st.DrawFn, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": pick(draw, _SIMPLE).value,
        "multiValued": pick(draw, (True, False)),
        "caseExact": pick(draw, (True, False)),
        "uniqueness": pick(draw, ("none", "none", "none", "server")),
    }


def _complex(draw: st.DrawFn, name: str) -> dict[str, Any]:
    subs = [
        _simple(draw, sub) | {"uniqueness": "none", "returned": pick(draw, ("default", "default", "default", "never"))}
        for sub in dict.fromkeys(pick(draw, _SUB_NAMES) for _ in range(5))
    ]
    multi_valued = pick(draw, (True, False))
    if multi_valued and pick(draw, (True, False)):
        subs.append({"name": "primary", "type": "boolean"})
    return {"name": name, "type": "complex", "multiValued": multi_valued, "subAttributes": subs}


# -- documents -----------------------------------------------------------------------------------------------------


def _document(draw: st.DrawFn, catalog: Catalog, number: int) -> Document:
    """What the server makes of a body in which attributes are missing, null, empty or filled."""
    schema = catalog.by_name["Thing"]
    body: Document = {}
    for extension, attribute in schema.top_level():
        if attribute in schema.common and attribute.key != "externalid":
            continue
        holder = body if extension is None else body.setdefault(extension, {})
        if pick(draw, (True, True, True, False)):
            holder[attribute.name] = _value(draw, attribute)
    document = complete(Coercer(catalog.policy).resource(body, schema).document, schema)
    return {"schemas": document["schemas"], "id": f"t-{number * 7 % 10}{number}"} | document


def _value(draw: st.DrawFn, attribute: Attribute) -> Any:
    if not pick(draw, range(10)):
        return None
    if not attribute.multi_valued:
        return _single(draw, attribute)
    elements = [_single(draw, attribute) for _ in range(pick(draw, range(4)))]
    if attribute.primary_part is not None:
        primary = [element for element in elements if element is not None and element.get("primary") is True]
        for element in primary[1:]:
            del element["primary"]
    return elements


def _single(draw: st.DrawFn, attribute: Attribute) -> Any:
    if attribute.type is not Type.COMPLEX:
        values = VALUES[attribute.type]
        return pick(draw, values if attribute.uniqueness is Uniqueness.NONE else values[1:20])
    return {sub.name: _value(draw, sub) for sub in attribute.sub_attributes if pick(draw, range(3))}


def _without_clashes(documents: list[Document], schema: EffectiveSchema) -> list[Document]:
    """The documents without those whose unique values an earlier one has: they could not be stored."""
    taken: set[tuple[str, str]] = set()
    kept = []
    for document in documents:
        mine = {(place.key, key) for place in schema.unique for key in keys(document, place)}
        if taken.isdisjoint(mine):
            taken |= mine
            kept.append(document)
    return kept


# -- filters -------------------------------------------------------------------------------------------------------


def places(schema: EffectiveSchema) -> Iterator[Resolved]:
    """Every place of the documents that a filter may name."""
    for extension, attribute in schema.top_level():
        if attribute.returned is not Returned.NEVER and attribute.key != "meta":
            yield Resolved(extension, attribute)
            yield from (Resolved(extension, attribute, sub) for sub in _seen(attribute))


def _seen(attribute: Attribute) -> list[Attribute]:
    return [sub for sub in attribute.sub_attributes if sub.returned is not Returned.NEVER]


@dataclass(frozen=True)
class _Filters:
    """Draws trees of the whole grammar whose names and literals fit the schema."""

    draw: st.DrawFn
    schema: EffectiveSchema
    places: list[Resolved]

    def tree(self, depth: int) -> Filter:
        return self._joined(depth, lambda rest: self.tree(rest), self._term)

    def _joined(self, depth: int, inner: Callable[[int], Filter], leaf: Callable[[], Filter]) -> Filter:
        kind = pick(self.draw, ("leaf", "leaf", "leaf", "and", "or", "not") if depth else ("leaf",))
        if kind == "leaf":
            return leaf()
        if kind == "not":
            return Not(inner(depth - 1))
        parts = tuple(inner(depth - 1) for _ in range(pick(self.draw, (2, 2, 3))))
        return And(parts) if kind == "and" else Or(parts)

    def _term(self) -> Filter:
        place = pick(self.draw, self.places)
        complex_ = place.attribute.type is Type.COMPLEX
        selectable = place.sub is None and (bool(_seen(place.attribute)) if complex_ else place.attribute.multi_valued)
        if selectable and pick(self.draw, (True, False)):
            return self._value_path(place)
        return self._leaf(place.leaf, self._spelled(place))

    def _value_path(self, place: Resolved) -> Filter:
        attribute, name = place.attribute, self._spelled(place)
        if attribute.type is not Type.COMPLEX:
            return ValuePath(name, self._inner(2, [("value", attribute)]))
        subs = [(sub.name, sub) for sub in _seen(attribute)]
        rest = self._named(subs) if pick(self.draw, (True, False, False)) else None
        return ValuePath(name, self._inner(2, subs), rest)

    def _inner(self, depth: int, subs: list[tuple[str, Attribute]]) -> Filter:
        return self._joined(depth, lambda rest: self._inner(rest, subs), lambda: self._named(subs))

    def _named(self, subs: list[tuple[str, Attribute]]) -> Compare | Present:
        name, sub = pick(self.draw, subs)
        return self._leaf(sub, Name(pick(self.draw, (name, name.upper())), 0))

    def _leaf(self, attribute: Attribute, name: Name) -> Compare | Present:
        kind = pick(self.draw, ("pr", "null", *["compare"] * 6))
        if kind == "null":
            return Compare(name, pick(self.draw, (Op.EQ, Op.NE)), None, 0)
        meant = attribute.value_part if attribute.type is Type.COMPLEX else attribute
        if kind == "pr" or meant is None or meant.returned is Returned.NEVER:
            return Present(name)
        accepted = [op for op in Op if op in SEMANTICS[meant.type].accepts]
        return Compare(name, pick(self.draw, accepted), pick(self.draw, LITERALS[meant.type]), 0)

    def _spelled(self, place: Resolved) -> Name:
        texts = [place.name, place.name.upper()]
        if place.extension is None:
            texts += [f"{BASE}:{place.name}", f"{BASE.lower()}:{place.name}"]
        short = place.name.removeprefix(f"{place.extension}:")
        meant = self.schema.resolve(short)
        if meant is not None and meant.key == place.key:
            texts += [short, short.lower()]
        return Name(pick(self.draw, texts), 0)
