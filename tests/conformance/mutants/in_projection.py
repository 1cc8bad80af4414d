"""Mistakes in projections: attributes, excludedAttributes, and what is returned when."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

from scimsrv.protocol import request
from scimsrv.schema import project
from scimsrv.schema.attribute import Returned
from scimsrv.schema.project import EVERYTHING, Projection, View
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, replace

# -- projection ------------------------------------------------------------------------------------------------------------


@mutant
def attributes_are_ignored() -> None:
    """The parameter attributes changes nothing."""
    everywhere(request._projection, lambda only, without, limits: Projection(None, request._names(without, limits)))


@mutant
def excluded_attributes_are_ignored() -> None:
    """The parameter excludedAttributes changes nothing."""
    everywhere(request._projection, lambda only, without, limits: Projection(request._names(only, limits) or None))


@mutant
def both_projections_are_taken() -> None:
    """attributes and excludedAttributes may be given together."""
    everywhere(
        request._projection,
        lambda only, without, limits: Projection(request._names(only, limits) or None, request._names(without, limits)),
    )


@mutant
def projection_drops_always() -> None:
    """What is always returned can be left out."""
    replace(View, "shows", lambda original: lambda self, place: place.key not in self.without and _named(self, place, original))
    replace(View, "shows_part", lambda original: lambda self, place, sub: _part(self, place, sub, original))


def _named(view: View, place: Any, original: Any) -> bool:
    if view.only is not None and place.attribute.returned is Returned.ALWAYS:
        return place.key in view.only
    return bool(original(view, place))


def _part(view: View, place: Any, sub: Any, original: Any) -> bool:
    return f"{place.key}.{sub.key}" not in view.without and bool(original(view, place, sub))


@mutant
def projection_excludes_always() -> None:
    """excludedAttributes takes away what is always returned."""
    replace(View, "shows", lambda original: lambda self, place: place.key not in self.without and bool(original(self, place)))
    original = project.view
    everywhere(original, lambda projection, schema, *sent: changed(original(projection, schema, *sent), as_stored=not projection.asked))


@mutant
def projection_of_whole_attributes() -> None:
    """Naming a sub-attribute shows the whole attribute."""
    replace(View, "shows_part", lambda original: lambda self, place, sub: f"{place.key}.{sub.key}" not in self.without and _default(sub))


def _default(sub: Any) -> bool:
    return sub.returned in (Returned.DEFAULT, Returned.ALWAYS)


@mutant
def projection_knows_no_sub_attributes() -> None:
    """Naming a sub-attribute names nothing."""
    original = project._keys
    everywhere(original, lambda names, schema: frozenset(key for key in original(names, schema) if "." not in key.rpartition(":")[2]))


@mutant
def projection_cannot_exclude_parts() -> None:
    """A sub-attribute cannot be excluded."""
    original = project.view
    everywhere(
        original,
        lambda projection, schema, *sent: original(
            changed(projection, without=frozenset(name for name in projection.without if "." not in name.rpartition(":")[2])), schema, *sent
        ),
    )


@mutant
def projection_knows_no_urns() -> None:
    """A name with a URN in front names nothing in attributes and excludedAttributes."""
    original = project._keys
    everywhere(original, lambda names, schema: original([name for name in names if not name.startswith("urn:")], schema))


@mutant
def projection_with_case() -> None:
    """Names in attributes and excludedAttributes count with their case."""
    original = request._names

    def _names(given: Any, limits: Any) -> Any:
        known = {"userName", "displayName", "emails", "title", "name.familyName", "members", "nickName"}
        text = given.split(",") if isinstance(given, str) else list(given or ())
        return original([name for name in text if name in known or ":" in name or "." in name or name == name.lower()], limits)

    everywhere(original, _names)


@mutant
def projection_refuses_unknown_names() -> None:
    """A name that means nothing in attributes is an error."""
    from scimsrv.errors import invalid_value

    original = project._keys

    def _keys(names: Any, schema: Any) -> Any:
        for name in names:
            if schema.resolve(name) is None and schema.schema(name) is None:
                raise invalid_value(f"unknown attribute {name}")
        return original(names, schema)

    everywhere(original, _keys)


@mutant
def projection_not_in_lists() -> None:
    """attributes and excludedAttributes count for single resources only."""
    from scimsrv.protocol import planning

    replace(planning, "query", lambda original: lambda schemas, asked, *at: original(schemas, changed(asked, projection=EVERYTHING), *at))


@mutant
def projection_not_in_searches() -> None:
    """attributes and excludedAttributes of a search by POST are ignored."""
    original = request.search_by_body
    everywhere(original, lambda body, limits: changed(original(body, limits), projection=EVERYTHING))


@mutant
def projection_not_of_writes() -> None:
    """attributes and excludedAttributes do not shape the answers to POST, PUT and PATCH."""
    from scimsrv.protocol import planning

    for name in ("insert", "overwrite", "modify"):
        replace(
            planning,
            name,
            lambda original: lambda *args: original(*(EVERYTHING if isinstance(arg, Projection) else arg for arg in args)),
        )


@mutant
def projection_decides_what_is_stored() -> None:
    """What the answer to a create leaves out is not stored."""
    from scimsrv.protocol import planning

    def made(original: Any) -> Any:
        def insert(body: Any, schema: Any, catalog: Any, projection: Projection, limits: Any) -> Any:
            kept = {
                name: value
                for name, value in body.items()
                if name.lower() not in projection.without and (projection.only is None or name.lower() in projection.only | {"schemas"})
            }
            return original(kept, schema, catalog, projection, limits)

        return insert

    replace(planning, "insert", made)


@mutant
def returned_on_request_is_default() -> None:
    """What is returned on request only is always shown."""
    replace(View, "shows", lambda original: lambda self, place: _requested(self, place, original))


def _requested(view: View, place: Any, original: Any) -> bool:
    if place.attribute.returned is Returned.REQUEST and view.only is None:
        return place.key not in view.without
    return bool(original(view, place))


@mutant
def returned_on_request_is_never() -> None:
    """What is returned on request only is never shown."""
    replace(View, "shows", lambda original: lambda self, place: place.attribute.returned is not Returned.REQUEST and original(self, place))


@mutant
def extensions_vanish_from_projections() -> None:
    """A projection never shows an extension."""
    original = project.project
    everywhere(
        original,
        lambda document, schema, view: {name: value for name, value in original(document, schema, view).items() if ":" not in name},
    )


@mutant
def excluded_members_are_shown_in_lists() -> None:
    """Excluded members are shown in lists."""
    from scimsrv.protocol import planning

    def made(original: Any) -> Any:
        def query(schemas: Any, asked: Any, *at: Any) -> Any:
            without = asked.projection.without - {"members"}
            return original(schemas, changed(asked, projection=changed(asked.projection, without=without)), *at)

        return query

    replace(planning, "query", made)
