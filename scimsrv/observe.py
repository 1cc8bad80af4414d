"""What is worth knowing of a running server, as data: metrics and log are two projections of the same observations.

Whoever sees something happen calls `observe` with one of the classes of `Observation`. To report something new: add its class here, a
case to `Metrics.__call__` (and, where a person should read of it, to `logs.request_log`), and the metric to the table of metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

UNMATCHED: Final = "unmatched"
"""The word for a path that is none of ours."""

Plane: TypeAlias = Literal["data", "admin", "replica"]

Result: TypeAlias = Literal["ok", "conflict", "invalid", "notfound", "precondition", "denied", "throttled", "unavailable"]


class Operated(NamedTuple):
    """An operation on resources: that of a request, or one of a bulk request. `failure` is the word for what was wrong with it, None
    where it was done; `conditional` says that it demanded a version."""

    resource_type: str
    op: str
    result: Result
    failure: str | None = None
    conditional: bool = False


@dataclass(slots=True, eq=False)
class Exchange:
    """A request and its answer, filled in as it goes and observed when the answer is sent.

    Everything in it is a word of ours, a number, a registered tenant's slug, or an id that has the form of ours: nothing that a client
    can choose freely. `route` is a template; `token` the public id of the credential, `address` where it asked from; `resource` the id
    of a resource; `operations` what was done to resources, `later` that this is counted when it is done; `patch_ops` and `bulk_ops` how
    many operations the request had; `found_catalog` whether the tenant's definitions were at hand; `queries` the names and seconds of
    what the database was asked; `denial` why it was not let in, and `scheme` by which kind of credential it asked. `kept` are the results
    of a bulk request, for the log of requests, which does not keep what a client chose either. `user_hash` is a keyed hash of the userName
    that the request names, where the log is to have one; `cause` is the id of the request that this one carries out.
    """

    plane: Plane
    request_id: str
    method: str = "other"
    route: str = UNMATCHED
    correlation: str | None = None
    tenant: str = ""
    token: str | None = None
    resource: str | None = None
    status: int = 0
    failure: str | None = None
    scim_type: str | None = None
    denial: str | None = None
    scheme: str | None = None
    found_catalog: bool | None = None
    operations: list[Operated] = field(default_factory=list)
    later: bool = False
    patch_ops: int | None = None
    bulk_ops: int | None = None
    received: int | None = None
    sent: int | None = None
    queries: list[tuple[str, float]] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    over: bool = False
    address: str = ""
    kept: Sequence[Any] = ()
    user_hash: str | None = None
    cause: str | None = None


class Refused(NamedTuple):
    """A request that was refused before the application saw it; `slow` says what did not arrive in time."""

    plane: Plane
    request_id: str
    status: int
    slow: Literal["head", "body"] | None = None


class Searched(NamedTuple):
    """A search of a tenant's client; `shape` is its filter without literals where no index served it, None where one did."""

    resource_type: str
    shape: str | None
    tenant: str = ""


class Queried(NamedTuple):
    """A statement, or a transaction, that belongs to no request."""

    name: str
    seconds: float


class Waited(NamedTuple):
    """The seconds for which work waited until a connection to the database was free."""

    seconds: float


class DatabaseFailed(NamedTuple):
    """A statement failed; `state` is its SQLSTATE, None where there was no answer."""

    state: str | None


class Retried(NamedTuple):
    """A unit of work is done again after a conflict between transactions."""


class PoolState(NamedTuple):
    """The connections to the database that a process has open, and those of them that work."""

    plane: Plane
    size: int
    used: int


class GuardTripped(NamedTuple):
    """A tenant's deletion guard began to hold deletions; `tenant` is empty where no request of its own was the cause."""

    tenant: str


class Limited(NamedTuple):
    """A request was refused with 429; `limit` is which limit it met, `tenant` is empty where nobody was let in yet."""

    limit: str
    tenant: str = ""


class SigningFailed(NamedTuple):
    """So many credentials of awards could not be signed, and are tried again later."""

    number: int


class CredentialExpiring(NamedTuple):
    """It was warned of a credential that ends soon, once for each threshold of days."""


class Carried(NamedTuple):
    """What became of the operations of a request that was carried out apart from its answer, told once when all are done."""

    tenant: str
    operations: Sequence[Operated]


class KeysFetched(NamedTuple):
    """The keys of an issuer that a tenant trusts were fetched, or could not be."""

    issuer: str
    done: bool


class Badged(NamedTuple):
    """Something happened to so many awards or credentials."""

    event: Literal["issued", "signed", "revoked", "verified", "refuted"]
    number: int = 1


class ActivityDropped(NamedTuple):
    """So many entries did not come into the log of requests: the queue was `full`, the `database` took none, or nobody was let in with
    too many (`denied`)."""

    reason: Literal["full", "database", "denied"]
    number: int


class Resident(NamedTuple):
    """The resident memory of a process, in bytes."""

    size: int


class Load(NamedTuple):
    """The requests in progress in a process."""

    plane: Plane
    requests: int


Observation: TypeAlias = (
    Exchange
    | Refused
    | Searched
    | Queried
    | Waited
    | DatabaseFailed
    | Retried
    | PoolState
    | GuardTripped
    | SigningFailed
    | CredentialExpiring
    | Limited
    | Carried
    | KeysFetched
    | Badged
    | ActivityDropped
    | Resident
    | Load
)

Projection: TypeAlias = Callable[[Observation], None]

#: The request that the present task serves; what a request begins and leaves behind still names it, when it is over.
CURRENT: Final[ContextVar[Exchange | None]] = ContextVar("exchange", default=None)

#: The `traceparent` (W3C Trace Context) of the span of the present request, for what is asked of others meanwhile; empty without one.
TRACEPARENT: Final[ContextVar[str]] = ContextVar("traceparent", default="")

_projections: list[Projection] = []
_samplers: list[Callable[[], Observation]] = []


def project(projection: Projection) -> Callable[[], None]:
    """Show every observation of this process to a projection, from now until the function that is returned is called."""
    _projections.append(projection)
    return lambda: _projections.remove(projection)


def observe(observation: Observation) -> None:
    """Say that something happened."""
    for projection in _projections:
        projection(observation)


def sampled(sampler: Callable[[], Observation]) -> Callable[[], None]:
    """Have something looked at each second, until the function that is returned is called."""
    _samplers.append(sampler)
    return lambda: _samplers.remove(sampler)


def sample() -> None:
    """Look at everything that is looked at each second."""
    for sampler in tuple(_samplers):
        observe(sampler())


def denied(scheme: str, reason: str) -> None:
    """Say with which kind of credential the present request is not let in, and why, in words of a closed set; who says it first knows
    best."""
    exchange = CURRENT.get()
    if exchange is not None and not exchange.over and exchange.denial is None:
        exchange.scheme, exchange.denial = scheme, reason


def tenant_asked() -> str:
    """The tenant by whose credential the present request was let in, empty without one."""
    exchange = CURRENT.get()
    return "" if exchange is None else exchange.tenant


def postponed() -> None:
    """Say that what the present request does to resources is counted by whoever does it."""
    exchange = CURRENT.get()
    if exchange is not None and not exchange.over:
        exchange.later = True


def queried(name: str | None, seconds: float) -> None:
    """Say how long a statement took; one without a name is that of the request's operation."""
    exchange = CURRENT.get()
    if exchange is None or exchange.over:
        observe(Queried(name or "background", seconds))
    else:
        exchange.queries.append((name or "", seconds))
        if _statements is not None:
            _statements(name or "", seconds)


_statements: Callable[[str, float], None] | None = None


def watch_statements(watcher: Callable[[str, float], None] | None) -> None:
    """Show each statement of a request to the watcher when it has ended: its name, empty for one that was put together, and seconds."""
    global _statements
    _statements = watcher


def finish(exchange: Exchange) -> None:
    """Say that the answer to a request is sent."""
    exchange.over = True
    exchange.seconds = time.perf_counter() - exchange.begun
    observe(exchange)
