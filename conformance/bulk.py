"""Bulk requests as checks write them: operations, results, and what they left behind."""

from __future__ import annotations

from typing import Any

from conformance.client import CORE_GROUP, ERROR, PATCH_OP, Json, Scim, ensure, equal, expect, rand

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


def operation(method: str, path: str, data: Json = None, bulk_id: str | None = None, **more: Json) -> dict[str, Json]:
    """An operation; members that are None are left out."""
    given = {"method": method, "path": path, "bulkId": bulk_id, "data": data} | more
    return {name: value for name, value in given.items() if value is not None}


def new_user(scim: Scim, bulk_id: str, **attributes: Json) -> dict[str, Json]:
    """The creation of a user with a fresh name."""
    return operation("POST", "/Users", scim.user_body(**attributes), bulk_id)


def new_group(bulk_id: str, *members: str, **attributes: Json) -> dict[str, Json]:
    """The creation of a group with these values of members."""
    body = {"schemas": [CORE_GROUP], "displayName": rand("group")} | attributes
    return operation("POST", "/Groups", body | {"members": [{"value": value} for value in members]} if members else body, bulk_id)


def change(path: str, *operations: Json, **more: Json) -> dict[str, Json]:
    """A PATCH with a whole PatchOp message as its data."""
    return operation("PATCH", path, {"schemas": [PATCH_OP], "Operations": list(operations)}, **more)


def send(scim: Scim, *operations: Json, **members: Any) -> Any:
    """Send the operations; what they created is deleted when the check ends. Skips where bulk is not supported."""
    scim.feature("bulk")
    response = scim.post("/Bulk", {"schemas": [BULK_REQUEST], "Operations": list(operations)} | members)
    if response.status_code == 200:
        for result in response.json().get("Operations", []):
            if result.get("method") == "POST" and result.get("location"):
                scim.created(result["location"])
    return response


def results(scim: Scim, *operations: Json, **members: Any) -> list[Json]:
    """The results of a request that is answered with 200."""
    found: list[Json] = expect(send(scim, *operations, **members), 200).json()["Operations"]
    return found


def statuses(found: list[Json]) -> list[str]:
    """The status of each result."""
    return [result.get("status") for result in found]


def failure(result: Json, *wanted: str) -> Json:
    """The Error message of a result with one of these statuses; fails the check unless it is a failure of that kind."""
    ensure(result.get("status") in wanted, f"status of an operation: expected {' or '.join(wanted)}, got {result.get('status')!r}")
    error = result.get("response")
    ensure(isinstance(error, dict), f"the failed operation has no response: {result}")
    equal(error.get("schemas"), [ERROR], "schemas of the failed operation's response")
    equal(error.get("status"), result["status"], "status in the failed operation's response")
    return error


def resource(scim: Scim, result: Json) -> Json:
    """The resource at a result's location."""
    ensure(result.get("location"), f"the result has no location: {result}")
    return scim.read(result["location"])


def member_ids(scim: Scim, result: Json) -> list[str]:
    """The values of the members of the group at a result's location, sorted."""
    return sorted(member["value"] for member in resource(scim, result).get("members") or [])
