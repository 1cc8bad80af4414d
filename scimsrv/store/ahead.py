"""Hashes of secrets that a request will need, made before its transaction begins: they are slow, and others wait for what it holds."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from scimsrv.errors import ScimError
from scimsrv.protocol.bulk import Bulk, Entry
from scimsrv.schema.attribute import fold_name
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.store.scope import Scope
from scimsrv.store.secrets import WORKERS, hashed


async def hashed_ahead(scope: Scope, bulk: Bulk, ids: Mapping[int, str], entries: Iterable[Entry]) -> Scope:
    """The scope with the hash of each secret that operations of the request set, by the resource's id and the secret. What is not found
    here, since it is written in another way, is hashed when it is needed."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    secrets = _secrets(scope, bulk, ids, entries)

    async def hash_them() -> None:
        for id_, plain, schema in secrets:
            try:
                await hashed(plain, schema, scope.limits, found[id_])
            except ScimError:  # which is the operation's result when it comes to it
                await asyncio.sleep(0)  # nothing may have been waited for, and the next may be refused as well

    async with asyncio.TaskGroup() as group:  # as many as are hashed at the same time; others get their turn after each
        for _ in range(WORKERS):
            group.create_task(hash_them())
    return replace(scope, hashes=found)


def _secrets(
    scope: Scope, bulk: Bulk, ids: Mapping[int, str], entries: Iterable[Entry]
) -> Iterator[tuple[str, dict[str, str], EffectiveSchema]]:
    """The secrets that operations set, by the keys of their attributes, each with the resource's id and schema."""
    for entry in entries:
        if entry.fault is not None:
            continue
        schema = scope.catalog.at(entry.route.name) if entry.route is not None else None
        if entry.route is None or schema is None or not schema.secrets or entry.method == "DELETE":
            continue
        keys = {fold_name(place.attribute.name): place.key for place in schema.secrets}
        # One of each at most, as an operation sets it: nobody can have more hashed than is stored.
        plain = {keys[name]: text for name, text in _texts(orjson.loads(entry.text)) if name in keys}
        if plain:
            yield ids[entry.index] if entry.creates else bulk.named(entry.route, ids), plain, schema


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text in JSON data, with the name of its attribute: that of the member, or the end of the path of a PATCH operation."""
    if isinstance(value, list):
        for element in value:
            yield from _texts(element)
    elif isinstance(value, dict):
        path = next((member for name, member in value.items() if name.lower() == "path" and isinstance(member, str)), "")
        for name, member in value.items():
            if isinstance(member, str):
                yield _last(path if path and name.lower() == "value" else name), member
            else:
                yield from _texts(member)


def _last(path: str) -> str:
    return fold_name(path.rpartition(":")[2].rpartition(".")[2])
