"""A tenant's policy document: read, and written as a new version that every server sees within a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import orjson

from scimsrv.schema.policy import Policy, parse_policy
from scimsrv.store.connection import Connection
from scimsrv.store.identity import load_catalog
from scimsrv.store.queries import load

_SQL = load("policy")

#: Switches that resources rest on, and the core resource type whose resources they concern (None: every type). They can be turned on
#: only as long as there are none: those that are there have no keys by which two of the same could be found.
_RESTING: Final[dict[str, str | None]] = {"unique_group_names": "Group", "unique_external_ids": None}


class PolicyError(Exception):
    """The document is no policy; the message names the switch."""


class PolicyConflict(PolicyError):  # noqa: N818 - a kind of PolicyError
    """The policy cannot be that of this tenant as it is; the message says why."""


class PolicyChanged(PolicyError):  # noqa: N818 - a kind of PolicyError
    """The policy has another version than was demanded."""


async def read_policy(connection: Connection, tenant: int, *, lock: bool = False) -> tuple[dict[str, Any], int]:
    """The tenant's policy document as it was given, and its version; with `lock` it stays so until the transaction ends."""
    row = await connection.fetchrow(_SQL["lock" if lock else "read"], tenant)
    if row is None:
        raise LookupError(f"tenant {tenant} has no policy")
    return orjson.loads(row["policy"]), row["version"]


async def write_policy(
    connection: Connection,
    tenant: int,
    actor: str,
    document: Mapping[str, Any],
    if_match: frozenset[int] | None = None,
    *,
    merge: bool = False,
) -> tuple[dict[str, Any], int]:
    """Store a policy document, or with `merge` the changes of a JSON merge patch (RFC 7396), and return document and version.

    One transaction: the version is raised, the tenant's revision too, and the change is noted with old and new value of each switch.
    A document that changes nothing is not stored. Raises PolicyError for what is no policy, PolicyConflict for a switch that the
    tenant's resources do not permit, PolicyChanged when the version is none of `if_match` (None: whatever it is).
    """
    async with connection.transaction():
        before, version = await read_policy(connection, tenant, lock=True)
        if if_match is not None and version not in if_match:
            raise PolicyChanged(f"The policy has version {version}.")
        after = merged(before, document) if merge else dict(document)
        try:
            policy = parse_policy(after)
        except ValueError as wrong:
            raise PolicyError(f"{wrong}.") from wrong
        if after == before:
            return before, version
        await _check(connection, tenant, parse_policy(before), policy)
        diff = {name: [before.get(name), after.get(name)] for name in sorted({*before, *after}) if before.get(name) != after.get(name)}
        written = await connection.fetchrow(_SQL["write"], tenant, _json(after), actor, list(diff), _json(diff))
    assert written is not None, "the row is locked"
    return after, written["version"]


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The document after a JSON merge patch (RFC 7396 §2): null takes a member away. Policies have no members with members."""
    return {name: value for name, value in {**document, **patch}.items() if value is not None}


async def _check(connection: Connection, tenant: int, before: Policy, after: Policy) -> None:
    turned_on = {name for name, on in asdict(after).items() if on is True and getattr(before, name) is not True}
    for name in sorted(turned_on & _RESTING.keys()):
        _, catalog = await load_catalog(connection, tenant)
        types = [one.name for one in catalog.types() if _RESTING[name] in (None, one.name)]
        row = await connection.fetchrow(_SQL["count"], tenant, types)
        if row is not None and row["resources"]:
            raise PolicyConflict(
                f"{name} can be turned on only as long as there are no resources that it concerns; there are {row['resources']}."
            )


def _json(document: Mapping[str, Any]) -> str:
    return orjson.dumps(document).decode()
