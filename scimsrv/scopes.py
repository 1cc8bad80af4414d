"""What a token may be allowed to do, the short name for the usual choice, and what roles of people come to."""

from collections.abc import Iterable
from typing import Final

READ: Final = "scim:read"
WRITE: Final = "scim:write"
BULK: Final = "scim:bulk"
ME: Final = "scim:me"
#: Awarding and revoking badges, and deciding about requests for them.
BADGES_ISSUE: Final = "badges:issue"
BADGES_APPROVE: Final = "badges:approve"
#: Reading the tenant's audit trail, where that is served to tenants.
AUDIT: Final = "audit:read"
#: Defining the tenant's schemas and resource types.
ADMIN: Final = "tenant:admin"

SCOPES: Final = (READ, WRITE, BULK, ME, BADGES_ISSUE, BADGES_APPROVE, AUDIT, ADMIN)
"""Every scope that a token may have."""

ALIASES: Final = {"scim": (READ, WRITE, BULK)}

ROLES: Final = {
    "viewer": frozenset({READ}),
    "operator": frozenset({READ, WRITE, BULK, BADGES_ISSUE}),
    "tenant_admin": frozenset({READ, WRITE, BULK, BADGES_ISSUE, BADGES_APPROVE, AUDIT, ADMIN}),
}
"""The scopes of each role that people can have in a tenant."""


def expand(asked: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that names and aliases stand for, each once, in the order of SCOPES. Raises ValueError naming an unknown one."""
    found: set[str] = set()
    for name in asked:
        scopes = ALIASES.get(name, (name,))
        if not set(scopes) <= set(SCOPES):
            raise ValueError(f"Unknown scope {name!r}; known are {', '.join((*ALIASES, *SCOPES))}.")
        found.update(scopes)
    return tuple(scope for scope in SCOPES if scope in found)
