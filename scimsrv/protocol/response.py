"""From an outcome or an error to status, headers and bytes. A plain read splices the stored text and parses nothing."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never
from urllib.parse import quote

import orjson

from scimsrv.errors import ScimError
from scimsrv.protocol.messages import ERROR, LIST_RESPONSE
from scimsrv.protocol.plan import Answer, Created, Cursors, Done, Linked, Outcome, Page, Shown, Stored
from scimsrv.schema import document
from scimsrv.schema.attribute import Attribute
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import Resolved
from scimsrv.schema.project import View, project
from scimsrv.schema.semantics import timestamp

#: The links and backlinks of a representation, each with its elements as JSON and commas between them.
_Linked: TypeAlias = list[tuple[Resolved, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. `body` is None where there is none; an iterator is sent piece by piece."""

    status: int
    body: bytes | AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders a tenant's outcomes; `base_url` is the tenant's, without a slash at its end. `links` makes the members of a list that
    lead to its neighbours by cursor."""

    base_url: str
    catalog: Catalog
    links: Callable[[Cursors], Mapping[str, str]]

    def reply(self, outcome: Outcome) -> Reply:
        """The answer to a request that succeeded."""
        match outcome:
            case Shown(stored, view, if_none_match):
                linked = self._linked(stored, view)
                meta = self._meta(stored, linked)
                tag = meta["version"]
                if if_none_match and ("*" in if_none_match or tag[3:-1] in if_none_match):
                    return Reply(304, headers={"ETag": tag})
                return Reply(200, self._body(stored, view, linked, meta), {"ETag": tag, "Location": meta["location"]})
            case Created(stored, view):
                linked = self._linked(stored, view)
                meta = self._meta(stored, linked)
                return Reply(201, self._body(stored, view, linked, meta), {"ETag": meta["version"], "Location": meta["location"]})
            case Done(version):
                return Reply(204, headers={} if version is None else {"ETag": f'W/"{version}"'})
            case Page():
                return Reply(200, self._page(outcome))
            case Answer(answer):
                return Reply(200, orjson.dumps(answer))
        assert_never(outcome)

    def _location(self, endpoint: str, id_: str) -> str:
        """A resource's canonical URL."""
        return f"{self.base_url}{endpoint}/{id_ if is_plain(id_) else quote(id_, safe='')}"

    def etag(self, stored: Stored, linked: _Linked) -> str:
        """The weak tag: the version, and a digest of the backlinks that are shown, since they change without it. What the targets of
        links are called is not covered: it is the text of other resources, and the tag is weak."""
        derived = [elements for place, elements in linked if place.attribute.is_backlink]
        return f'W/"{stored.version}-{zlib.crc32(b";".join(derived)):08x}"' if derived else f'W/"{stored.version}"'

    def _meta(self, stored: Stored, linked: _Linked) -> dict[str, str]:
        return {
            "resourceType": stored.schema.name,
            "created": timestamp(stored.created),
            "lastModified": timestamp(stored.modified),
            "location": self._location(stored.schema.endpoint, stored.id),
            "version": self.etag(stored, linked),
        }

    def _linked(self, stored: Stored, view: View) -> _Linked:
        """The links and backlinks that the view shows, with their elements."""
        if not stored.linked and not stored.ready:
            return []
        shown: _Linked = []
        for place in (*view.links, *view.backlinks):
            ready = stored.ready.get(place.key)
            if ready is not None:
                shown.append((place, ready.encode()))
            elif elements := stored.linked.get(place.key):
                shown.append((place, orjson.dumps([self._element(place.attribute, element) for element in elements])[1:-1]))
        return shown

    def _element(self, attribute: Attribute, element: Linked) -> dict[str, str]:
        """One element with the parts that the attribute has."""
        schema = self.catalog.by_name.get(element.resource_type)
        shown = {"value": element.id}
        if schema is not None:
            shown["$ref"] = self._location(schema.endpoint, element.id)
        if "type" in attribute.parts:
            shown["type"] = element.kind
        if element.display is not None and "display" in attribute.parts:
            shown["display"] = element.display
        return shown

    def resource(self, stored: Stored, view: View, linked: _Linked, meta: dict[str, str]) -> bytes:
        """The representation as JSON."""
        if not view.as_stored or any(place.extension for place, _ in linked):
            return orjson.dumps(self._projected(stored, view, linked, meta))
        parts = [stored.document[:-1].encode()]
        parts += [b",%s:[%s]" % (orjson.dumps(place.attribute.name), elements) for place, elements in linked]
        parts.append(b',"meta":' + orjson.dumps(meta) + b"}")
        return b"".join(parts)

    def _projected(self, stored: Stored, view: View, linked: _Linked, meta: dict[str, str]) -> dict[str, Any]:
        whole = orjson.loads(stored.document)
        for place, elements in linked:
            whole = document.put(whole, place, orjson.loads(b"[" + elements + b"]"))
            if place.extension is not None and place.extension not in whole["schemas"]:
                whole["schemas"] = [*whole["schemas"], place.extension]
        whole["meta"] = meta
        return project(whole, stored.schema, view)

    def _body(self, stored: Stored, view: View, linked: _Linked, meta: dict[str, str]) -> bytes | AsyncIterator[bytes]:
        whole = self.resource(stored, view, linked, meta)
        return self._stream(whole, stored, view) if stored.streamed else whole

    def _listed(self, stored: Stored, view: View) -> bytes:
        linked = self._linked(stored, view)
        return self.resource(stored, view, linked, self._meta(stored, linked))

    async def _stream(self, whole: bytes, stored: Stored, view: View) -> AsyncIterator[bytes]:
        """The representation in pieces: everything else first, then the elements of the long links, batch by batch."""
        yield whole[:-1]
        for key, batches in stored.streamed:
            place = stored.schema.writable_links[key]
            yield b"," + orjson.dumps(place.attribute.name) + b":["
            first = True
            async for batch in batches:
                elements = [self._element(place.attribute, element) for element in batch]
                if not view.as_stored:
                    elements = view.value(place, elements) or []
                if elements:
                    yield (b"" if first else b",") + orjson.dumps(elements)[1:-1]
                    first = False
            yield b"]"
        yield b"}"

    def _page(self, page: Page) -> bytes | AsyncIterator[bytes]:
        rows = page.rows
        head: dict[str, Any] = {"schemas": [LIST_RESPONSE], "totalResults": page.total}
        if page.cursors is None:
            head |= {"startIndex": page.start, "itemsPerPage": len(rows)}
        else:
            head |= {"itemsPerPage": len(rows), **self.links(page.cursors)}
        start = orjson.dumps(head)[:-1] + b',"Resources":['
        if any(stored.streamed for stored, _ in rows):
            return self._streamed_page(start, rows)
        return start + b",".join(self._listed(stored, view) for stored, view in rows) + b"]}"

    async def _streamed_page(self, head: bytes, rows: tuple[tuple[Stored, View], ...]) -> AsyncIterator[bytes]:
        """The page in pieces, so that resources with long links are never held whole."""
        yield head
        for number, (stored, view) in enumerate(rows):
            if number:
                yield b","
            whole = self._listed(stored, view)
            if not stored.streamed:
                yield whole
                continue
            async for piece in self._stream(whole, stored, view):
                yield piece
        yield b"]}"


def is_plain(id_: str) -> bool:
    """Whether an id is the same in a URL: ASCII letters, digits and hyphens only."""
    return id_.isascii() and id_.replace("-", "").isalnum()


def refusal(error: ScimError, request_id: str) -> Reply:
    """The answer to a request that failed: an Error message (RFC 7644 §3.12)."""
    return Reply(error.kind.value.status, orjson.dumps(error_message(error, request_id)), dict(error.headers))


def error_message(error: ScimError, request_id: str) -> dict[str, str | list[str]]:
    """The Error message of a failure; its status is text (RFC 7644 §3.12)."""
    row = error.kind.value
    body: dict[str, str | list[str]] = {"schemas": [ERROR], "status": str(row.status)}
    if row.scim_type is not None:
        body["scimType"] = row.scim_type
    body["detail"] = f"{error.sentence} (request {request_id})"
    return body
