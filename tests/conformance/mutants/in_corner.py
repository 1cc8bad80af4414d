"""Mistakes in one corner: groups without members, the search for one unique value, a filter where none belongs, doubled slashes."""

from __future__ import annotations

from dataclasses import replace as changed
from typing import Any

import orjson

from conformance.client import CORE_GROUP
from scimsrv import asking
from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.protocol import route
from scimsrv.protocol.plan import Created, Page, Shown
from scimsrv.protocol.response import Reply
from scimsrv.schema.validate import Coercer
from scimsrv.store import search
from tests.conformance.mutants.registry import mutant
from tests.conformance.mutants.tools import answer, everywhere, listed, replace, shown

# -- groups without members ------------------------------------------------------------------------------------------------


def _is_empty_group(document: Any) -> bool:
    return CORE_GROUP in document.get("schemas", ()) and "members" not in document


@mutant
def empty_groups_lack_a_name() -> None:
    """Groups without members are shown without their displayName."""
    shown(
        lambda document: {name: value for name, value in document.items() if name != "displayName"} if _is_empty_group(document) else None
    )


@mutant
def empty_groups_are_created_with_200() -> None:
    """The creation of a group without members is answered with 200."""

    def edit(outcome: Any, reply: Reply) -> Reply:
        if not isinstance(outcome, Created) or not isinstance(reply.body, bytes):
            return reply
        return changed(reply, status=200) if _is_empty_group(orjson.loads(reply.body)) else reply

    answer(edit)


@mutant
def empty_groups_are_read_with_an_object() -> None:
    """A new group without members is read with an object where the list of members belongs."""

    def edit(outcome: Any, reply: Reply) -> Reply:
        if not isinstance(outcome, Shown) or outcome.stored.version != 1 or not isinstance(reply.body, bytes):
            return reply
        document = orjson.loads(reply.body)
        return changed(reply, body=orjson.dumps(document | {"members": {}})) if _is_empty_group(document) else reply

    answer(edit)


@mutant
def empty_groups_are_not_listed() -> None:
    """Lists count groups without members and do not show them."""
    listed(lambda message: message | {"Resources": [one for one in message.get("Resources", ()) if not _is_empty_group(one)]})


@mutant
def empty_lists_of_members_are_refused() -> None:
    """An empty list of members in a body is an error."""
    _with_body(lambda body: _refuse() if body.get("members") == [] else body)


@mutant
def members_without_value_are_left_out() -> None:
    """A member that is an empty object is left out when a group is created, and only then."""
    _with_body(lambda body: body | {"members": [member for member in body["members"] if member != {}]} if body.get("members") else body)


@mutant
def groups_lack_meta() -> None:
    """Groups are shown without meta."""
    shown(lambda document: {name: value for name, value in document.items() if name != "meta"} if _is_group(document) else None)


def _is_group(document: Any) -> bool:
    return CORE_GROUP in document.get("schemas", ())


def _refuse() -> Any:
    raise invalid_value("members must not be empty")


def _with_body(edit: Any) -> None:
    replace(Coercer, "resource", lambda original: lambda self, body, schema: original(self, edit(body), schema))


# -- searches --------------------------------------------------------------------------------------------------------------


@mutant
def one_unique_value_finds_nothing() -> None:
    """A search for one unique value, and nothing else, finds nothing."""

    async def nothing(_scope: Any, plan: Any, _target: Any, _sought: Any) -> Page:
        return Page(0, plan.start, ())

    everywhere(search._only, nothing)


@mutant
def filters_on_one_resource_are_refused() -> None:
    """A filter on the URL of one resource is an error."""

    original = asking.plan_of

    def plan(found: Any, method: str, principal: Any, catalog: Any, body: Any, query_string: bytes, *rest: Any) -> Any:
        if found.endpoint is route.Endpoint.RESOURCE and b"filter=" in query_string:
            raise ScimError(Kind.INVALID_FILTER)
        return original(found, method, principal, catalog, body, query_string, *rest)

    everywhere(original, plan)


# -- paths -----------------------------------------------------------------------------------------------------------------


@mutant
def double_slashes_are_404() -> None:
    """A path with two slashes in a row is not served."""
    original = route.route

    def strict(raw_path: bytes) -> Any:
        if b"//" in raw_path:
            raise ScimError(Kind.NOT_FOUND)
        return original(raw_path)

    everywhere(original, strict)
