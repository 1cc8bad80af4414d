"""Effective schemas for tests: those of RFC 7643, and one with an attribute of every kind."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.effective import EffectiveSchema, Schema, parse_schema

CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
SAMPLE: Final = "urn:example:params:scim:schemas:extension:sample:2.0:User"

#: An extension whose attributes have the types and shapes that RFC 7643's own schemas lack.
SAMPLE_DEFINITION: Final[dict[str, Any]] = {
    "id": SAMPLE,
    "name": "Sample",
    "attributes": [
        {"name": "grade", "type": "integer"},
        {"name": "ratio", "type": "decimal"},
        {"name": "since", "type": "dateTime"},
        {"name": "remote", "type": "boolean"},
        {"name": "badge", "type": "binary"},
        {"name": "code", "type": "string", "caseExact": True},
        {"name": "order", "type": "string"},
        {"name": "not", "type": "string"},
        {"name": "cost-center_2", "type": "string"},
        {"name": "tags", "type": "string", "multiValued": True},
        {"name": "floors", "type": "integer", "multiValued": True},
        {"name": "pin", "type": "string", "returned": "never"},
        {
            "name": "desks",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "room", "type": "string"},
                {"name": "width", "type": "integer"},
                {"name": "height", "type": "decimal"},
                {"name": "from", "type": "dateTime"},
                {"name": "key", "type": "string", "returned": "never"},
            ],
        },
    ],
}


def _definition(name: str) -> Any:
    return json.loads((files("scimsrv.schema") / "definitions" / f"{name}.json").read_text(encoding="utf-8"))


def _schema(name: str) -> Schema:
    return parse_schema(_definition(name))


def _effective(name: str, endpoint: str, extensions: tuple[Schema, ...]) -> EffectiveSchema:
    common = tuple(map(parse_attribute, _definition("common")))
    return EffectiveSchema(name, endpoint, common, _schema(name), tuple((schema, False) for schema in extensions))


@cache
def user_schema() -> EffectiveSchema:
    """User with the enterprise extension."""
    return _effective("User", "/Users", (_schema("EnterpriseUser"),))


@cache
def group_schema() -> EffectiveSchema:
    """Group."""
    return _effective("Group", "/Groups", ())


@cache
def sample_schema() -> EffectiveSchema:
    """User with the enterprise extension and the sample extension."""
    return _effective("User", "/Users", (_schema("EnterpriseUser"), parse_schema(SAMPLE_DEFINITION)))
