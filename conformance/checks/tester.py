"""The checkers of scim2-tester, run once per server, each reported as a check of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from threading import Lock
from typing import Any

import httpx

from conformance.client import Failed, Scim
from conformance.registry import CheckFunction, Skip, case

SECTION = "scim2-tester"
TAGS = {"scim2-tester"}
GOOD = {"SUCCESS", "COMPLIANT", "ACCEPTABLE"}

CLAIMS = {
    "service_provider_config_endpoint": "The service provider's configuration can be read and is well-formed.",
    "service_provider_config_endpoint_methods": "Methods other than GET are 405 on the service provider's configuration.",
    "query_all_resource_types": "The resource types can be listed and are well-formed.",
    "query_resource_type_by_id": "Every resource type can be read by its id.",
    "resource_types_schema_validation": "The schema of every resource type can be read.",
    "access_invalid_resource_type": "An unknown resource type is 404 with an Error body.",
    "resource_types_endpoint_methods": "Methods other than GET are 405 on the resource types.",
    "query_all_schemas": "The schemas can be listed and are well-formed.",
    "access_schema_by_id": "Every schema can be read by its id.",
    "access_invalid_schema": "An unknown schema is 404 with an Error body.",
    "schemas_endpoint_methods": "Methods other than GET are 405 on the schemas.",
    "random_url": "An unknown path is 404 with an Error body.",
    "object_creation": "A resource of every type can be created with its required attributes.",
    "object_query": "A resource of every type can be read.",
    "object_query_without_id": "A new resource of every type is on the first page of its list.",
    "object_query_with_attributes": "Attributes can be chosen and excluded when one resource is read.",
    "object_list_with_attributes": "Attributes can be chosen and excluded in a list.",
    "search_with_attributes": "Attributes can be chosen and excluded in a search over all types.",
    "object_replacement": "A resource of every type can be replaced with all attributes.",
    "object_deletion": "A resource of every type can be deleted and is 404 afterwards.",
    "check_add_attribute": "Every attribute can be added by PATCH and comes back as it was sent.",
    "check_remove_attribute": "Every optional attribute can be removed by PATCH.",
    "check_replace_attribute": "Every attribute can be replaced by PATCH and comes back as it was sent.",
}
FIRST_PAGE = {"object_query_without_id", "object_list_with_attributes", "search_with_attributes"}
"""These look for a new resource on the first page of an unfiltered list, which only a small tenant can satisfy."""
CROWDED = 60
"""With more resources than this the first page may not hold the tester's own (it makes up to 30, a page holds 100)."""

UNREACHED = "scim2-tester did not come to this checker; see the failures of its discovery checkers"
"""Why a check failed whose checker did not run."""

_lock = Lock()
_runs: dict[str, list[Any]] = {}


def results(scim: Scim) -> list[Any]:
    """All results of one run of scim2-tester against the server, kept for the other checks. Raises Skip if it is not installed."""
    with _lock:
        if scim.base_url not in _runs:
            try:
                client = importlib.import_module("scim2_client")
                tester = importlib.import_module("scim2_tester")
            except ImportError as why:
                raise Skip(f"scim2-tester is not installed ({why.name})") from why
            _runs[scim.base_url] = list(tester.check_server(_client(client.BaseSyncSCIMClient, scim)))
        return _runs[scim.base_url]


def _client(base: Any, scim: Scim) -> Any:
    """scim2-client speaking through the connection, and with the credentials, that all checks use."""

    def request(_self: Any, method: str, url: str, **options: Any) -> httpx.Response:
        return scim.http.request(method, scim.url(url), **options)

    def stays_under_base_url(_self: Any, endpoint: str) -> bool:
        return "://" not in endpoint

    return type("Client", (base,), {"request": request, "_stays_under_base_url": stays_under_base_url})()


def demand_success(some: Iterable[Any]) -> None:
    """Fail with every result that is no success. Raises Skip when all of them were skipped."""
    found = list(some)
    bad = [result for result in found if result.status.name not in GOOD]
    if bad and all(result.status.name == "SKIPPED" for result in found):
        raise Skip("; ".join(sorted({str(result.reason) for result in found})))
    if bad:
        raise Failed("\n         ".join(f"{r.title} {r.resource_type or ''} {r.status.name}: {r.reason}" for r in bad))


def _checker(name: str) -> CheckFunction:
    def check(scim: Scim) -> None:
        mine = [result for result in results(scim) if result.title == name]
        if not mine:
            raise Failed(UNREACHED)
        try:
            demand_success(mine)
        except Failed:
            if name in FIRST_PAGE and _size(scim) > CROWDED:
                raise Skip("the tenant has too many resources for a look at the first page") from None
            raise

    check.__doc__ = CLAIMS[name]
    return check


def _size(scim: Scim) -> int:
    return sum(int(scim.read(path, params={"count": 0})["totalResults"]) for path in ("/Users", "/Groups"))


for _name in CLAIMS:
    case(f"scim2-tester-{_name}", section=SECTION, tags=TAGS)(_checker(_name))


@case("scim2-tester", section=SECTION, tags=TAGS)
def the_rest(scim: Scim) -> None:
    """Whatever else scim2-tester reports is a success too."""
    demand_success(result for result in results(scim) if result.title not in CLAIMS)
