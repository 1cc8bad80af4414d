"""Looks for half of an operation in the tables of a tenant: rows that contradict each other, whatever the clients were told."""

from __future__ import annotations

from typing import Any, Final

_CHECKS: Final[dict[str, str]] = {
    "a unique key without its resource": """
        SELECT k.id FROM unique_key k WHERE k.tenant = $1
        AND NOT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = k.id AND r.type = k.type)""",
    "a user without a unique key": """
        SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.type = 'User'
        AND NOT EXISTS (SELECT FROM unique_key k WHERE k.tenant = $1 AND k.id = r.id AND k.attribute = 'username')""",
    "an index key without its resource": """
        SELECT k.id FROM resource_key k WHERE k.tenant = $1
        AND NOT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = k.id)""",
    "a membership without its group or its member": """
        SELECT f.source || ' of ' || f.target FROM reference f WHERE f.tenant = $1
        AND NOT EXISTS (SELECT FROM erasure e WHERE e.tenant = $1 AND e.id IN (f.source, f.target))
        AND (NOT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = f.source)
             OR NOT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = f.target))""",
    "a secret without its resource": """
        SELECT s.id FROM secret s WHERE s.tenant = $1
        AND NOT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = s.id)""",
    "a version without its change, or a change without its version": """
        SELECT r.id || ' at ' || r.version || ' with ' || count(c.seq) FROM resource r
        LEFT JOIN change c ON c.tenant = $1 AND c.id = r.id
        WHERE r.tenant = $1 GROUP BY r.id, r.version HAVING count(c.seq) <> r.version""",
    "a number of resources that is wrong": """
        SELECT n.type || ' counted ' || n.kept || ', found ' || coalesce(f.there, 0)
        FROM (SELECT type, sum(resources) AS kept FROM resource_count WHERE tenant = $1 GROUP BY type) n
        LEFT JOIN (SELECT type, count(*) AS there FROM resource WHERE tenant = $1 GROUP BY type) f USING (type)
        WHERE n.kept <> coalesce(f.there, 0)""",
}


async def check(connection: Any, tenant: int) -> list[str]:
    """What is wrong, at most five of a kind."""
    found = []
    for what, statement in _CHECKS.items():
        rows = await connection.fetch(f"{statement} LIMIT 5", tenant)
        found += [f"{what}: {row[0]}" for row in rows]
    return found
