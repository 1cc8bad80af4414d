"""Projection against a second, plain reading of the rules, for generated schemas' worth of documents and parameters."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.project import Projection, project, view
from tests.unit.schema.support import BOAT, BOAT_DEFINITION, CREW, CREW_DEFINITION, LOG, LOG_DEFINITION, boat_schema

Path = tuple[str, str, str]  # URN ("" for the core), attribute, sub-attribute ("" for the attribute itself)


def _paths() -> dict[Path, str]:
    """Every place of the type with its `returned`, from the definitions as they are written."""
    found: dict[Path, str] = {}
    sources = [("", load_definitions().common), ("", BOAT_DEFINITION["attributes"])]
    sources += [(LOG, LOG_DEFINITION["attributes"]), (CREW, CREW_DEFINITION["attributes"])]
    for urn, attributes in sources:
        for attribute in attributes:
            found[urn, attribute["name"], ""] = attribute.get("returned", "default")
            for sub in attribute.get("subAttributes", ()):
                found[urn, attribute["name"], sub["name"]] = sub.get("returned", "default")
    return found


PATHS = _paths()


def _names(path: Path) -> set[str]:
    """Every way in which a client may name the place, in lower case."""
    urn, attribute, sub = path
    short = f"{attribute}.{sub}" if sub else attribute
    qualified = f"{urn or BOAT}:{short}"
    holders = {other for other, name, _ in PATHS if name == attribute}
    return {name.lower() for name in ([short, qualified] if urn == "" or holders == {urn} else [qualified])}


_COMMON = {attribute["name"] for attribute in load_definitions().common}


def _named(path: Path, names: set[str]) -> bool:
    urn, attribute, sub = path
    whole_schema = not sub and attribute not in _COMMON and (urn or BOAT).lower() in names
    return whole_schema or bool(_names(path) & names)


def _visible(path: Path, attributes: set[str] | None, excluded: set[str]) -> bool:
    """Whether a place is shown, by the words of RFC 7643 §7 and RFC 7644 §3.9."""
    urn, attribute, sub = path
    top = (urn, attribute, "")
    parts = [other for other in PATHS if other[:2] == path[:2] and other[2]]
    some_part_named = attributes is not None and any(_named(part, attributes) for part in parts)
    if not sub:
        match PATHS[path]:
            case "always":
                return True
            case "never":
                return False
        if _named(path, excluded):
            return False
        return PATHS[path] == "default" if attributes is None else _named(path, attributes) or some_part_named
    if not _visible(top, attributes, excluded):
        return False
    match PATHS[path]:
        case "always":
            return True
        case "never":
            return False
    if _named(path, excluded):
        return False
    if attributes is not None and _named(path, attributes):
        return True
    only_parts = some_part_named and attributes is not None and not _named(top, attributes)
    return PATHS[path] == "default" and not only_parts


def reference(document: dict[str, Any], attributes: set[str] | None, excluded: set[str]) -> dict[str, Any]:
    """The projection, place by place."""

    def object_of(urn: str, name: str, value: Any) -> Any:
        if not _visible((urn, name, ""), attributes, excluded):
            return None
        if isinstance(value, list):
            return [kept for element in value if (kept := object_of(urn, name, element))] or None
        if not isinstance(value, dict):
            return value
        return {sub: part for sub, part in value.items() if _visible((urn, name, sub), attributes, excluded)} or None

    result: dict[str, Any] = {}
    for name, value in document.items():
        if name in (LOG, CREW):
            kept: Any = {inner: part for inner, given in value.items() if (part := object_of(name, inner, given)) is not None} or None
        else:
            kept = object_of("", name, value)
        if kept is not None:
            result[name] = kept
    return result


_TEXT = st.sampled_from(["a", "b"])


def _value(path: Path) -> st.SearchStrategy[Any]:
    parts = [sub for urn, attribute, sub in PATHS if (urn, attribute) == path[:2] and sub]
    if not parts:
        return st.just(["a", "b"]) if path[1] in ("flags", "ports", "schemas") else _TEXT
    element = st.fixed_dictionaries({}, optional=dict.fromkeys(parts, _TEXT)).filter(bool)
    return st.lists(element, min_size=1, max_size=3) if path[1] in ("sails", "fleet", "fleets", "trips") else element


def _objects(urn: str) -> st.SearchStrategy[dict[str, Any]]:
    tops = {path[1]: _value(path) for path in PATHS if path[0] == urn and not path[2]}
    return st.fixed_dictionaries({}, optional=tops)


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    document = draw(_objects(""))
    for urn in (LOG, CREW):
        if held := draw(_objects(urn)):
            document[urn] = held
    return document


_PARAMETER = st.sets(
    st.sampled_from(sorted({name for path in PATHS for name in _names(path)} | {BOAT.lower(), LOG.lower(), CREW.lower(), "keeper", "no"})),
    min_size=1,
    max_size=5,
)


@given(_documents(), st.one_of(st.none(), _PARAMETER), _PARAMETER, st.booleans())
def test_projection_is_the_reference(document: dict[str, Any], attributes: set[str] | None, excluded: set[str], exclude: bool) -> None:
    """For any document and either parameter, the answer has exactly what the plain reading of the rules shows."""
    only, without = (None, excluded) if exclude else (attributes, set())
    projection = Projection(None if only is None else frozenset(only), frozenset(without))
    found = project(document, boat_schema(), view(projection, boat_schema()))
    assert found == reference(document, only, without)


@given(_documents(), st.one_of(st.none(), _PARAMETER))
def test_projecting_twice_changes_nothing(document: dict[str, Any], attributes: set[str] | None) -> None:
    """A projection keeps nothing that it would hide from itself, and nothing that is never returned."""
    shown = view(Projection(None if attributes is None else frozenset(attributes)), boat_schema())
    once = project(document, boat_schema(), shown)
    assert project(once, boat_schema(), shown) == once
    assert "code" not in once
    assert all("weave" not in sail for sail in once.get("sails", ()))
