"""/Me: the user whom a token stands for, and what users may change about themselves (RFC 7644 §3.11)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import bind
from scimsrv.filter.tree import Compare, Name
from scimsrv.protocol.plan import Query, Target
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


def permit(edit: Edit, before: Document, schema: EffectiveSchema, permitted: frozenset[str] | None) -> Edit:
    """The edit, without links that it would clear for not being named. Raises ScimError 403 for what may not be changed."""
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
    links = {}
    for key, change in edit.links.items():
        if key in permitted:
            links[key] = change
        elif change.added or change.removed:
            raise _not_permitted(schema.writable_links[key].name)
    for key in edit.secrets:
        if key not in permitted:
            raise _not_permitted(next(place.name for place in schema.secrets if place.key == key))
    return replace(edit, links=links)


def _not_permitted(name: str) -> ScimError:
    return ScimError(Kind.FORBIDDEN, f"{name} may not be changed at /Me")
