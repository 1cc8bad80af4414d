"""Whether a distributed Postgres would send a statement to the shard of one tenant, by what Postgres's own parser makes of it.

The tables that sql/distribute.sql distributes have a shard for each tenant's number: every place where a statement names one has to be
tied to $1, by `alias.tenant = $1` or by equality with a table that is. Reference tables are everywhere whole, and may be read in any way;
what changes one must name no distributed table.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pglast
from pglast import parse_sql
from pglast.enums import BoolExprType, JoinType

from scimsrv import assets
from scimsrv.store import queries

#: Of a statement that was parsed everything is there that is looked at, which the types of the nodes do not say.
ast: Final[Any] = pglast.ast

_CALL: Final = re.compile(
    r"SELECT create_(distributed|reference)_table\('(\w+)'(?:, '(\w+)')?(?:, colocate_with => '(\w+)')?\)\n"
    r"WHERE NOT EXISTS \(SELECT FROM pg_dist_partition WHERE logicalrelid = '\2'::regclass\);"
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """What sql/distribute.sql makes of the tables: the column that decides about the shard, by distributed table, and the reference tables,
    both in its order, and with whose shards the shards of a table lie together."""

    distributed: Mapping[str, str]
    references: tuple[str, ...]
    colocated: Mapping[str, str]


def distribution() -> Distribution:
    """Read sql/distribute.sql. Raises ValueError for a statement that is not one call of one of the two functions."""
    distributed, references, colocated = {}, [], {}
    text = "\n".join(line for line in assets.text("sql/distribute.sql").splitlines() if not line.startswith("--"))
    for statement in filter(None, re.split(r"(?<=;)\n+", text.strip())):
        match _CALL.fullmatch(statement.strip()):
            case None:
                raise ValueError(statement)
            case found if found[1] == "reference":
                references.append(found[2])
            case found:
                distributed[found[2]] = found[3]
                colocated[found[2]] = found[4] or found[2]
    return Distribution(distributed, tuple(references), colocated)


KNOWN: Final = distribution()

#: Statements that ask every node: the background looks for tenants with something to do, once every few seconds, monitoring counts what
#: waits, once a minute, and what the whole authority publishes. No request of a tenant waits for one.
EVERY_NODE: Final = frozenset(
    {
        ("activity", "with_log"),
        ("audit", "with_unsealed"),
        ("audit", "without_chain"),
        ("credentialing", "all_keys"),
        ("credentialing", "with_unsigned"),
        ("indexes", "with_work"),
        ("jobs", "with_work"),
        ("requests", "with_jobs"),
        ("requests", "with_old"),
        ("survey", "audit"),
        ("survey", "unsigned"),
        ("survey", "waiting"),
        ("tombstones", "with_old"),
    }
)


@dataclass
class _Level:
    """One query: its distributed tables by the names under which it knows them, all its tables, and the conditions that always hold."""

    tables: dict[str, str] = field(default_factory=dict)
    conditions: list[Any] = field(default_factory=list)


def misrouted(text: str, known: Distribution) -> list[str]:
    """What would not be sent to one shard; nothing when all is well."""
    faults: list[str] = []
    for raw in parse_sql(text):
        faults += _faults(raw.stmt, known, frozenset(), frozenset())
        changed, named = set(), set()
        for node in _nodes(raw.stmt):
            if isinstance(node, ast.RangeVar):
                named.add(node.relname)
            elif isinstance(node, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)):
                changed.add(node.relation.relname)
        if changed & set(known.references) and named & known.distributed.keys():
            faults.append(f"{', '.join(sorted(changed & set(known.references)))} is changed in a statement with distributed tables")
    return faults


def astray(text: str) -> list[str]:
    """What of a statement of the program would not be sent to one shard, and may not be sent to every node either."""
    return [] if text in _asking_every_node() else misrouted(text, KNOWN)


@functools.cache
def _asking_every_node() -> frozenset[str]:
    return frozenset(str(queries.load(file)[name]) for file, name in EVERY_NODE)


def tables(text: str) -> set[str]:
    """The tables that a statement names, and the names of its own common table expressions."""
    return {node.relname for raw in parse_sql(text) for node in _nodes(raw.stmt) if isinstance(node, ast.RangeVar)}


def _faults(query: Any, known: Distribution, outer: frozenset[str], derived: frozenset[str]) -> Iterator[str]:
    """Of one query and all within it; `outer` are the bound names around it, `derived` those of common table expressions."""
    derived = derived | {cte.ctename for cte in getattr(getattr(query, "withClause", None), "ctes", None) or ()}
    if isinstance(query, ast.SelectStmt) and query.larg is not None:
        for part in (query.larg, query.rarg):
            yield from _faults(part, known, outer, derived)
        yield from _inner(query, known, outer, derived, skipped=("larg", "rarg"))
        return
    level = _Level()
    relation = getattr(query, "relation", None)
    if relation is not None and not isinstance(query, ast.InsertStmt):
        _add(relation, level, derived)
    for item in [*(getattr(query, "fromClause", None) or ()), *(getattr(query, "usingClause", None) or ())]:
        _read(item, level, derived)
    level.conditions += _conjuncts(getattr(query, "whereClause", None))
    bound = _bound(level, known, outer)
    for name, table in level.tables.items():
        if table in known.distributed and name not in bound:
            yield f"{table} (as {name}) is not tied to $1"
    if isinstance(query, ast.InsertStmt) and query.relation.relname in known.distributed:
        yield from _inserted(query, known.distributed[query.relation.relname])
    yield from _inner(query, known, (outer - level.tables.keys()) | bound, derived)


def _inner(query: Any, known: Distribution, outer: frozenset[str], derived: frozenset[str], skipped: tuple[str, ...] = ()) -> Iterator[str]:
    """The queries that stand directly within this one."""
    for name in query:
        if name not in skipped:
            for inner in _queries(getattr(query, name)):
                yield from _faults(inner, known, outer, derived)


def _queries(value: Any) -> Iterator[Any]:
    if isinstance(value, (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _queries(one)
    elif isinstance(value, ast.Node):
        for name in value:
            yield from _queries(getattr(value, name))


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for one in value:
            yield from _nodes(one)
    elif isinstance(value, ast.Node):
        yield value
        for name in value:
            yield from _nodes(getattr(value, name))


def _add(relation: Any, level: _Level, derived: frozenset[str]) -> None:
    if relation.relname not in derived:
        level.tables[relation.alias.aliasname if relation.alias else relation.relname] = relation.relname


def _read(item: Any, level: _Level, derived: frozenset[str]) -> None:
    """Take in an item of FROM. What an outer join demands holds for the rows of its optional side only."""
    if isinstance(item, ast.RangeVar):
        _add(item, level, derived)
    elif isinstance(item, ast.JoinExpr):
        sides = []
        for side in (item.larg, item.rarg):
            before = set(level.tables)
            _read(side, level, derived)
            sides.append(level.tables.keys() - before)
        conjuncts = _conjuncts(item.quals)
        if item.jointype == JoinType.JOIN_LEFT:
            conjuncts = [one for one in conjuncts if _binds(one, sides[1])]
        elif item.jointype != JoinType.JOIN_INNER:
            conjuncts = []
        level.conditions += conjuncts


def _binds(condition: Any, names: set[str]) -> bool:
    """Whether the condition is an equality with a column of one of the tables, qualified by its name."""
    return any(_column(side)[0] in names for side in _sides(condition))


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        return [inner for one in condition.args for inner in _conjuncts(one)]
    return [] if condition is None else [condition]


def _sides(condition: Any) -> tuple[Any, ...]:
    if isinstance(condition, ast.A_Expr) and len(condition.name) == 1 and condition.name[0].sval == "=" and condition.kind == 0:
        return condition.lexpr, condition.rexpr
    return ()


def _column(node: Any) -> tuple[str, str]:
    """The table's name, which may be empty, and the column."""
    if isinstance(node, ast.ColumnRef) and all(isinstance(part, ast.String) for part in node.fields):
        words = [part.sval for part in node.fields]
        return ("", words[0]) if len(words) == 1 else (words[0], words[1])
    return "", ""


def _is_tenant(node: Any) -> bool:
    return isinstance(node, ast.ParamRef) and node.number == 1


def _bound(level: _Level, known: Distribution, outer: frozenset[str]) -> frozenset[str]:
    """The names whose tenant is $1."""
    bound = set(outer - level.tables.keys())

    def table_of(node: Any) -> str:
        name, column = _column(node)
        name = name or (next(iter(level.tables)) if len(level.tables) == 1 and column else "")
        table = level.tables.get(name)
        if table is None:
            return name if name in bound and column == "tenant" else ""
        # The column of a reference table counts as well: equality hands on what it is equal to.
        return name if column == known.distributed.get(table, "id" if table == "tenant" else "tenant") else ""

    for _ in range(len(level.tables) + 1):
        for condition in level.conditions:
            match _sides(condition):
                case left, right if _is_tenant(right) and table_of(left):
                    bound.add(table_of(left))
                case left, right if _is_tenant(left) and table_of(right):
                    bound.add(table_of(right))
                case left, right if table_of(left) in bound and table_of(right):
                    bound.add(table_of(right))
                case left, right if table_of(right) in bound and table_of(left):
                    bound.add(table_of(left))
                case _:
                    pass
    return frozenset(bound)


def _inserted(query: Any, column: str) -> Iterator[str]:
    """An INSERT gives the tenant's column $1 in every row."""
    names = [one.name for one in query.cols or ()]
    table = query.relation.relname
    if column not in names:
        yield f"INSERT INTO {table} does not name {column}"
        return
    place = names.index(column)
    rows = query.selectStmt.valuesLists or [[one.val for one in query.selectStmt.targetList]]
    if not all(_is_tenant(row[place]) for row in rows):
        yield f"INSERT INTO {table} gives {column} something else than $1"
