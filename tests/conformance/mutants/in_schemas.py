"""Mistakes in what /Schemas says."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from typing import Any

from scimsrv.protocol import discovery
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import definitions, described, replace


def _lacks(characteristic: str) -> None:
    @variant(f"attributes_lack_{characteristic.lower()}", f"Attribute definitions have no {characteristic}.")
    def apply() -> None:
        definitions(lambda attribute: attribute.pop(characteristic, None))


for _name in ("type", "multiValued", "description", "required", "caseExact", "mutability", "returned", "uniqueness", "subAttributes"):
    _lacks(_name)
for _name in ("canonicalValues", "referenceTypes"):
    _lacks(_name)


def _says(characteristic: str, value: Any, name: str) -> None:
    @variant(name, f"Every attribute is published with {characteristic} {value}.")
    def apply() -> None:
        definitions(lambda attribute: attribute.update({characteristic: value}) if characteristic in attribute else None)


_says("mutability", "readWrite", "everything_is_published_as_read_write")
_says("mutability", "readOnly", "everything_is_published_as_read_only")
_says("returned", "default", "everything_is_published_as_returned")
_says("returned", "always", "everything_is_published_as_always_returned")
_says("uniqueness", "none", "nothing_is_published_as_unique")
_says("uniqueness", "server", "everything_is_published_as_unique")
_says("required", False, "nothing_is_published_as_required")
_says("required", True, "everything_is_published_as_required")
_says("caseExact", True, "everything_is_published_as_case_exact")
_says("caseExact", False, "nothing_is_published_as_case_exact")
_says("multiValued", False, "nothing_is_published_as_multi_valued")
_says("type", "string", "everything_is_published_as_string")
_says("type", "text", "types_are_published_in_own_words")


@mutant
def references_are_published_as_text() -> None:
    """Reference attributes are published as strings."""
    definitions(lambda attribute: attribute.update(type="string") if attribute["type"] == "reference" else None)


@mutant
def references_to_nothing() -> None:
    """Reference attributes name types that do not exist."""
    definitions(lambda attribute: attribute.update(referenceTypes=["Team"]) if "referenceTypes" in attribute else None)


@mutant
def text_with_reference_types() -> None:
    """Strings are published with referenceTypes."""
    definitions(lambda attribute: attribute.update(referenceTypes=["external"]) if attribute["type"] == "string" else None)


@mutant
def canonical_values_are_few() -> None:
    """Of the canonical values only the first is published."""
    definitions(
        lambda attribute: attribute.update(canonicalValues=attribute["canonicalValues"][:1]) if "canonicalValues" in attribute else None
    )


@mutant
def attribute_names_in_capitals() -> None:
    """Attributes are published with a capital letter."""
    definitions(lambda attribute: attribute.update(name=attribute["name"][:1].upper() + attribute["name"][1:]))


@mutant
def password_is_published_as_readable() -> None:
    """The password is published as readWrite and returned."""
    definitions(lambda attribute: attribute.update(mutability="readWrite", returned="default") if attribute["name"] == "password" else None)


def _schema(edit: Any) -> None:
    described("schema_document", edit)


def _schema_lacks(member: str) -> None:
    @variant(f"schemas_lack_{member.lower()}", f"Schema resources have no {member}.")
    def apply() -> None:
        _schema(lambda document: {name: value for name, value in document.items() if name != member})


for _name in ("id", "name", "description", "schemas", "meta"):
    _schema_lacks(_name)


@mutant
def schemas_lack_an_attribute() -> None:
    """Schemas do not publish their last attribute."""
    _schema(lambda document: document | {"attributes": document["attributes"][:-1]})


@mutant
def sub_attributes_lack_one() -> None:
    """Complex attributes do not publish their last sub-attribute."""

    def edit(attribute: Any) -> None:
        if attribute.get("subAttributes"):
            attribute["subAttributes"] = attribute["subAttributes"][:-1]

    definitions(edit)


def _user_lacks(name: str) -> None:
    @variant(f"schema_lacks_{name.lower()}", f"The schemas do not publish {name}.")
    def apply() -> None:
        def edit(document: Any) -> None:
            document["attributes"] = [attribute for attribute in document["attributes"] if attribute["name"].lower() != name.lower()]

        _schema(edit)


for _name in (
    "userName", "name", "displayName", "nickName", "profileUrl", "title", "userType", "preferredLanguage", "locale", "timezone",
    "active", "password", "emails", "phoneNumbers", "ims", "photos", "addresses", "groups", "entitlements", "roles",
    "x509Certificates", "members", "employeeNumber", "costCenter", "organization", "division", "department", "manager",
):  # fmt: skip
    _user_lacks(_name)


@mutant
def messages_are_published() -> None:
    """/Schemas lists the schema of a message."""

    def made(original: Any) -> Any:
        def schemas(catalog: Any, base_url: str) -> Any:
            found = original(catalog, base_url)
            urn = "urn:ietf:params:scim:api:messages:2.0:Error"
            return found | {
                "Resources": [*found["Resources"], found["Resources"][0] | {"id": urn}],
                "totalResults": found["totalResults"] + 1,
            }

        return schemas

    replace(discovery, "schemas", made)


@mutant
def schemas_are_paged() -> None:
    """/Schemas lists one schema only."""
    described("schemas", lambda document: document | {"Resources": document["Resources"][:1], "itemsPerPage": 1})


@mutant
def schemas_lack_extension() -> None:
    """/Schemas lacks the extensions."""
    described(
        "schemas",
        lambda document: document | {"Resources": [schema for schema in document["Resources"] if ":extension:" not in schema["id"]]},
    )


@mutant
def schemas_are_a_bare_array() -> None:
    """/Schemas and /ResourceTypes are no list message."""
    described("_list", lambda document: {"Resources": document["Resources"]})


@mutant
def discovery_lists_count_wrong() -> None:
    """Discovery lists count one too many."""
    described("_list", lambda document: document | {"totalResults": document["totalResults"] + 1})


@mutant
def schema_alone_is_short() -> None:
    """A schema read alone lacks its description and meta."""
    described("schema", lambda document: {name: value for name, value in document.items() if name not in ("description", "meta")})


@mutant
def schema_of_any_urn() -> None:
    """An unknown schema URN shows the schema of users."""
    replace(
        discovery,
        "schema",
        lambda original: (
            lambda catalog, urn, base_url: (
                original(catalog, urn, base_url) or original(catalog, "urn:ietf:params:scim:schemas:core:2.0:user", base_url)
            )
        ),
    )


@mutant
def schema_is_not_found() -> None:
    """No schema can be read alone."""
    replace(discovery, "schema", lambda original: lambda *args: None)


@mutant
def resource_type_is_not_found() -> None:
    """No resource type can be read alone."""
    replace(discovery, "resource_type", lambda original: lambda *args: None)
