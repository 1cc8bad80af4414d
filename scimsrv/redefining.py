"""Requests that change definitions: carried out at once or later, and repeated without harm where they have a key."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import orjson

from scimsrv.asynchronous import Finished, Jobs, single_request
from scimsrv.errors import ScimError
from scimsrv.http import Fields
from scimsrv.idempotency import digests_of, key_of, later_once
from scimsrv.preferring import finished
from scimsrv.protocol.bulk import Bulk
from scimsrv.protocol.plan import Define, Defined
from scimsrv.protocol.prefer import preferences
from scimsrv.protocol.response import Renderer, Reply
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.redefinition import Subject, redefine
from scimsrv.store.execute import execute
from scimsrv.store.identity import load_catalog
from scimsrv.store.scope import Scope

_ENDPOINTS: Final = {Subject.SCHEMA: "/Schemas", Subject.RESOURCE_TYPE: "/ResourceTypes"}


async def redefined(
    jobs: Jobs,
    renderer: Renderer,
    scope: Scope,
    plan: Define,
    method: str,
    body: dict[str, Any],
    query_string: bytes,
    headers: Fields,
    digest_keys: Sequence[bytes],
) -> Reply:
    """The answer to a change of definitions. Raises ScimError; what is wrong with a definition by itself is said before it is kept."""
    if plan.dry_run:
        return renderer.reply(await execute(scope, plan))
    wanted = preferences(headers.joined(b"prefer"))
    key = key_of(headers) if method == "POST" else None
    reply: Reply | None = None
    if key is not None or wanted.asynchronous:

        async def answer(found: Finished) -> Reply:
            return await _reply(renderer, scope, plan, found)

        request = _request(plan, method, body, headers.joined(b"if-match"))
        if key is not None:
            digests = digests_of(digest_keys, plan.subject.value, query_string.decode("latin-1"), body)
            check = partial(_check, scope, plan)
            reply = await later_once(jobs, scope, key, digests, request, wanted, answer, single=True, check=check)
        else:
            await _check(scope, plan)
            kept = await jobs.later(scope, request, wanted, single=True)
            reply = await answer(kept) if isinstance(kept, Finished) else kept
    if reply is None:
        reply = renderer.reply(await execute(scope, plan))
    return finished(reply, wanted, shown=True)


def _request(plan: Define, method: str, body: dict[str, Any], if_match: str | None) -> Bulk:
    name = "" if plan.name is None else f"/{quote(plan.name, safe='')}"
    return single_request(method, _ENDPOINTS[plan.subject] + name, body, if_match)


async def _check(scope: Scope, plan: Define) -> None:
    """Raises ScimError for what is wrong with the definition by those that hold now, which may be newer than the scope's."""
    _, catalog = await load_catalog(scope.pool, scope.tenant)
    held = catalog.schemas if plan.subject is Subject.SCHEMA else catalog.resource_types
    present = None if plan.name is None else held.get(fold_name(plan.name))
    if plan.name is not None and present is None:
        return
    try:
        redefine(catalog, plan.subject, plan.name, plan.edit(present))
    except ScimError as error:
        if error.kind.value.status == 400:
            raise


async def _reply(renderer: Renderer, scope: Scope, plan: Define, found: Finished) -> Reply:
    """The answer that a finished change would have got at once; without the definition where that is another one by now, or gone."""
    result = found.results[0]
    status = int(result["status"])
    if "response" in result:
        return Reply(status, orjson.dumps(result["response"]))
    if status == 204:
        return Reply(204)
    _, catalog = await load_catalog(scope.pool, scope.tenant)
    schemas = plan.subject is Subject.SCHEMA
    key = fold_name(result["location"].rpartition("/")[2])
    definition = (catalog.schemas if schemas else catalog.resource_types).get(key)
    version = (catalog.schema_versions if schemas else catalog.type_versions).get(key, 1)
    if definition is None or result["version"] != f'W/"{version}"':
        return Reply(201 if status == 201 else 204, None, {"ETag": result["version"], "Location": result["location"]})
    return renderer.reply(Defined(plan.subject, definition, version, created=status == 201, pending=status == 202))
