"""Metrics: what an observation counts, how many series there can be, and who has a label."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from scimsrv.admin.routes import ROUTES
from scimsrv.allowance import Allowance, price
from scimsrv.exposition import OF_SERVER
from scimsrv.metrics import METRICS, SERIES, Metrics
from scimsrv.observe import (
    Badged,
    Carried,
    CredentialExpiring,
    DatabaseFailed,
    Exchange,
    GuardTripped,
    KeysFetched,
    Limited,
    Load,
    Observation,
    Operated,
    PoolState,
    Queried,
    Refused,
    Resident,
    Result,
    Retried,
    Searched,
    SigningFailed,
    Waited,
)
from scimsrv.protocol.route import METHODS, Endpoint, Route
from scimsrv.store.survey import OF_ALL
from scimsrv.surveying import MOST_RESOURCES
from scimsrv.words import OTHER, shape_label, template

_RESULTS: tuple[Result, ...] = ("ok", "conflict", "invalid", "notfound", "precondition", "denied", "throttled", "unavailable")
_OPS = ("search", "create", "read", "replace", "patch", "delete")


def _samples(*observations: Observation, tenants: Allowance | None = None) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What a scrape shows after these observations, without what is 0."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, tenants or Allowance(200))
    for observation in observations:
        metrics(observation)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples if one.value}


def _sample(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def _exchange(**fields: object) -> Exchange:
    made = Exchange("data", "request-1", "GET", "/Users")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_a_request() -> None:
    """Its answer counts by template, method, class of status and tenant; its time without the tenant."""
    found = _samples(_exchange(status=201, tenant="acme", seconds=0.2, received=300, queries=[("", 0.01), ("a.b", 0.3)]))
    request = {"plane": "data", "route": "/Users", "method": "GET"}
    assert _sample(found, "scim_http_requests_total", **request, status_class="2xx", tenant="acme") == 1
    assert _sample(found, "scim_http_request_duration_seconds_bucket", **request, le="0.25") == 1
    assert _sample(found, "scim_http_request_duration_seconds_bucket", **request, le="0.1") == 0
    assert _sample(found, "scim_request_body_bytes_sum") == 300
    assert _sample(found, "scim_db_query_duration_seconds_count", query_name="a.b") == 1
    assert _sample(found, "scim_last_client_request_timestamp_seconds", tenant="acme") > 1e9


@pytest.mark.parametrize(
    ("operation", "name", "labels"),
    [
        (Operated("User", "patch", "invalid", "noTarget"), "scim_patch_failures_total", {"kind": "noTarget"}),
        (Operated("User", "patch", "invalid", "invalidPath"), "scim_patch_failures_total", {"kind": "invalidPath"}),
        (Operated("User", "patch", "precondition", "precondition_failed", True), "scim_etag_conflicts_total", {}),
        (Operated("User", "delete", "precondition", "precondition_failed", True), "scim_etag_conflicts_total", {}),
        (Operated("User", "delete", "ok", None, True), "scim_conditional_writes_total", {}),
    ],
)
def test_an_operation(operation: Operated, name: str, labels: dict[str, str]) -> None:
    """Each counts by tenant, type, kind and result, and where it failed or demanded a version as that."""
    found = _samples(_exchange(status=200, tenant="acme", operations=[operation]))
    shown = {"tenant": "acme", "resource_type": "User", "op": operation.op, "result": operation.result}
    assert _sample(found, "scim_operations_total", **shown) == 1
    assert _sample(found, name, **labels) == 1


@pytest.mark.parametrize(
    "operation", [Operated("User", "create", "invalid", "invalidValue"), Operated("User", "patch", "conflict", "uniqueness")]
)
def test_what_is_no_failure_of_a_patch(operation: Operated) -> None:
    """What is wrong with other operations, and a PATCH that meets another resource's value, are not."""
    assert not [name for name, _ in _samples(_exchange(status=400, tenant="a", operations=[operation])) if "patch_failures" in name]


@pytest.mark.parametrize(
    ("observation", "name", "labels", "value"),
    [
        (Searched("User", None), "scim_searches_total", {"resource_type": "User", "served": "index"}, 1),
        (Searched("User", "title co ?"), "scim_searches_total", {"resource_type": "User", "served": "scan"}, 1),
        (Searched("User", "title co ?"), "scim_filter_fallback_total", {"resource_type": "User", "shape": "title co ?"}, 1),
        (Refused("data", "r", 408, "head"), "scim_slow_client_total", {"kind": "head"}, 1),
        (DatabaseFailed("40001"), "scim_db_errors_total", {"sqlstate_class": "40"}, 1),
        (DatabaseFailed(None), "scim_db_errors_total", {"sqlstate_class": "none"}, 1),
        (Limited("token", "acme"), "scim_ratelimited_total", {"limit": "token", "tenant": "acme"}, 1),
        (Limited("attempts"), "scim_ratelimited_total", {"limit": "attempts", "tenant": ""}, 1),
        (SigningFailed(3), "scim_badge_signing_failures_total", {}, 3),
        (GuardTripped("acme"), "scim_deletion_guard_tripped_total", {"tenant": "acme"}, 1),
        (KeysFetched("https://i", done=False), "scim_jwks_fetch_total", {"issuer": "https://i", "result": "failed"}, 1),
        (Badged("issued", 3), "scim_badges_total", {"event": "issued"}, 3),
        (Carried("acme", [Operated("User", "patch", "invalid", "noTarget")]), "scim_patch_failures_total", {"kind": "noTarget"}, 1),
        (CredentialExpiring(), "scim_credential_expiring_total", {}, 1),
        (Retried(), "scim_db_retries_total", {}, 1),
        (Waited(0.01), "scim_db_pool_wait_seconds_bucket", {"le": "0.025"}, 1),
        (Queried("jobs.with_work", 0.5), "scim_db_query_duration_seconds_sum", {"query_name": "jobs.with_work"}, 0.5),
        (PoolState("data", 7, 3), "scim_db_pool_in_use", {"plane": "data"}, 3),
        (Resident(5), "scim_resident_memory_bytes", {}, 5),
        (Load("data", 4), "scim_http_inflight", {"plane": "data"}, 4),
        (_exchange(status=401, denial="missing", scheme="none"), "scim_auth_failures_total", {"reason": "missing", "method": "none"}, 1),
        (_exchange(status=200, found_catalog=True), "scim_discovery_cache_total", {"result": "hit"}, 1),
        (_exchange(status=200, found_catalog=False), "scim_discovery_cache_total", {"result": "miss"}, 1),
        (_exchange(status=408), "scim_slow_client_total", {"kind": "body"}, 1),
    ],
)
def test_an_observation(observation: Observation, name: str, labels: dict[str, str], value: float) -> None:
    """Each raises its metric."""
    assert _sample(_samples(observation), name, **labels) == value


def test_there_are_no_more_series_than_promised() -> None:
    """Whatever 2,000 tenants do at every endpoint, and whatever they search for, a process shows 5,000 series at most."""
    names = ("Users", "Groups", "Robots")
    routes = {(template(Route("t", one, name, id_)), one) for one in Endpoint for name in names for id_ in ("", "1")}
    asked = [(path, method) for path, one in sorted(routes, key=str) for method in (*METHODS[one], "POST", "PATCH", "DELETE", "OPTIONS")]
    seen: list[Observation] = []
    for number, ((path, method), status) in enumerate(itertools.product(asked, (200, 405, 404, 503))):
        tenants = (f"t{number * 7 % 2000 + one}" for one in range(40))
        seen += [_exchange(route=path, method=method, status=status, tenant=tenant, operations=[]) for tenant in tenants]
    seen += [Exchange("admin", "r", route.method, route.path, status=status) for route in ROUTES for status in (200, 404, 503)]
    for number, (type_, op, result) in enumerate(itertools.product(("User", "Group", "custom", "all"), _OPS, _RESULTS)):
        seen += [
            _exchange(status=200, tenant=f"t{number + one}", operations=[Operated(type_, op, result, f"f{number}")]) for one in range(300)
        ]
    seen += [Queried(f"file.{number}", 0.1) for number in range(500)]
    seen += [KeysFetched(f"https://issuer-{number}", done=done) for number in range(500) for done in (True, False)]
    seen += [
        Searched(type_, f"shape {number}", f"t{number % 300}") for number in range(500) for type_ in ("User", "Group", "custom", "all")
    ]
    registry = CollectorRegistry()
    metrics = Metrics(registry, Allowance(200))
    for one in seen:
        metrics(one)
    text = generate_latest(registry).decode()
    series = [line for line in text.splitlines() if not line.startswith("#")]
    beside = MOST_RESOURCES + len(OF_SERVER) + OF_ALL + 20  # of the database, and the usual ones of a process
    assert SERIES * 0.9 < len(series) + beside <= SERIES, len(series)
    assert f'tenant="{OTHER}"' in text
    assert f'shape="{OTHER}"' in text


def test_two_hundred_tenants_are_told_apart() -> None:
    """Two hundred tenants that do what an identity provider does each have their own series, where there are no more."""
    tenants = Allowance(200)
    for number in range(200):  # as those who look at what the database holds do
        tenants.label(f"t{number}")
    seen: list[Observation] = []
    for number in range(200):
        for op, path, method in (("search", "/Users", "GET"), ("create", "/Users", "POST"), ("patch", "/Users/{id}", "PATCH")):
            seen.append(_exchange(route=path, method=method, status=200, tenant=f"t{number}", operations=[Operated("User", op, "ok")]))
        seen.append(
            _exchange(route="/Groups/{id}", method="PATCH", status=204, tenant=f"t{number}", operations=[Operated("Group", "patch", "ok")])
        )
    found = _samples(*seen, tenants=tenants)
    assert len({dict(labels)["tenant"] for name, labels in found if name == "scim_operations_total"}) == 200
    assert not [labels for _, labels in found if ("tenant", OTHER) in labels]


def test_who_has_a_label(tmp_path: Path) -> None:
    """The first so many tenants, the same ones in every process; without any the label is empty."""
    first, second = Allowance(2, tmp_path / "tenants"), Allowance(2, tmp_path / "tenants")
    assert [first.label("a"), second.label("b"), first.label("c"), second.label("c")] == ["a", "b", OTHER, OTHER]
    assert [first.label("b"), second.label("a"), first.label("")] == ["b", "a", ""]
    assert [Allowance(0).label("a"), Allowance(1).label("a")] == ["", "a"]
    assert [Allowance(0).met("a"), Allowance(1).met("a")] == ["", "a"]


def test_busy_tenants_come_before_those_that_came_once(tmp_path: Path) -> None:
    """Of ten thousand tenants that send one request each, and twenty that go on, the twenty have a label, in whichever process they are
    served; who has one keeps it, so that no counter goes back."""
    processes = [Allowance(100, tmp_path / "tenants") for _ in range(2)]
    labelled: set[str] = set()
    for number in range(10_000):
        labelled.add(processes[number % 2].met(f"once-{number}"))
        labelled.add(processes[number % 3 % 2].met(f"busy-{number % 20}"))
    assert {f"busy-{number}" for number in range(20)} < labelled
    assert len(labelled - {OTHER}) <= 100
    assert {label for label in labelled if label not in {one.label(label) for one in processes}} == set()


def test_a_tenant_counts_as_itself_once_it_has_a_label() -> None:
    """What it did before stays with the others."""
    seen = [_exchange(status=200, tenant=f"t{number}", operations=[Operated("User", "read", "ok")]) for number in (1, 2, 2, 2)]
    found = _samples(*seen, tenants=Allowance(2))
    shown = {"resource_type": "User", "op": "read", "result": "ok"}
    assert _sample(found, "scim_operations_total", **shown, tenant="t1") == 1
    assert _sample(found, "scim_operations_total", **shown, tenant=OTHER) == 1
    assert _sample(found, "scim_operations_total", **shown, tenant="t2") == 2


def test_one_client_does_not_take_all_shapes() -> None:
    """However many filters it makes up, those of others are told apart."""
    made_up = [Searched("User", f"title co ? and {number}", "noisy") for number in range(1_000)]
    found = _samples(*made_up, Searched("User", "title co ?", "acme"))
    assert _sample(found, "scim_filter_fallback_total", resource_type="User", shape="title co ?") == 1
    assert _sample(found, "scim_filter_fallback_total", resource_type="User", shape=OTHER) > 900


@pytest.mark.parametrize(
    ("given", "most", "expected"), [(0, 1, 1), (1, 2, 2), (99, 200, 1), (100, 200, 2), (150, 200, 32), (199, 200, 1024)]
)
def test_labels_become_dear_as_they_become_few(given: int, most: int, expected: int) -> None:
    """The first half costs one visit each, the last label a thousand."""
    assert price(given, most) == expected


@pytest.mark.parametrize(
    ("names", "shape", "expected"),
    [
        (["User"], "title co ?", ("User", "title co ?")),
        (["User"], "TITLE co ?", ("User", "title co ?")),
        (["User"], "emails[type sw ?], sorted by name.familyName", ("User", "emails[type sw ?], sorted by name.familyName")),
        (["User"], "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department co ?", ("User", "department co ?")),
        (["User"], "urn:acme:2.0:User:shoeSize gt ?", ("User", "custom")),
        (["User"], "shoeSize gt ?", ("User", "custom")),
        (["Robot"], "title co ?", ("custom", "custom")),
        (["User", "Group"], "displayName co ?", ("all", "displayName co ?")),
        (["User"], " and ".join(["title co ?"] * 20), ("User", "long")),
    ],
)
def test_shapes_are_bounded_words(names: list[str], shape: str, expected: tuple[str, str]) -> None:
    """A shape is told by the names of the standard in their own spelling; what a tenant made up is `custom`."""
    assert shape_label(names, shape) == expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route("t", Endpoint.RESOURCE, "Users", "ana@example.com"), "/Users/{id}"),
        (Route("t", Endpoint.RESOURCE, "Robots", "1"), "/custom/{id}"),
        (Route("t", Endpoint.COLLECTION, "ana@example.com"), "/custom"),
        (Route("t", Endpoint.SEARCH, "Groups"), "/Groups/.search"),
        (Route("t", Endpoint.SCHEMAS, "urn:x"), "/Schemas/{id}"),
        (Route("t", Endpoint.REQUEST, id="x"), "/.requests/{id}"),
        (Route("t", Endpoint.AUDIT_ROWS), "/.audit/rows"),
    ],
)
def test_templates(route: Route, expected: str) -> None:
    """Nothing of a path that a client chooses is in its template."""
    assert template(route) == expected


def test_every_endpoint_has_a_template() -> None:
    """No route is without one."""
    assert all(template(Route("t", endpoint, "Users", "1")).startswith("/") for endpoint in Endpoint)


def test_names() -> None:
    """Names begin with scim_; counters end with _total, and no label holds more than it should."""
    for metric in METRICS:
        assert metric.name.startswith("scim_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.kind != "histogram" or "tenant" not in metric.labels
