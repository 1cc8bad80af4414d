"""Mistakes in what /ResourceTypes and /ServiceProviderConfig say, and in how discovery is read."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from typing import Any

import scimsrv.asking as asking_module
from scimsrv.protocol import discovery
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import described, everywhere


def _type_lacks(member: str) -> None:
    @variant(f"resource_types_lack_{member.lower()}", f"Resource types have no {member}.")
    def apply() -> None:
        described("resource_type_document", lambda document: {name: value for name, value in document.items() if name != member})


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
    everywhere(original, lambda definition, kind, location, version: original(definition, kind, location + "/x", version))


@mutant
def discovery_resource_type_is_missing() -> None:
    """The meta of what discovery shows has no resourceType."""
    original = discovery._described

    def described_(definition: Any, kind: str, location: str, version: int) -> Any:
        return original(definition, kind, location, version) | {"meta": {"location": location}}

    everywhere(original, described_)


@mutant
def discovery_can_be_filtered() -> None:
    """A filter on a discovery endpoint is ignored."""
    everywhere(asking_module._refuse_filter, lambda query_string: None)


@mutant
def discovery_is_paged() -> None:
    """Paging parameters shorten the lists of discovery."""
    original = asking_module._described

    def described_(found: Any, catalog: Any, base_url: str, query_string: bytes, tags: tuple[str, ...]) -> Any:
        from scimsrv.protocol.plan import Answer

        answer = original(found, catalog, base_url, query_string, tags)
        if b"count=" in query_string or b"startIndex=" in query_string:
            return Answer({**answer.document, "Resources": []})
        return answer

    everywhere(original, described_)


def _config(edit: Any) -> None:
    described("service_provider_config", edit)


def _config_lacks(member: str) -> None:
    @variant(f"config_lacks_{member.lower()}", f"ServiceProviderConfig has no {member}.")
    def apply() -> None:
        _config(lambda document: {name: value for name, value in document.items() if name != member})


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


def _said_of_paging(name: str, mistake: str, edit: Any) -> None:
    @variant(name, mistake)
    def apply() -> None:
        _config(lambda document: document | {"pagination": edit(document["pagination"])})


_said_of_paging("pagination_is_a_list", "What the configuration says of paging is a list.", lambda said: [said])
for _member in ("cursor", "index"):
    _said_of_paging(
        f"pagination_lacks_{_member}",
        f"The configuration does not say whether there is paging by {_member}.",
        lambda said, member=_member: {name: value for name, value in said.items() if name != member},
    )
    _said_of_paging(
        f"pagination_denies_{_member}",
        f"The configuration says that there is no paging by {_member}.",
        lambda said, member=_member: said | {member: False},
    )
for _member, _value in (("defaultPaginationMethod", "keyset"), ("defaultPageSize", "100"), ("maxPageSize", 0), ("cursorTimeout", -1)):
    _said_of_paging(
        f"pagination_{_member.lower()}_is_wrong",
        f"The configuration says that {_member} is {_value!r}.",
        lambda said, member=_member, value=_value: said | {member: value},
    )
_said_of_paging(
    "pagination_default_is_cursor",
    "The configuration says that the default is paging by cursor, which it is not.",
    lambda said: said | {"defaultPaginationMethod": "cursor"},
)
