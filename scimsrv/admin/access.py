"""From the Authorization header to an administrator (RFC 6750): tokens of their own, which open nothing on the data plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scimsrv import tokens
from scimsrv.admin.problems import Refusal
from scimsrv.store.administrators import Administrator, find_administrator
from scimsrv.store.pool import Queries

READ: Final = "admin:read"
WRITE: Final = "admin:write"
#: Reading audit trails, and nothing else: for what collects them.
AUDIT: Final = "audit:read"

SCOPES: Final = (READ, WRITE, AUDIT)
"""Every scope of an admin token."""


class AdminAuthenticator:
    """Finds the administrator behind a header, by one look-up each time: a revoked token ends with the request before."""

    def __init__(self, pool: Queries, peppers: Sequence[bytes]) -> None:
        self._pool = pool
        self._peppers = tuple(peppers)

    async def administrator(self, headers: Sequence[bytes]) -> Administrator:
        """The administrator that the request's Authorization headers name. Raises Refusal 401 without a valid admin token."""
        if len(headers) != 1:
            raise _unauthorized("A bearer token is needed" if not headers else "The Authorization header is given twice")
        scheme, _, token = headers[0].decode("latin-1").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not tokens.looks_like_token(token, tokens.ADMIN):
            raise _unauthorized("The bearer token is no admin token")
        for pepper in self._peppers:
            found = await find_administrator(self._pool, tokens.digest(pepper, token))
            if found is not None:
                return found
        raise _unauthorized("The bearer token is not valid")


def require(who: Administrator, *scopes: str) -> None:
    """Raises Refusal 403 unless the token has one of the scopes."""
    if not any(scope in who.scopes for scope in scopes):
        raise Refusal(403, f"The token needs the scope {' or '.join(scopes)}")


def _unauthorized(detail: str) -> Refusal:
    return Refusal(401, detail, {"WWW-Authenticate": 'Bearer realm="scimsrv admin"'})
