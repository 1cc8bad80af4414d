"""The users and the group that are measured on: neutral, equal for every server, each user about 0.7 kB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bench.client import NUMBER

_USER: Final = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "externalId": "ext-@NUMBER@",
    "userName": "ada.@NUMBER@@example.com",
    "name": {"givenName": "Ada", "familyName": "Lovelace @NUMBER@", "formatted": "Ada Lovelace @NUMBER@"},
    "displayName": "Ada Lovelace @NUMBER@",
    "nickName": "nick-@NUMBER@",
    "title": "Analyst",
    "active": True,
    "emails": [
        {"value": "ada.@NUMBER@@example.com", "type": "work", "primary": True},
        {"value": "ada.@NUMBER@@home.example.com", "type": "home"},
    ],
    "phoneNumbers": [{"value": "+1-555-@NUMBER@", "type": "work"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "@NUMBER@", "department": "Engines"},
}

#: A user whose number is filled in by whoever sends it.
USER: Final = json.dumps(_USER, separators=(",", ":")).encode()


def user(number: int) -> bytes:
    """The body that creates user `number`."""
    return USER.replace(NUMBER, b"%08d" % number)


def numbered_user(number: int) -> bytes:
    """The body of one of several users in a request whose number is filled in by whoever sends it."""
    return USER.replace(NUMBER, NUMBER + b"-%04d" % number)


def bulk(creations: Sequence[tuple[str, str, bytes]]) -> bytes:
    """A bulk request that creates at these endpoints, with these bulkIds, resources with these bodies."""
    operation = b'{"method":"POST","path":"%s","bulkId":"%s","data":%s}'
    operations = b",".join(operation % (path.encode(), bulk_id.encode(), body) for path, bulk_id, body in creations)
    return b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[%s]}' % operations


def user_name(number: int) -> str:
    """The userName of user `number`."""
    return f"ada.{number:08d}@example.com"


def group(members: Sequence[str]) -> bytes:
    """The body that creates the group with these members."""
    return json.dumps(
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            "displayName": "Engineers",
            "members": [{"value": id_} for id_ in members],
        },
        separators=(",", ":"),
    ).encode()


def patch(operation: str, path: str, value: object = None) -> bytes:
    """A PatchOp message with one operation."""
    step = {"op": operation, "path": path} | ({} if value is None else {"value": value})
    return json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [step]}, separators=(",", ":")).encode()
