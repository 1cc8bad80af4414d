"""/Me: the user whom a token stands for, and what users may change about themselves (RFC 7644 §3.11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import bind
from scimsrv.filter.tree import Compare, Name
from scimsrv.patch.links import NeedsLinks
from scimsrv.protocol.plan import Query, Target
from scimsrv.schema import document as doc
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.schema.semantics import Op
from scimsrv.store.scope import Scope
from scimsrv.store.search import search
from scimsrv.store.write import Edit

#: What a user may ask to be carried out later: a change of the user's own resource, or of the user's own badges.
Me = Literal["user", "badges"]

#: Attributes that no request changes by itself: they follow from the others.
_DERIVED: Final = frozenset({"schemas", "id", "meta"})


async def find_me(scope: Scope, schema: EffectiveSchema, subject: str) -> str:
    """The id of the one user whose attribute, which the policy names, is the subject.

    Raises ScimError 404 where there is none, or more than one, and 403 where the user is deactivated.
    """
    name = scope.catalog.policy.me
    # The subject is a value of the tree and never part of a text that is parsed.
    bound = bind(Compare(Name(name, 0), Op.EQ, subject, 0), schema, name, unknown_matches_nothing=True)
    page = await search(scope, Query((Target(schema, bound, None, view(EVERYTHING, schema)),), descending=False, start=1, count=2))
    if len(page.rows) != 1:
        raise ScimError(Kind.NOT_FOUND, "The token stands for nobody: no user, or more than one, has its subject")
    stored = page.rows[0][0]
    if orjson.loads(stored.document).get("active") is False:
        raise ScimError(Kind.FORBIDDEN, "The user is deactivated")
    return stored.id


def with_unshown(document: Document, before: Document, schema: EffectiveSchema, permitted: frozenset[str] | None) -> Document:
    """What a PUT comes to, with the values that it cannot repeat, since they are shown on request only, and may not change."""
    for place in schema.on_request if permitted is not None else ():
        value = doc.get(before, place)
        if place.whole.key not in (permitted or ()) and value is not None and doc.get(document, place) is None:
            document = doc.put(document, place, value)
    return document


def permit(
    edit: Edit,
    before: Document,
    schema: EffectiveSchema,
    permitted: frozenset[str] | None,
    rows: Mapping[str, list[dict[str, Any]]] | None,
    *,
    replaces: bool = False,
) -> Edit:
    """The edit, without what it says of links that may not be changed and does not change; `replaces`: it is a PUT, which leaves those
    as they are that it does not name. Raises ScimError 403 for what may not be changed, and NeedsLinks until `rows` are known."""
    if permitted is None:
        return edit
    document = edit.document
    for extension, attribute in schema.top_level():
        if attribute.key in _DERIVED and extension is None:
            continue
        had = (before if extension is None else before.get(extension, {})).get(attribute.name)
        has = (document if extension is None else document.get(extension, {})).get(attribute.name)
        key = attribute.key if extension is None else f"{extension.lower()}:{attribute.key}"
        if had != has and key not in permitted:
            raise _not_permitted(attribute.name)
    for key, change in edit.links.items():
        if key in permitted or (replaces and not change.added):
            continue
        place = schema.writable_links[key]
        if rows is None:
            raise NeedsLinks(place)
        held = {row["value"] for row in rows[key]}
        if (set() if change.cleared else held - set(change.removed)) | set(change.added) != held:
            raise _not_permitted(place.name)
    links = {key: change for key, change in edit.links.items() if key in permitted}
    for key in edit.secrets:
        if key not in permitted:
            raise _not_permitted(next(place.name for place in schema.secrets if place.key == key))
    return replace(edit, links=links)


def _not_permitted(name: str) -> ScimError:
    return ScimError(Kind.FORBIDDEN, f"{name} may not be changed at /Me")
