"""Metrics for Prometheus: the table of those there are, and the projection of observations on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from scimsrv.allowance import Allowance
from scimsrv.observe import (
    CredentialExpiring,
    DatabaseFailed,
    Exchange,
    GuardTripped,
    Limited,
    Load,
    Observation,
    Operated,
    PoolState,
    Queried,
    Refused,
    Retried,
    Searched,
    Waited,
)
from scimsrv.words import OTHER

SERIES: Final = 5_000
"""The most time series of a process, at up to 200 tenants that have a label."""

#: Series with a tenant's label, of all tenants together, at 200 tenants; and for each tenant more. What goes beyond counts as `other`.
_TENANT_SERIES: Final = 2_700
_TENANT_SERIES_EACH: Final = 13

#: Ways from labels to series that are remembered: of those beyond a bound there may be any number.
_KEPT: Final = 20_000

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_QUERY_SECONDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
_WAIT_SECONDS: Final = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0)
_BYTES: Final = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304)
_NUMBERS: Final = (1, 2, 5, 10, 50, 100, 500, 1_000)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. `most` is how many combinations of its labels there may be in a process; what goes beyond has the last label `other`.

    A gauge is the sum over the processes that live, or the greatest value of all. `name` has the suffix that Prometheus knows it by.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    most: int = 50
    mode: Literal["livesum", "max"] = "livesum"

    @property
    def of_tenants(self) -> bool:
        """Whether it has a label for the tenant: then all of them together have a bound."""
        return "tenant" in self.labels


METRICS: Final = (
    Metric(
        "scim_http_requests_total", "counter",
        "Requests answered, by template of the path; the tenant is empty where nobody was let in",
        ("plane", "route", "method", "status_class", "tenant"),
    ),
    Metric(
        "scim_http_request_duration_seconds", "histogram",
        "Time from the request's head to the end of its answer",
        ("plane", "method", "route"), _SECONDS, 48,
    ),
    Metric("scim_http_inflight", "gauge", "Requests in progress, looked at each second", ("plane",)),
    Metric("scim_request_body_bytes", "histogram", "Sizes of request bodies", (), _BYTES),
    Metric("scim_slow_client_total", "counter", "Requests refused for a head or a body that did not arrive in time", ("kind",)),
    Metric(
        "scim_operations_total", "counter",
        "Operations on resources, those within bulk requests too; what is carried out later is counted when it is accepted",
        ("resource_type", "op", "result", "tenant"),
    ),
    Metric(
        "scim_last_client_request_timestamp_seconds", "gauge",
        "When a tenant's client was last let in: an identity provider that has stopped shows here",
        ("tenant",), mode="max",
    ),
    Metric("scim_patch_ops", "histogram", "Operations of a PATCH request", (), _NUMBERS),
    Metric("scim_patch_failures_total", "counter", "PATCH operations on resources refused, by what was wrong (the scimType)", ("kind",)),
    Metric("scim_bulk_ops", "histogram", "Operations of a bulk request", (), _NUMBERS),
    Metric("scim_searches_total", "counter", "Searches, by whether an index served them or every resource of a type was read",
           ("resource_type", "served")),
    Metric("scim_filter_fallback_total", "counter", "Searches that no index narrows, by their filter without literals",
           ("resource_type", "shape")),
    Metric("scim_conditional_writes_total", "counter", "Writes that demanded a version (If-Match)"),
    Metric("scim_etag_conflicts_total", "counter", "Writes refused with 412, because the resource had another version"),
    Metric("scim_discovery_cache_total", "counter",
           "Looks for a tenant's schemas, resource types and policy in the memory of a process, by result: hit or miss", ("result",)),
    Metric("scim_auth_failures_total", "counter", "Requests of the data plane that were not let in", ("reason", "method")),
    Metric("scim_credential_expiring_total", "counter", "Warnings of credentials that end soon, one for each threshold of days"),
    Metric("scim_deletion_guard_tripped_total", "counter", "Times that a tenant's deletion guard began to hold deletions", ("tenant",)),
    Metric("scim_ratelimited_total", "counter", "Requests refused with 429 for their number, by the limit that they met", ("limit",)),
    Metric("scim_db_pool_size", "gauge", "Connections to the database, looked at each second", ("plane",)),
    Metric("scim_db_pool_in_use", "gauge", "Connections that work, looked at each second", ("plane",)),
    Metric("scim_db_pool_wait_seconds", "histogram", "Waits for a connection, where none was free", (), _WAIT_SECONDS),
    Metric("scim_db_query_duration_seconds", "histogram",
           "Time of statements by name, of those made for a request by its operation, and of transactions as a whole",
           ("query_name",), _QUERY_SECONDS, 48),
    Metric("scim_db_errors_total", "counter", "Statements that failed, by class of SQLSTATE, `none` without any", ("sqlstate_class",)),
    Metric("scim_db_retries_total", "counter", "Units of work done again after a conflict between transactions"),
)  # fmt: skip


class Metrics:
    """The metrics of one process. `registry` is where a scrape finds them; with several processes it only keeps names apart."""

    def __init__(self, registry: CollectorRegistry, tenants: Allowance) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
        self._tenants = tenants
        self._families: dict[str, Any] = {metric.name: _made(metric, registry) for metric in METRICS}
        self._bounds = {metric.name: metric for metric in METRICS}
        self._children: dict[tuple[str, ...], Any] = {}
        self._numbers: dict[str, int] = {}
        self._seconds_of_tenants: dict[str, int] = {}
        self._most_of_tenants = max(_TENANT_SERIES, tenants.most * _TENANT_SERIES_EACH)
        self._of_tenants = 0

    def __call__(self, observation: Observation) -> None:
        """Count the observation."""
        match observation:
            case Exchange():
                self._exchange(observation)
            case Queried(name, seconds):
                self._of("scim_db_query_duration_seconds", name).observe(seconds)
            case Searched(type_, shape):
                self._of("scim_searches_total", type_, "scan" if shape else "index").inc()
                if shape:
                    self._of("scim_filter_fallback_total", type_, shape).inc()
            case Refused(plane, _, status, slow):
                self._of("scim_http_requests_total", plane, "unmatched", "other", f"{status // 100}xx", "").inc()
                if slow:
                    self._of("scim_slow_client_total", slow).inc()
            case Waited(seconds):
                self._of("scim_db_pool_wait_seconds").observe(seconds)
            case DatabaseFailed(state):
                self._of("scim_db_errors_total", "none" if state is None else state[:2]).inc()
            case Retried():
                self._of("scim_db_retries_total").inc()
            case PoolState(plane, size, used):
                self._of("scim_db_pool_size", plane).set(size)
                self._of("scim_db_pool_in_use", plane).set(used)
            case CredentialExpiring():
                self._of("scim_credential_expiring_total").inc()
            case GuardTripped(tenant):
                self._of("scim_deletion_guard_tripped_total", self._tenants.label(tenant)).inc()
            case Limited(limit):
                self._of("scim_ratelimited_total", limit).inc()
            case Load(plane, requests):
                self._of("scim_http_inflight", plane).set(requests)
            case _:
                assert_never(observation)

    def _exchange(self, done: Exchange) -> None:
        tenant = self._tenants.label(done.tenant)
        plane, route = done.plane, done.route
        method = done.method if done.status != 405 else OTHER  # what is served nowhere does not multiply what is
        self._of("scim_http_requests_total", plane, route, method, f"{done.status // 100}xx", tenant).inc()
        self._of("scim_http_request_duration_seconds", plane, method, route).observe(done.seconds)
        if done.tenant:
            self._seen(tenant)
        op = ""
        for one in done.operations:
            self._operated(one, tenant)
            op = one.op
        for name, seconds in done.queries:
            self._of("scim_db_query_duration_seconds", name or op or "other").observe(seconds)
        if done.found_catalog is not None:
            self._of("scim_discovery_cache_total", "hit" if done.found_catalog else "miss").inc()
        if done.denial is not None:
            self._of("scim_auth_failures_total", done.denial, done.scheme or "none").inc()
        if done.status == 408:
            self._of("scim_slow_client_total", "body").inc()
        if done.received is not None:
            self._of("scim_request_body_bytes").observe(done.received)
        if done.patch_ops is not None:
            self._of("scim_patch_ops").observe(done.patch_ops)
        if done.bulk_ops is not None:
            self._of("scim_bulk_ops").observe(done.bulk_ops)

    def _operated(self, one: Operated, tenant: str) -> None:
        self._of("scim_operations_total", one.resource_type, one.op, one.result, tenant).inc()
        if one.conditional:
            self._of("scim_conditional_writes_total").inc()
        if one.failure is None:
            return
        if one.op == "patch" and one.result == "invalid":
            self._of("scim_patch_failures_total", one.failure).inc()
        if one.failure == "precondition_failed":
            self._of("scim_etag_conflicts_total").inc()

    def _seen(self, tenant: str) -> None:
        now = int(time.time())
        if self._seconds_of_tenants.get(tenant) != now:  # once a second is as exact as anybody looks
            self._seconds_of_tenants[tenant] = now
            self._of("scim_last_client_request_timestamp_seconds", tenant).set(now)

    def _of(self, name: str, *labels: str) -> Any:
        """The metric with these labels, as far as its bound allows."""
        key = (name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._child(self._bounds[name], labels)
            if len(self._children) < _KEPT:
                self._children[key] = child
        return child

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        if not metric.labels:
            return self._families[metric.name]
        if metric.of_tenants and metric.mode != "max":
            if labels[-1] and labels[-1] != OTHER:
                if self._of_tenants >= self._most_of_tenants:
                    return self._of(metric.name, *labels[:-1], OTHER)
                self._of_tenants += 1
        elif metric.mode != "max":
            number = self._numbers.get(metric.name, 0)
            if number >= metric.most and labels[-1] != OTHER:
                return self._of(metric.name, *labels[:-1], OTHER)
            self._numbers[metric.name] = number + 1
        return self._families[metric.name].labels(*labels)


def _made(metric: Metric, registry: CollectorRegistry) -> Any:
    common: Mapping[str, Any] = {"labelnames": metric.labels, "registry": registry}
    match metric.kind:
        case "counter":
            return Counter(metric.name.removesuffix("_total"), metric.meaning, **common)
        case "histogram":
            return Histogram(metric.name, metric.meaning, buckets=metric.buckets, **common)
        case "gauge":
            return Gauge(metric.name, metric.meaning, multiprocess_mode=metric.mode, **common)
        case _:
            assert_never(metric.kind)
