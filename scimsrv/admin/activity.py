"""The administrator's verbs on the recent requests of a tenant's clients: entries as they are stored, told in sentences when read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from scimsrv.activity.clients import NAMES
from scimsrv.activity.entry import Entry
from scimsrv.activity.sentences import sentence
from scimsrv.admin import activity_models
from scimsrv.admin.acting import Acting
from scimsrv.limits import DEFAULT
from scimsrv.store import activity
from scimsrv.store.identity import load_catalog
from scimsrv.store.pool import Queries
from scimsrv.store.scope import Scope
from scimsrv.store.single import Single

#: Seconds between two looks for new entries, and how many are taken at once.
_LOOK: Final = 1.0
_BATCH: Final = 200

_NOBODY: Final = "Somebody"

#: What an entry's number looks like.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class RecentActivity(Acting):
    """Verbs about what clients did."""

    async def list_activity(self, slug: str, page: activity_models.ActivityPage) -> activity_models.ActivityList:
        """What the tenant's clients did lately. Raises TenantMissing."""
        key = await self._key(slug)
        wanted, days = await self._wanted(key, slug, page)
        found = await activity.list_entries(self._connection, key, replace(wanted, before=page.before), page.count, days=days, oldest=False)
        shown = await _told(Single(self._connection), key, found)
        return activity_models.ActivityList(activity=shown, next=found[-1].number if len(found) == page.count else None)

    async def follow_activity(
        self, slug: str, asked: activity_models.ActivityFollow, last_event: str | None = None, pool: Queries | None = None
    ) -> AsyncIterator[activity_models.Activity | None]:
        """What they do from now on, or from behind an entry, from `pool`, which is asked in between; None after each look. Raises
        TenantMissing."""
        key = await self._key(slug)
        wanted, days = await self._wanted(key, slug, asked)
        queries: Queries = Single(self._connection) if pool is None else pool
        # On the connection that is held: whoever holds one and waits for another keeps all others waiting.
        last = await activity.last(Single(self._connection), key)
        seen_last = int(last_event) if last_event is not None and _NUMBER.fullmatch(last_event) else None
        after = asked.after if seen_last is None or seen_last > last else seen_last
        # A number that no entry has yet is from before the database was restored: what comes next has a lower one.
        start = last if after is None else min(after, last)

        async def entries() -> AsyncIterator[activity_models.Activity | None]:
            place = start
            while True:
                # Whatever has a number up to the last one can be seen by now: what is not found among it is not looked through again.
                seen = await activity.last(queries, key)
                found = await activity.list_entries(queries, key, replace(wanted, after=place), _BATCH, days=days, oldest=True)
                for one in await _told(queries, key, found):
                    yield one
                place = max(place, found[-1].number if found else 0, seen if len(found) < _BATCH else 0)
                if len(found) < _BATCH:
                    yield None
                    await asyncio.sleep(_LOOK)

        return entries()

    async def _wanted(self, key: int, slug: str, asked: activity_models.ActivityFilter) -> tuple[activity.Wanted, int]:
        """What is asked for, with ids in the place of names, and for how many days the tenant keeps entries."""
        _, catalog = await load_catalog(self._connection, key)
        scope = Scope(Single(self._connection), key, catalog, self._url(slug), self._actor, DEFAULT)
        wanted = activity.Wanted(
            user=asked.user and await activity.id_of(scope, "User", "userName", asked.user),
            group=asked.group and await activity.id_of(scope, "Group", "displayName", asked.group),
            request=asked.request,
            outcome=asked.outcome,
            since=asked.since,
            until=asked.until,
        )
        # An entry that is older than the trail would seem to have changed nothing.
        kept = (catalog.policy.activity_days, catalog.policy.audit_days)
        return wanted, min(filter(None, kept), default=0)


async def _told(queries: Queries, tenant: int, entries: Sequence[Entry]) -> list[activity_models.Activity]:
    """The entries with what resources and credentials are called now."""
    if not entries:
        return []
    ids = {id_ for one in entries for id_ in (one.resource, *one.added, *one.removed) if id_ is not None}
    names = await activity.names_of(queries, tenant, ids)
    labels = await activity.labels_of(queries, tenant, {one.token for one in entries if one.token is not None})
    return [_shown(one, names, labels.get(one.token or "")) for one in entries]


def _shown(entry: Entry, names: dict[str, str], label: str | None) -> activity_models.Activity:
    def party(id_: str) -> activity_models.Party:
        return activity_models.Party(id=id_, name=names.get(id_))

    client = activity.client_called(entry.client, label or "")
    who = NAMES.get(client) or label or entry.token or _NOBODY
    error = change = None
    if entry.detail is not None:
        error = activity_models.ActivityError(status=entry.status, scim_type=entry.scim_type, detail=entry.detail)
    if entry.changed is not None and entry.version is not None:
        change = activity_models.ActivityChange(
            operation=entry.changed,
            version=entry.version,
            attributes=list(entry.attributes),
            active=entry.active,
            added=[party(id_) for id_ in entry.added],
            removed=[party(id_) for id_ in entry.removed],
            added_in_all=entry.number_added,
            removed_in_all=entry.number_removed,
        )
    return activity_models.Activity(
        number=entry.number,
        at=entry.at,
        sentence=sentence(entry, who, names),
        request_id=entry.request_id,
        client_request_id=entry.correlation,
        operation=entry.operation,
        client=client,
        token=entry.token,
        label=label,
        method=entry.method,
        route=entry.route,
        op=entry.op,
        type=entry.type,
        resource=None if entry.resource is None else party(entry.resource),
        status=entry.status,
        outcome=entry.result,
        reason=entry.reason,
        error=error,
        coercions=list(entry.coercions),
        change=change,
        milliseconds=round(entry.milliseconds, 2),
    )
