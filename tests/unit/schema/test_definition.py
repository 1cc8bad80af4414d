"""Checking Schema and ResourceType documents: what is taken, and that a fault names its attribute and the rule."""

from __future__ import annotations

from typing import Any, Final

import pytest

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import parse_attribute
from scimsrv.schema.definition import MOST_ATTRIBUTES, checked_schema
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.protection import check_protected
from scimsrv.schema.resource_type import MOST_SCHEMAS, check_references, checked_resource_type
from tests.schemas import CORE_USER, ENTERPRISE
from tests.unit.schema.support import BOAT_DEFINITION, CREW_DEFINITION, LOG_DEFINITION, refused

URN: Final = "urn:example:params:scim:schemas:extension:1.0:Badge"
PROTOCOL: Final = {"Schema", "ResourceType", "ServiceProviderConfig"}


def schema(*attributes: Any, **members: Any) -> dict[str, Any]:
    """A Schema with these attributes."""
    return {"id": URN, "name": "Badge", "attributes": list(attributes)} | members


@pytest.mark.parametrize(
    "definition",
    [one for one in load_definitions().schemas.values() if one["id"].rpartition(":")[2] not in PROTOCOL],
    ids=lambda d: d["name"],
)
def test_the_standard_passes(definition: dict[str, Any]) -> None:
    """The schemas of RFC 7643 are taken, and what is stored means the same."""
    taken = checked_schema(definition)
    assert [vars(parse_attribute(one)) | {"sub_attributes": ()} for one in taken["attributes"]] == [
        vars(parse_attribute(one)) | {"sub_attributes": ()} for one in definition["attributes"]
    ]
    assert checked_schema(taken) == taken
    check_protected(definition["id"], taken, _TYPES)


@pytest.mark.parametrize("definition", [BOAT_DEFINITION, LOG_DEFINITION, CREW_DEFINITION], ids=lambda d: d["name"])
def test_made_up_schemas_pass(definition: dict[str, Any]) -> None:
    """Any combination of characteristics that means something is taken; checking twice changes nothing."""
    taken = checked_schema(definition)
    assert checked_schema(taken) == taken


def test_names_and_words_in_any_case() -> None:
    """Members and the words of characteristics are taken in any case and shown in their own; null counts as absent."""
    taken = checked_schema(
        {
            "ID": URN,
            "Name": "Badge",
            "meta": {},
            "Attributes": [{"NAME": "Room", "Type": "STRING", "mutability": "READONLY", "uniqueness": None}],
        }
    )
    assert taken["attributes"][0]["name"] == "Room"
    assert (taken["attributes"][0]["type"], taken["attributes"][0]["mutability"]) == ("string", "readOnly")


def _complex(*subs: Any, **members: Any) -> dict[str, Any]:
    return {"name": "desk", "type": "complex", "subAttributes": list(subs)} | members


_TYPES: Final = ("User", "Group")
_REF: Final = {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}

_FAULTS: Final[list[tuple[dict[str, Any], Kind, str]]] = [
    ({"name": "x", "attributes": [{"name": "a"}]}, Kind.INVALID_VALUE, "id is required"),
    (schema({"name": "a"}, id="badge"), Kind.INVALID_VALUE, 'id: "badge" is no URN'),
    (schema({"name": "a"}, id="urn:x:" + "y" * 200), Kind.INVALID_VALUE, "is no URN"),
    (schema({"name": "a"}, id="urn:example:a b"), Kind.INVALID_VALUE, "is no URN"),
    (schema({"name": "a"}, id="urn:ietf:params:scim:api:messages:2.0:X"), Kind.INVALID_VALUE, "namespace"),
    (schema({"name": "a"}, id="urn:scimsrv:x:y"), Kind.INVALID_VALUE, "namespace"),
    (schema({"name": "a"}, name=""), Kind.INVALID_VALUE, "name is required"),
    (schema({"name": "a"}, name="a\x07b"), Kind.INVALID_VALUE, "name must be a text"),
    (schema({"name": "a"}, schemas=["urn:x:y"]), Kind.INVALID_SYNTAX, "schemas must be"),
    (schema({"name": "a"}, colour="red"), Kind.INVALID_SYNTAX, 'no member "colour"'),
    (schema(), Kind.INVALID_VALUE, "at least one attribute"),
    (schema(*({"name": f"a{n}"} for n in range(MOST_ATTRIBUTES + 1))), Kind.INVALID_VALUE, "at most 200"),
    (schema(_complex(*({"name": f"a{n}"} for n in range(MOST_ATTRIBUTES)))), Kind.INVALID_VALUE, "at most 200"),
    (schema("a"), Kind.INVALID_SYNTAX, "attributes[0] must be an object"),
    (schema({"type": "string"}), Kind.INVALID_VALUE, "attributes[0]: name is required"),
    (schema({"name": "2nd"}), Kind.INVALID_VALUE, '"2nd" cannot be a name'),
    (schema({"name": "a.b"}), Kind.INVALID_VALUE, "cannot be a name"),
    (schema({"name": "$ref", "type": "reference", "referenceTypes": ["User"]}), Kind.INVALID_VALUE, "cannot be a name"),
    (schema({"name": "ExternalID"}), Kind.INVALID_VALUE, "every resource has"),
    (schema({"name": "a"}, {"name": "A"}), Kind.INVALID_VALUE, "A is defined twice"),
    (schema(_complex({"name": "b"}, {"name": "B"})), Kind.INVALID_VALUE, "desk.B is defined twice"),
    (schema({"name": "a", "type": "date"}), Kind.INVALID_VALUE, "a: type must be one of string, boolean"),
    (schema({"name": "a", "multiValued": "yes"}), Kind.INVALID_VALUE, "a: multiValued must be true or false"),
    (schema({"name": "a", "required": 1}), Kind.INVALID_VALUE, "a: required must be true or false"),
    (schema({"name": "a", "mutability": "writable"}), Kind.INVALID_VALUE, "a: mutability must be one of"),
    (schema({"name": "a", "returned": "often"}), Kind.INVALID_VALUE, "a: returned must be one of"),
    (schema({"name": "a", "uniqueness": "tenant"}), Kind.INVALID_VALUE, "a: uniqueness must be one of"),
    (schema({"name": "a", "size": 3}), Kind.INVALID_SYNTAX, 'a has no member "size"'),
    (schema({"name": "a", "canonicalValues": "x"}), Kind.INVALID_VALUE, "a: canonicalValues must be an array of texts"),
    (schema({"name": "a", "canonicalValues": ["x", "x"]}), Kind.INVALID_VALUE, "a: canonicalValues has a text twice"),
    (schema({"name": "a", "type": "integer", "canonicalValues": ["1"]}), Kind.INVALID_VALUE, "a: canonicalValues are texts"),
    (schema({"name": "a", "canonicalValuesEnforced": True}), Kind.INVALID_VALUE, "a: canonicalValuesEnforced needs canonicalValues"),
    (
        schema(_complex({"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]})),
        Kind.INVALID_VALUE,
        "desk.b: a sub-attribute cannot be complex",
    ),
    (schema({"name": "a", "type": "complex"}), Kind.INVALID_VALUE, "a.subAttributes must be an array"),
    (schema({"name": "a", "subAttributes": [{"name": "b"}]}), Kind.INVALID_VALUE, "a: only a complex attribute has subAttributes"),
    (schema({"name": "a", "type": "reference"}), Kind.INVALID_VALUE, "a: referenceTypes is required"),
    (schema({"name": "a", "type": "reference", "referenceTypes": ["a b"]}), Kind.INVALID_VALUE, 'a: referenceTypes: "a b" is neither'),
    (schema({"name": "a", "referenceTypes": ["User"]}), Kind.INVALID_VALUE, "a: only a reference has referenceTypes"),
    (schema(_complex({"name": "$ref"})), Kind.INVALID_VALUE, "desk.$ref: $ref is a reference"),
    (schema(_complex({"name": "primary"}, multiValued=True)), Kind.INVALID_VALUE, "desk: its part primary has to be a single boolean"),
    (schema({"name": "a", "type": "binary", "caseExact": False}), Kind.INVALID_VALUE, "a: binary values are case-exact"),
    (
        schema({"name": "a", "type": "boolean", "uniqueness": "server"}),
        Kind.INVALID_VALUE,
        "a: a value of the type boolean cannot be unique",
    ),
    (schema({"name": "a", "returned": "never", "multiValued": True}), Kind.INVALID_VALUE, "a: what is never returned is kept as a hash"),
    (schema({"name": "a", "returned": "never", "uniqueness": "server"}), Kind.INVALID_VALUE, "a: what is never returned can be neither"),
    (schema({"name": "a", "returned": "never", "mutability": "readOnly"}), Kind.INVALID_VALUE, "a: what is readOnly and never returned"),
    (schema({"name": "a", "mutability": "writeOnly"}), Kind.INVALID_VALUE, "a: what is writeOnly appears in no answer"),
    (schema(_complex({"name": "b", "mutability": "writeOnly"})), Kind.INVALID_VALUE, "desk.b: what is writeOnly appears in no answer"),
    (schema({"name": "a", "indexed": "prefix"}), Kind.INVALID_VALUE, "a: indexed must be true, false"),
    (schema({"name": "a", "type": "integer", "indexed": "substring"}), Kind.INVALID_VALUE, "a: a value of the type integer has no pieces"),
    (schema(_complex({"name": "b"}, indexed=True)), Kind.INVALID_VALUE, "desk: an attribute of the type complex cannot be indexed"),
    (schema(_complex({"name": "value", "indexed": True}, _REF, multiValued=True)), Kind.INVALID_VALUE, "desk: its part value"),
    (schema(_complex({"name": "value", "type": "integer"}, _REF)), Kind.INVALID_VALUE, "desk: its part value holds the id"),
]


@pytest.mark.parametrize(("body", "kind", "says"), _FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_is_named(body: dict[str, Any], kind: Kind, says: str) -> None:
    """Each rule has a sentence that names the attribute by its path."""
    with refused(kind, says):
        checked_schema(body)


def _type(**members: Any) -> dict[str, Any]:
    return {"name": "Device", "endpoint": "/Devices", "schema": URN} | members


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ({}, Kind.INVALID_VALUE, "name is required"),
        (_type(name="a b"), Kind.INVALID_VALUE, "cannot be the name"),
        (_type(name="external"), Kind.INVALID_VALUE, "reserved"),
        (_type(id="Other"), Kind.INVALID_VALUE, "id is the name"),
        (_type(endpoint=None), Kind.INVALID_VALUE, "endpoint is required"),
        (_type(endpoint="/a/b"), Kind.INVALID_VALUE, 'endpoint: "/a/b"'),
        (_type(endpoint="https://example.com/Devices"), Kind.INVALID_VALUE, "endpoint:"),
        *(
            (_type(endpoint=f"/{name}"), Kind.INVALID_VALUE, "is reserved")
            for name in ("Schemas", "me", "BULK", "v2", "ResourceTypes", "endpoints")
        ),
        (_type(schema="x"), Kind.INVALID_VALUE, "schema:"),
        *(
            (_type(**one), Kind.INVALID_VALUE, "describes the protocol")
            for name in PROTOCOL
            for urn in [f"urn:ietf:params:scim:schemas:core:2.0:{name}"]
            for one in ({"schema": urn}, {"schemaExtensions": [{"schema": urn.upper().replace("URN", "urn")}]})
        ),
        (_type(schemaExtensions={}), Kind.INVALID_VALUE, "schemaExtensions must be an array"),
        (_type(schemaExtensions=[{"schema": "x"}]), Kind.INVALID_VALUE, "schemaExtensions[0].schema"),
        (_type(schemaExtensions=[{"schema": URN}]), Kind.INVALID_VALUE, "named twice"),
        (_type(schemaExtensions=[{"schema": ENTERPRISE, "required": "no"}]), Kind.INVALID_VALUE, "schemaExtensions[0].required"),
        (_type(schemaExtensions=[{"schema": ENTERPRISE, "order": 1}]), Kind.INVALID_SYNTAX, "no member"),
        (_type(schemas=["urn:x:y"]), Kind.INVALID_SYNTAX, "schemas must be"),
    ],
)
def test_a_fault_of_a_type_is_named(body: dict[str, Any], kind: Kind, says: str) -> None:
    """Each rule for resource types has a sentence that names the member."""
    with refused(kind, says):
        checked_resource_type(body)


def test_the_standard_types_pass() -> None:
    """The resource types of RFC 7643 are taken as they are; a slash before the endpoint may be left out."""
    for definition in load_definitions().resource_types:
        assert checked_resource_type(definition) == definition
    assert checked_resource_type(_type(endpoint="Devices"))["endpoint"] == "/Devices"


def _edited(edit: Any) -> dict[str, Any]:
    """The standard's User with one attribute's definition edited."""
    user = checked_schema(load_definitions().schemas[CORE_USER])
    return user | {"attributes": [edit(one) for one in user["attributes"] if edit(one) is not None]}


@pytest.mark.parametrize(
    ("name", "members", "says"),
    [
        ("userName", {"caseExact": True}, "userName: caseExact is false"),
        ("userName", {"required": False}, "userName: required is true"),
        ("userName", {"uniqueness": "none"}, "userName: uniqueness is server"),
        ("active", {"type": "string"}, "active: type is boolean"),
        ("emails", {"multiValued": False}, "emails: multiValued is true"),
        ("groups", {"mutability": "readWrite"}, "groups: mutability is readOnly"),
        ("password", {"returned": "default"}, "password: returned is never"),
        ("name", {"subAttributes": [{"name": "familyName"}]}, "name.formatted is an attribute of"),
        ("nickName", None, "nickName is an attribute of"),
        ("nickName", {"name": "petName"}, "nickName is an attribute of"),
    ],
)
def test_the_standard_is_not_contradicted(name: str, members: dict[str, Any] | None, says: str) -> None:
    """What RFC 7643 says of an attribute stays."""
    changed = _edited(lambda one: one if one["name"] != name else None if members is None else one | members)
    with refused(Kind.MUTABILITY, says):
        check_protected(CORE_USER, changed, _TYPES)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("nickName", {"required": True, "uniqueness": "global", "indexed": True, "description": "Another."}),
        ("title", {"canonicalValues": ["Dr", "Prof"], "canonicalValuesEnforced": True}),
    ],
)
def test_the_standard_is_made_stricter(name: str, members: dict[str, Any]) -> None:
    """A tenant may demand more."""
    check_protected(CORE_USER, _edited(lambda one: one | members if one["name"] == name else one), _TYPES)


def test_what_could_only_refer_to_a_type_that_is_not_there_may_be_missing() -> None:
    """Without groups, users need no `groups`; with them they do, and nothing else of the standard may be missing either way."""
    without = _edited(lambda one: None if one["name"] == "groups" else one)
    check_protected(CORE_USER, without, ("User", "Badge"))
    check_protected(CORE_USER, load_definitions().schemas[CORE_USER], ("User",))
    with refused(Kind.MUTABILITY, "groups is an attribute of"):
        check_protected(CORE_USER, without, _TYPES)
    with refused(Kind.MUTABILITY, "emails is an attribute of"):
        check_protected(CORE_USER, _edited(lambda one: None if one["name"] == "emails" else one), ("User",))


def test_new_attributes_belong_into_extensions() -> None:
    """The standard's schemas take no attribute more."""
    user = load_definitions().schemas[CORE_USER]
    with refused(Kind.MUTABILITY, "badge is no attribute of"):
        check_protected(CORE_USER, user | {"attributes": [*user["attributes"], {"name": "badge"}]}, _TYPES)


def test_definitions_refer_to_each_other() -> None:
    """Taken together, definitions are complete and unambiguous, and not too many."""
    base: dict[str, Any] = {"id": URN, "name": "Badge", "attributes": [{"name": "owner"}]}
    extension: dict[str, Any] = {"id": f"{URN}:Owner", "name": "Owner", "attributes": [{"name": "x"}]}
    schemas = {one["id"].lower(): one for one in (base, extension)}
    plain = _type(schemaExtensions=[])
    check_references(schemas, [plain])
    cases: list[tuple[dict[str, Any], list[dict[str, Any]], Kind, str]] = [
        ({}, [plain], Kind.CONFLICT, "Device uses the schema"),
        (schemas, [plain, plain | {"name": "Other", "endpoint": "/devices"}], Kind.UNIQUENESS, "that of the resource type Device"),
        (schemas, [_type(schemaExtensions=[{"schema": extension["id"]}])], Kind.CONFLICT, "an attribute and a schema at once"),
        ({f"urn:x:{n}": base for n in range(MOST_SCHEMAS + 1)}, [], Kind.CONFLICT, "at most 100 schemas"),
        ({f"urn:x:{n}": {"attributes": [{"name": "a"}] * 200} for n in range(26)}, [], Kind.CONFLICT, "at most 5000 attributes"),
    ]
    for known, types, kind, says in cases:
        with refused(kind, says):
            check_references(known, types)


def test_as_many_as_there_may_be() -> None:
    """At the limits, definitions pass."""
    assert checked_schema(schema(*({"name": f"a{n}"} for n in range(MOST_ATTRIBUTES))))
    check_references({f"urn:x:{n}": {"attributes": [{"name": "a"}]} for n in range(MOST_SCHEMAS)}, [])


def test_discovery_itself_is_protected() -> None:
    """The schemas of Schema, ResourceType and ServiceProviderConfig can be neither changed nor deleted."""
    for name in PROTOCOL:
        for definition in ({"name": name, "attributes": []}, None):
            with pytest.raises(ScimError, match="describes the protocol"):
                check_protected(f"urn:ietf:params:scim:schemas:core:2.0:{name}", definition, _TYPES)
