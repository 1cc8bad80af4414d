"""From the Authorization header to a principal: the only place where a request gets a tenant (RFC 6750, RFC 7644 §2)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from scimsrv import tokens
from scimsrv.errors import Kind, ScimError
from scimsrv.store.identity import Credential, find_credential

if TYPE_CHECKING:
    import asyncpg

#: Longest Authorization header that is looked at, in bytes.
MAX_HEADER: Final = 16_384

#: Seconds for which an answer of the database is believed: a revoked token works no longer than this.
_BELIEVED: Final = 0.9

#: Answers kept per process, the oldest going first.
_KEPT: Final = 10_000


class Right(Enum):
    """What a request needs, as scopes of the token that grant it."""

    READ = frozenset({"scim", "scim:read"})
    WRITE = frozenset({"scim", "scim:write"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a live credential of an active tenant."""

    credential: Credential

    def require(self, right: Right) -> None:
        """Raises ScimError 403 unless one of the token's scopes grants the right."""
        if right.value.isdisjoint(self.credential.scopes):
            needed = " or ".join(sorted(right.value))
            raise ScimError(Kind.FORBIDDEN, f"The token needs the scope {needed}")


class Authenticator:
    """Finds the principal behind a header. Answers, good and bad, are believed for less than a second."""

    def __init__(self, pool: asyncpg.Pool, peppers: Sequence[bytes]) -> None:
        self._pool = pool
        self._peppers = tuple(peppers)
        self._known: OrderedDict[bytes, tuple[float, Credential | None]] = OrderedDict()

    async def principal(self, headers: Sequence[bytes]) -> Principal:
        """The principal that the request's Authorization headers name.

        Raises ScimError 401 without a valid token, 400 for two headers, 403 for a tenant that is suspended.
        """
        credential = await self._credential(_token(headers))
        if credential is None:
            raise unauthorized("The bearer token is not valid", "invalid_token")
        if not credential.active:
            raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
        return Principal(credential)

    async def _credential(self, token: str) -> Credential | None:
        if not tokens.looks_like_token(token):
            return None
        digests = [tokens.digest(pepper, token) for pepper in self._peppers]
        present = time.monotonic()
        known = self._known.get(digests[0])
        if known is not None and known[0] > present:
            return known[1]
        found = None
        for digest in digests:
            found = await find_credential(self._pool, digest)
            if found is not None:
                break
        self._known[digests[0]] = (present + _BELIEVED, found)
        self._known.move_to_end(digests[0])
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found


def _token(headers: Sequence[bytes]) -> str:
    if not headers:
        raise unauthorized("A bearer token is needed", None)
    if len(headers) > 1:
        raise ScimError(Kind.BAD_REQUEST, "The Authorization header is given twice")
    if len(headers[0]) > MAX_HEADER:
        raise unauthorized("The Authorization header is too long", "invalid_token")
    text = headers[0].decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if tokens.looks_like_token(text):  # Okta's header authentication sends the token alone
        return text
    raise unauthorized("The Authorization header must have the scheme Bearer", None)


def unauthorized(detail: str, error: str | None) -> ScimError:
    """401 with the challenge that RFC 6750 §3 demands."""
    challenge = 'Bearer realm="scim"' + (f', error="{error}"' if error else "")
    return ScimError(Kind.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
