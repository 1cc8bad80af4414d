"""A tenant's audit trail as its operator uses it: verified, exported, cut where the policy says so, and rid of a person's values."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import orjson

from scimsrv.audit.chain import SIZE, START, Row, Seal
from scimsrv.audit.export import DENIED, line
from scimsrv.audit.verify import ERASE, TRUNCATE, Problem, Verifier, anchor
from scimsrv.errors import Kind, ScimError
from scimsrv.store.connection import Connection
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import by_whom, now
from scimsrv.store.seals import hold, rows_of, seal_all, seal_of

_SQL = load("audit")

#: Seconds after which a change that is not sealed is a finding.
OVERDUE: Final = 60.0

#: Seals read at a time, findings of a kind named, and changes erased by one statement.
_SEALS: Final = 4
_NAMED: Final = 100
_ERASED: Final = 1_000

#: Seals that one step of a truncation removes with their rows.
_TRUNCATED: Final = 20

#: Rows that an export has in memory, and bytes of their values, unless one has more.
_LINES: Final = 50
_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Verification:
    """What is wrong with a chain, if anything; how many of its `rows` had values that are `erased`; where it ends; how many changes are
    not sealed yet, and since when."""

    problems: Sequence[Problem]
    rows: int
    erased: int
    position: int
    head: bytes
    unsealed: int
    oldest: datetime | None


async def verify(
    connection: Connection, tenant: int, keys: Sequence[bytes], *, known: Mapping[int, bytes] | None = None, overdue: float = OVERDUE
) -> Verification:
    """Go along the whole chain. `known` are hashes by position that were written down elsewhere: a chain that lacks one was made anew or
    lost its end. The connection must not be in a transaction."""
    verifier, missing = Verifier(tenant, keys), dict(known or {})
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        chain = await connection.fetchrow(_SQL["chain"], tenant)
        number = 0
        while seals := [seal_of(row) for row in await connection.fetch(_SQL["seals"], tenant, number, _SEALS)]:
            held = {row.seq: row for row in await rows_of(connection, tenant, [seq for one in seals for seq in one.seqs])}
            for one in seals:
                verifier.add(one, held)
                for position in [place for place in missing if one.position <= place <= one.last]:
                    start = (position - one.position) * SIZE
                    if one.hashes[start : start + SIZE] == missing[position]:
                        del missing[position]
            number = seals[-1].number
        verifier.finish()
        last = verifier.last
        position, head = (last.last, last.head) if last is not None else (0, START)
        if chain is not None and (chain["position"], chain["head"]) != (position, head):
            verifier.find(None, chain["position"], "the chain does not end where it was last sealed")
        begin, before = (verifier.first.position - 1, verifier.first.previous) if verifier.first is not None else (0, START)
        for place, hash_ in missing.items():
            if (place, hash_) in ((begin, before), (0, START)):
                continue
            # What a chain that was made anew says of its beginning is not believed either: it stays a finding.
            gone = (
                "the chain begins behind this position, whose hash was written down: only that of a later one tells whether it is the same"
            )
            other = "the chain does not have the hash that was written down of this position"
            verifier.find(None, place, gone if place < begin else other)
        for row in await connection.fetch(_SQL["sealed_twice"], tenant, _NAMED):
            verifier.find(row["seq"], None, "it is in the chain more than once")
        late = await connection.fetch(_SQL["unsealed_before"], tenant, now() - timedelta(seconds=overdue), _NAMED)
        for row in late:
            verifier.find(row["seq"], None, f"it has not been sealed within {overdue:g} seconds")
        waiting = await connection.fetchrow(_SQL["unsealed"], tenant)
    assert waiting is not None
    return Verification(verifier.problems, verifier.rows, verifier.erased, position, head, waiting["number"], waiting["oldest"])


async def export(
    pool: Queries, tenant: int, slug: str, form: str, *, after: int = 0, since: datetime | None = None, count: int | None = None
) -> AsyncGenerator[bytes]:
    """The sealed rows behind a position, of changes at this time or later, in their order, as lines of JSON; at most `count`. What the
    database refuses for a moment is asked again here: a stream cannot be begun anew by who reads it. Raises ScimError 503."""
    found = await guarded(lambda: pool.fetchrow(_SQL["seal_at"], tenant, after + 1))
    number = (found["number"] or 1) - 1 if found is not None else 0
    if since is not None:
        row = await guarded(lambda: pool.fetchrow(_SQL["sealed_before"], tenant, since))
        number = number if row is None else max(number, row["number"])
    left = count
    while left is None or left > 0:
        seals = [seal_of(row) for row in await guarded(partial(pool.fetch, _SQL["seals"], tenant, number, 1))]
        if not seals:
            return
        one = seals[0]
        begins = max(after + 1 - one.position, 0)
        sized = await guarded(partial(pool.fetch, _SQL["sizes"], tenant, list(one.seqs[begins:])))
        sizes = {row["seq"]: row["size"] for row in sized}
        while begins < len(one.seqs):
            ends = begins + _together(
                [sizes.get(seq, 0) for seq in one.seqs[begins : begins + (_LINES if left is None else min(left, _LINES))]]
            )
            # In a frame of its own: what it was made of is gone while whoever reads takes the time for it.
            made, lines = await _piece(pool, tenant, one, range(begins, ends), since, partial(line, slug, form=form))
            left, begins = None if left is None else left - lines, ends
            if made:
                yield made
            if left == 0:
                return
        number = one.number


def _together(sizes: Sequence[int]) -> int:
    """How many of the rows of these sizes are taken at a time: one, or as many as have so many bytes in all."""
    taken, number = 0, 0
    for size in sizes:
        taken += size
        if number and taken > _BYTES:
            break
        number += 1
    return number


async def _piece(
    pool: Queries, tenant: int, seal: Seal, places: range, since: datetime | None, shown: Callable[[int, Row, bytes, bytes], bytes]
) -> tuple[bytes, int]:
    """The lines of rows at these places of a seal, and how many they are."""
    held = {row.seq: row for row in await guarded(lambda: rows_of(pool, tenant, seal.seqs[places.start : places.stop]))}
    lines = []
    for place in places:
        row = held.get(seal.seqs[place])
        if row is not None and (since is None or row.at >= since):
            bytes_ = slice(place * SIZE, (place + 1) * SIZE)
            lines.append(shown(seal.position + place, row, seal.digests[bytes_], seal.hashes[bytes_]))
    return b"".join(lines), len(lines)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a chain ends, when something was sealed last, how many changes wait, and since when."""

    position: int
    head: bytes
    sealed: datetime
    unsealed: int
    oldest: datetime | None


async def chain_of(connection: Connection, tenant: int) -> Chain:
    """The state of the tenant's chain."""
    await connection.execute(_SQL["begin"], tenant)
    row = await connection.fetchrow(_SQL["chain"], tenant)
    assert row is not None
    waiting = await connection.fetchrow(_SQL["waiting"], tenant, row["floor"], row["floor_number"])
    assert waiting is not None
    return Chain(row["position"], row["head"], row["sealed"], waiting["number"], waiting["oldest"])


async def note(connection: Connection, tenant: int, actor: str, operation: str, type_: str, id_: str, said: Mapping[str, Any]) -> None:
    """Put a row into the trail that is about no version of a resource."""
    await connection.execute(_SQL["note"], tenant, now(), by_whom(actor), operation, type_, id_, orjson.dumps(said, default=str).decode())


async def note_denial(pool: Queries, tenant: int, actor: str, said: Mapping[str, Any]) -> None:
    """Put a row into the trail about attempts that were denied."""
    await pool.execute(_SQL["note"], tenant, now(), by_whom(actor), DENIED, "", "", orjson.dumps(said).decode())


async def erase(connection: Connection, tenant: int, actor: str, id_: str, key: bytes, *, named: bool = False) -> int:
    """Destroy what is kept of a deleted resource beside the trail, and its values in the trail with their salts; what was erased is
    in the trail, too. Returns how many rows lost their values. `named` says that other resources named it, of which the trail may have
    no row any more.

    The trail's other rows, such as those of groups that it was in, have its id and no values of it. Raises ScimError 404 for an id that
    nothing is known of, 409 for a resource that is there.
    """

    async def work() -> int:
        async with connection.transaction():
            await hold(connection, tenant)
            await connection.execute(load("tombstones")["erase_references"], tenant, id_)
            buried = await connection.fetchrow(load("tombstones")["erase"], tenant, id_)
            known = await connection.fetchrow(_SQL["exists"], tenant, id_)
            assert known is not None
            if known["live"]:
                raise ScimError(Kind.CONFLICT, f"The resource {id_[:64]} is there: delete it before what is kept of it is erased")
            aside = _count(await connection.execute(_SQL["erase_aside"], tenant, id_))
            await connection.execute(_SQL["erase_answers"], tenant, id_)
            if not (known["known"] or buried is not None or aside or named):
                raise ScimError(Kind.NOT_FOUND, f"Nothing is known of a resource {id_[:64]}")
            type_ = known["type"] or (buried["type"] if buried is not None else "")
            await seal_all(connection, tenant, key)  # the digests first: they stay
            number = 0
            while erased := _count(await connection.execute(_SQL["erase"], tenant, id_, _ERASED)):
                number += erased
            await note(connection, tenant, actor, ERASE, type_, id_, {"rows": number})
            await seal_all(connection, tenant, key)  # so that the chain says why at every moment
        return number

    return await guarded(work)


async def telling_of(connection: Connection, tenant: int, id_: str, types: Sequence[str]) -> list[tuple[str, str]]:
    """The types and ids of resources, there or not, whose rows in the trail refer to the id."""
    return [(row["type"], row["id"]) for row in await connection.fetch(_SQL["telling_of"], tenant, id_, list(types))]


async def erase_values(connection: Connection, tenant: int, actor: str, resources: Iterable[tuple[str, str]], key: bytes) -> int:
    """Destroy the values in the trail of resources that stay, by type and id, in the transaction that takes somebody out of them. Returns
    how many rows lost theirs."""
    number = 0
    for type_, id_ in resources:
        await seal_all(connection, tenant, key)  # the digests first: they stay
        erased = 0
        while some := _count(await connection.execute(_SQL["erase"], tenant, id_, _ERASED)):
            erased += some
        await note(connection, tenant, actor, ERASE, type_, id_, {"rows": erased})
        number += erased
    return number


@dataclass(slots=True)
class Truncation:
    """How many rows and seals of a chain went."""

    rows: int = 0
    seals: int = field(default=0)


async def truncate(pool: Database, tenant: int, before: datetime, key: bytes, *, batch: int = _TRUNCATED) -> Truncation:
    """Let one batch of the seals made before a time go, with their rows. The chain says where it begins by then, and stays verifiable."""

    async def work() -> Truncation:
        async with pool.acquire() as connection, connection.transaction():
            await hold(connection, tenant)
            seals = [seal_of(row) for row in await connection.fetch(_SQL["outdated"], tenant, before, batch)]
            if not seals:
                return Truncation()
            last = seals[-1]
            await connection.execute(_SQL["note"], tenant, now(), by_whom("retention"), TRUNCATE, "", "", anchor(last))
            await seal_all(connection, tenant, key)
            seqs = [seq for one in seals for seq in one.seqs]
            await connection.execute(_SQL["drop_rows"], tenant, seqs)
            await connection.execute(_SQL["drop_seals"], tenant, last.number)
        return Truncation(len(seqs), len(seals))

    return await guarded(work)


async def retentions(pool: Queries) -> dict[int, int]:
    """For how many days each tenant that limits it keeps its trail; none where the database's role may not delete from it."""
    granted = await pool.fetchrow(load("checkup")["may_truncate"])
    if granted is None or not granted["granted"]:
        return {}
    return {row["tenant"]: row["days"] for row in await pool.fetch(_SQL["with_retention"])}


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
