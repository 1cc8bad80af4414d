"""A resource type that a tenant made, with the attributes of a user, and a tenant that made many schemas: defined through the API."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from bench.data import USER, user
from bench.world import FRESH, Target, ask_now, created

MACHINE: Final = "urn:example:params:scim:schemas:core:2.0:Machine"
_CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
_ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

#: A machine whose number is filled in by whoever sends it: what a user has.
BODY: Final = USER.replace(_CORE_USER.encode(), MACHINE.encode())

#: Where a user's values are indexed from the beginning, as `indexed` says it.
_INDEXED: Final = {"userName": "substring", "externalId": True, "displayName": "substring", "active": True}
_INDEXED_PARTS: Final = {("name", "familyName"), ("emails", "value")}

#: Machines that are made.
_NUMBER: Final = 2_000

#: Seconds after which their indexes are surely built; with few of them nothing is measured, so that nobody waits.
_BUILT: Final = 45.0
_FEW: Final = 200

#: Schemas of the tenant that made many, how many of them extend users, attributes of each, and its users.
SCHEMAS: Final = 50
EXTENSIONS: Final = 20
ATTRIBUTES: Final = 40
_WIDE_USERS: Final = 500


def machines(target: Target, most: int) -> list[str]:
    """The ids of as many machines as there are users in no group, at most so many; the type and they are made by whoever asks first,
    who also waits until the indexes are built: while they are, writes take locks."""
    if ask_now(target, target.request("GET", "/ResourceTypes/Machine")).status != 200:
        _define_machines(target)
        for number in range(min(most, _NUMBER)):
            body = user(number).replace(_CORE_USER.encode(), MACHINE.encode())
            created(ask_now(target, target.request("POST", "/Machines", body)))
        if most > _FEW:
            time.sleep(_BUILT)
    listed = ask_now(target, target.request("GET", "/Machines?attributes=id&count=1000"))
    return [one["id"] for one in json.loads(listed.body)["Resources"]][: len(target.others)]


def _define_machines(target: Target) -> None:
    """Define the type with the attributes of User, those apart that are derived."""
    schema = json.loads(ask_now(target, target.request("GET", f"/Schemas/{_CORE_USER}")).body)
    attributes = [_as_of_users(one) for one in schema["attributes"] if one["name"] != "groups"]
    _post(target, "/Schemas", {"id": MACHINE, "name": "Machine", "attributes": attributes})
    extension = {"schema": _ENTERPRISE, "required": False}
    _post(target, "/ResourceTypes", {"name": "Machine", "endpoint": "/Machines", "schema": MACHINE, "schemaExtensions": [extension]})


def _as_of_users(attribute: dict[str, Any]) -> dict[str, Any]:
    """The attribute with the index that users have on it."""
    made = dict(attribute)
    if made["name"] in _INDEXED:
        made["indexed"] = _INDEXED[made["name"]]
    if "subAttributes" in made:
        made["subAttributes"] = [
            sub | {"indexed": True} if (made["name"], sub["name"]) in _INDEXED_PARTS else sub for sub in made["subAttributes"]
        ]
    return made


def widen(target: Target) -> list[str]:
    """Give a tenant many schemas, some of which extend its users, and a few users; the ids of these."""
    urns = [f"urn:example:params:scim:schemas:extension:2.0:Wide{number}" for number in range(SCHEMAS)]
    for number, urn in enumerate(urns):
        attributes = [{"name": f"field{part}", "type": "string"} for part in range(ATTRIBUTES)]
        _post(target, "/Schemas", {"id": urn, "name": f"Wide {number}", "attributes": attributes})
    kind = json.loads(ask_now(target, target.request("GET", "/ResourceTypes/User")).body)
    kind["schemaExtensions"] += [{"schema": urn, "required": False} for urn in urns[:EXTENSIONS]]
    answer = ask_now(target, target.request("PUT", "/ResourceTypes/User", json.dumps(kind).encode()))
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} for an extension of users: {answer.body[:300]!r}")
    return [created(ask_now(target, target.request("POST", "/Users", user(FRESH // 2 + number))))["id"] for number in range(_WIDE_USERS)]


def _post(target: Target, path: str, body: dict[str, Any]) -> None:
    created(ask_now(target, target.request("POST", path, json.dumps(body).encode())))
