"""Metrics for Prometheus: the table of those there are, and the projection of observations on them."""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, assert_never

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from scimsrv.allowance import Allowance, Shares
from scimsrv.observe import (
    ActivityDropped,
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
    Retried,
    Searched,
    SigningFailed,
    Waited,
)
from scimsrv.words import OTHER

SERIES: Final = 5_000
"""The most time series of a process, at up to 200 tenants that have a label."""

#: Series with a tenant's label, of all tenants together, at 200 tenants; and for each tenant more. What goes beyond counts as `other`.
_TENANT_SERIES: Final = 1_850
_TENANT_SERIES_EACH: Final = 9

#: Shapes of searches that have a label, and those that one tenant's clients bring at most.
_SHAPES: Final = 40
_SHAPES_EACH: Final = 8

#: Ways from labels to series that are remembered: of those beyond a bound there may be any number.
_KEPT: Final = 20_000

#: Seconds for which what requests count is gathered before it is written, and which a process that is killed may lose.
_GATHERED: Final = 0.1

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
        ("plane", "method", "route"), _SECONDS, 40,
    ),
    Metric("scim_http_inflight", "gauge", "Requests in progress, looked at each second", ("plane",)),
    Metric("scim_resident_memory_bytes", "gauge", "Resident memory of the processes that serve the data plane, looked at each second"),
    Metric("scim_request_body_bytes", "histogram", "Sizes of request bodies", (), _BYTES),
    Metric("scim_slow_client_total", "counter", "Requests refused for a head or a body that did not arrive in time", ("kind",)),
    Metric(
        "scim_operations_total", "counter",
        "Operations on resources, those within bulk requests too; those of an asynchronous request when all of them are done",
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
    Metric("scim_jwks_fetch_total", "counter", "Fetches of the keys of trusted issuers, by result: ok or failed",
           ("result", "issuer"), most=30),
    Metric("scim_badges_total", "counter",
           "Awards issued and revoked, those of transactions that were undone too; credentials signed, and those presented that were "
           "verified or refuted", ("event",)),
    Metric("scim_deletion_guard_tripped_total", "counter", "Times that a tenant's deletion guard began to hold deletions", ("tenant",)),
    Metric("scim_ratelimited_total", "counter", "Requests refused with 429 for their number, by the limit that they met",
           ("limit", "tenant")),
    Metric("scim_badge_signing_failures_total", "counter", "Credentials of awards that could not be signed, at each attempt"),
    Metric("scim_activity_dropped_total", "counter",
           "Entries that did not come into the log of requests: queue full, no database, too many that were not let in", ("reason",)),
    Metric("scim_db_pool_size", "gauge", "Connections to the database, looked at each second", ("plane",)),
    Metric("scim_db_pool_in_use", "gauge", "Connections that work, looked at each second", ("plane",)),
    Metric("scim_db_pool_wait_seconds", "histogram", "Waits for a connection, where none was free", (), _WAIT_SECONDS),
    Metric("scim_db_query_duration_seconds", "histogram",
           "Time of statements by name, of those made for a request by its operation, and of transactions as a whole",
           ("query_name",), _QUERY_SECONDS, 40),
    Metric("scim_db_errors_total", "counter", "Statements that failed, by class of SQLSTATE, `none` without any", ("sqlstate_class",)),
    Metric("scim_db_retries_total", "counter", "Units of work done again after a conflict between transactions"),
)  # fmt: skip


class _Tally(NamedTuple):
    """Where requests of a kind are counted: counters that each raises by one, the histogram of their time, that of the statements made
    for them, and the gauge of their tenant's last visit; whether that may yet get a label of its own."""

    counters: tuple[Any, ...]
    duration: Any
    own: Any
    visited: Any
    waits: bool


class Metrics:
    """The metrics of one process. `registry` is where a scrape finds them; with several processes it only keeps names apart."""

    def __init__(self, registry: CollectorRegistry, tenants: Allowance) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
        self.tenants = tenants
        self._families: dict[str, Any] = {metric.name: _made(metric, registry) for metric in METRICS}
        self._bounds = {metric.name: metric for metric in METRICS}
        self._children: dict[tuple[str, ...], Any] = {}
        self._numbers: dict[str, int] = {}
        self._tallies: dict[tuple[object, ...], _Tally] = {}
        self._threads = threading.local()
        self._most_of_tenants = max(_TENANT_SERIES, tenants.most * _TENANT_SERIES_EACH)
        self._of_tenants = 0
        self._shapes = Shares(_SHAPES, _SHAPES_EACH)

    def __call__(self, observation: Observation) -> None:
        """Count the observation."""
        match observation:
            case Exchange():
                self._exchange(observation)
            case Queried(name, seconds):
                self._of("scim_db_query_duration_seconds", name).observe(seconds)
            case Searched(type_, shape, tenant):
                self._of("scim_searches_total", type_, "scan" if shape else "index").inc()
                if shape:
                    told = self._shapes.label(f"{type_} {shape}", tenant) != OTHER
                    self._of("scim_filter_fallback_total", type_, shape if told else OTHER).inc()
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
            case SigningFailed(number):
                self._of("scim_badge_signing_failures_total").inc(number)
            case GuardTripped(tenant):
                self._of("scim_deletion_guard_tripped_total", self.tenants.met(tenant)).inc()
            case Limited(limit, tenant):
                self._of("scim_ratelimited_total", limit, self.tenants.met(tenant)).inc()
            case Carried(tenant, operations):
                self._count(operations, self.tenants.met(tenant))
            case KeysFetched(issuer, done):
                self._of("scim_jwks_fetch_total", "ok" if done else "failed", issuer).inc()
            case Badged(event, number):
                self._of("scim_badges_total", event).inc(number)
            case ActivityDropped(reason, number):
                self._of("scim_activity_dropped_total", reason).inc(number)
            case Resident(size):
                self._of("scim_resident_memory_bytes").set(size)
            case Load(plane, requests):
                self._of("scim_http_inflight", plane).set(requests)
            case _:
                assert_never(observation)

    def _exchange(self, done: Exchange) -> None:
        operations = () if done.later else done.operations
        one = operations[0] if len(operations) == 1 else None
        key = (done.route, done.method, done.status, done.tenant, one, done.found_catalog, done.denial, done.scheme, done.plane)
        found = self._tallies.get(key)
        if found is None:
            found = self._tally(done, one)
            if len(self._tallies) < _KEPT:
                self._tallies[key] = found
        elif found.waits and self.tenants.met(done.tenant) == done.tenant:
            found = self._tallies[key] = self._tally(done, one)
        pending, at_once = self._pending()
        for value in found.counters:
            pending[value] = pending.get(value, 0.0) + 1.0
        self._measure(pending, found.duration, done.seconds)
        for name, seconds in done.queries:
            histogram = found.own if not name else self._of("scim_db_query_duration_seconds", name)
            self._measure(pending, histogram, seconds)
        if found.visited is not None:
            self._threads.visited[found.visited] = None
        if one is None:
            self._count(operations, self.tenants.label(done.tenant, admit=False))
        if done.received is not None:
            self._measure(pending, self._of("scim_request_body_bytes"), done.received)
        if done.patch_ops is not None:
            self._of("scim_patch_ops").observe(done.patch_ops)
        if done.bulk_ops is not None:
            self._of("scim_bulk_ops").observe(done.bulk_ops)
        if at_once:
            self._write(pending, self._threads.visited)

    def _count(self, operations: Sequence[Operated], tenant: str) -> None:
        for one in operations:
            for child in self._operated(one, tenant):
                child.inc()

    def _tally(self, done: Exchange, one: Operated | None) -> _Tally:
        """What requests like this one count in."""
        tenant = self.tenants.met(done.tenant)
        method = done.method if done.status != 405 else OTHER  # what is served nowhere does not multiply what is
        counted = [self._of("scim_http_requests_total", done.plane, done.route, method, f"{done.status // 100}xx", tenant)]
        if one is not None:
            counted += self._operated(one, tenant)
        if done.found_catalog is not None:
            counted.append(self._of("scim_discovery_cache_total", "hit" if done.found_catalog else "miss"))
        if done.denial is not None:
            counted.append(self._of("scim_auth_failures_total", done.denial, done.scheme or "none"))
        if done.status == 408:
            counted.append(self._of("scim_slow_client_total", "body"))
        op = done.operations[-1].op if done.operations else OTHER
        return _Tally(
            tuple(child._value for child in counted),
            self._of("scim_http_request_duration_seconds", done.plane, method, done.route),
            self._of("scim_db_query_duration_seconds", op),
            self._of("scim_last_client_request_timestamp_seconds", tenant) if done.tenant else None,
            tenant != done.tenant and bool(tenant),
        )

    def _operated(self, one: Operated, tenant: str) -> list[Any]:
        """The counters of an operation."""
        counted = [self._of("scim_operations_total", one.resource_type, one.op, one.result, tenant)]
        if one.conditional:
            counted.append(self._of("scim_conditional_writes_total"))
        if one.op == "patch" and one.result == "invalid" and one.failure is not None:
            counted.append(self._of("scim_patch_failures_total", one.failure))
        if one.failure == "precondition_failed":
            counted.append(self._of("scim_etag_conflicts_total"))
        return counted

    @staticmethod
    def _measure(pending: dict[Any, float], histogram: Any, amount: float) -> None:
        total, bucket = histogram._sum, histogram._buckets[bisect_left(histogram._upper_bounds, amount)]
        pending[total] = pending.get(total, 0.0) + amount
        pending[bucket] = pending.get(bucket, 0.0) + 1.0

    def _pending(self) -> tuple[dict[Any, float], bool]:
        """What this thread has counted and not written yet, and whether to write it at once.

        Requests are many and their counters few: to write each counter once for all requests of a moment costs a fraction of writing
        it for each of them. prometheus_client has no public way to add many observations at once, hence its attributes.
        """
        threads = self._threads
        try:
            pending: dict[Any, float] = threads.pending
        except AttributeError:
            pending, threads.visited = {}, {}
            threads.pending = pending
        if not pending:
            try:
                asyncio.get_running_loop().call_later(_GATHERED, self._write, pending, threads.visited)
            except RuntimeError:  # without an event loop nobody comes back to it
                return pending, True
        return pending, False

    @staticmethod
    def _write(pending: dict[Any, float], visited: dict[Any, None]) -> None:
        for value, amount in pending.items():
            value.inc(amount)
        pending.clear()
        for gauge in visited:
            gauge.set(int(time.time()))
        visited.clear()

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
