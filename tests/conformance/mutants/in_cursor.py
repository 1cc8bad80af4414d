"""Mistakes in paging by cursor: what cursors are bound to, how they are refused, where they lead, and what is said of them."""
# ruff: noqa: ARG005 - what stands in for a function takes what the function takes

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as changed
from typing import Any

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.protocol import cursor, planning, request
from scimsrv.protocol.cursor import Sealer
from scimsrv.protocol.plan import Cursor, Cursors, Page, Position
from scimsrv.store import execute, search
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import everywhere, instead, listed, replace


def _links(edit: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Edit the links of every page by cursor."""
    replace(Sealer, "links", lambda original: lambda self, cursors, count: edit(original(self, cursors, count)))


def _by_cursor(edit: Callable[[Any], Any]) -> None:
    """Edit the message of every page by cursor."""
    listed(lambda message: message if "startIndex" in message else edit(message))


def _opened(edit: Callable[[Callable[..., Cursor], Sealer, str, bytes, int], Cursor]) -> None:
    replace(Sealer, "open", lambda original: lambda self, text, bound, count: edit(original, self, text, bound, count))


def _parsed(edit: Callable[..., Any]) -> None:
    """Edit the parts of a search before they are judged; `edit` gets the original and its arguments."""
    original = request._search
    everywhere(original, lambda *parts: edit(original, *parts))


@mutant
def cursor_is_ignored() -> None:
    """cursor is a parameter that the server does not know."""
    _parsed(lambda original, *parts: original(*parts[:-1], None))


@mutant
def bare_cursor_is_ignored() -> None:
    """Only a cursor with a value asks for a page by cursor."""
    _parsed(lambda original, *parts: original(*parts[:-1], parts[-1] or None))


@mutant
def cursor_needs_a_count() -> None:
    """A page by cursor without count is refused."""

    def judged(original: Any, *parts: Any) -> Any:
        if parts[-1] is not None and parts[4] is None:
            raise ScimError(Kind.INVALID_COUNT)
        return original(*parts)

    _parsed(judged)


@mutant
def cursor_count_below_zero_refused() -> None:
    """A negative count is an error on a page by cursor."""

    def judged(original: Any, *parts: Any) -> Any:
        if parts[-1] is not None and (parts[4] or 0) < 0:
            raise ScimError(Kind.INVALID_COUNT)
        return original(*parts)

    _parsed(judged)


@mutant
def cursor_goes_before_start_index() -> None:
    """startIndex is ignored beside a cursor."""
    _parsed(lambda original, *parts: original(*parts[:3], None if parts[-1] is not None else parts[3], *parts[4:]))


@mutant
def cursor_counts_are_values() -> None:
    """A count that is no number is an invalidValue on a page by cursor as well."""
    original = request._integer
    everywhere(original, lambda name, text, kind: original(name, text, Kind.INVALID_VALUE))


@mutant
def cursor_pages_are_one_longer() -> None:
    """A page by cursor has one resource more than asked for."""
    replace(
        planning,
        "placed",
        lambda original: (
            lambda plan, *rest: changed(placed := original(plan, *rest), count=placed.count + (1 if placed.cursor is not None else 0))
        ),
    )


@mutant
def cursor_pages_are_unsorted() -> None:
    """sortBy is ignored on pages by cursor."""
    replace(
        planning,
        "query",
        lambda original: (
            lambda schemas, asked, *at: original(schemas, asked if asked.cursor is None else changed(asked, sort_by=None), *at)
        ),
    )


@mutant
def search_by_post_ignores_cursor() -> None:
    """cursor in the body of a search is ignored."""
    original = request.search_by_body
    everywhere(original, lambda body, limits: original({name: value for name, value in body.items() if name.lower() != "cursor"}, limits))


@mutant
def cursors_have_padding() -> None:
    """Cursors end in an equals sign."""
    _links(lambda links: {name: f"{text}=" for name, text in links.items()})
    _opened(lambda original, self, text, bound, count: original(self, text.removesuffix("="), bound, count))


@mutant
def next_cursor_is_null_at_the_end() -> None:
    """The last page has a nextCursor that is null."""
    _by_cursor(lambda message: {"nextCursor": None} | message)


@mutant
def full_last_pages_go_on() -> None:
    """A last page that is full has a nextCursor."""

    def links(original: Any, self: Sealer, cursors: Cursors, count: int) -> Any:
        if cursors.next is None and cursors.previous is not None:
            cursors = changed(cursors, next=Position(None, "~"))
        return original(self, cursors, count)

    replace(Sealer, "links", lambda original: lambda self, cursors, count: links(original, self, cursors, count))


@mutant
def first_page_has_a_previous_cursor() -> None:
    """Every page has a previousCursor."""
    _links(lambda links: {"previousCursor": "first"} | links)


@mutant
def previous_cursor_leads_on() -> None:
    """previousCursor leads forward."""
    _opened(lambda original, self, text, bound, count: changed(original(self, text, bound, count), backwards=False))


@mutant
def cursors_fit_every_query() -> None:
    """A cursor works with any other query."""
    everywhere(cursor.binding, lambda holder, endpoint, search_: b"any query")


@mutant
def cursors_fit_every_endpoint() -> None:
    """A cursor of one endpoint works at any other."""
    original = cursor.binding
    everywhere(original, lambda holder, endpoint, search_: original(holder, "", search_))


@mutant
def cursor_counts_may_change() -> None:
    """count may be another on every page."""

    def opened(original: Any, self: Sealer, text: str, bound: bytes, count: int) -> Cursor:
        return original(self, text, bound, self._contents(text, bound)[1] if text else count)  # type: ignore[no-any-return]

    _opened(opened)


@mutant
def cursor_total_is_page_size() -> None:
    """totalResults of a page by cursor is the number of resources in it."""
    _by_cursor(lambda message: message | {"totalResults": len(message["Resources"])})


@mutant
def cursor_total_is_what_is_left() -> None:
    """totalResults of a page by cursor counts from this page on."""
    _by_cursor(lambda message: message | {"totalResults": message["totalResults"] - ("previousCursor" in message)})


@mutant
def cursor_pages_have_start_index() -> None:
    """Pages by cursor say that they start at 1."""
    _by_cursor(lambda message: message | {"startIndex": 1})


@mutant
def cursor_pages_lack_items_per_page() -> None:
    """Pages by cursor do not say how many resources they have."""
    _by_cursor(lambda message: {name: value for name, value in message.items() if name != "itemsPerPage"})


@mutant
def cursors_are_offsets() -> None:
    """A cursor stands for the number of resources before its page."""
    original = search.search

    async def counted(scope: Any, plan: Any) -> Page:
        if plan.cursor is None or plan.count == 0:
            return await original(scope, plan)
        start = 0 if plan.cursor.position is None else int(plan.cursor.position.id)
        page = await original(scope, changed(plan, cursor=None, start=start + 1))
        end = start + len(page.rows)
        after = Position(None, str(end)) if end < page.total else None
        before = Position(None, str(max(0, start - plan.count))) if start else None
        return changed(page, cursors=Cursors(plan.cursor.binding, after, before))

    instead(execute, "search", counted)


def _invalid(replacement: Callable[[bytes], Cursor]) -> None:
    def opened(original: Any, self: Sealer, text: str, bound: bytes, count: int) -> Cursor:
        try:
            return original(self, text, bound, count)  # type: ignore[no-any-return]
        except ScimError as error:
            if error.kind is not Kind.INVALID_CURSOR:
                raise
            return replacement(bound)

    _opened(opened)


@mutant
def invalid_cursors_are_the_first_page() -> None:
    """A cursor that cannot be read begins the list anew."""
    _invalid(Cursor)


@mutant
def invalid_cursors_are_invalid_values() -> None:
    """A cursor that cannot be read is an invalidValue."""

    def refuse(_bound: bytes) -> Cursor:
        raise invalid_value("cursor")

    _invalid(refuse)


@mutant
def invalid_cursors_tell_why() -> None:
    """The refusal of a cursor says whether it was made for something else."""

    def contents(original: Any, self: Sealer, text: str, bound: bytes) -> Any:
        if len(text) < 60:
            raise ScimError(Kind.INVALID_CURSOR, "This is no cursor")
        return original(self, text, bound)

    replace(Sealer, "_contents", lambda original: lambda self, text, bound: contents(original, self, text, bound))


@mutant
def expired_cursors_are_invalid() -> None:
    """A cursor that is too old is an invalidCursor."""

    def opened(original: Any, self: Sealer, text: str, bound: bytes, count: int) -> Cursor:
        try:
            return original(self, text, bound, count)  # type: ignore[no-any-return]
        except ScimError as error:
            raise ScimError(Kind.INVALID_CURSOR if error.kind is Kind.EXPIRED_CURSOR else error.kind, error.detail) from None

    _opened(opened)


@mutant
def cursors_work_once() -> None:
    """A cursor that was used is expired."""
    used: set[str] = set()

    def opened(original: Any, self: Sealer, text: str, bound: bytes, count: int) -> Cursor:
        if text in used:
            raise ScimError(Kind.EXPIRED_CURSOR)
        found: Cursor = original(self, text, bound, count)
        if text:
            used.add(text)
        return found

    _opened(opened)


class _Plain:
    """In the place of a cipher: changes nothing and notices nothing."""

    def encrypt(self, _nonce: bytes, contents: bytes, _data: None) -> bytes:
        return contents

    def decrypt(self, nonce: bytes, contents: bytes, _data: None) -> bytes:
        if not contents.startswith(b"["):
            raise ValueError(nonce)
        return contents


@mutant
def cursors_are_not_sealed() -> None:
    """A cursor can be read, and changed."""
    instead(cursor, "_cipher", lambda key, bound: _Plain())


@mutant
def lists_by_index_go_on() -> None:
    """A list by index has a nextCursor that leads nowhere."""
    listed(lambda message: message | {"nextCursor": "nowhere"} if "startIndex" in message else message)
