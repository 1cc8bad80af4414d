"""Mistakes in what is shown of a resource: meta, schemas, names, the form of values."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from typing import Any

import orjson

from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import shown


def _meta_lacks(part: str) -> None:
    @variant(f"meta_lacks_{part.lower()}", f"Resources have no meta.{part}.")
    def apply() -> None:
        shown(
            lambda document: (
                document | {"meta": {name: value for name, value in document["meta"].items() if name != part}}
                if "meta" in document
                else None
            )
        )


for _part in ("resourceType", "created", "lastModified", "location", "version"):
    _meta_lacks(_part)


@mutant
def meta_is_missing() -> None:
    """Resources have no meta."""
    shown(lambda document: {name: value for name, value in document.items() if name != "meta"})


def _meta(edit: Any) -> None:
    def changed_meta(document: Any) -> None:
        if "meta" in document:
            document["meta"] = document["meta"] | edit(document)

    shown(changed_meta)


@mutant
def location_is_relative() -> None:
    """meta.location has no host."""
    _meta(lambda document: {"location": "/" + document["meta"].get("location", "").split("/", 3)[-1]})


@mutant
def location_with_query() -> None:
    """meta.location has a query."""
    _meta(lambda document: {"location": document["meta"].get("location", "") + "?v=2"})


@mutant
def location_leads_nowhere() -> None:
    """meta.location names another resource."""
    _meta(lambda document: {"location": document["meta"].get("location", "") + "0"})


@mutant
def location_without_version() -> None:
    """meta.location differs from the Location header."""
    _meta(lambda document: {"location": document["meta"].get("location", "").replace("/v2/", "/v3/")})


@mutant
def resource_type_is_user() -> None:
    """meta.resourceType is always User."""
    _meta(lambda _: {"resourceType": "User"})


@mutant
def created_is_last_modified() -> None:
    """meta.created changes with every write."""
    _meta(lambda document: {"created": document["meta"].get("lastModified")})


@mutant
def last_modified_is_created() -> None:
    """meta.lastModified never changes."""
    _meta(lambda document: {"lastModified": document["meta"].get("created")})


@mutant
def times_are_no_datetimes() -> None:
    """Times are written with a space instead of the T."""
    _meta(lambda document: {name: document["meta"][name].replace("T", " ") for name in ("created", "lastModified")})


@mutant
def times_without_zone() -> None:
    """Times are written without an offset."""
    _meta(lambda document: {name: document["meta"][name].rstrip("Z") for name in ("created", "lastModified")})


@mutant
def version_differs_from_etag() -> None:
    """meta.version is not the ETag."""
    _meta(lambda document: {"version": 'W/"x"'})


@mutant
def version_is_a_number() -> None:
    """meta.version is a number."""
    _meta(lambda document: {"version": 1})


@mutant
def schemas_lack_extensions() -> None:
    """schemas names the core schema only."""
    shown(lambda document: document | {"schemas": document["schemas"][:1]} if "schemas" in document else None)


@mutant
def schemas_name_all_extensions() -> None:
    """schemas names the enterprise extension of every user."""
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

    def edit(document: Any) -> None:
        if "userName" in document and urn not in document.get("schemas", [urn]):
            document["schemas"].append(urn)

    shown(edit)


@mutant
def schemas_are_missing() -> None:
    """Resources have no schemas."""
    shown(lambda document: {name: value for name, value in document.items() if name != "schemas"})


@mutant
def schemas_twice() -> None:
    """schemas names the core schema twice."""
    shown(lambda document: document | {"schemas": [*document.get("schemas", ()), *document.get("schemas", ())[:1]]})


@mutant
def schemas_of_a_message() -> None:
    """schemas of a resource has a message's URN."""
    shown(lambda document: document | {"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]})


@mutant
def id_is_missing() -> None:
    """Resources have no id."""
    shown(lambda document: {name: value for name, value in document.items() if name != "id"})


@mutant
def id_is_a_word() -> None:
    """Every second resource has the same id for a client."""
    shown(lambda document: document | {"id": "bulkId"} if document.get("displayName") else None)


@mutant
def attributes_in_lower_case() -> None:
    """Attribute names are shown in lower case."""
    shown(lambda document: {name.lower() if ":" not in name else name: value for name, value in document.items()})


@mutant
def urns_in_lower_case() -> None:
    """URNs are shown in lower case."""
    shown(lambda document: {name.lower() if ":" in name else name: value for name, value in document.items()})


@mutant
def extension_attributes_at_the_top() -> None:
    """An extension's attributes are shown among the core ones."""

    def edit(document: Any) -> Any:
        flat = {name: value for name, value in document.items() if ":" not in name}
        for name, value in document.items():
            if ":" in name:
                flat |= value
        return flat

    shown(edit)


@mutant
def empty_values_are_shown() -> None:
    """Attributes without a value are shown as null."""
    shown(lambda document: {"nickName": None, "title": None} | document if "userName" in document else None)


@mutant
def empty_arrays_are_shown() -> None:
    """Multi-valued attributes without a value are shown as empty arrays."""
    shown(lambda document: {"ims": [], "members": []} | document)


@mutant
def unknown_attribute_is_shown() -> None:
    """Resources have an attribute that no schema defines."""
    shown(lambda document: document | {"shard": "7"})


@mutant
def texts_in_lower_case() -> None:
    """Texts that are not case-exact are shown in lower case."""
    shown(lambda document: document | {"userName": document["userName"].lower()} if "userName" in document else None)


@mutant
def line_breaks_are_spaces() -> None:
    """Line breaks in texts are shown as spaces."""
    shown(lambda document: orjson.loads(orjson.dumps(document).replace(b"\\n", b" ")))


@mutant
def primary_is_always_shown() -> None:
    """The first value of a list is shown as primary."""

    def edit(document: Any) -> None:
        for name in ("emails", "phoneNumbers", "addresses", "photos", "ims", "roles"):
            if document.get(name) and isinstance(document[name][0], dict):
                document[name][0]["primary"] = True

    shown(edit)


@mutant
def booleans_as_text() -> None:
    """active is shown as a string."""
    shown(lambda document: document | {"active": str(document["active"]).lower()} if "active" in document else None)


@mutant
def numbers_are_integers() -> None:
    """Decimals are shown as integers."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        return round(value) if isinstance(value, float) else value

    shown(walk)


@mutant
def integers_are_decimals() -> None:
    """Integers are shown with a fraction."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items()}
        if isinstance(value, list):
            return [walk(part) for part in value]
        return float(value) if type(value) is int else value

    shown(walk)


@mutant
def first_value_is_shown() -> None:
    """Of several values the first is shown."""
    shown(
        lambda document: {name: value[:1] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()}
    )


@mutant
def values_in_reverse() -> None:
    """Several values are shown last first."""
    shown(
        lambda document: {name: value[::-1] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()}
    )


@mutant
def values_twice() -> None:
    """The first of several values is shown twice."""
    shown(
        lambda document: {
            name: [*value, *value[:1]] if isinstance(value, list) and name != "schemas" else value for name, value in document.items()
        }
    )
