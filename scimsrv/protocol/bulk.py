"""A bulk request as a graph: what each operation refers to, and the order in which all can be carried out (RFC 7644 §3.7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import orjson

from scimsrv.errors import Kind, ScimError, invalid_syntax, invalid_value
from scimsrv.filter.parse import MAX_LENGTH
from scimsrv.filter.strings import STRING
from scimsrv.limits import Limits
from scimsrv.protocol.body import check_size, read_object
from scimsrv.protocol.messages import BULK_RESPONSE, BulkRequest
from scimsrv.protocol.operations import Message
from scimsrv.protocol.response import error_message
from scimsrv.protocol.route import Endpoint, Route, relative
from scimsrv.schema.validate import shorten

METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")

#: References by bulkId: as a value of its own, which a literal in the path of a PATCH operation may be, and at the end of a `$ref`.
#: In any case of ASCII alone: other letters that count as these to `re` are no prefix to `_may_refer`.
_VALUE: Final = re.compile(r"bulkId:(.+)", re.ASCII | re.IGNORECASE | re.DOTALL)
_REF: Final = re.compile(r"(?:.*/)?bulkId:([^/?#]+)", re.ASCII | re.IGNORECASE | re.DOTALL)
_SHORTEST: Final = len("bulkId:x")

#: What looks like a reference where none is resolved: at the beginning of a text, of a part of an address, and of a literal in a text.
_LEFT: Final = re.compile(r"""(?:^|[/"'])bulkId:""", re.ASCII | re.IGNORECASE)

#: From a bulkId to the id of the resource.
IdOf: TypeAlias = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation: `text` is its JSON as sent, `refers` the bulkIds that its path and its data name. `fault` is why it cannot be
    carried out, found without looking at any resource."""

    index: int
    text: bytes
    method: str
    path: str
    route: Route | None = None
    bulk_id: str | None = None
    version: str | None = None
    refers: frozenset[str] = frozenset()
    fault: ScimError | None = None

    @property
    def creates(self) -> bool:
        """Whether the operation makes a resource that others can refer to."""
        return self.method == "POST"


@dataclass(frozen=True, slots=True)
class Creations:
    """Operations by index that create resources and may be written together; those of one component refer to each other in a circle."""

    components: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Single:
    """An operation by index that is carried out alone."""

    index: int


Step: TypeAlias = Creations | Single


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk request: its operations as sent, the operation that defines each bulkId, and the steps that carry it out."""

    entries: tuple[Entry, ...]
    definers: Mapping[str, int]
    steps: tuple[Step, ...]
    fail_on_errors: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether no operation has a fault."""
        return all(entry.fault is None for entry in self.entries)

    def entries_of(self, step: Step) -> list[Entry]:
        """The operations of a step."""
        indexes = [step.index] if isinstance(step, Single) else [index for component in step.components for index in component]
        return [self.entries[index] for index in indexes]

    def named(self, route: Route, ids: Mapping[int, str]) -> str:
        """The id of the resource that an operation's path names, as far as an operation has its bulkId: by its index, `ids` has the id."""
        return target(route, lambda name: ids[self.definers[name]] if name in self.definers else route.id) if route.id else ""


def fail_on_errors(message: Message) -> int | None:
    """After how many failures the rest of the request in a message is left out. Raises ScimError invalidSyntax or invalidValue for what
    is wrong with the whole."""
    envelope = BulkRequest.read(message.envelope)
    if envelope.operations:
        raise invalid_syntax("Operations: must be given once, as an array")
    return envelope.fail_on_errors


def entries_of(texts: Iterable[bytes], tenant: str, limits: Limits) -> Iterator[Entry]:
    """The operations in these texts, each read when it is asked for. What is wrong with one is its `fault`; raises ScimError
    invalidSyntax for one that is no JSON object, or is too large to be read."""
    routes: dict[str, Route] = {}
    return (read_entry(index, text, tenant, limits, routes) for index, text in enumerate(texts))


def arranged(entries: Iterable[Entry], fail_on_errors: int | None = None) -> Bulk:
    """The operations with their order, and with the faults of their bulkIds: one that several POSTs define is nobody's."""
    given = list(entries)
    definers: dict[str, int] = {}
    doubled: set[str] = set()
    for entry in given:
        if entry.creates and entry.bulk_id is not None and definers.setdefault(entry.bulk_id, entry.index) != entry.index:
            doubled.add(entry.bulk_id)
    for index, entry in enumerate(given):
        if entry.fault is not None:
            continue
        if entry.creates and entry.bulk_id in doubled:
            given[index] = replace(entry, fault=invalid_value(f"bulkId: {shorten(entry.bulk_id or '')} is given to several operations"))
        elif unknown := sorted(name for name in entry.refers if name not in definers or name in doubled):
            given[index] = replace(
                entry,
                fault=ScimError(Kind.CONFLICT, f"No operation of the request, or more than one, has the bulkId {shorten(unknown[0])}"),
            )
    known = {name: index for name, index in definers.items() if name not in doubled}
    return Bulk(tuple(given), known, tuple(_steps(given, known)), fail_on_errors)


def read_entry(index: int, text: bytes, tenant: str, limits: Limits, routes: dict[str, Route]) -> Entry:
    """One operation of a bulk request; `routes` keeps what paths name from one to the next.

    Raises ScimError invalidSyntax when it is no JSON object, or has more objects, arrays or values than a body may have.
    """
    check_size(text, limits)
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = read_object(text, limits)  # which says what is wrong with it
    if not isinstance(found, dict):
        raise ScimError(Kind.INVALID_SYNTAX, "An operation must be a JSON object", index)
    members = {name.lower(): value for name, value in found.items()}
    method, path, bulk_id, version = (members.get(name) for name in ("method", "path", "bulkid", "version"))
    method = method.upper() if isinstance(method, str) else ""
    path = path if isinstance(path, str) else ""
    bulk_id = bulk_id if isinstance(bulk_id, str) and 0 < len(bulk_id) <= limits.bulk_id_length else None
    version = version if isinstance(version, str) else None
    try:
        # Whatever goes through the data before it is planned may go as deep as this and no deeper.
        if text.count(b"{") + text.count(b"[") > limits.json_depth and _is_deeper(found, limits.json_depth):
            raise invalid_syntax("The operation is nested too deeply")
        _check(method, path, bulk_id, version, members, limits)
        route = routes.get(path) or routes.setdefault(path, relative(tenant, path))
        _check_route(route, method, path)
        refers = _named_in_path(route) | (_named(members["data"], method) if "data" in members and _may_refer(text) else _NOBODY)
    except ScimError as error:
        return Entry(index, text, method, path, None, bulk_id, version, fault=error)
    return Entry(index, text, method, path, route, bulk_id, version, refers)


_NOBODY: Final[frozenset[str]] = frozenset()


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether objects and arrays are nested in more than so many levels."""
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(member, depth - 1) for member in members if isinstance(member, dict | list))


def _check(method: str, path: str, bulk_id: str | None, version: str | None, members: Mapping[str, Any], limits: Limits) -> None:
    """Raises ScimError for what the operation lacks or holds in a wrong form (RFC 7644 §3.7)."""
    if method not in METHODS:
        raise invalid_syntax(f"method: must be one of {', '.join(METHODS)}")
    if not path:
        raise invalid_syntax("path: is required, as text")
    if members.get("bulkid") is not None and bulk_id is None:
        raise invalid_value(f"bulkId: must be a text of 1 to {limits.bulk_id_length} characters")
    if method == "POST" and bulk_id is None:
        raise invalid_syntax("bulkId: is required where the method is POST")
    if members.get("version") is not None and version is None:
        raise invalid_value("version: must be text")
    if method != "DELETE" and not isinstance(members.get("data"), dict):
        raise invalid_syntax(f"data: is required where the method is {method}, as an object")


def _check_route(found: Route, method: str, path: str) -> None:
    """Raises ScimError unless the path names what the method needs (decision 53)."""
    wanted = Endpoint.COLLECTION if method == "POST" else Endpoint.RESOURCE
    if found.endpoint is not wanted:
        if found.endpoint not in (Endpoint.COLLECTION, Endpoint.RESOURCE):
            raise invalid_value(f"path: {shorten(path)} cannot be used in a bulk request")
        needed = "the endpoint of a resource type, such as /Users" if method == "POST" else "a resource, such as /Users/1"
        raise invalid_value(f"path: {method} needs {needed}")
    if found.id.lower() == "bulkid:":
        raise invalid_value(f"path: {shorten(path)} has a bulkId without a name")


def _may_refer(text: bytes) -> bool:
    """Whether JSON text may hold a reference by bulkId: its prefix in any case, or an escape that could spell it."""
    return b"bulkid:" in text.lower() or (b"\\" in text and b"\\u" in text)  # one character is found several times as fast as two


def _named_in_path(route: Route) -> frozenset[str]:
    found = _VALUE.fullmatch(route.id) if route.id else None
    return _NOBODY if found is None else frozenset({found[1]})


def _named(data: Any, method: str) -> frozenset[str]:
    found: dict[str, str] = {}

    def note(name: str) -> str:
        return found.setdefault(name, str(len(found)))  # different for each, so that no two names of members become one

    for text in _texts([filled(data, method, note)]):
        if (":" in text and _LEFT.search(text)) or ("\\" in text and any(map(_LEFT.search, map(_literal, STRING.findall(text))))):
            raise invalid_value(f"data: {shorten(text)} has a bulkId where none is resolved")
    return frozenset(found)


def _texts(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    """Every text in JSON data, names of members included."""
    if isinstance(value, dict):
        yield from value
    for member in value.values() if isinstance(value, dict) else value:
        if isinstance(member, str):
            yield member
        elif isinstance(member, dict | list):
            yield from _texts(member)


def _literal(text: str) -> str:
    """What a literal in quotes stands for; itself when it is no JSON."""
    try:
        return str(orjson.loads(text))
    except orjson.JSONDecodeError:
        return text


def data_of(entry: Entry, limits: Limits) -> dict[str, Any]:
    """The operation's data as a JSON object that can do no harm. Raises ScimError invalidSyntax."""
    members = read_object(entry.text, limits)
    found = members["data"] if "data" in members else next((value for name, value in members.items() if name.lower() == "data"), None)
    return found if isinstance(found, dict) else {}


def target(route: Route, id_of: IdOf) -> str:
    """The id of the resource that an operation's path names."""
    found = _VALUE.fullmatch(route.id)
    return route.id if found is None else id_of(found[1])


def filled(data: Any, method: str, id_of: IdOf) -> Any:
    """An operation's data with ids in the place of its references by bulkId: in values, at the end of `$ref` (which gives the
    element its `value` where that is missing), and in the literals of the paths of PATCH operations."""
    result = _filled(data, id_of)
    if method == "PATCH" and isinstance(result, dict):
        for name, operations in result.items():
            if name.lower() == "operations" and isinstance(operations, list):
                result[name] = [_with_path(operation, id_of) for operation in operations]
    return result


def _filled(value: Any, id_of: IdOf) -> Any:
    if isinstance(value, str):
        found = _VALUE.fullmatch(value)
        return value if found is None else id_of(found[1])
    if isinstance(value, list):
        # Elements that are too short to be a reference are most of a long list.
        return [element if isinstance(element, str) and len(element) < _SHORTEST else _filled(element, id_of) for element in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for name, member in value.items():
        found = _REF.fullmatch(member) if name.lower() == "$ref" and isinstance(member, str) else None
        if found is None:
            result[name] = _filled(member, id_of)
            continue
        id_ = id_of(unquote(found[1]))  # of a URL's part, as the id in a path is
        result[name] = member[: found.start(1) - len("bulkId:")] + id_
        if not any(other.lower() == "value" for other in value):
            result["value"] = id_
    return result


def _with_path(operation: Any, id_of: IdOf) -> Any:
    """The operation with ids in its path, or in the paths that are the names of its value's members."""
    if not isinstance(operation, dict):
        return operation
    result = {}
    for name, member in operation.items():
        if name.lower() == "path" and isinstance(member, str):
            member = _in_path(member, id_of)
        elif name.lower() == "value" and isinstance(member, dict):
            member = {_in_path(path, id_of): value for path, value in member.items()}
        result[name] = member
    return result


def _in_path(path: str, id_of: IdOf) -> str:
    if len(path) > MAX_LENGTH:  # which is refused, whatever is in it
        return path

    def resolved(literal: re.Match[str]) -> str:
        found = _VALUE.fullmatch(_literal(literal[0]))
        return literal[0] if found is None else orjson.dumps(id_of(found[1])).decode()

    return STRING.sub(resolved, path)


def _steps(entries: Sequence[Entry], definers: Mapping[str, int]) -> Iterator[Step]:
    """The steps, each after those that it needs: in the order of the request but for what has to come earlier."""
    run: list[tuple[int, ...]] = []
    for component in components(
        [sorted(definers[name] for name in entry.refers if name in definers) if entry.refers else () for entry in entries]
    ):
        if entries[component[0]].creates:
            run.append(component)
            continue
        if run:
            yield Creations(tuple(run))
            run = []
        yield Single(component[0])
    if run:
        yield Creations(tuple(run))


def components(needs: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The strongly connected components of a graph that says for each node which ones it needs; each comes after those that its nodes
    need, those in the order of the nodes, and otherwise in the order of the nodes."""
    found = _connected(needs)
    if all(len(component) == 1 for component in found):
        return found
    of = [0] * len(needs)
    for number, component in enumerate(found):
        for node in component:
            of[node] = number
    ordered: dict[int, tuple[int, ...]] = {}
    for root in of:
        work = [] if root in ordered else [(root, iter(_outside(found[root], needs)))]
        while work:
            number, others = work[-1]
            other = next((of[one] for one in others if of[one] not in ordered), None)
            if other is None:
                ordered[number] = found[number]
                work.pop()
            else:
                work.append((other, iter(_outside(found[other], needs))))
    return list(ordered.values())


def _outside(component: tuple[int, ...], needs: Sequence[Sequence[int]]) -> list[int]:
    """What the nodes of a component need beside each other, in the order of the nodes."""
    return sorted({other for node in component for other in needs[node]} - set(component))


def _connected(needs: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """The components in an order in which each comes after those that its nodes need (Tarjan's algorithm, without recursion)."""
    found: list[tuple[int, ...]] = []
    number = [-1] * len(needs)
    lowest = [0] * len(needs)
    open_ = [False] * len(needs)
    path: list[int] = []
    count = 0
    for root in range(len(needs)):
        if number[root] >= 0:
            continue
        if not needs[root]:
            number[root] = lowest[root] = count
            count += 1
            found.append((root,))
            continue
        work: list[tuple[int, int]] = [(root, 0)]
        while work:
            node, place = work.pop()
            if place == 0:
                number[node] = lowest[node] = count
                count += 1
                path.append(node)
                open_[node] = True
            elif open_[needs[node][place - 1]]:
                lowest[node] = min(lowest[node], lowest[needs[node][place - 1]])
            if place < len(needs[node]):
                work.append((node, place + 1))
                if number[needs[node][place]] < 0:
                    work.append((needs[node][place], 0))
                continue
            if lowest[node] == number[node]:
                start = path.index(node) if path[-1] != node else len(path) - 1
                for member in path[start:]:
                    open_[member] = False
                found.append(tuple(sorted(path[start:])))
                del path[start:]
    return found


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operation: the status as a number, the URL and the version of the resource, the error if there was one."""

    entry: Entry
    status: int
    location: str | None
    version: int | None
    error: ScimError | None = None

    @property
    def made(self) -> str | None:
        """The id of the resource that the operation created or brought back, None for any other."""
        if not self.entry.creates or self.error is not None or self.location is None:
            return None
        return unquote(self.location.rpartition("/")[2])

    def document(self, request_id: str) -> dict[str, Any]:
        """The operation of a BulkResponse (RFC 7644 §3.7.3); the status is text (erratum 7916). One that cannot be read has no method."""
        entry = self.entry
        made: dict[str, Any] = {"method": entry.method} if entry.method or entry.text else {}
        if entry.bulk_id is not None:
            made["bulkId"] = entry.bulk_id
        if self.version is not None:
            made["version"] = f'W/"{self.version}"'
        if self.location is not None:
            made["location"] = self.location
        if self.error is not None:
            made["response"] = error_message(self.error, request_id)
        made["status"] = str(self.status)
        return made


def response(results: Iterable[Result], request_id: str) -> bytes:
    """The BulkResponse (RFC 7644 §3.7.3)."""
    return orjson.dumps({"schemas": [BULK_RESPONSE], "Operations": [result.document(request_id) for result in results]})
