"""What a database is made of, to be compared with another."""

from __future__ import annotations

from typing import Final

import asyncpg

#: Everything that makes up a schema, as rows that do not depend on object numbers or on the order of creation.
_DESCRIPTION: Final = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, co.collname,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum LEFT JOIN pg_collation co ON co.oid = a.attcollation
        WHERE n.nspname = 'public' AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
    "options": """
        SELECT relname, relkind::text, relpersistence::text, coalesce(reloptions::text, '') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace ORDER BY 1""",
    "functions": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
    "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
}


async def describe(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    """What the database at this URL is made of."""
    connection = await asyncpg.connect(dsn)
    try:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in _DESCRIPTION.items()}
    finally:
        await connection.close()
