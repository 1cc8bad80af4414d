"""Discovery documents: computed from what enforces them, complete, and described by the schemas that they are served with."""

from __future__ import annotations

from typing import Any

import pytest

from scimsrv.limits import Limits
from scimsrv.protocol import discovery
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.catalog import Catalog, build_catalog
from scimsrv.schema.definitions import load_definitions
from scimsrv.schema.policy import Policy

BASE = "https://scim.example.com/scim/acme/v2"
_CORE = "urn:ietf:params:scim:schemas:core:2.0"


def _catalog(policy: Policy | None = None) -> Catalog:
    shipped = load_definitions()
    return build_catalog(shipped.schemas.values(), shipped.resource_types, shipped.common, policy or Policy())


def _unknown(document: dict[str, Any], attributes: list[dict[str, Any]], path: str = "") -> list[str]:
    """Names in a document that its schema does not have, and required ones that it lacks; sub-attributes may nest."""
    known = {attribute["name"]: attribute for attribute in attributes}
    if path.endswith("subAttributes."):
        known["subAttributes"] = {"required": False, "subAttributes": attributes}
    found = [f"{path}{name}" for name in document if name not in known]
    found += [f"{path}{name} is missing" for name, one in known.items() if one["required"] and name not in document]
    for name, value in document.items():
        for element in value if isinstance(value, list) else [value]:
            if name in known and isinstance(element, dict) and "subAttributes" in known[name]:
                found += _unknown(element, known[name]["subAttributes"], f"{path}{name}.")
    return found


def _attributes(name: str) -> list[dict[str, Any]]:
    shipped = load_definitions()
    own: list[dict[str, Any]] = shipped.schemas[f"{_CORE}:{name}"]["attributes"]
    return [*shipped.common, *own]


@pytest.mark.parametrize(("page", "default", "seconds"), [(1000, 100, 3600), (7, 3, 1)])
def test_limits_are_those_enforced(page: int, default: int, seconds: int) -> None:
    """The numbers of ServiceProviderConfig come from the limits, and what is not served is said to be so, with zeros."""
    found = discovery.service_provider_config(
        Limits(page=page, default_page=default, cursor_seconds=seconds, bulk_operations=9, body_bytes=99), Policy(), BASE
    )
    assert found["filter"] == {"supported": True, "maxResults": page}
    assert found["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": default,
        "maxPageSize": page,
        "cursorTimeout": seconds,
    }
    assert found["bulk"] == {"supported": True, "maxOperations": 9, "maxPayloadSize": 99}
    without = discovery.service_provider_config(Limits(), Policy(bulk=False), BASE)
    assert without["bulk"] == {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}
    schemes = discovery.service_provider_config(Limits(), Policy(basic=True), BASE)["authenticationSchemes"]
    assert [scheme["type"] for scheme in schemes] == ["oauthbearertoken", "oauth2", "httpbasic"]
    assert [scheme["primary"] for scheme in schemes] == [True, False, False]
    assert found["authenticationSchemes"] == schemes[:2]
    assert found["meta"]["location"] == f"{BASE}/ServiceProviderConfig"


def test_documents_fit_their_schemas() -> None:
    """Each discovery document has what its own schema requires and nothing that the schema does not have."""
    catalog = _catalog()
    assert _unknown(discovery.service_provider_config(Limits(), Policy(), BASE), _attributes("ServiceProviderConfig")) == []
    for document in discovery.resource_types(catalog, BASE)["Resources"]:
        assert _unknown(document, _attributes("ResourceType")) == []
    for document in discovery.schemas(catalog, BASE)["Resources"]:
        assert _unknown(document, _attributes("Schema")) == []


def test_lists_are_whole() -> None:
    """Both lists have every document, and their numbers say so."""
    catalog = _catalog()
    lists = [(discovery.schemas, len(catalog.schemas)), (discovery.resource_types, len(catalog.resource_types))]
    for described, number in lists:
        answer = described(catalog, BASE)
        assert answer["totalResults"] == answer["itemsPerPage"] == len(answer["Resources"]) == number > 1
        assert answer["startIndex"] == 1


def test_each_is_found_by_its_location() -> None:
    """A listed document is the one at its location, and is found by its name in any case."""
    catalog = _catalog()
    for document in discovery.schemas(catalog, BASE)["Resources"]:
        assert document["meta"]["location"] == f"{BASE}/Schemas/{document['id']}"
        for spelling in (document["id"], document["id"].upper()):
            assert discovery.schema(catalog, spelling, BASE) == document
    for document in discovery.resource_types(catalog, BASE)["Resources"]:
        assert document["meta"]["location"] == f"{BASE}/ResourceTypes/{document['name']}"
        assert discovery.resource_type(catalog, document["name"].lower(), BASE) == document
    assert discovery.schema(catalog, "urn:x", BASE) is None
    assert discovery.resource_type(catalog, "Boat", BASE) is None


def test_resource_types_name_schemas_that_are_there() -> None:
    """The schema and the extensions of each resource type can be read under /Schemas."""
    catalog = _catalog()
    for definition in catalog.resource_types.values():
        for urn in [definition["schema"], *(extension["schema"] for extension in definition["schemaExtensions"])]:
            assert fold_name(urn) in catalog.schemas


@pytest.mark.parametrize(("unique", "says"), [(True, "server"), (False, "none")])
def test_policy_shows_in_schemas(unique: bool, says: str) -> None:
    """Whether group names are unique is what the tenant's policy enforces; the shipped definition is not changed by it."""
    catalog = _catalog(Policy(unique_group_names=unique))
    document = discovery.schema(catalog, f"{_CORE}:Group", BASE)
    assert document is not None
    assert [one["uniqueness"] for one in document["attributes"] if one["name"] == "displayName"] == [says]
    groups = catalog.at("Groups")
    assert groups is not None
    assert [place.name for place in groups.unique] == (["displayName"] if unique else [])


def test_a_resource_type_without_its_schema_is_refused() -> None:
    """A catalogue that names a schema which is not there cannot be built."""
    shipped = load_definitions()
    with pytest.raises(KeyError, match=r"core:2\.0:user"):
        build_catalog([], shipped.resource_types, shipped.common, Policy())
