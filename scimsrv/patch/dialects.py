"""Spellings of particular clients, rewritten to standard operations in front of the strict core.

A dialect is a pure function on the raw Operations array; each names its client and has a captured exchange in
conformance/data/exchanges. Peculiarities that only the schema can tell from a mistake are decided where it is known: dotted and URN
keys in `parse`, value lists on remove in `elements` and `links`, strings and lists of one for a complex attribute and booleans as
text by the lenient `Coercer`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from scimsrv.schema.attribute import fold_name
from scimsrv.schema.coercions import Coercion
from scimsrv.schema.policy import Policy

RawOperation = dict[str, Any]

#: `name op literal` without brackets; the name has no space, so that value paths are not touched.
_BARE: Final = re.compile(r'\s*([^\s\[\]"]+)\s+(eq\s+"(?:[^"\\]|\\.)*")\s*', re.IGNORECASE)
#: What the members of Entra ID's role objects are called in SCIM; others, such as `id`, have no place in a role.
_ROLE_MEMBERS: Final = {"value": "value", "displayname": "display", "display": "display", "type": "type", "primary": "primary"}


def lower_case_ops(operations: list[RawOperation]) -> list[RawOperation]:
    """`Add`, `Replace`, `Remove` as `add`, `replace`, `remove`: Entra ID's default dialect."""
    return [_with(raw, "op", lambda op: op.lower() if isinstance(op, str) else op) for raw in operations]


def bare_comparisons(operations: list[RawOperation]) -> list[RawOperation]:
    """The path `schemas eq "urn:…"` as `schemas[value eq "urn:…"]`: the form of erratum 7122, for clients written to it."""
    return [_with(raw, "path", _bracketed) for raw in operations]


def roles_as_json_text(operations: list[RawOperation]) -> list[RawOperation]:
    """Roles whose value is the text of a JSON object as that object: Entra ID's complex role assignments."""
    return [_with_roles(raw) for raw in operations]


@dataclass(frozen=True, slots=True)
class Dialect:
    """A rewriting, what it is recorded as, the names of the captured exchanges that need it, and when a tenant has it."""

    rewrite: Callable[[list[RawOperation]], list[RawOperation]]
    coercion: Coercion
    captures: tuple[str, ...]
    active: Callable[[Policy], bool] = lambda _policy: True


#: In the order of application.
DIALECTS: Final[tuple[Dialect, ...]] = (
    Dialect(lower_case_ops, Coercion.LOWER_CASE_OP, ("entra-capital-op", "entra-one-op-per-attribute", "entra-boolean-as-string")),
    Dialect(bare_comparisons, Coercion.BARE_COMPARISON, ("rfc-erratum-7122-bare-comparison",)),
    Dialect(roles_as_json_text, Coercion.ROLES_AS_JSON_TEXT, ("entra-roles-as-json-text",), lambda policy: policy.parse_json_strings),
)


def standard(raw: Any, policy: Policy, made: set[Coercion] | None = None) -> Any:
    """The Operations array in standard spelling. What is no array of objects is returned as it is, for `parse` to refuse. `made`
    collects the rewritings that changed something."""
    if not isinstance(raw, list) or not all(isinstance(operation, dict) for operation in raw):
        return raw
    for dialect in DIALECTS:
        if dialect.active(policy):
            rewritten = dialect.rewrite(raw)
            if made is not None and rewritten != raw:
                made.add(dialect.coercion)
            raw = rewritten
    return raw


def _with(raw: RawOperation, member: str, change: Callable[[Any], Any]) -> RawOperation:
    """The operation with one member changed, whatever the case of its name."""
    return {name: change(value) if fold_name(name) == member else value for name, value in raw.items()}


def _bracketed(path: Any) -> Any:
    match = _BARE.fullmatch(path) if isinstance(path, str) else None
    return f"{match[1]}[value {match[2]}]" if match else path


def _with_roles(raw: RawOperation) -> RawOperation:
    path = next((value for name, value in raw.items() if fold_name(name) == "path"), None)
    if path is None:
        return _with(raw, "value", lambda value: _with(value, "roles", _roles) if isinstance(value, dict) else value)
    if isinstance(path, str) and fold_name(path.strip()).rpartition(":")[2] == "roles":
        return _with(raw, "value", _roles)
    return raw


def _roles(value: Any) -> Any:
    return [_role(one) for one in value] if isinstance(value, list) else _role(value)


def _role(value: Any) -> Any:
    text = value.get("value") if isinstance(value, dict) else value
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return value
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return value
    named = {_ROLE_MEMBERS[fold_name(name)]: part for name, part in read.items() if fold_name(name) in _ROLE_MEMBERS}
    return (value if isinstance(value, dict) else {}) | named if "value" in named else value
