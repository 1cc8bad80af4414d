"""Bulk requests against a reference that works one by one: ids at the end, references patched in afterwards, nothing in sets."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scimsrv.errors import ScimError
from scimsrv.limits import Limits
from scimsrv.protocol import planning
from scimsrv.protocol.bulk import arranged, read_entry
from scimsrv.protocol.messages import PATCH_OP
from scimsrv.schema.project import EVERYTHING
from scimsrv.store.bulk import allot, carry_out
from scimsrv.store.execute import write
from scimsrv.store.recorded import carry_out_recorded
from scimsrv.store.scope import Scope
from tests.store.support import core_catalog, scope_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@dataclass(frozen=True)
class Step:
    """An operation in the abstract: `kind` is user, group, rename, join or delete; `about` the resource by its number, `refers` those
    that it names, `name` one of a few names, so that some collide."""

    kind: str
    about: int
    refers: tuple[int, ...]
    name: int


_STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["user", "user", "group", "group", "rename", "join", "delete"]),
        st.integers(0, 7),
        st.lists(st.integers(0, 7), max_size=3).map(tuple),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=8,
)

#: Sets in which many claim the few names that stored resources have, alone, in chains and in circles.
_TAKEN: Final = 3
_CLAIMING = st.lists(
    st.builds(
        Step,
        st.sampled_from(["user", "group", "group"]),
        st.integers(0, 7),
        st.lists(st.integers(0, 15), max_size=2).map(tuple),
        st.integers(0, _TAKEN + 1),
    ),
    min_size=6,
    max_size=16,
)


def _operations(steps: list[Step]) -> list[dict[str, Any]]:
    """The operations of a bulk request; a reference to what is not created by it, or is a group where a user is needed, is an error."""
    kinds = {number: step.kind for number, step in enumerate(steps)}
    made = []
    for number, step in enumerate(steps):
        about = f"bulkId:{step.about}"
        place = "/Groups" if kinds.get(step.about) == "group" else "/Users"
        match step.kind:
            case "user":
                data: dict[str, Any] = {"userName": f"u{step.name}"}
                if step.refers:
                    data[_ENTERPRISE] = {"manager": {"value": f"bulkId:{step.refers[0]}"}}
                made.append({"method": "POST", "path": "/Users", "bulkId": str(number), "data": data})
            case "group":
                members = [{"value": f"bulkId:{other}"} for other in step.refers]
                data = {"displayName": f"g{step.name}", "members": members}
                made.append({"method": "POST", "path": "/Groups", "bulkId": str(number), "data": data})
            case "rename":
                made.append(_patch(f"{place}/{about}", {"op": "replace", "path": "externalId", "value": f"x{step.name}"}))
            case "join":
                made.append(
                    _patch(
                        f"/Groups/{about}",
                        *(_add(f"bulkId:{other}") for other in step.refers),
                    )
                )
            case _:
                made.append({"method": "DELETE", "path": f"{place}/{about}"})
    return made


def _add(id_: str) -> dict[str, Any]:
    return {"op": "add", "path": "members", "value": [{"value": id_}]}


def _patch(path: str, *operations: Any) -> dict[str, Any]:
    return {
        "method": "PATCH",
        "path": path,
        "data": {"schemas": [PATCH_OP], "Operations": list(operations)},
    }


class _Reference:
    """What a bulk request means, done the slow way: in the order that follows from what needs what, found by trying; each creation alone
    and without its references, which are patched in when all of its circle are there, or it is deleted again."""

    def __init__(self, scope: Scope, steps: list[Step]) -> None:
        self.scope, self.steps = scope, steps
        self.kinds = {number: step.kind for number, step in enumerate(steps) if step.kind in ("user", "group")}
        self.ids: dict[int, str] = {}
        self.outcome: dict[int, bool] = {}

    async def take_names(self) -> None:
        """Store users and groups that have the first few names."""
        for number in range(_TAKEN):
            for kind, body in (("user", {"userName": f"u{number}"}), ("group", {"displayName": f"g{number}"})):
                id_ = await self.write("POST", kind, "", body)
                assert id_ is not None
                self.ids[-1 - 2 * number - (kind == "user")] = id_

    def needs(self, number: int) -> set[int]:
        """What an operation refers to, itself not counted."""
        step = self.steps[number]
        named = {*step.refers[: 1 if step.kind == "user" else None]} if step.kind in ("user", "group", "join") else set()
        if step.kind in ("rename", "join", "delete"):
            named.add(step.about)
        return named - {number}

    def reach(self, number: int) -> set[int]:
        """Everything that an operation needs, directly or not."""
        found, new = set[int](), {number}
        while new:
            found |= new
            new = set().union(*(self.needs(one) for one in new if one in self.kinds or one == number)) - found
        return found

    async def run(self) -> None:
        for number in range(len(self.steps)):
            await self.do(number)

    async def do(self, number: int) -> None:
        if number in self.outcome:
            return
        circle = sorted(one for one in self.reach(number) if one in self.kinds and number in self.reach(one)) or [number]
        for other in sorted(set().union(*map(self.needs, circle)) - set(circle)):
            if other in self.kinds:
                await self.do(other)
        if self.steps[number].kind not in ("user", "group"):
            self.outcome[number] = await self.change(number)
        elif all(other in self.kinds and self.outcome[other] for one in circle for other in self.needs(one) - set(circle)):
            await self.create(circle)
        else:
            self.outcome |= dict.fromkeys(circle, False)

    async def create(self, circle: list[int]) -> None:
        made = []
        for one in circle:
            step = self.steps[one]
            body = {"userName": f"u{step.name}"} if step.kind == "user" else {"displayName": f"g{step.name}"}
            written = await self.write("POST", step.kind, "", body)
            if written is None:
                break
            self.ids[one] = written
            made.append(one)
        good = len(made) == len(circle) and all([await self.refer(one) for one in circle])
        if not good:
            for one in made:
                await self.write("DELETE", self.kinds[one], self.ids.pop(one), {})
        self.outcome |= dict.fromkeys(circle, good)

    async def refer(self, number: int) -> bool:
        step = self.steps[number]
        if step.kind == "user":
            path = f"{_ENTERPRISE}:manager"
            values = [{"op": "add", "path": path, "value": {"value": self.ids[other]}} for other in step.refers[:1]]
        else:
            values = [_add(self.ids[other]) for other in step.refers]
        return not values or await self.write("PATCH", step.kind, self.ids[number], _patch("", *values)["data"]) is not None

    async def change(self, number: int) -> bool:
        step = self.steps[number]
        named = {step.about, *(step.refers if step.kind == "join" else ())}
        if not all(other in self.kinds and self.outcome.get(other, False) for other in named):
            return False
        kind, id_ = self.kinds[step.about], self.ids[step.about]
        match step.kind:
            case "rename":
                operations: list[dict[str, Any]] = [{"op": "replace", "path": "externalId", "value": f"x{step.name}"}]
            case "join":
                kind = "group"
                operations = [_add(self.ids[other]) for other in step.refers]
            case _:
                return await self.write("DELETE", kind, id_, {}) is not None
        return await self.write("PATCH", kind, id_, _patch("", *operations)["data"]) is not None

    async def write(self, method: str, kind: str, id_: str, body: dict[str, Any]) -> str | None:
        """Carry out one request by itself; the id of its resource, None where it fails."""
        schema = self.scope.catalog.by_name["User" if kind == "user" else "Group"]
        try:
            plan = planning.write(method, schema, id_, body, self.scope.catalog, EVERYTHING, self.scope.limits, None)
            written = await write(self.scope, plan)
        except ScimError:
            return None
        return written.id if written is not None else id_


async def _nobody_objects(*_: object) -> None:
    return None


async def _stored(scope: Scope, names: dict[str, int]) -> dict[str, Any]:
    """What the tenant has, with the numbers of the operations in the place of ids."""
    rows = await scope.pool.fetch("SELECT id, type, document FROM resource WHERE tenant = $1", scope.tenant)
    links = await scope.pool.fetch("SELECT source, attribute, target FROM reference WHERE tenant = $1", scope.tenant)
    keys = await scope.pool.fetch("SELECT type, attribute, key, id FROM unique_key WHERE tenant = $1", scope.tenant)
    counts = await scope.pool.fetch(
        "SELECT type, sum(resources)::int AS n FROM resource_count WHERE tenant = $1 GROUP BY type", scope.tenant
    )
    indexed = await scope.pool.fetch("SELECT attribute, key, id FROM resource_key WHERE tenant = $1 AND key NOT LIKE '=20%'", scope.tenant)
    assert not [row for row in rows if "bulkId:" in row["document"]]
    documents = {}
    for row in rows:
        document = orjson.loads(row["document"])
        manager = document.get(_ENTERPRISE, {}).get("manager")
        if manager:
            manager["$ref"] = manager.get("$ref", "").replace(manager["value"], str(names.get(manager["value"])))
            manager["value"] = names.get(manager["value"])
        documents[names[row["id"]]] = (row["type"], {name: document[name] for name in document if name != "id"})
    return {
        "documents": documents,
        "links": sorted((names[row["source"]], row["attribute"], names[row["target"]]) for row in links),
        "unique": sorted((row["type"], row["attribute"], row["key"], names[row["id"]]) for row in keys),
        "counts": {row["type"]: row["n"] for row in counts if row["n"]},
        "indexed": sorted((row["attribute"], row["key"], names[row["id"]]) for row in indexed),
    }


@pytest.mark.parametrize("drawn", [_STEPS, _CLAIMING], ids=["everything", "claims"])
@pytest.mark.parametrize("way", ["sets", "recorded"])
async def test_a_bulk_request_means_what_its_operations_mean(pool: Pool, way: str, drawn: st.SearchStrategy[list[Step]]) -> None:
    """The same operations succeed, and the same documents, references, keys and numbers are there, as when each is carried out alone."""
    catalog = core_catalog()

    loop = asyncio.get_running_loop()

    async def compare(steps: list[Step]) -> None:
        scope, other = scope_on(pool, catalog), scope_on(pool, catalog)
        first = _Reference(scope, []), _Reference(other, [])
        if drawn is _CLAIMING:
            for one in first:
                await one.take_names()
        routes: dict[str, Any] = {}
        bulk = arranged(read_entry(index, orjson.dumps(one), "t", Limits(), routes) for index, one in enumerate(_operations(steps)))
        ids = allot(bulk)
        if way == "sets":
            results = {result.entry.index: result.error is None for result in await carry_out(scope, bulk, ids, _nobody_objects)}
        else:
            recorder = _Recorder()
            await carry_out_recorded(scope, bulk, ids, _nobody_objects, recorder, {})
            results = recorder.results
        reference = _Reference(other, steps)
        await reference.run()
        assert results == reference.outcome
        made, expected = (
            {id_: number for number, id_ in (of | kept.ids).items()} for of, kept in zip((ids, reference.ids), first, strict=True)
        )
        assert await _stored(scope, made) == await _stored(other, expected)
        created = {number for number in reference.kinds if results[number]}
        versions = await pool.fetch("SELECT id, version FROM resource WHERE tenant = $1", scope.tenant)
        touched = {step.about for step in steps if step.kind in ("rename", "join", "delete")}
        for row in versions:
            if created == set(reference.kinds) and made[row["id"]] not in touched and not any(step.kind == "delete" for step in steps):
                assert row["version"] == 1

    def example(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(compare(steps), loop).result(60)

    checked = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))(given(drawn)(example))
    await asyncio.to_thread(checked)


class _Recorder:
    """Keeps results in memory."""

    def __init__(self) -> None:
        self.results: dict[int, bool] = {}

    async def hold(self, _scope: Scope) -> None:
        return None

    def committed(self, results: Any) -> None:
        """Nobody is told."""

    def holding(self, _scope: Scope) -> AbstractAsyncContextManager[None]:
        """There are no others."""
        return nullcontext()

    async def record(self, _scope: Scope, results: Any, *, last: bool) -> None:
        del last
        self.results |= {result.entry.index: result.error is None for result in results}
