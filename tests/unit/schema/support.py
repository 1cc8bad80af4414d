"""A made-up resource type that has every characteristic of RFC 7643 §7 in every shape, so that nothing can be true by name only."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.effective import EffectiveSchema, parse_schema

BOAT: Final = "urn:example:params:scim:schemas:core:2.0:Boat"
#: Begins with the URN of the core schema, as extensions may.
LOG: Final = "urn:example:params:scim:schemas:core:2.0:Boat:log"
CREW: Final = "urn:example:params:scim:schemas:extension:crew:2.0:Boat"

Definition = dict[str, Any]

_WOOD: Final = {"name": "wood"}
_REF: Final = [
    {"name": "value", "caseExact": True},
    {"name": "$ref", "type": "reference", "referenceTypes": ["Boat"]},
    {"name": "display", "mutability": "readOnly"},
]

BOAT_DEFINITION: Final[Definition] = {
    "id": BOAT,
    "name": "Boat",
    "attributes": [
        {"name": "label", "required": True, "uniqueness": "server"},
        {"name": "hull", "caseExact": True, "uniqueness": "server"},
        {"name": "nick"},
        {"name": "afloat", "type": "boolean"},
        {"name": "length", "type": "decimal"},
        {"name": "masts", "type": "integer"},
        {"name": "launched", "type": "dateTime"},
        {"name": "stamp", "type": "binary"},
        {"name": "plan", "type": "reference", "referenceTypes": ["external"]},
        {"name": "flags", "multiValued": True},
        {"name": "depths", "type": "integer", "multiValued": True},
        {"name": "yard", "mutability": "immutable"},
        {"name": "ports", "multiValued": True, "mutability": "immutable"},
        {"name": "rating", "mutability": "readOnly"},
        {"name": "code", "mutability": "writeOnly", "returned": "never"},
        {"name": "badge", "returned": "always"},
        {"name": "history", "returned": "request"},
        {
            "name": "sails",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "value", "required": True},
                {"name": "area", "type": "decimal", "returned": "always"},
                {"name": "maker", "returned": "request"},
                {"name": "weave", "returned": "never"},
                {"name": "checked", "mutability": "readOnly"},
                {"name": "colours", "multiValued": True},
                {"name": "serial", "uniqueness": "server", "caseExact": True},
                {"name": "primary", "type": "boolean"},
            ],
        },
        {
            "name": "engine",
            "type": "complex",
            "subAttributes": [
                {"name": "maker"},
                {"name": "number", "mutability": "immutable"},
                {"name": "hours", "type": "integer", "mutability": "readOnly"},
                {"name": "fuel", "canonicalValues": ["diesel", "none"]},
            ],
        },
        {"name": "tender", "type": "complex", "subAttributes": _REF},
        {"name": "fleet", "type": "complex", "multiValued": True, "subAttributes": _REF},
        {"name": "fleets", "type": "complex", "multiValued": True, "mutability": "readOnly", "subAttributes": _REF},
        {"name": "deck", "type": "complex", "returned": "request", "subAttributes": [_WOOD, {"name": "age", "type": "integer"}]},
        {"name": "mast", "type": "complex", "returned": "always", "subAttributes": [_WOOD, {"name": "height", "type": "integer"}]},
    ],
}
LOG_DEFINITION: Final[Definition] = {
    "id": LOG,
    "name": "Log",
    "attributes": [
        {"name": "miles", "type": "integer", "required": True},
        {"name": "keeper"},
        {"name": "secretary", "returned": "request"},
        {"name": "seal", "returned": "always"},
        {"name": "trips", "type": "complex", "multiValued": True, "subAttributes": [{"name": "to"}, {"name": "days", "type": "integer"}]},
    ],
}
CREW_DEFINITION: Final[Definition] = {"id": CREW, "name": "Crew", "attributes": [{"name": "captain"}, {"name": "keeper"}]}


@cache
def boat_schema(*, crew_required: bool = False) -> EffectiveSchema:
    """The resource type Boat with its two extensions."""
    return EffectiveSchema(
        name="Boat",
        endpoint="/Boats",
        common=tuple(map(parse_attribute, load_definitions().common)),
        base=parse_schema(BOAT_DEFINITION),
        extensions=((parse_schema(LOG_DEFINITION), False), (parse_schema(CREW_DEFINITION), crew_required)),
    )


def boat(**attributes: Any) -> Definition:
    """A canonical boat; extensions are named `log` and `crew`."""
    named = {"log": LOG, "crew": CREW}
    extensions = {named[name]: attributes.pop(name) for name in list(attributes) if name in named}
    return {"schemas": [BOAT, *extensions], "id": "b-1", "label": "Gull"} | attributes | extensions


def refused(kind: Kind, says: str) -> Any:
    """Expects a ScimError of the kind whose sentence holds the text."""
    return _Refused(kind, says)


class _Refused:
    """A context in which a ScimError must be raised."""

    def __init__(self, kind: Kind, says: str) -> None:
        self.kind, self.says = kind, says
        self.raises: Any = pytest.raises(ScimError)

    def __enter__(self) -> None:
        self.caught = self.raises.__enter__()

    def __exit__(self, *problem: object) -> bool:
        done: bool = self.raises.__exit__(*problem)
        assert self.caught.value.kind is self.kind, self.caught.value
        assert self.says in self.caught.value.sentence, self.caught.value
        return done
