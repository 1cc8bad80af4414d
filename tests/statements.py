"""Whether a statement looks at one tenant only: every reference to a tenant's table has to be bound to $1 by a predicate of its own.

Works on tokens. A query is what stands between two brackets; its tables are those after FROM, JOIN, INTO, UPDATE and USING, and what
binds them are the conjuncts of WHERE and of ON: `alias.tenant = $1`, or `alias.tenant = other.tenant` with `other` bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

#: Tables with rows of tenants, and the column that says of which.
TENANT_TABLES: Final = {
    **dict.fromkeys(
        (
            "award",
            "resource",
            "resource_key",
            "resource_count",
            "unique_key",
            "reference",
            "erasure",
            "unusual_reference",
            "naming",
            "secret",
            "change",
            "removed_value",
            "change_seal",
            "audit_chain",
            "tombstone",
            "tombstone_reference",
            "deletion_guard",
        ),
        "tenant",
    ),
    **dict.fromkeys(("credential", "tenant_config", "tenant_schema", "tenant_resource_type", "tenant_index", "tenant_job"), "tenant"),
    **dict.fromkeys(("request_job", "request_result", "first_answer", "rate"), "tenant"),
    **dict.fromkeys(("oauth_client", "oauth_secret", "trust", "used_assertion"), "tenant"),
    **dict.fromkeys(("badge_key", "badge_status_list", "badge_status", "badge_credential", "badge_image", "badge_kept"), "tenant"),
    **dict.fromkeys(("activity", "activity_batch", "activity_head"), "tenant"),
    **dict.fromkeys(("badge_application", "badge_grant"), "tenant"),
    "tenant": "id",
}

#: What no statement may hold: folding (the application folds), locks and state that outlive a transaction or a pooler's patience.
FORBIDDEN: Final = {
    "folding in SQL": r"\b(lower|upper|initcap|casefold|normalize|unaccent)\s*\(|\bILIKE\b|\bcitext\b|~\s?\*|~~\*|\bSIMILAR\s+TO\b",
    "advisory lock": r"\bpg_(try_)?advisory",
    "LISTEN or NOTIFY": r"\b(UN)?LISTEN\b|\bNOTIFY\b|\bpg_notify\b",
    "session state": r"^\s*(SET(?!\s+LOCAL\b)|RESET|DISCARD|PREPARE|DECLARE|LOAD)\b|\bset_config\b|\bTEMP(ORARY)?\s+TABLE\b|\blastval\b",
    "trigger or procedure": r"\bCREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?(TRIGGER|FUNCTION|PROCEDURE|RULE)\b|^\s*(DO|CALL)\b",
}

Group: TypeAlias = "list[str | Group]"

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|\$\d+|[A-Za-z_][A-Za-z_0-9]*|\d+(?:\.\d+)?|::|[<>=!@#|?~-]+|\S")
_TABLE_WORDS = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "USING"})
_ENDS = frozenset({"WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "HAVING", "RETURNING", "FOR", "ON", "SET", "VALUES", "SELECT", "WINDOW"})
_JOINS = frozenset({"JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS"})
_COMBINED = frozenset({"UNION", "INTERSECT", "EXCEPT"})


def tokens(text: str) -> list[str]:
    """The tokens without comments; words that are not names in quotes are in lower case, keywords found by upper()."""
    return [token for token in _TOKEN.findall(text) if not token.startswith("--")]


@dataclass
class _Query:
    """One query: its tables by the name under which its predicates know them, and its conjuncts as token lists."""

    tables: dict[str, str] = field(default_factory=dict)
    conjuncts: list[Group] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def unbound(text: str) -> list[str]:
    """What is wrong with the statement: a line for each tenant's table that is not bound to $1; nothing when all is well."""
    return [fault for group in _groups(_nested(tokens(text))) for part in _parts(group) for fault in _faults(part)]


def forbidden(text: str) -> list[str]:
    """Which rules of FORBIDDEN the statement breaks."""
    bare = " ".join(token for token in tokens(text) if not token.startswith("'"))
    return [rule for rule, pattern in FORBIDDEN.items() if re.search(pattern, bare, re.IGNORECASE)]


def _nested(flat: list[str]) -> Group:
    """Brackets become lists."""
    stack: list[Group] = [[]]
    for token in flat:
        if token == "(":
            stack.append([])
        elif token == ")":
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            stack[-1].append(token)
    assert len(stack) == 1, "brackets do not match"
    return stack[0]


def _groups(group: Group) -> Iterator[Group]:
    yield group
    for part in group:
        if isinstance(part, list):
            yield from _groups(part)


def _parts(group: Group) -> Iterator[Group]:
    """The queries that UNION and the like put together, each with its own predicates."""
    part: Group = []
    for token in group:
        if _word(token) in _COMBINED:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _word(token: str | Group) -> str:
    return token.upper() if isinstance(token, str) else ""


def _faults(part: Group) -> Iterator[str]:
    query = _read(part)
    bound = {
        name
        for name, table in query.tables.items()
        for conjunct in query.conjuncts
        if _says(conjunct, name, TENANT_TABLES.get(table, "tenant"), len(query.tables) == 1)
    }
    for _ in query.tables:  # equality hands the tenant on, along any chain of tables
        for left, right in (_equal(conjunct, query.tables) for conjunct in query.conjuncts):
            if left in bound and right in query.tables:
                bound.add(right)
            elif right in bound and left in query.tables:
                bound.add(left)
    yield from query.faults
    for name, table in query.tables.items():
        if table in TENANT_TABLES and name not in bound:
            yield f"{table} (as {name}) is not bound to $1"


def _says(conjunct: Group, name: str, column: str, alone: bool) -> bool:
    """Whether the conjunct is exactly `name.column = $1`; the name may be missing where there is one table only."""
    qualified = [name, ".", column, "=", "$1"]
    return conjunct == qualified or (alone and conjunct == qualified[2:])


def _equal(conjunct: Group, tables: dict[str, str]) -> tuple[str, str]:
    """The two tables that the conjunct ties to one tenant: their columns for it are demanded to be equal."""
    match conjunct:
        case [str(left), ".", str(a), "=", str(right), ".", str(b)] if a == TENANT_TABLES.get(
            tables.get(left, "")
        ) and b == TENANT_TABLES.get(tables.get(right, "")):
            return left, right
    return "", ""


def _read(part: Group) -> _Query:
    query = _Query()
    at, optional = 0, False
    while at < len(part):
        word = _word(part[at])
        if word in ("LEFT", "RIGHT", "FULL"):
            optional = True
        if (
            word in _TABLE_WORDS
            and not (word == "UPDATE" and at > 0 and _word(part[at - 1]) in ("FOR", "KEY", "DO"))
            and not _distinct(part, at)
        ):
            at = _tables(part, at, query)
            continue
        if word == "ON" and _word(part[at + 1]) != "CONFLICT":
            clause, at = _clause(part, at + 1, _ENDS | _JOINS)
            # What an outer join demands leaves rows of the other side in: only equality with a bound table counts there.
            query.conjuncts += [one for one in clause if not optional or _equal(one, query.tables) != ("", "")]
            optional = False
            continue
        if word == "WHERE":
            clause, at = _clause(part, at + 1, _ENDS)
            query.conjuncts += clause
            continue
        at += 1
    return query


def _distinct(part: Group, at: int) -> bool:
    """Whether this FROM belongs to IS DISTINCT FROM."""
    return _word(part[at]) == "FROM" and at > 0 and _word(part[at - 1]) == "DISTINCT"


def _tables(part: Group, at: int, query: _Query) -> int:
    """Reads the table list after a word such as FROM; returns where it ends."""
    word = _word(part[at])
    at += 1
    while at < len(part):
        if _word(part[at]) in ("ONLY", "LATERAL"):
            at += 1
        item = part[at]
        at += 1
        called = at < len(part) and isinstance(part[at], list)
        if called and word == "INTO":
            query.faults += _insert(item, part, at)
            return at + 1
        if called:  # a function; what it is given is a group of its own
            at += 1
        name = item if isinstance(item, str) else ""
        if at < len(part) and _word(part[at]) == "AS":
            at += 1
        if at < len(part) and isinstance(part[at], str) and re.fullmatch(r"[a-z_]\w*", str(part[at])) and not _is_keyword(part[at]):
            name = str(part[at])
            at += 1
        if isinstance(item, str) and not called:
            query.tables[name] = item
        if at < len(part) and isinstance(part[at], list):  # column names of an alias
            at += 1
        if at >= len(part) or part[at] != ",":
            return at
        at += 1
    return at


def _is_keyword(token: str | Group) -> bool:
    return _word(token) in _ENDS | _JOINS | _TABLE_WORDS | _COMBINED | {"AND", "OR", "WITH", "TABLESAMPLE"}


def _insert(table: str | Group, part: Group, at: int) -> list[str]:
    """An INSERT names the tenant's column, and gives it $1."""
    columns, rest = part[at], part[at + 1 :]
    if not isinstance(table, str) or table not in TENANT_TABLES:
        return []
    assert isinstance(columns, list)
    column = TENANT_TABLES[table]
    if column not in columns:
        return [f"INSERT INTO {table} does not name {column}"]
    place = columns[: columns.index(column)].count(",")
    match [_word(one) for one in rest[:1]], rest[1:]:
        case ["VALUES"], [list(values), *_]:
            given: Group = values
        case ["SELECT"], values:
            given = values
        case _:
            return [f"INSERT INTO {table} takes its rows from nowhere"]
    return [] if _item(given, place) == ["$1"] else [f"INSERT INTO {table} gives {column} something else than $1"]


def _item(listed: Group, place: int) -> Group:
    """The item at a place of a list with commas."""
    items: list[Group] = [[]]
    for token in listed:
        if _word(token) == "FROM":
            break
        if token == ",":
            items.append([])
        else:
            items[-1].append(token)
    return items[place] if place < len(items) else []


def _clause(part: Group, at: int, ends: frozenset[str]) -> tuple[list[Group], int]:
    """The conjuncts of a condition and where it ends; a condition with OR at its top demands nothing of a single table."""
    conjuncts: list[Group] = [[]]
    either = False
    while at < len(part) and _word(part[at]) not in ends:
        word = _word(part[at])
        either = either or word == "OR"
        if word == "AND":
            conjuncts.append([])
        else:
            conjuncts[-1].append(part[at])
        at += 1
    flat = [inner for one in conjuncts for inner in _unwrapped(one)]
    return ([] if either else flat), at


def _unwrapped(conjunct: Group) -> list[Group]:
    """The conjuncts of a conjunction in brackets, else the conjunct itself."""
    if len(conjunct) == 1 and isinstance(conjunct[0], list) and "SELECT" not in map(_word, conjunct[0]):
        inner, at = _clause(conjunct[0], 0, frozenset())
        return inner if at == len(conjunct[0]) else []
    return [conjunct]
