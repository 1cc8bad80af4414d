"""The trail as others read it: JSON Lines of its own, and events of the Open Cybersecurity Schema Framework (OCSF 1.3)."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

import orjson

from scimsrv.audit.chain import Row

JSON_LINES: Final = "jsonl"
OCSF: Final = "ocsf"

FORMATS: Final = (JSON_LINES, OCSF)
"""The forms of an export."""

LINES: Final = "application/x-ndjson"
"""The media type of both."""

#: OCSF's classes Entity Management (category Identity & Access Management) and API Activity (category Application Activity).
_ENTITY: Final = (3, 3004, "Entity Management")
_API: Final = (6, 6003, "API Activity")

#: OCSF's activities of both classes.
_ACTIVITIES: Final = {"create": (1, "Create"), "restore": (1, "Create"), "update": (3, "Update"), "delete": (4, "Delete")}
_OTHER: Final = (99, "Other")

#: The operation of rows about what was refused.
DENIED: Final = "denied"


def line(slug: str, position: int, row: Row, digest: bytes, hash_: bytes, form: str) -> bytes:
    """A row of the export, with its line feed: its place in the chain is `position`, its hash `hash_`."""
    made = _event(slug, position, row, hash_) if form == OCSF else _row(slug, position, row, digest, hash_)
    return orjson.dumps(made, option=orjson.OPT_APPEND_NEWLINE)


def _row(slug: str, position: int, row: Row, digest: bytes, hash_: bytes) -> dict[str, Any]:
    """All that the hash covers, and what the digest does, so that whoever has the export can verify it."""
    return {
        **({} if row.origin is None else {"origin": list(row.origin)}),
        "tenant": slug,
        "position": position,
        "seq": row.seq,
        "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": row.actor,
        "operation": row.operation,
        "type": row.type,
        "id": row.id,
        "version": row.version,
        "attributes": list(row.attributes),
        "coercions": None if row.coercions is None else list(row.coercions),
        "diff": row.diff,
        "content": row.content,
        "salt": None if row.salt is None else row.salt.hex(),
        "digest": digest.hex(),
        "hash": hash_.hex(),
    }


def _event(slug: str, position: int, row: Row, hash_: bytes) -> dict[str, Any]:
    denied = row.operation == DENIED
    category, class_, name = _API if denied else _ENTITY
    activity, activity_name = _ACTIVITIES.get(row.operation, _OTHER)
    diff = None if row.diff is None else orjson.loads(row.diff)
    event: dict[str, Any] = {
        "category_uid": category,
        "class_uid": class_,
        "class_name": name,
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": class_ * 100 + activity,
        "severity_id": 2 if denied else 1,
        "status_id": 2 if denied else 1,
        "time": round(row.at.timestamp() * 1000),
        "actor": {"user": {"type_id": 3, "type": "System", "uid": row.actor or "unknown"}},
        "metadata": {
            "version": "1.3.0",
            "product": {"name": "scimsrv", "vendor_name": "scimsrv"},
            "tenant_uid": slug,
            "uid": f"{slug}-{position}",
            "sequence": position,
        },
        "unmapped": {"hash": hash_.hex(), "operation": row.operation, "version": row.version, "coercions": row.coercions or []},
    }
    if denied:
        said = diff if isinstance(diff, dict) else {}
        event["api"] = {"operation": said.get("method", ""), "response": {"code": said.get("status", 0), "message": said.get("reason", "")}}
        event["count"] = said.get("count", 1)
        event["src_endpoint"] = {"ip": said.get("source", "")}
        return event
    if row.origin is not None:
        event["metadata"]["correlation_uid"], event["src_endpoint"] = row.origin[0], {"ip": row.origin[1]}
    event["entity"] = {"type": row.type, "uid": row.id, "version": str(row.version)}
    if row.attributes:
        event["comment"] = f"changed: {', '.join(row.attributes)}"
    content = None if row.content is None else orjson.loads(row.content)
    if content is not None or diff is not None:
        event["unmapped"]["content"] = content if content is not None else diff
    return event
