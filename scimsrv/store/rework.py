"""Bringing stored resources up to a change of their type's definition, batch by batch, while readers and writers go on.

A walk over the type's resources leaves each as the present definitions say: values of removed attributes set aside, search document and
keys made anew, values that became unique claimed. Until it has ended, documents are looked through when they are read, writers set aside
what they meet, and values that became unique are looked for in the search documents, since their keys are not complete.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.errors import ScimError
from scimsrv.limits import DEFAULT
from scimsrv.schema import document as doc
from scimsrv.schema.aside import restored, split
from scimsrv.schema.catalog import Catalog
from scimsrv.schema.document import Document
from scimsrv.schema.effective import EffectiveSchema
from scimsrv.schema.forms import definition_with
from scimsrv.schema.indexing import IndexKey
from scimsrv.schema.redefinition import Subject, redefine
from scimsrv.schema.validate import Coercer, complete
from scimsrv.store.aside import set_aside
from scimsrv.store.background import SETTLED
from scimsrv.store.connection import Connection
from scimsrv.store.content import differences
from scimsrv.store.failure import guarded
from scimsrv.store.identity import load_catalog, rekeying
from scimsrv.store.links import relink
from scimsrv.store.pointers import points_nowhere
from scimsrv.store.pool import Database, Queries
from scimsrv.store.postponing import key_of_path
from scimsrv.store.queries import load
from scimsrv.store.recomputing import recompute
from scimsrv.store.rendition import columns_of_keys, keys_held, modified_key, renaming, render, unique_keys
from scimsrv.store.scope import Scope, by_whom, now

_SQL, _RESOURCES, _INDEXES = load("jobs"), load("resources"), load("indexes")

log: Final = logging.getLogger("scimsrv.background")

#: Resources in one batch: each is folded anew, while requests wait, and is locked until the batch ends.
BATCH: Final = 10

#: Ids that a job's result names of each kind.
_NAMED: Final = 20


async def tenants_with_jobs(pool: Queries) -> list[int]:
    """The tenants that have such work."""
    return [row["tenant"] for row in await pool.fetch(_SQL["with_work"])]


async def rework(pool: Database, tenant: int, *, settled: float = SETTLED, batch: int = BATCH) -> bool:
    """One batch of the tenant's next job; False when there is none."""
    return await guarded(lambda: _step(pool, tenant, settled, batch))


@dataclass
class _Job:
    """A job as this batch finds it; `result` and `plan` are written back."""

    conn: Connection
    tenant: int
    number: int
    subject: str
    plan: dict[str, Any]
    position: str
    result: dict[str, Any]
    asked_by: str

    @property
    def actor(self) -> str:
        return f"job {self.number}"

    def count(self, what: str, ids: Iterable[str]) -> None:
        """Add resources to what the result says."""
        for id_ in ids:
            entry = self.result.setdefault(what, {"resources": 0, "ids": []})
            entry["resources"] += 1
            if len(entry["ids"]) < _NAMED:
                entry["ids"].append(id_)

    async def advance(self, position: str, number: int) -> None:
        text, plan = orjson.dumps(self.result).decode(), orjson.dumps(self.plan).decode()
        await self.conn.execute(_SQL["advance"], self.tenant, self.number, position, number, text, plan)

    async def finish(self, state: str) -> None:
        await self.conn.execute(_SQL["finish"], self.tenant, self.number, state)
        await self.conn.execute(_INDEXES["revise"], self.tenant)


async def _step(pool: Database, tenant: int, settled: float, batch: int) -> bool:
    async with pool.acquire() as conn, conn.transaction():
        row = await conn.fetchrow(_SQL["take"], tenant, settled)
        if row is None:
            return False
        plan, result = orjson.loads(row["plan"]), orjson.loads(row["result"])
        job = _Job(conn, tenant, row["number"], row["subject"], plan, row["position"], result, row["actor"])
        _, catalog = await load_catalog(conn, tenant)
        schema = catalog.by_name.get(job.subject)
        match row["kind"]:
            case "purge":
                await _purge(job, batch)
            case "rekey":
                await _rekey(job, catalog, batch)
            case "progress":
                await _progress(Scope(pool, tenant, catalog, "", row["actor"], DEFAULT), job, batch)
            case _ if schema is None:
                await _orphaned(job)
            case "restore":
                await _restore(job, catalog, schema, batch)
            case _ if plan["releases"]:
                await _release(job, batch)
            case _:
                await _walk(job, catalog, schema, batch)
    return True


async def _orphaned(job: _Job) -> None:
    """The type is gone. Resources that were created in the same moment are kept: they are there again when the type is."""
    rows = await job.conn.fetch(_SQL["batch"], job.tenant, job.subject, "", _NAMED)
    job.count("orphans", [row["id"] for row in rows])
    await job.advance("", 0)
    await job.finish("failed" if rows else "done")
    if rows:
        log.warning("job %s of tenant %s failed: %s was deleted while resources were created", job.number, job.tenant, job.subject)


async def _release(job: _Job, batch: int) -> None:
    """Drop keys of what is unique no more."""
    place = job.plan["releases"][0]
    if await job.conn.execute(_SQL["release"], job.tenant, job.subject, place, batch) == "DELETE 0":
        job.plan["releases"] = job.plan["releases"][1:]
    await job.advance("", 0)


async def _walk(job: _Job, catalog: Catalog, schema: EffectiveSchema, batch: int) -> None:
    rows = await job.conn.fetch(_SQL["batch"], job.tenant, job.subject, job.position, batch)
    claims: list[tuple[str, str, str]] = []
    claiming = frozenset(job.plan["claims"])
    again = _Again(job, catalog, schema)
    for row in rows:
        stored: Document = orjson.loads(row["document"])
        document, strays = split(stored, schema)
        if strays:
            await set_aside(job.conn, job.tenant, schema, row["id"], strays)
            job.count("set_aside", [row["id"]])
        again.add(row, stored, document, sorted(strays))
        try:
            complete(document, schema, DEFAULT)
        except ScimError:  # written by a server that had not yet heard of the change
            job.count("unfit", [row["id"]])
        claims += [(place, key, row["id"]) for place, key in unique_keys(document, schema) if place in claiming]
    await again.store()
    if claims:
        columns = [list(column) for column in zip(*sorted(claims), strict=True)]
        await job.conn.execute(_SQL["claim"], job.tenant, job.subject, *columns)
        job.count("duplicates", [row["id"] for row in await job.conn.fetch(_SQL["claimed_by_others"], job.tenant, job.subject, *columns)])
    await job.advance(rows[-1]["id"] if rows else job.position, len(rows))
    if len(rows) < batch:
        failed = "duplicates" in job.result
        await job.finish("failed" if failed else "done")
        if failed:
            log.warning(
                "job %s of tenant %s failed: resources of %s share a value that is to be unique", job.number, job.tenant, job.subject
            )


def _written(document: Document) -> bytes:
    """The document as text, in which 5 and 5.0 differ."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@dataclass
class _Again:
    """Resources of a type, whose rows are locked, as the present definitions say: collected, and stored in few exchanges."""

    job: _Job
    catalog: Catalog
    schema: EffectiveSchema
    _changed: list[tuple[Any, ...]] = field(default_factory=list)
    _refolded: list[tuple[int, str, str]] = field(default_factory=list)
    _keys: list[tuple[IndexKey, str]] = field(default_factory=list)
    _dropped: list[tuple[int, int, str, str]] = field(default_factory=list)

    def add(self, row: Any, before: Document, document: Document, names: list[str]) -> None:
        """A new version where the document changes (`names` say in what), else only what filters look at."""
        tenant, id_, indexes = self.job.tenant, row["id"], self.catalog.indexes_of(self.schema)
        made = render(document, self.schema, indexes)
        had, has = set(keys_held(row["search"], indexes)), set(made.keys)
        if _written(document) != _written(before):
            old, new = set(unique_keys(before, self.schema)), set(made.unique)
            released, claimed = sorted(old - new), sorted(new - old)
            dated = (self.catalog.of_modified.get(self.schema.name), modified_key(row["modified"]))
            self._changed.append(
                (
                    *(tenant, id_, self.schema.name, row["version"], now(), made.display, made.document, made.search),
                    *([place for place, _ in released], [key for _, key in released]),
                    *([place for place, _ in claimed], [key for _, key in claimed]),
                    *([], [], [self.job.actor], names, *dated, *columns_of_keys(has - had)),
                    *(renaming(self.schema, before, made), None, None, differences(before, document, {})),
                )
            )
        elif orjson.loads(row["search"]) != orjson.loads(made.search):
            self._refolded.append((tenant, id_, made.search))
            self._keys += [(key, id_) for key in has - had]
        else:
            return
        self._dropped += [(tenant, key.number, key.key, id_) for key in sorted(had - has)]

    async def store(self) -> None:
        """Store what was collected."""
        conn, keys = self.job.conn, sorted(self._keys)
        if self._changed:
            await conn.executemany(_RESOURCES["update_resource"], self._changed)
        if self._refolded:
            await conn.executemany(_SQL["reindex"], self._refolded)
        if keys:
            columns = ([key.number for key, _ in keys], [key.key for key, _ in keys], [key.substring for key, _ in keys])
            await conn.execute(_INDEXES["add_keys"], self.job.tenant, *columns, [id_ for _, id_ in keys])
        if self._dropped:
            await conn.executemany(_RESOURCES["drop_key"], self._dropped)


async def _rekey(job: _Job, catalog: Catalog, batch: int) -> None:
    """Add another form of an attribute to the search documents; when all have it, let readers turn to it; when all of them have, end."""
    types = [name for name in job.plan["types"] if name in catalog.by_name]
    if job.plan["ready"]:
        await _index_again(job, catalog)
    elif not types:
        await _turn(job)
    else:
        schema = catalog.by_name[types[0]]
        rows = await job.conn.fetch(_SQL["batch"], job.tenant, schema.name, job.position, batch)
        again = _Again(job, catalog, schema)
        for row in rows:
            document: Document = orjson.loads(row["document"])
            again.add(row, document, document, [])
        await again.store()
        last = len(rows) < batch
        job.plan["types"] = types[1:] if last else types
        await job.advance("" if last else rows[-1]["id"], len(rows))


async def _index_again(job: _Job, catalog: Catalog) -> None:
    """Mark as indexed again what was before, as soon as the old rows are gone; with that the change is done."""
    await job.conn.execute(_INDEXES["revise"], job.tenant)  # the tenant's row first, as whoever adds an index does it
    held = {(row["type"], row["attribute"]): row["state"] for row in await job.conn.fetch(_INDEXES["list"], job.tenant)}
    wanted = [(name, attribute, substring) for name, attribute, substring in job.plan["indexes"] if name in catalog.by_name]
    if any(held.get((name, attribute)) in ("retiring", "dropping") for name, attribute, _ in wanted):
        await job.conn.execute(_SQL["next_stage"], job.tenant, job.number, orjson.dumps(job.plan).decode())
        return
    for name, attribute, substring in wanted:
        if (name, attribute) not in held:
            await job.conn.fetchrow(_INDEXES["add"], job.tenant, name, attribute, substring)
    await job.finish("done")


async def _turn(job: _Job) -> None:
    """Take the change of the definition, and with it the new form."""
    await job.conn.execute(_INDEXES["revise"], job.tenant)  # the tenant's row first: no other change comes between
    _, catalog = await load_catalog(job.conn, job.tenant)
    attribute, case_exact = job.plan["attribute"], job.plan["caseExact"]
    definition = definition_with(catalog.schemas[job.subject], attribute, case_exact)
    forms = orjson.dumps({attribute: job.plan["new"]}).decode()
    version = await job.conn.fetchval(_SQL["turn"], job.tenant, job.subject, orjson.dumps(definition).decode(), forms)
    change = redefine(catalog, Subject.SCHEMA, definition["id"], definition)
    await job.conn.execute(
        load("definitions")["note"],
        *(job.tenant, now(), by_whom(job.asked_by), "update", Subject.SCHEMA.value, definition["id"], version, ["attributes"]),
        orjson.dumps(change.diff).decode(),
    )
    one = rekeying(job.subject, job.plan)
    for index in await job.conn.fetch(_INDEXES["list"], job.tenant):
        schema = catalog.by_name.get(index["type"])
        if schema is not None and schema.schema(one.urn) is not None and index["attribute"] == key_of_path(schema, one):
            await job.conn.execute(_INDEXES["retire"], job.tenant, index["number"])  # made meanwhile, and of the old keys
    plan = orjson.dumps(job.plan | {"ready": True}).decode()
    await job.conn.execute(_SQL["next_stage"], job.tenant, job.number, plan)


async def _progress(scope: Scope, job: _Job, batch: int) -> None:
    """Compute anew what follows from the awards of the next recipients."""
    if not scope.catalog.policy.badges:  # turned off since
        await job.finish("done")
        return
    made = await recompute(scope, job.conn, job.position, batch)
    job.count("awarded", made.awarded)
    job.count("revoked", made.revoked)
    job.count("failed", made.failed)
    await job.advance(made.position, made.recipients)
    if made.recipients < batch:
        await job.finish("done")


async def _restore(job: _Job, catalog: Catalog, schema: EffectiveSchema, batch: int) -> None:
    """Put values back that were set aside, of each resource the latest that fits; what does not, or has another value by now, stays."""
    attribute = job.plan["attribute"]
    removed = await job.conn.fetch(_SQL["removed"], job.tenant, job.subject, attribute, job.position, batch)
    held = {row["id"]: [*zip(row["times"], map(orjson.loads, row["held"]), strict=True)] for row in removed}
    back: list[tuple[str, datetime]] = []
    place = schema.resolve(attribute)
    for row in await job.conn.fetch(_SQL["lock_documents"], job.tenant, job.subject, list(held)):
        stored: Document = orjson.loads(row["document"])
        fitting = await _fitting(job, catalog, schema, row["id"], stored, held[row["id"]])
        if fitting is None:
            job.count("left", [row["id"]])
            continue
        time, document = fitting
        linked = await relink(job.conn, job.tenant, schema, row["id"], stored, document)
        if linked == document:
            back.append((row["id"], time))
        else:  # what it referred to is there no more, or some of it: the value stays aside with that
            job.count("left", [row["id"]])
            if place is None or doc.get(linked, place) is None:
                continue
        again = _Again(job, catalog, schema)  # one by one: the next may want the same unique value
        again.add(row, stored, linked, [attribute])
        await again.store()
        job.count("restored", [row["id"]])
    if back:
        await job.conn.execute(_SQL["forget_restored"], job.tenant, job.subject, attribute, *map(list, zip(*back, strict=True)))
    await job.advance(removed[-1]["id"] if removed else job.position, len(removed))
    if len(removed) < batch:
        await job.finish("done")


async def _fitting(
    job: _Job, catalog: Catalog, schema: EffectiveSchema, id_: str, stored: Document, held: Iterable[tuple[datetime, Any]]
) -> tuple[datetime, Document] | None:
    """The first of these values that the resource can have, by the time it was set aside, and the document with it."""
    for time, value in held:
        document = restored(split(stored, schema)[0], schema, job.plan["attribute"], value, Coercer(catalog.policy))
        if document is None or await _is_taken(job, schema, id_, stored, document):
            continue
        if not await points_nowhere(job.conn, job.tenant, catalog.policy, schema, stored, document):
            return time, document
    return None


async def _is_taken(job: _Job, schema: EffectiveSchema, id_: str, before: Document, document: Document) -> bool:
    """Whether another resource holds by now what the value would claim."""
    claimed = sorted(set(unique_keys(document, schema)) - set(unique_keys(before, schema)))
    if not claimed:
        return False
    columns = ([place for place, _ in claimed], [key for _, key in claimed])
    return bool(await job.conn.fetch(_RESOURCES["held_keys"], job.tenant, schema.name, id_, *columns))


async def _purge(job: _Job, batch: int) -> None:
    """Destroy values that were set aside."""
    attribute = job.plan["attribute"]
    rows = await job.conn.fetch(_SQL["removed"], job.tenant, job.subject, attribute, "", batch)
    await job.conn.execute(_SQL["forget_removed"], job.tenant, job.subject, attribute, [row["id"] for row in rows])
    await job.advance("", len(rows))
    if len(rows) < batch:
        await job.finish("done")
