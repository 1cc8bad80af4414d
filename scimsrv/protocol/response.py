"""From an outcome or an error to status, headers and bytes. A plain read splices the stored text and parses nothing."""

from __future__ import annotations

import string
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias, assert_never
from urllib.parse import quote

import orjson

from scimsrv.errors import ScimError
from scimsrv.protocol.discovery import resource_type_document, schema_document
from scimsrv.protocol.messages import ERROR, LIST_RESPONSE
from scimsrv.protocol.plan import Answer, Created, Cursors, Defined, Done, Linked, Outcome, Page, Shown, Stored
from scimsrv.schema import document
from scimsrv.schema.aside import split
from scimsrv.schema.attribute import Attribute
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema, Expiring, Resolved
from scimsrv.schema.project import View, project
from scimsrv.schema.redefinition import Subject
from scimsrv.schema.semantics import instant

#: The links and backlinks of a representation, each with its elements as JSON and commas between them.
_Linked: TypeAlias = list[tuple[Resolved, bytes]]


#: What need not be quoted in a URL.
_PLAIN: Final = (string.ascii_letters + string.digits + "-").encode()

#: What documents begin with: the URNs of their schemas, in none of which is a bracket.
_SCHEMAS: Final = '{"schemas":["'


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer. `body` is None where there is none; an iterator is sent piece by piece. `media_type` is None for that of SCIM."""

    status: int
    body: bytes | AsyncIterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders a tenant's outcomes; `base_url` is the tenant's, without a slash at its end. `links` makes the members of a list that
    lead to its neighbours by cursor. What passes with time is shown as it is `at` this moment."""

    base_url: str
    catalog: Catalog
    links: Callable[[Cursors], Mapping[str, str]]
    at: datetime
    #: What `meta` begins with and where it is located, by the name of the type.
    _made: dict[str, tuple[str, str]] = field(default_factory=dict)

    def reply(self, outcome: Outcome) -> Reply:
        """The answer to a request that succeeded."""
        match outcome:
            case Shown(stored, view, if_none_match):
                tag, whole = self._represented(stored, view)
                if if_none_match and ("*" in if_none_match or tag[3:-1] in if_none_match):
                    return Reply(304, headers={"ETag": tag})
                body = self._stream(whole, stored, view) if stored.streamed else whole
                return Reply(200, body, {"ETag": tag, "Location": self._location(stored)})
            case Created(stored, view):
                tag, whole = self._represented(stored, view)
                body = self._stream(whole, stored, view) if stored.streamed else whole
                return Reply(201, body, {"ETag": tag, "Location": self._location(stored)})
            case Done(version):
                return Reply(204, headers={} if version is None else {"ETag": f'W/"{version}"'})
            case Page():
                return Reply(200, self._page(outcome))
            case Defined(subject, definition, version, created, pending):
                make = schema_document if subject is Subject.SCHEMA else resource_type_document
                shown = make(definition, self.base_url, version)
                headers = {"ETag": shown["meta"]["version"], "Location": shown["meta"]["location"]}
                return Reply(202 if pending else 201 if created else 200, orjson.dumps(shown), headers)
            case Answer(answer, version, if_none_match):
                headers = {} if version is None else {"ETag": f'W/"{version}"'}
                if version is not None and if_none_match and ("*" in if_none_match or str(version) in if_none_match):
                    return Reply(304, headers=headers)
                return Reply(200, orjson.dumps(answer), headers)
        assert_never(outcome)

    def _at_moment(self, stored: Stored, expiring: Expiring) -> Stored:
        """The resource with what has passed by now. Only a document that says when something passes is read for it."""
        if f'"{expiring.until.attribute.name}":' not in stored.document:
            return stored
        whole = orjson.loads(stored.document)
        held, until = document.get(whole, expiring.place), document.get(whole, expiring.until)
        if held != expiring.passing or until is None or instant(until) >= self.at:
            return stored
        shown = orjson.dumps(document.put(whole, expiring.place, expiring.past)).decode()
        return stored._replace(document=shown, derived=expiring.past.encode())

    def etag(self, stored: Stored, linked: _Linked) -> str:
        """The weak tag: the version, and a digest of what is shown and changes without it, such as backlinks. What the targets of
        links are called is not covered: it is the text of other resources, and the tag is weak."""
        if not linked and not stored.derived:
            return f'W/"{stored.version}"'
        derived = [elements for place, elements in linked if place.attribute.is_backlink]
        derived += [stored.derived] if stored.derived else []
        return f'W/"{stored.version}-{zlib.crc32(b";".join(derived)):08x}"' if derived else f'W/"{stored.version}"'

    def _location(self, stored: Stored) -> str:
        return location(self.base_url, stored.schema.endpoint, stored.id)

    def _meta(self, stored: Stored, mark: str | int) -> str:
        """The text of `meta`; `mark` is what the tag has between its quotes. Names of types, endpoints and base URLs come from schemas
        and settings; of each there is one text for all of a list."""
        schema = stored.schema
        head, place = self._made.get(schema.name) or self._beginning(schema)
        address = quoted(stored.id)
        return f'{head}{stored.created}","lastModified":"{stored.modified}","location":{place}{address}","version":"W/\\"{mark}\\""}}'

    def _beginning(self, schema: EffectiveSchema) -> tuple[str, str]:
        key = ("meta", self.base_url, schema.name)
        made: tuple[str, str] | None = self.catalog.statements.get(key)
        if made is None:
            made = self.catalog.statements[key] = beginning_of_meta(self.base_url, schema)
        self._made[schema.name] = made
        return made

    def _linked(self, stored: Stored, view: View) -> _Linked:
        """The links and backlinks that the view shows, with their elements."""
        if not stored.linked and not stored.ready:
            return []
        shown: _Linked = []
        for place in (*view.links, *view.backlinks):
            ready = stored.ready.get(place.key)
            if ready is not None:
                shown.append((place, ready))
            elif elements := stored.linked.get(place.key):
                shown.append((place, orjson.dumps([self._element(place.attribute, element) for element in elements])[1:-1]))
        return shown

    def _element(self, attribute: Attribute, element: Linked) -> dict[str, str]:
        """One element with the parts that the attribute has."""
        schema = self.catalog.by_name.get(element.resource_type)
        shown = {"value": element.id}
        if schema is not None:
            shown["$ref"] = location(self.base_url, schema.endpoint, element.id)
        if "type" in attribute.parts:
            shown["type"] = element.kind
        if element.display is not None and "display" in attribute.parts:
            shown["display"] = element.display
        return shown

    def resource(self, stored: Stored, view: View, linked: _Linked, tag: str) -> bytes:
        """The representation as JSON."""
        meta = self._meta(stored, tag[3:-1])
        if not view.as_stored:
            return orjson.dumps(self._projected(stored, view, linked, meta))
        text, parts = stored.document[:-1], list[bytes]()
        for place, elements in linked:
            name = orjson.dumps(place.attribute.name)
            if place.extension is None:
                parts += (b",", name, b":[", elements, b"]")
                continue
            urn = f'"{place.extension}"'
            if urn in text or not text.startswith(_SCHEMAS):  # the document has other attributes of the extension
                return orjson.dumps(self._projected(stored, view, linked, meta))
            text = text.replace("]", f",{urn}]", 1)
            parts += (b",", urn.encode(), b":{", name, b":[", elements, b"]}")
        return b"".join((text.encode(), *parts, f',"meta":{meta}}}'.encode()))

    def _projected(self, stored: Stored, view: View, linked: _Linked, meta: str) -> dict[str, Any]:
        whole = orjson.loads(stored.document)
        if stored.schema.unsettled:
            whole = split(whole, stored.schema)[0]
        for place, elements in linked:
            whole = document.put(whole, place, orjson.loads(b"[" + elements + b"]"))
            if place.extension is not None and place.extension not in whole["schemas"]:
                whole["schemas"] = [*whole["schemas"], place.extension]
        whole["meta"] = orjson.loads(meta)
        return project(whole, stored.schema, view)

    def _represented(self, stored: Stored, view: View) -> tuple[str, bytes]:
        """The tag and the representation, or only that where it was put together already."""
        if stored.whole:
            return "", stored.whole
        if stored.schema.expiring is not None:
            stored = self._at_moment(stored, stored.schema.expiring)
        ready, version = stored.ready, stored.version
        if view.as_stored and not stored.linked and not stored.derived:
            # What most answers consist of: resources without links, and users with their groups, which only have to be put together.
            if not ready:
                return f'W/"{version}"', f'{stored.document[:-1]},"meta":{self._meta(stored, version)}}}'.encode()
            if len(view.backlinks) == 1 == len(ready) and view.backlinks[0].extension is None:
                place = view.backlinks[0]
                elements = ready[place.key]
                mark = f"{version}-{zlib.crc32(elements):08x}"
                head, tail = f'{stored.document[:-1]},"{place.attribute.name}":[', f'],"meta":{self._meta(stored, mark)}}}'
                return f'W/"{mark}"', b"".join((head.encode(), elements, tail.encode()))
        linked = self._linked(stored, view)
        tag = self.etag(stored, linked)
        return tag, self.resource(stored, view, linked, tag)

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
        pieces = [self._represented(stored, view)[1] for stored, view in rows]
        if not pieces:
            return start + b"]}"
        pieces[0] = start + pieces[0]
        pieces[-1] += b"]}"
        return b",".join(pieces)  # the one copy of what may be long

    async def _streamed_page(self, head: bytes, rows: tuple[tuple[Stored, View], ...]) -> AsyncIterator[bytes]:
        """The page in pieces, so that resources with long links are never held whole."""
        yield head
        for number, (stored, view) in enumerate(rows):
            if number:
                yield b","
            whole = self._represented(stored, view)[1]
            if not stored.streamed:
                yield whole
                continue
            async for piece in self._stream(whole, stored, view):
                yield piece
        yield b"]}"


def location(base_url: str, endpoint: str, id_: str) -> str:
    """A resource's canonical URL."""
    return f"{base_url}{endpoint}/{quoted(id_)}"


def beginning_of_meta(base_url: str, schema: EffectiveSchema) -> tuple[str, str]:
    """What the text of a resource's `meta` begins with, up to the time of its creation; and its location, without the id and the quote
    behind that."""
    name, place = orjson.dumps(schema.name).decode(), orjson.dumps(location(base_url, schema.endpoint, "")).decode()
    return f'{{"resourceType":{name},"created":"', place[:-1]


def quoted(id_: str) -> str:
    """An id as it stands in a URL."""
    return id_ if is_plain(id_) else quote(id_, safe="")


def is_plain(id_: str) -> bool:
    """Whether an id, or many in a row, is the same in a URL: ASCII letters, digits and hyphens only."""
    return id_ != "" and not id_.encode().translate(None, _PLAIN)


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
