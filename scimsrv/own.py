"""Users and their own badges: a token that stands for a user sees the user's awards and requests, and asks for achievements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from scimsrv.auth import Principal, Right, insufficient
from scimsrv.badges.rights import ABOUT, writing
from scimsrv.errors import Kind, ScimError
from scimsrv.filter.bind import BoundCompare, conjunction
from scimsrv.protocol.bulk import Entry
from scimsrv.protocol.features import check_feature
from scimsrv.protocol.plan import Created, Outcome, Plan, Query, Shown
from scimsrv.protocol.response import Reply
from scimsrv.protocol.route import Endpoint, Route
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.badging import AWARD, REQUEST, TYPES
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.semantics import Op, key_of
from scimsrv.store.failure import guarded
from scimsrv.store.me import find_me
from scimsrv.store.progressing import progress_of
from scimsrv.store.scope import Scope, now


def require(principal: Principal, catalog: Catalog, schema: EffectiveSchema | None, right: Right) -> bool:
    """Whether the request has to keep to the badges of the user whom the token stands for; False where the token's scopes let it reach
    everybody's. Raises ScimError 403 where they permit neither."""
    name = None if schema is None else schema.name
    if name is None or right not in (Right.READ, Right.WRITE):
        principal.require(right)
        return False
    scopes = principal.credential.scopes
    needed = right.value if right is Right.READ else writing(name, badges=catalog.policy.badges)
    if not needed.isdisjoint(scopes):
        return False
    is_user = catalog.policy.me != "off" and principal.credential.subject is not None and principal.may(Right.ME)
    if is_user and catalog.policy.badges and name in TYPES and (right is Right.READ or name == REQUEST):
        return name in ABOUT  # what can be awarded is nobody's
    raise insufficient(needed)


async def user_of(scope: Scope, principal: Principal) -> str:
    """The id of the user whom the token stands for. Raises ScimError as `find_me` does, and 404 where there are no users."""
    schema, subject = scope.catalog.by_name.get("User"), principal.credential.subject
    if schema is None or subject is None:
        raise ScimError(Kind.NOT_FOUND, "The token stands for nobody")
    return await find_me(scope, schema, subject)


async def at_me(scope: Scope, found: Route, method: str, principal: Principal) -> Route:
    """The resource that /Me stands for (RFC 7644 §3.11). Raises ScimError 501 where it cannot be, 404 for a token that is nobody's."""
    policy, schema, subject = scope.catalog.policy, scope.catalog.by_name.get("User"), principal.credential.subject
    if schema is None:
        raise ScimError(Kind.NOT_IMPLEMENTED, "There are no users")
    if method == "POST":
        raise ScimError(Kind.NOT_IMPLEMENTED, "Users cannot register themselves")
    if subject is None:
        raise ScimError(Kind.NOT_FOUND, "The token stands for a service and not for a user")
    principal.require(Right.ME)
    principal.credential.narrowing.require(schema.name)
    if method == "DELETE" and not policy.me_deletion:
        raise ScimError(Kind.FORBIDDEN, "Users may not delete themselves")
    id_ = await find_me(scope, schema, subject)
    found = replace(found, endpoint=Endpoint.RESOURCE, name=schema.endpoint.strip("/"), id=id_)
    check_feature(found, method, policy)
    return found


async def me_of(scope: Scope) -> str:
    """The id of the user whom the credential of a request that was kept stands for by now; empty where it is nobody."""
    schema = scope.catalog.by_name.get("User")
    try:
        return "" if schema is None or scope.subject is None else await find_me(scope, schema, scope.subject)
    except ScimError:
        return ""


async def require_me(scope: Scope, entry: Entry, *, badges: bool) -> None:
    """Raises ScimError where the user for whom a request was kept may not make it any more: one of /Me, whose operation names the user,
    or one of the user's own badges."""
    policy, schema = scope.catalog.policy, scope.catalog.by_name.get("User")
    if entry.route is None or schema is None or scope.subject is None:
        raise ScimError(Kind.NOT_FOUND, "The token stands for nobody")
    check_feature(replace(entry.route, endpoint=Endpoint.ME), entry.method, policy)
    user = await find_me(scope, schema, scope.subject)
    if badges:
        if not policy.badges:
            raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
    elif user != entry.route.id:
        raise ScimError(Kind.NOT_FOUND, "The token stands for somebody else by now")
    elif entry.method == "DELETE" and not policy.me_deletion:
        raise ScimError(Kind.FORBIDDEN, "Users may not delete themselves")


def with_requester(body: dict[str, Any], user: str) -> dict[str, Any]:
    """The body of a request for an achievement, by this user unless it says by whom."""
    named = {fold_name(name) for name, value in body.items() if value is not None}
    return (
        body
        if "requester" in named
        else {name: value for name, value in body.items() if fold_name(name) != "requester"} | {"requester": {"value": user}}
    )


def narrowed(plan: Plan, user: str) -> Plan:
    """A query for badges of this user only; other plans are what they are."""
    if not isinstance(plan, Query):
        return plan
    targets = []
    for target in plan.targets:
        place = target.schema.resolve(f"{ABOUT[target.schema.name]}.value")
        if place is None:
            raise AssertionError("awards and requests say whom they are about")
        own = BoundCompare(place, Op.EQ, key_of(place.leaf, user))
        targets.append(replace(target, filter=own if target.filter is None else conjunction([own, target.filter])))
    return replace(plan, targets=tuple(targets))


def check_shown(outcome: Outcome, user: str) -> None:
    """Raises ScimError 404 for a resource that is about somebody else."""
    if isinstance(outcome, Shown | Created):
        schema = outcome.stored.schema
        about = orjson.loads(outcome.stored.document).get(ABOUT.get(schema.name, ""), {})
        if about.get("value") != user:
            raise ScimError(Kind.NOT_FOUND, f"{schema.name} {outcome.stored.id[:64]!r} not found")


async def progress_reply(scope: Scope, principal: Principal, user: str) -> Reply:
    """How far a user is with every active skill and programme, for who may read everything or is the user. Raises ScimError 403 and 404."""
    if not scope.catalog.policy.badges:
        raise ScimError(Kind.NOT_FOUND, "There is no such endpoint")
    if require(principal, scope.catalog, scope.catalog.by_name.get(REQUEST), Right.READ) and await user_of(scope, principal) != user:
        raise ScimError(Kind.NOT_FOUND, f"User {user[:64]!r} not found")
    principal.credential.narrowing.require(AWARD)
    found = await guarded(lambda: progress_of(scope, user, now()))
    return Reply(200, orjson.dumps(found))
