"""From what was served to the entries of the log of recent requests: of all that a request was, only what an entry has."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import unquote

import orjson

from scimsrv.activity.reasons import GONE, reason_of
from scimsrv.activity.redaction import without_values
from scimsrv.errors import ScimError
from scimsrv.http import Fields
from scimsrv.observe import Exchange
from scimsrv.observing import GONE as GONE_STATUS
from scimsrv.observing import Served
from scimsrv.protocol.bulk import Result
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.store.activity import Drafted
from scimsrv.store.recorded import Recorder
from scimsrv.store.scope import Scope
from scimsrv.words import CUSTOM, failure, own_id, result, template, words

#: Longest id that is kept, in characters.
_ID: Final = 300

_DEFINED: Final = {Endpoint.SCHEMAS: "Schema", Endpoint.RESOURCE_TYPES: "ResourceType"}

#: The status of what is carried out later, whose place is that of the request; and what a reference by bulkId begins with, in lower case.
_LATER: Final = 202
_REFERENCE: Final = "bulkid:"

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

    def holding(self, scope: Scope) -> AbstractAsyncContextManager[None]:
        """Keep the request from others for the length of a block."""
        return self.recorder.holding(scope)

    async def record(self, scope: Scope, results: Sequence[Result], *, last: bool) -> None:
        """Keep results."""
        await self.recorder.record(scope, results, last=last)

    def committed(self, results: Sequence[Result]) -> None:
        """The transaction with these results is committed."""
        self.recorder.committed(results)
        self.results |= {one.entry.index: one for one in results}

    def served(self, base_url: str, txn: str, actor: str, cause: str | None) -> Served:
        """The request as the log has it: by its txn, with its operations; `cause` is the id that it was sent with."""
        tenant, ended = base_url.rsplit("/", 2)[1], time.time()
        exchange = Exchange("data", txn, "POST", "/Bulk", tenant=tenant, token=actor.partition("/")[0], status=200)
        exchange.cause = cause
        exchange.seconds, exchange.kept = ended - self._began, [self.results[index] for index in sorted(self.results)]
        return Served(ended, exchange, Route(tenant, Endpoint.BULK), Fields([]), {}, None)


def entries(served: Served, client: str) -> list[Drafted]:
    """The entry of a request from this client, or those of the operations of a bulk request, without what they have nothing for.

    They are put together by hand, as there is one for each request: what is not passed through orjson is a number, a word or an id of
    ours, without characters that JSON would have to escape.
    """
    exchange = served.exchange
    at = served.ended - exchange.seconds
    head = f'"at":{at:.6f},"milliseconds":{exchange.seconds * 1_000:.3f},"request_id":"{exchange.request_id}","client":"{client}"'
    if exchange.token is not None:
        head += f',"token":"{exchange.token}"'
    if exchange.correlation is not None:
        head += f',"correlation":"{exchange.correlation}"'
    if exchange.cause is not None:
        head += f',"cause":"{exchange.cause}"'
    if not exchange.kept:
        return [_of_request(at, head, served)]
    return [_of_operation(at, f'{head},"operation":{one.entry.index + 1}', one) for one in exchange.kept]


def _of_request(at: float, head: str, served: Served) -> Drafted:
    exchange, status, error = served.exchange, served.exchange.status, served.error
    reads = status < 400 and not changes(exchange)
    said = _about(served.route, exchange.method, exchange.route, status, reads, served.answered, error)
    if exchange.later and status < 400:
        said += ',"later":true'
    if status >= 400:
        said += _why(GONE if status == GONE_STATUS else reason_of(exchange.denial, exchange.failure), error)
    return Drafted(at, reads, f"{{{head},{said}}}")


def _of_operation(at: float, head: str, one: Result) -> Drafted:
    entry, route, error = one.entry, one.entry.route, one.error
    method = entry.method if entry.fault is None else "other"
    if route is None:
        said = _words(method, "/Bulk", None, "", one.status, reads=False)
    else:
        answered = {} if one.location is None else {"Location": one.location}
        if one.version is not None:
            answered["ETag"] = f'W/"{one.version}"'
        said = _about(route, method, template(route), one.status, False, answered, error)
    if error is not None:
        said += _why(failure(error), error)
    return Drafted(at, False, f"{{{head},{said}}}")


def _about(
    route: Route,
    method: str,
    path: str,
    status: int,
    reads: bool,
    answered: Mapping[str, str],
    error: ScimError | None,
) -> str:
    """What the request wanted of which resource. Where it was refused, or is not looked at yet, an id that does not have the form of ours
    may be anything, as a reference by bulkId may; where nothing was created for another resource's sake, it is about that one."""
    found = status < 400 and status != _LATER and method != "OPTIONS"
    id_: str | None = route.id
    if id_ and (not found or id_.lower().startswith(_REFERENCE)):
        id_ = own_id(id_)
    if not id_ and error is not None:
        id_ = error.about
    if not id_ and status < 300 and status != _LATER and "Location" in answered:
        id_ = unquote(answered["Location"].rpartition("/")[2])
    if route.endpoint is Endpoint.SCHEMAS or route.endpoint is Endpoint.RESOURCE_TYPES:
        id_ = (route.name or id_) if status < 300 and found else None
    key = (path, route.name if status < 400 else "", method, status, reads)
    said = _SAID.get(key) or _say(key, route)
    if id_ and len(id_) <= _ID and "\x00" not in id_:
        said += f',"resource":{orjson.dumps(id_).decode()}'
    version = answered.get("ETag", "")[3:-1].partition("-")[0]
    return f'{said},"version":{version}' if version.isdigit() else said


#: What many entries have in common: path, name of a type or schema, method, status, and whether it only reads.
_Key: TypeAlias = tuple[str, str, str, int, bool]
_SAID: Final[dict[_Key, str]] = {}
_MOST_SAID: Final = 1_000


def _say(key: _Key, route: Route) -> str:
    """The words for the path, which are kept for the next ones."""
    path, name, method, status, reads = key
    _, kind, op = words(route, method)
    if route.endpoint in _DEFINED:
        kind = _DEFINED[route.endpoint]
    elif kind == CUSTOM:
        kind = name
    if len(_SAID) >= _MOST_SAID:
        _SAID.clear()
    said = _SAID[key] = _words(method, path, op, kind, status, reads=reads)
    return said


def _words(method: str, path: str, op: str | None, kind: str, status: int, *, reads: bool) -> str:
    """What an entry begins with, without the braces."""
    said = {"method": method, "route": path, "op": op, "type": kind or None, "status": status, "result": result(status), "reads": reads}
    return orjson.dumps({name: value for name, value in said.items() if value is not None})[1:-1].decode()


def _why(reason: str | None, error: ScimError | None) -> str:
    """Why it was refused, behind the rest."""
    said = {"reason": reason}
    if error is not None:
        said |= {"detail": without_values(error.sentence), "scim_type": error.kind.value.scim_type}
    text = orjson.dumps({name: value for name, value in said.items() if value is not None})[1:-1].decode()
    return text and f",{text}"
