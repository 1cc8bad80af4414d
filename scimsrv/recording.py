"""From what was served to the entries of the log of recent requests: of all that a request was, only what an entry has."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from scimsrv.activity.reasons import GONE, reason_of
from scimsrv.activity.redaction import without_values
from scimsrv.errors import ScimError
from scimsrv.http import Fields
from scimsrv.observe import Exchange
from scimsrv.observing import GONE as GONE_STATUS
from scimsrv.observing import Served
from scimsrv.protocol.bulk import Result
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.store.bulk import Recorder
from scimsrv.store.scope import Scope
from scimsrv.words import CUSTOM, failure, own_id, result, words

#: Longest id that is kept, in characters.
_ID: Final = 300

_DEFINED: Final = {Endpoint.SCHEMAS: "Schema", Endpoint.RESOURCE_TYPES: "ResourceType"}
_VERSION: Final = re.compile(r'W/"(\d{1,18})')
_LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def changes(exchange: Exchange) -> bool:
    """Whether what the request did may have changed something."""
    return exchange.method not in _LOOKS and not (exchange.operations and exchange.operations[0].op == "search")


@dataclass(slots=True)
class Noting:
    """Keeps the results of a request that is carried out later, as `recorder` does in the database, to tell of them in the end."""

    recorder: Recorder
    results: dict[int, Result] = field(default_factory=dict)
    _began: float = field(default_factory=time.time)

    async def hold(self, scope: Scope) -> None:
        """Keep the request from others."""
        await self.recorder.hold(scope)

    async def record(self, scope: Scope, results: Sequence[Result], *, last: bool) -> None:
        """Keep results."""
        await self.recorder.record(scope, results, last=last)

    def committed(self, results: Sequence[Result]) -> None:
        """The transaction with these results is committed."""
        self.recorder.committed(results)
        self.results |= {one.entry.index: one for one in results}

    def served(self, base_url: str, txn: str, actor: str) -> Served:
        """The request as the log has it: by its txn, with its operations."""
        tenant, ended = base_url.rsplit("/", 2)[1], time.time()
        exchange = Exchange("data", txn, "POST", "/Bulk", tenant=tenant, token=actor.partition("/")[0], status=200)
        exchange.seconds, exchange.kept = ended - self._began, [self.results[index] for index in sorted(self.results)]
        return Served(ended, exchange, Route(tenant, Endpoint.BULK), Fields([]), {}, None)


def entries(served: Served, client: str) -> Iterator[dict[str, Any]]:
    """The entry of a request from this client, or those of the operations of a bulk request, as scimsrv.store.activity.add takes them:
    without what it has nothing for."""
    exchange = served.exchange
    made: dict[str, Any] = {
        "at": served.ended - exchange.seconds,
        "request_id": exchange.request_id,
        "client": client,
        "milliseconds": exchange.seconds * 1_000,
    }
    if exchange.token is not None:
        made["token"] = exchange.token
    if exchange.correlation is not None:
        made["correlation"] = exchange.correlation
    if exchange.kept:
        for one in exchange.kept:
            yield _of_operation({**made, "operation": one.entry.index + 1}, one)
    else:
        yield _of_request(made, served)


def _of_request(made: dict[str, Any], served: Served) -> dict[str, Any]:
    exchange, status = served.exchange, served.exchange.status
    _, kind, op = words(served.route, exchange.method)
    made["method"], made["route"] = exchange.method, exchange.route
    made["reads"] = status < 400 and not changes(exchange)
    _about(made, served.route, kind, op, status, served.answered, served.error)
    reason = GONE if status == GONE_STATUS else reason_of(exchange.denial, exchange.failure)
    return _answered(made, status, reason, served.error)


def _of_operation(made: dict[str, Any], one: Result) -> dict[str, Any]:
    entry, route = one.entry, one.entry.route
    made["method"], made["route"], made["reads"] = entry.method if entry.fault is None else "other", "/Bulk", False
    if route is not None:
        made["route"], kind, op = words(route, entry.method)
        answered = {} if one.location is None else {"Location": one.location}
        if one.version is not None:
            answered["ETag"] = f'W/"{one.version}"'
        _about(made, route, kind, op, one.status, answered, one.error)
    return _answered(made, one.status, None if one.error is None else failure(one.error), one.error)


def _about(
    made: dict[str, Any], route: Route, kind: str, op: str | None, status: int, answered: Mapping[str, str], error: ScimError | None
) -> None:
    """Add what the request wanted of which resource. Where it was refused, an id that does not have the form of ours may be anything;
    where nothing was created for another resource's sake, it is about that one."""
    id_ = route.id if status < 400 else own_id(route.id)
    if not id_ and error is not None:
        id_ = error.about
    if not id_ and status < 300 and "Location" in answered:
        id_ = unquote(answered["Location"].rpartition("/")[2])
    if route.endpoint in (Endpoint.SCHEMAS, Endpoint.RESOURCE_TYPES):
        kind = _DEFINED[route.endpoint]
        id_ = (route.name or id_) if status < 300 else None
    elif kind == CUSTOM:
        kind = route.name if status < 400 else ""
    if op is not None:
        made["op"] = op
    if kind:
        made["type"] = kind
    if id_ and len(id_) <= _ID and "\x00" not in id_:
        made["resource"] = id_
    version = _VERSION.match(answered.get("ETag", ""))
    if version is not None:
        made["version"] = int(version[1])


def _answered(made: dict[str, Any], status: int, reason: str | None, error: ScimError | None) -> dict[str, Any]:
    """Add what became of it."""
    made["status"], made["result"] = status, result(status)
    if reason is not None:
        made["reason"] = reason
    if error is not None:
        made["detail"] = without_values(error.sentence)
        if error.kind.value.scim_type is not None:
            made["scim_type"] = error.kind.value.scim_type
    return made
