"""On Citus every statement of a tenant goes to one shard: sql/distribute.sql knows every table, and no statement asks for more."""

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg
import pytest

from scimsrv.store.queries import all_files, load
from tests.recorder import EXCEPTIONS
from tests.routing import EVERY_NODE, KNOWN, misrouted, tables
from tests.statements import TENANT_TABLES
from tests.store.support import sample_catalog, scope_on
from tests.store.test_statements import _every_kind, _texts

#: Tables that stay on the coordinator, where migrations and administrators' work are done.
COORDINATOR: Final = frozenset({"schema_migration", "schema_state", "migration_lock", "admin_credential", "admin_change"})

_ABOUT_THE_SERVER: Final = {"migration", "checkup", "isolation"}
_NAMED: Final = [(file, name) for file in all_files() if file not in _ABOUT_THE_SERVER for name in load(file)]


async def test_every_table_has_its_place(database: str) -> None:
    """Each table of the catalogue is distributed by its tenant, whole on every node, or one of the few of the coordinator."""
    connection = await asyncpg.connect(database)
    try:
        columns = await connection.fetch(
            "SELECT c.relname::text AS name, coalesce(array_agg(a.attname::text) FILTER (WHERE a.attname = 'tenant'), '{}') AS tenant"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY c.relname"
        )
        keys = await connection.fetch(
            "SELECT i.indrelid::regclass::text AS name, a.attname::text AS first FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indisunique"
        )
        refers = await connection.fetch(
            "SELECT conrelid::regclass::text AS source, confrelid::regclass::text AS target, conkey[1] AS first, a.attname::text AS column"
            " FROM pg_constraint JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1] WHERE contype = 'f'"
        )
    finally:
        await connection.close()
    found = {row["name"] for row in columns}
    assert found == {*KNOWN.distributed, *KNOWN.references, *COORDINATOR}
    assert {row["name"] for row in columns if not row["tenant"]} == {"tenant", *COORDINATOR}
    assert set(KNOWN.distributed) | set(KNOWN.references) == TENANT_TABLES.keys()
    assert set(KNOWN.distributed.values()) == {"tenant"}
    # Citus refuses a unique key that does not hold the tenant; the shards of a tenant lie where those of its resources do.
    assert {row["name"] for row in keys if row["first"] != "tenant"} <= {*KNOWN.references, *COORDINATOR}
    assert set(KNOWN.colocated.values()) == {"resource"}
    order = [*KNOWN.references, *KNOWN.distributed]
    for row in refers:
        assert order.index(row["target"]) < order.index(row["source"]), row
        assert row["target"] in KNOWN.references or (row["source"] in KNOWN.distributed and row["column"] == "tenant"), row


def test_every_named_statement_goes_to_one_shard() -> None:
    """Each place where a distributed table is named is tied to $1, but in the statements that may ask every node, which have to."""
    assert {one for one in _NAMED if misrouted(str(load(one[0])[one[1]]), KNOWN)} == EVERY_NODE
    assert {(file, name) for file, names in EXCEPTIONS.items() for name in names} >= EVERY_NODE


@pytest.mark.parametrize("catalog", [sample_catalog, _every_kind])
def test_every_composed_statement_goes_to_one_shard(catalog: Any) -> None:
    """Searches and reads with every filter, order and projection, of attributes of every type."""
    distinct = {text for text, _ in _texts(scope_on(None, catalog()))}
    assert len(distinct) > 200
    for text in distinct:
        assert misrouted(text, KNOWN) == [], text
        assert tables(text) & KNOWN.distributed.keys()


@pytest.mark.parametrize(
    ("text", "routed"),
    [
        ("SELECT id FROM resource WHERE tenant = $1", True),
        ("SELECT id FROM resource WHERE tenant = $2", False),
        ("SELECT id FROM resource WHERE tenant = $1 OR id = $2", False),
        ("SELECT id FROM resource WHERE tenant >= $1", False),
        ("SELECT id FROM resource WHERE tenant = ANY ($1)", False),
        ("SELECT id FROM resource r WHERE NOT (r.tenant = $1)", False),
        ("SELECT id FROM tenant WHERE slug = $1", True),
        ("SELECT r.id FROM tenant t JOIN resource r ON r.tenant = t.id WHERE t.id = $1", True),
        ("SELECT r.id FROM tenant t JOIN resource r ON r.tenant = t.id WHERE t.slug = $1", False),
        ("SELECT r.id FROM resource r JOIN reference f ON f.source = r.id WHERE r.tenant = $1", False),
        ("SELECT r.id FROM resource r LEFT JOIN reference f ON f.tenant = r.tenant WHERE r.tenant = $1", True),
        ("SELECT r.id FROM resource r LEFT JOIN reference f ON r.tenant = $1 AND f.tenant = $1", False),
        ("SELECT r.id FROM resource r, LATERAL (SELECT FROM reference f WHERE f.tenant = r.tenant) s WHERE r.tenant = $1", True),
        ("SELECT r.id FROM resource r, LATERAL (SELECT FROM reference f WHERE f.target = r.id) s WHERE r.tenant = $1", False),
        ("SELECT id FROM resource WHERE tenant = $1 AND EXISTS (SELECT FROM reference f WHERE f.target = resource.id)", False),
        ("SELECT id FROM resource WHERE tenant = $1 UNION ALL SELECT id FROM erasure", False),
        ("WITH reference AS (SELECT $2 AS id) SELECT r.id FROM resource r JOIN reference f ON f.id = r.id WHERE r.tenant = $1", True),
        ("WITH gone AS (DELETE FROM reference RETURNING source) SELECT r.id FROM resource r WHERE r.tenant = $1", False),
        ("INSERT INTO erasure (tenant, id, at) VALUES ($1, $2, now())", True),
        ("INSERT INTO erasure (tenant, id, at) VALUES ($1, $2, now()), ($3, $2, now())", False),
        ("INSERT INTO erasure (tenant, id, at) SELECT $1, id, now() FROM resource WHERE tenant = $1", True),
        ("INSERT INTO erasure (tenant, id, at) SELECT tenant, id, now() FROM resource WHERE tenant = $1", False),
        ("UPDATE resource SET version = 2 WHERE tenant = $1", True),
        ("UPDATE resource r SET version = 2 FROM reference f WHERE r.tenant = $1 AND f.source = r.id", False),
        ("DELETE FROM reference f USING resource r WHERE r.tenant = $1 AND f.tenant = r.tenant", True),
        ("UPDATE tenant SET revision = revision + 1 WHERE id = $1", True),
        ("WITH up AS (UPDATE tenant SET revision = 2 WHERE id = $1) DELETE FROM erasure WHERE tenant = $1", False),
    ],
)
def test_the_check_of_routes(text: str, routed: bool) -> None:
    """What goes to one shard and what does not."""
    assert (misrouted(text, KNOWN) == []) is routed


def test_a_statement_without_one_of_its_ties_is_refused() -> None:
    """The check sees each tie: take out any single one of a distributed table, and it objects."""
    taken = 0
    for file, name in _NAMED:
        text = str(load(file)[name])
        for found in [] if (file, name) in EVERY_NODE else list(re.finditer(r"\b(\w+)\.tenant = \$1\b", text)):
            named = re.search(rf"\b(\w+)(?: AS)? {found[1]}\b", text)
            if (named[1] if named else found[1]) in KNOWN.distributed:
                assert misrouted(text[: found.start()] + "true" + text[found.end() :], KNOWN) != [], (file, name, found)
                taken += 1
    assert taken > 50
