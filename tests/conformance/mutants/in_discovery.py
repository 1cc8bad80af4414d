"""Mistakes in discovery: what /ServiceProviderConfig, /ResourceTypes and /Schemas say."""

from __future__ import annotations

from typing import Any

import scimsrv.app as app_module
from scimsrv.protocol import discovery
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import definitions, described, everywhere, replace


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
    definitions(
        lambda attribute: attribute.update(mutability="readWrite", returned="default") if attribute["name"] == "password" else None
    )


def _schema(edit: Any) -> None:
    described("schema_document", edit)


def _schema_lacks(member: str) -> None:
    @variant(f"schemas_lack_{member.lower()}", f"Schema resources have no {member}.")
    def apply() -> None:
        _schema(lambda document: document.pop(member, None) and None)


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
            return found | {"Resources": [*found["Resources"], found["Resources"][0] | {"id": urn}], "totalResults": found["totalResults"] + 1}

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
        lambda original: lambda catalog, urn, base_url: original(catalog, urn, base_url)
        or original(catalog, "urn:ietf:params:scim:schemas:core:2.0:user", base_url),
    )


@mutant
def schema_is_not_found() -> None:
    """No schema can be read alone."""
    replace(discovery, "schema", lambda original: lambda *args: None)


@mutant
def resource_type_is_not_found() -> None:
    """No resource type can be read alone."""
    replace(discovery, "resource_type", lambda original: lambda *args: None)


def _type_lacks(member: str) -> None:
    @variant(f"resource_types_lack_{member.lower()}", f"Resource types have no {member}.")
    def apply() -> None:
        described("resource_type_document", lambda document: document.pop(member, None) and None)


for _name in ("id", "name", "endpoint", "schema", "schemaExtensions", "schemas", "meta", "description"):
    _type_lacks(_name)


def _type(edit: Any) -> None:
    described("resource_type_document", edit)


@mutant
def endpoints_are_singular() -> None:
    """Resource types name an endpoint in the singular."""
    _type(lambda document: document | {"endpoint": document["endpoint"].rstrip("s")})


@mutant
def endpoints_are_alike() -> None:
    """All resource types name the same endpoint."""
    _type(lambda document: document | {"endpoint": "/Users"})


@mutant
def endpoints_are_absolute() -> None:
    """Resource types name an endpoint outside of the base URL."""
    _type(lambda document: document | {"endpoint": "http://scim.example.com" + document["endpoint"]})


@mutant
def type_names_in_lower_case() -> None:
    """Resource types have names in lower case."""
    _type(lambda document: document | {"name": document["name"].lower()})


@mutant
def type_names_are_alike() -> None:
    """All resource types have the same name."""
    _type(lambda document: document | {"name": "User"})


@mutant
def type_schema_is_unknown() -> None:
    """Resource types name a schema that is not published."""
    _type(lambda document: document | {"schema": document["schema"] + "X"})


@mutant
def extensions_are_unknown() -> None:
    """Resource types name extensions that are not published."""

    def edit(document: Any) -> None:
        for extension in document.get("schemaExtensions", ()):
            extension["schema"] += "X"

    _type(edit)


@mutant
def extensions_are_said_to_be_required() -> None:
    """Resource types say that every extension is required."""

    def edit(document: Any) -> None:
        for extension in document.get("schemaExtensions", ()):
            extension["required"] = True

    _type(edit)


@mutant
def extensions_do_not_say_required() -> None:
    """Resource types do not say whether an extension is required."""

    def edit(document: Any) -> None:
        for extension in document.get("schemaExtensions", ()):
            extension.pop("required", None)

    _type(edit)


@mutant
def required_is_text() -> None:
    """Resource types say as text whether an extension is required."""

    def edit(document: Any) -> None:
        for extension in document.get("schemaExtensions", ()):
            extension["required"] = str(extension.get("required"))

    _type(edit)


@mutant
def discovery_locations_are_wrong() -> None:
    """The meta.location of what discovery shows leads nowhere."""
    original = discovery._described
    everywhere(original, lambda definition, kind, location: original(definition, kind, location + "/x"))


@mutant
def discovery_resource_type_is_missing() -> None:
    """The meta of what discovery shows has no resourceType."""
    original = discovery._described

    def described_(definition: Any, kind: str, location: str) -> Any:
        return original(definition, kind, location) | {"meta": {"location": location}}

    everywhere(original, described_)


@mutant
def discovery_can_be_filtered() -> None:
    """A filter on a discovery endpoint is ignored."""
    everywhere(app_module._refuse_filter, lambda connection: None)


@mutant
def discovery_is_paged() -> None:
    """Paging parameters shorten the lists of discovery."""
    original = app_module._described

    def described_(found: Any, catalog: Any, base_url: str, connection: Any) -> Any:
        from scimsrv.protocol.plan import Answer

        answer = original(found, catalog, base_url, connection)
        if b"count=" in connection["query_string"] or b"startIndex=" in connection["query_string"]:
            return Answer({**answer.document, "Resources": []})
        return answer

    everywhere(original, described_)


def _config(edit: Any) -> None:
    described("service_provider_config", edit)


def _config_lacks(member: str) -> None:
    @variant(f"config_lacks_{member.lower()}", f"ServiceProviderConfig has no {member}.")
    def apply() -> None:
        _config(lambda document: document.pop(member, None) and None)


for _name in ("patch", "bulk", "filter", "changePassword", "sort", "etag", "authenticationSchemes", "meta", "schemas"):
    _config_lacks(_name)


def _config_denies(feature: str) -> None:
    @variant(f"config_denies_{feature.lower()}", f"ServiceProviderConfig says that {feature} is not supported.")
    def apply() -> None:
        _config(lambda document: document | {feature: document[feature] | {"supported": False}})


for _name in ("patch", "filter", "changePassword", "sort", "etag"):
    _config_denies(_name)


@mutant
def config_promises_bulk() -> None:
    """ServiceProviderConfig says that bulk is supported."""
    _config(lambda document: document | {"bulk": {"supported": True, "maxOperations": 10, "maxPayloadSize": 1000}})


@mutant
def config_lacks_bulk_limits() -> None:
    """ServiceProviderConfig has no limits of bulk."""
    _config(lambda document: document | {"bulk": {"supported": False}})


@mutant
def config_says_supported_as_text() -> None:
    """ServiceProviderConfig says as text what is supported."""
    _config(
        lambda document: {
            name: value | {"supported": str(value["supported"])} if isinstance(value, dict) and "supported" in value else value
            for name, value in document.items()
        }
    )


@mutant
def config_limits_as_text() -> None:
    """ServiceProviderConfig has its limits as text."""
    _config(lambda document: document | {"filter": {"supported": True, "maxResults": "1000"}})


@mutant
def config_limits_as_decimals() -> None:
    """ServiceProviderConfig writes its limits with a fraction."""
    _config(lambda document: document | {"filter": {"supported": True, "maxResults": 1000.0}})


@mutant
def config_promises_small_pages() -> None:
    """ServiceProviderConfig promises smaller pages than are served."""
    _config(lambda document: document | {"filter": {"supported": True, "maxResults": 2}})


@mutant
def config_of_another_scheme() -> None:
    """ServiceProviderConfig names basic authentication only."""

    def edit(document: Any) -> None:
        for scheme in document["authenticationSchemes"]:
            scheme["type"] = "httpbasic"

    _config(edit)


@mutant
def config_schemes_lack_name() -> None:
    """Authentication schemes have no name and no description."""

    def edit(document: Any) -> None:
        for scheme in document["authenticationSchemes"]:
            scheme.pop("name")
            scheme.pop("description")

    _config(edit)


@mutant
def config_uris_are_relative() -> None:
    """Authentication schemes name a relative specUri."""

    def edit(document: Any) -> None:
        for scheme in document["authenticationSchemes"]:
            scheme["specUri"] = "rfc6750.html"

    _config(edit)


@mutant
def config_is_a_list() -> None:
    """ServiceProviderConfig is a list of one."""
    _config(lambda document: discovery._list([document]))


@mutant
def config_location_is_wrong() -> None:
    """ServiceProviderConfig's meta.location leads nowhere."""
    _config(lambda document: document | {"meta": {"resourceType": "ServiceProviderConfig", "location": "http://scim.example.com/x"}})


@mutant
def config_resource_type_is_wrong() -> None:
    """ServiceProviderConfig's meta.resourceType is Config."""
    _config(lambda document: document | {"meta": document["meta"] | {"resourceType": "Config"}})
