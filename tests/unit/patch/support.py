"""What the tests of PATCH share: running operations, and a resource type that has every characteristic PATCH must mind."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any, Final

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.patch.apply import Patched, apply
from scimsrv.patch.dialects import standard
from scimsrv.patch.parse import parse_operations
from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.effective import EffectiveSchema, parse_schema
from scimsrv.schema.policy import Policy
from tests.schemas import CORE_USER, ENTERPRISE

TOOL: Final = "urn:example:params:scim:schemas:core:2.0:Tool"
LEASE: Final = "urn:example:params:scim:schemas:extension:lease:2.0:Tool"
POLICY: Final = Policy()
UPSERT: Final = Policy(patch_replace_upsert=True)
STRICT: Final = Policy(strict_attributes=True, strict_operations=True)

Json = Any
Document = dict[str, Any]

_REFERENCE: Final = [
    {"name": "value", "mutability": "immutable", "caseExact": True},
    {"name": "$ref", "type": "reference", "referenceTypes": ["User"], "mutability": "immutable"},
]
_TOOL: Final = {
    "id": TOOL,
    "attributes": [
        {"name": "label", "required": True},
        {"name": "serial", "mutability": "immutable"},
        {"name": "stamp", "mutability": "readOnly"},
        {"name": "origin", "type": "complex", "mutability": "readOnly", "subAttributes": [{"name": "country"}]},
        {"name": "tags", "multiValued": True},
        {"name": "codes", "multiValued": True, "caseExact": True, "mutability": "immutable"},
        {"name": "kinds", "multiValued": True, "required": True},
        {"name": "pin", "returned": "never", "required": True},
        {
            "name": "parts",
            "type": "complex",
            "multiValued": True,
            "subAttributes": [
                {"name": "number", "required": True},
                {"name": "batch", "mutability": "immutable"},
                {"name": "checked", "mutability": "readOnly"},
                {"name": "colours", "multiValued": True},
                {"name": "size", "type": "integer"},
            ],
        },
        {"name": "maker", "type": "complex", "subAttributes": [{"name": "name"}, {"name": "city"}, {"name": "seal", "required": True}]},
        {"name": "keepers", "type": "complex", "multiValued": True, "subAttributes": _REFERENCE},
        {"name": "founders", "type": "complex", "multiValued": True, "mutability": "immutable", "subAttributes": _REFERENCE},
        {"name": "owners", "type": "complex", "multiValued": True, "required": True, "subAttributes": _REFERENCE},
    ],
}
_LEASE: Final = {
    "id": LEASE,
    "attributes": [
        {"name": "until", "type": "dateTime"},
        {"name": "contract", "mutability": "immutable"},
        {"name": "checked", "mutability": "readOnly"},
        {"name": "code", "returned": "never"},
        {"name": "holders", "type": "complex", "multiValued": True, "subAttributes": _REFERENCE},
    ],
}


@cache
def tool_schema(*, lease_required: bool = False) -> EffectiveSchema:
    """A type with immutable, readOnly, required, secret and reference attributes and an extension of such."""
    common = json.loads((files("scimsrv.schema") / "definitions" / "common.json").read_text(encoding="utf-8"))
    extensions = ((parse_schema(_LEASE), lease_required),)
    return EffectiveSchema("Tool", "/Tools", tuple(map(parse_attribute, common)), parse_schema(_TOOL), extensions)


def user(**attributes: Json) -> Document:
    """A canonical user."""
    urns = [CORE_USER, ENTERPRISE] if ENTERPRISE in attributes else [CORE_USER]
    return {"schemas": urns, "id": "u-1", "userName": "ada@example.com"} | attributes


def tool(**attributes: Json) -> Document:
    """A canonical tool."""
    urns = [TOOL, LEASE] if LEASE in attributes else [TOOL]
    return {"schemas": urns, "id": "t-1", "label": "Saw", "kinds": ["hand"]} | attributes


def run(
    schema: EffectiveSchema,
    document: Document,
    *operations: Json,
    policy: Policy = POLICY,
    limits: Limits | None = None,
    loaded: dict[str, list[dict[str, Any]]] | None = None,
) -> Patched:
    """Applies raw operations, as the server does; fails if the input document was changed."""
    limits = limits or Limits()
    before = deepcopy(document)
    try:
        parsed = parse_operations(standard(list(operations), policy), schema, policy, limits)
        return apply(parsed, document, schema, policy, limits, loaded)
    finally:
        assert document == before


def refused(kind: Kind, *args: Any, operation: int | None = 0, **options: Any) -> ScimError:
    """Runs operations that must be refused with this kind, at the operation with this index."""
    with pytest.raises(ScimError) as caught:
        run(*args, **options)
    assert caught.value.kind is kind, caught.value
    assert caught.value.operation == operation, caught.value
    return caught.value


def op(action: str, path: str | None = None, **value: Json) -> Json:
    """An operation; without the keyword `value` it has no value member."""
    return {"op": action} | ({} if path is None else {"path": path}) | value
