"""Which names a tenant may have in a URL."""

import re
from typing import Final

_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION: Final = re.compile(r"v[0-9]+")

RESERVED: Final = frozenset(
    {
        *("endpoints", "me", "bulk", "oauth", "admin", "console"),
        *("users", "groups", "schemas", "resourcetypes", "serviceproviderconfig", "serviceproviderconfigs"),
        *("jwks", "openid-configuration", "oauth-authorization-server", "oauth-protected-resource", "security-txt"),
    }
)
"""Names that mean something else where a slug stands; names of versions (v2) are reserved too."""


def slug_problem(slug: str) -> str | None:
    """Return a sentence that says why a text cannot be a tenant's slug, or None when it can."""
    if _PATTERN.fullmatch(slug) is None:
        return f"{slug!r} cannot be a tenant: use 1 to 63 lower-case letters, digits and hyphens, starting with a letter or digit."
    if slug in RESERVED or _VERSION.fullmatch(slug):
        return f"{slug!r} is reserved, as it has a meaning of its own in URLs: choose another slug."
    return None
