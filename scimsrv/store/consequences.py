"""What the requests of the log led to, read from the trail when the log is: entries as they are stored become whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final

from scimsrv.activity.entry import Entry
from scimsrv.store.connection import Connection
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("activity")

#: What is stored of an entry, and what one has that led to no change.
_STORED: Final = (
    *("number", "request_id", "correlation", "operation", "token", "client", "method", "route", "op", "type", "resource", "status"),
    *("result", "reason", "scim_type", "detail", "milliseconds"),
)
_UNCHANGED: Final = dict[str, Any](
    changed=None, attributes=(), coercions=(), active=None, added=(), removed=(), number_added=0, number_removed=0
)

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Seconds by which times that were rounded may differ.
_CLOCK: Final = 0.001


def may_have_changed(draft: Mapping[str, Any]) -> bool:
    """Whether the request of a stored entry may have led to a change."""
    return draft["status"] < 400 and not draft.get("reads") and not draft.get("later") and "resource" in draft and "token" in draft


async def told(connection: Queries | Connection, tenant: int, drafts: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The entries with the changes that they led to: each made to the resource by the same request, or, where none is known, by the same
    credential while the request was served. Of a resource that was erased since there is none: one that came late was written still."""
    named = [one for one in drafts if "resource" in one]
    changes: dict[str, list[Any]] = {}
    erased: dict[str, datetime] = {}
    if named:
        first, last = min(one["at"] for one in named) - _CLOCK, max(_ended(one) for one in named)
        ids = sorted({one["resource"] for one in named})
        for row in await connection.fetch(_SQL["changes"], tenant, ids, _time(first), _time(last)):
            if row["operation"] == "erase":
                erased[row["id"]] = row["at"]
            else:
                changes.setdefault(row["id"], []).append(row)
        drafts = [one for one in drafts if "resource" not in one or erased.get(one["resource"], _LONG_AGO) < _time(one["at"])]
    made: dict[int, Any] = {}
    for one in sorted(filter(may_have_changed, drafts), key=itemgetter("number")):
        found = _change_of(one, changes.get(one["resource"], []))
        if found is not None:
            made[one["number"]] = found
            if "operation" in one:  # what the next one of the request led to is another one
                changes[one["resource"]].remove(found)
    values = await _values(connection, tenant, [one["seq"] for one in made.values() if {"members", "active"} & set(one["attributes"])])
    return [_entry(one, made.get(one["number"]), values) for one in drafts]


def _change_of(draft: Mapping[str, Any], changes: Sequence[Any]) -> Any:
    """The last of the changes that fits, None where none does."""
    first, last, version = _time(draft["at"] - _CLOCK), _time(_ended(draft)), draft.get("version")
    request = draft.get("cause", draft["request_id"])
    for one in reversed(changes):
        fits = one["token"] == draft["token"] and first <= one["at"] <= last and version in (None, one["version"])
        if fits and one["request"] in (None, request):
            return one
    return None


async def _values(connection: Queries | Connection, tenant: int, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What changes did to `active` and to members, by number of the change, without members that were erased since."""
    if not seqs:
        return {}
    rows = [dict(row) for row in await connection.fetch(_SQL["values"], tenant, seqs)]
    named = sorted({id_ for row in rows for id_ in (*row["added"], *row["removed"])})
    erased = {row["id"]: row["seq"] for row in await connection.fetch(_SQL["erased"], tenant, named)} if named else {}
    for row in rows:
        for way in ("added", "removed"):
            row[way] = [id_ for id_ in row[way] if erased.get(id_, 0) < row["seq"]]
    return {row.pop("seq"): row for row in rows}


def _entry(draft: Mapping[str, Any], made: Any, values: Mapping[int, Mapping[str, Any]]) -> Entry:
    given: dict[str, Any] = {name: draft.get(name) for name in _STORED} | {"at": _time(draft["at"])}
    if made is None:
        return Entry(**given, version=None, later=draft.get("later", False), **_UNCHANGED)
    given["type"] = made["type"]
    said = {"changed": made["operation"], "attributes": made["attributes"], "coercions": made["coercions"]}
    return Entry(**given, version=made["version"], **(_UNCHANGED | said | dict(values.get(made["seq"], {}))))


def _ended(draft: Mapping[str, Any]) -> float:
    """When the request was answered, in seconds since 1970."""
    return float(draft["at"] + draft["milliseconds"] / 1000)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
