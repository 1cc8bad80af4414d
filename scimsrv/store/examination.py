"""Examining stored resources before a change of definitions: how many bear it not, and which. Takes no locks.

Resources are read once, batch by batch; what was changed meanwhile is read again, so that the last look, in the transaction that takes
the change, is at a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.limits import Limits
from scimsrv.schema import document as doc
from scimsrv.schema.conforming import kept_elsewhere, offends, values
from scimsrv.schema.document import Document
from scimsrv.schema.effective import Resolved
from scimsrv.schema.evolution import Change, Check, Distinct, Refers, SetAside
from scimsrv.schema.redefinition import Redefinition
from scimsrv.schema.search import containing, holding
from scimsrv.schema.semantics import key_of
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load

_SQL = load("definitions")

#: Resources in one batch, and offending ids that a report names.
BATCH: Final = 1_000
NAMED: Final = 20

#: Offending ids that are remembered, of one change.
_REMEMBERED: Final = 10_000

#: Seconds that comparing all values of a type may take.
_COMPARING: Final = 120.0

#: Changed resources that are looked at in the transaction; and how often changed ones are looked at before it.
_FEW: Final = 50
_ROUNDS: Final = 8


@dataclass
class Finding:
    """The resources of a type that do not bear a change (or whose values it sets aside): how many, the ids of some to be named, and
    of all that are remembered so that none counts twice."""

    type: str
    change: Change
    ids: dict[str, None] = field(default_factory=dict)
    number: int = 0
    known: set[str] = field(default_factory=set, repr=False)

    @property
    def offends(self) -> bool:
        """Whether the change cannot be taken because of it."""
        return self.number > 0 and not all(isinstance(check, SetAside) for check in self.change.checks)

    def add(self, id_: str) -> None:
        """Count a resource once."""
        if id_ in self.known:
            return
        self.number += 1
        if len(self.known) < _REMEMBERED:
            self.known.add(id_)
        if len(self.ids) < NAMED:
            self.ids[id_] = None


@dataclass
class Examination:
    """What was found; `seen` is the change of the tenant up to which resources were looked at. `later` is found of what waits for the
    background, and hinders nothing."""

    findings: list[Finding]
    seen: int = 0
    later: list[Finding] = field(default_factory=list)

    def refuse(self) -> None:
        """Raises ScimError 409 for the first change that stored resources do not bear: attribute, rule and number."""
        for finding in self.findings:
            if finding.offends:
                change, number = finding.change, finding.number
                unique = any(isinstance(check, Distinct) for check in change.checks)
                resources = "one resource does" if number == 1 else f"{number} resources do"
                raise ScimError(
                    Kind.UNIQUENESS if unique else Kind.CONFLICT,
                    f"{finding.type}: {change.path} {change.rule}; {resources} not fit, such as {next(iter(finding.ids), 'some')}",
                )


async def examine(pool: Database, tenant: int, redefinition: Redefinition, limits: Limits, *, counting: bool) -> Examination:
    """Look at every resource that the change concerns, then at those that changed meanwhile, until they are few. With `counting` also
    for what is only to be said, and not demanded."""
    findings = [
        Finding(name, change)
        for name, changes in redefinition.changes.items()
        for change in changes
        if any(counting or not isinstance(check, SetAside) for check in change.checks)
    ]
    result = Examination(findings)
    row = await pool.fetchrow(_SQL["settled_change"], tenant)
    result.seen = 0 if row is None else row["seq"]
    for name in dict.fromkeys(finding.type for finding in findings):
        await _sweep(pool, tenant, name, [finding for finding in findings if finding.type == name], limits)
    if findings and not any(finding.offends for finding in findings):
        for _ in range(_ROUNDS):
            if await reexamine(pool, tenant, result, limits) <= _FEW:
                break
    return result


async def reexamine(conn: Queries, tenant: int, examination: Examination, limits: Limits) -> int:
    """Look at the resources that changed since they were last looked at; how many there were."""
    types = list({finding.type for finding in examination.findings})
    number = 0
    while types:
        rows = await conn.fetch(_SQL["changed_since"], tenant, examination.seen, types, BATCH)
        number += len(rows)
        ids = [row["id"] for row in rows]
        for name in types:
            found = await conn.fetch(_SQL["some_documents"], tenant, name, ids)
            await _look(conn, tenant, found, [one for one in examination.findings if one.type == name], limits, alone=True)
        if rows:
            examination.seen = max(row["seq"] for row in rows)
        if len(rows) < BATCH:
            break
    return number


async def _sweep(pool: Database, tenant: int, name: str, findings: Sequence[Finding], limits: Limits) -> None:
    position = ""
    findings = [finding for finding in findings if not await _never_referred(pool, tenant, finding)]
    while findings:
        rows = await pool.fetch(_SQL["documents"], tenant, name, position, BATCH)
        await _look(pool, tenant, rows, findings, limits, alone=False)
        if len(rows) < BATCH:
            break
        position = rows[-1]["id"]
    for finding in findings:
        for check in finding.change.checks:
            if isinstance(check, Distinct):
                async with pool.acquire() as conn:
                    path = _json_path(check.place)
                    twins = await conn.fetch(_SQL["duplicates"], tenant, name, path, NAMED, [*finding.known], timeout=_COMPARING)
                known = finding.number
                for row in twins:
                    finding.add(row["id"])
                finding.number = known + (twins[0]["number"] if twins else 0)


async def _never_referred(pool: Database, tenant: int, finding: Finding) -> bool:
    """Whether a new reference attribute has no rows of a former one of its name: then no resource need be looked at for that."""
    for check in finding.change.checks:
        if isinstance(check, Refers) and finding.change.old is None:
            async with pool.acquire() as conn:
                return not await conn.fetchval(_SQL["refers_at_all"], tenant, finding.type, check.place.key, timeout=_COMPARING)
    return False


async def _look(conn: Queries, tenant: int, rows: Iterable[Any], findings: Sequence[Finding], limits: Limits, *, alone: bool) -> None:
    """Check a batch; with `alone` every resource is compared with all others, else `duplicates` does that for all at once."""
    documents: list[Document] = [orjson.loads(row["document"]) for row in rows]
    if not documents:
        return
    ids = [document["id"] for document in documents]
    for finding in findings:
        offending: set[str] = set()
        for check in finding.change.checks:
            if alone and isinstance(check, SetAside):
                continue  # a number for the report, which was made
            elsewhere = await _elsewhere(conn, tenant, check, ids)
            offending |= {document["id"] for document in documents if offends(check, document, elsewhere, limits)}
            if isinstance(check, Refers):
                offending |= await _referring_elsewhere(conn, tenant, check, documents)
            if alone and isinstance(check, Distinct):
                for document in documents:
                    if await _has_twin(conn, tenant, finding.type, check.place, document):
                        offending.add(document["id"])
        for id_ in sorted(offending):
            finding.add(id_)


async def _elsewhere(conn: Queries, tenant: int, check: Check, ids: list[str]) -> Mapping[str, frozenset[str]]:
    place = getattr(check, "place", None)
    if not isinstance(place, Resolved) or not kept_elsewhere(place):
        return {}
    query = _SQL["with_links"] if place.attribute.refers else _SQL["with_secret"]
    return {place.whole.key: frozenset(row["id"] for row in await conn.fetch(query, tenant, place.whole.key, ids))}


async def _referring_elsewhere(conn: Queries, tenant: int, check: Refers, documents: Sequence[Document]) -> set[str]:
    """The ids of the documents that refer to a resource of another type."""
    place, types = check.place, list(check.types)
    if place.attribute.multi_valued:
        ids = [document["id"] for document in documents]
        return {row["id"] for row in await conn.fetch(_SQL["with_other_links"], tenant, place.key, ids, types)}
    named = {document["id"]: (doc.get(document, place) or {}).get("value") for document in documents}
    sought = sorted({id_ for id_ in named.values() if id_})
    others = {row["id"] for row in await conn.fetch(_SQL["of_other_types"], tenant, sought, types)}
    return {source for source, id_ in named.items() if id_ in others}


async def _has_twin(conn: Queries, tenant: int, type_name: str, place: Resolved, document: Document) -> bool:
    sought = [
        orjson.dumps(containing(place, holding(place, key_of(place.leaf, value)))).decode()
        for value in values(document, place)
        if value != ""
    ]
    return bool(sought and await conn.fetch(_SQL["held_by_others"], tenant, type_name, document["id"], sought))


def _json_path(place: Resolved) -> str:
    """The path of the values at a place in a search document, for SQL/JSON; lax, so that arrays are taken apart."""
    names = [*place.search_path, *([place.sub.search_key] if place.sub is not None else [])]
    return "$" + "".join(f".{orjson.dumps(name).decode()}" for name in names) + "[*]"
