"""The log of a tenant's recent requests: written behind them, a batch a row, read by its operator, and kept within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from scimsrv.activity.clients import OTHER, client_of
from scimsrv.activity.entry import Entry
from scimsrv.filter.bind import bind
from scimsrv.filter.tree import Compare, Name
from scimsrv.protocol.plan import Query, Target
from scimsrv.schema.policy import Policy
from scimsrv.schema.project import EVERYTHING, view
from scimsrv.schema.semantics import Op
from scimsrv.store.connection import Connection
from scimsrv.store.consequences import may_have_changed, told
from scimsrv.store.failure import guarded
from scimsrv.store.pool import Database, Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import Scope, now
from scimsrv.store.search import search

_SQL = load("activity")

_DEFAULT: Final = Policy()
_NEWEST: Final = 2**63 - 1
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Days that are more than there are.
_FOR_EVER: Final = 100_000

#: Entries that one statement writes at most, rows that one removes, and the least number of entries written between two times of trimming.
MOST: Final = 500
_BATCH: Final = 1_000
_TRIMMED: Final = 200

#: Rows that are read at once, and the least number of entries for which changes are sought at once.
_ROWS: Final = 20
_PART: Final = 200

#: Days for which entries in the form of the schema 15 stay where a tenant's do not become too old.
_FORMER: Final = 90

#: The words for what became of a request that was not done as it was sent.
REFUSED: Final = ("conflict", "invalid", "notfound", "precondition", "denied", "throttled", "unavailable")


@dataclass(frozen=True, slots=True)
class Log:
    """A tenant's log: how many entries of a kind are kept, and for how many days (0: without regard to their age)."""

    tenant: int
    rows: int
    days: int


class Drafted(NamedTuple):
    """An entry to be written: when its request arrived, in seconds since 1970, whether it succeeded and changed nothing, and a JSON object:
    `Entry` without its number and what the change says; `at` as here, `version` that of the answer."""

    at: float
    reads: bool
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: numbered between `after` and `before`, about the resource `user` or with it as a member that came or went, about the
    resource `group`, of the request with this id, with this result, from `since` until before `until`. None: any."""

    before: int | None = None
    after: int = 0
    user: str | None = None
    group: str | None = None
    request: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def logs_of(pool: Queries, slugs: Iterable[str]) -> dict[str, Log]:
    """The logs of the tenants with these slugs, of those that exist."""
    rows = await guarded(lambda: pool.fetch(_SQL["settings"], list(slugs), _DEFAULT.activity_rows, _DEFAULT.activity_days))
    return {row["slug"]: Log(row["id"], row["rows"], row["days"]) for row in rows}


async def every_log(pool: Queries) -> list[Log]:
    """The logs of all tenants that have one."""
    return [Log(**row) for row in await guarded(lambda: pool.fetch(_SQL["with_log"], _DEFAULT.activity_rows, _DEFAULT.activity_days))]


async def add(pool: Queries, log: Log, entries: Sequence[Drafted]) -> bool:
    """Write entries in the order of their requests, `MOST` at once. Returns whether the log is to be trimmed: the one who writes the last
    of as many as it keeps is told so, whoever wrote the others."""
    texts: tuple[list[str], list[str]] = ([], [])
    for place, one in enumerate(entries, 1):
        texts[one.reads].append(f'{{"place":{place},{one.text[1:]}')
    newest, oldest = max(one.at for one in entries), min(one.at for one in entries)
    row = await guarded(lambda: pool.fetchrow(_SQL["add"], log.tenant, len(entries), *texts, newest, oldest))
    assert row is not None
    last, step = int(row["last"]), max(_TRIMMED, log.rows)
    return last // step > (last - len(entries)) // step


async def trim(pool: Database, log: Log) -> None:
    """Remove the entries that are too many or too old, while nobody else writes or erases any."""

    async def work() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["hold"], log.tenant)
            while await _dropped(connection, "drop", log.tenant, log.rows, log.days or _FOR_EVER):
                continue
            await connection.execute(_SQL["cut"], log.tenant, log.rows)

    await guarded(work)


async def sweep(pool: Database, log: Log) -> None:
    """Remove what is too much or too old, if there is any, also of what servers of the version before wrote."""
    row = await guarded(lambda: pool.fetchrow(_SQL["due"], log.tenant, log.rows, log.days or _FOR_EVER))
    assert row is not None
    if row["due"]:
        await trim(pool, log)
    if row["former"]:
        await trim_former(pool, log)


async def trim_former(pool: Queries, log: Log) -> None:
    """Remove what servers of the version before wrote and is too old."""
    while await _dropped(pool, "drop_former", log.tenant, log.days or _FORMER):
        continue


async def _dropped(pool: Queries | Connection, name: str, tenant: int, *which: int) -> bool:
    """Whether as many went as may go at once, so that there may be more."""
    tag = await guarded(lambda: pool.execute(_SQL[name], tenant, *which, _BATCH))
    return int(tag.rsplit(" ", 1)[1]) == _BATCH


async def erase(connection: Connection, tenant: int, id_: str) -> None:
    """Remove everything about a resource, and keep out what is on its way; in the transaction that erases it."""
    await connection.execute(_SQL["bar"], tenant, id_)
    await connection.execute(_SQL["erase"], tenant, id_)
    await connection.execute(_SQL["erase_former"], tenant, id_)
    await connection.execute(_SQL["erase_former_member"], tenant, id_)


async def list_entries(
    connection: Queries | Connection, tenant: int, wanted: Wanted, count: int, *, days: int, oldest: bool
) -> list[Entry]:
    """The entries that are wanted and not older than `days`: so many of the newest, newest first, or of the oldest, oldest first."""
    since = max(now() - timedelta(days=days) if days else _LONG_AGO, wanted.since or _LONG_AGO)
    before, after = _NEWEST if wanted.before is None else wanted.before, wanted.after
    found: list[Entry] = []
    while len(found) < count:
        rows = await connection.fetch(_SQL["following" if oldest else "list"], tenant, before, after, since, _ROWS)
        drafts = [one for row in rows for one in _drafts(row, oldest=oldest) if _fits(one, wanted, since)]
        while drafts and len(found) < count:
            part, drafts = drafts[: max(count - len(found), _PART)], drafts[max(count - len(found), _PART) :]
            found += [one for one in await told(connection, tenant, part) if wanted.user is None or _concerns(one, wanted.user)]
        if len(rows) < _ROWS:
            break
        before, after = (before, rows[-1]["last"]) if oldest else (rows[-1]["base"] + 1, after)
    return found[:count]


def _drafts(row: Any, *, oldest: bool) -> list[dict[str, Any]]:
    """The entries of a row, in order, with their numbers."""
    drafts: list[dict[str, Any]] = [orjson.loads(one) for one in (*row["entries"], *row["reads"])]
    for one in drafts:
        one["number"] = row["base"] + one.pop("place")
    return sorted(drafts, key=itemgetter("number"), reverse=not oldest)


def _fits(draft: Mapping[str, Any], wanted: Wanted, since: datetime) -> bool:
    """Whether what is stored of it is wanted. Who is concerned as a member is known only when the change is."""
    number, at, resource, result = draft["number"], draft["at"], draft.get("resource"), draft["result"]
    return (
        wanted.after < number < (_NEWEST if wanted.before is None else wanted.before)
        and at >= since.timestamp()
        and (wanted.until is None or at < wanted.until.timestamp())
        and (wanted.request is None or draft["request_id"] == wanted.request)
        and (wanted.outcome is None or (result in REFUSED if wanted.outcome == "refused" else result == wanted.outcome))
        and (wanted.group is None or resource == wanted.group)
        and (wanted.user is None or resource == wanted.user or may_have_changed(draft))
    )


def _concerns(entry: Entry, id_: str) -> bool:
    return entry.resource == id_ or id_ in entry.added or id_ in entry.removed


async def last(connection: Queries | Connection, tenant: int) -> int:
    """The number of the tenant's last entry, 0 before the first."""
    row = await connection.fetchrow(_SQL["last"], tenant)
    return 0 if row is None else int(row["last"])


async def names_of(connection: Queries | Connection, tenant: int, ids: Iterable[str]) -> dict[str, str]:
    """What resources are called, by id: those that are there, or are deleted and can be brought back."""
    rows = await connection.fetch(_SQL["names"], tenant, sorted(set(ids)))
    return {row["id"]: row["name"] for row in rows if row["name"]}


async def labels_of(connection: Queries | Connection, tenant: int, tokens: Iterable[str]) -> dict[str, str]:
    """What credentials are called, by their short ids."""
    return {row["kid"]: row["label"] for row in await connection.fetch(_SQL["labels"], tenant, sorted(set(tokens)))}


async def id_of(scope: Scope, type_name: str, attribute: str, text: str) -> str:
    """The id of the resource that a text names: by this attribute, or else by its id."""
    schema = scope.catalog.by_name.get(type_name)
    if schema is None:
        return text
    # The text is a value of the tree and never part of one that is parsed.
    bound = bind(Compare(Name(attribute, 0), Op.EQ, text, 0), schema, attribute, unknown_matches_nothing=True)
    page = await search(scope, Query((Target(schema, bound, None, view(EVERYTHING, schema)),), descending=False, start=1, count=1))
    return page.rows[0][0].id if page.rows else text


def client_called(client: str, label: str) -> str:
    """The client's word: the one that it called itself by, else the one that its token's label has."""
    return client_of(label) if client == OTHER else client
