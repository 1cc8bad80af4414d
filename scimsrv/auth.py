"""From the Authorization header to a principal: the only place where a request gets a tenant (RFC 6750, RFC 7644 §2)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from scimsrv import tokens
from scimsrv.errors import Kind, ScimError
from scimsrv.store.identity import Credential, find_credential
from scimsrv.store.pool import Tenants

#: Longest Authorization header that is looked at, in bytes.
MAX_HEADER: Final = 16_384

#: Seconds for which an answer of the database is believed: a revoked token works no longer than this.
_BELIEVED: Final = 0.9

#: Answers kept per process, the oldest going first; and the longest header kept, in bytes: a token of ours has 65.
_KEPT: Final = 10_000
_KEPT_LENGTH: Final = 128


class Right(Enum):
    """What a request needs, as scopes of the token that grant it."""

    READ = frozenset({"scim", "scim:read"})
    WRITE = frozenset({"scim", "scim:write"})
    DESCRIBE = frozenset({"scim", "scim:read", "tenant:admin"})
    DEFINE = frozenset({"tenant:admin"})
    BULK = frozenset({"scim", "scim:bulk"})
    ME = frozenset({"scim:me"})
    #: Any of those that let write something; what exactly is asked for each operation.
    CHANGE = frozenset({"scim", "scim:write", "badges:issue", "badges:approve"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a live credential of an active tenant."""

    credential: Credential

    def may(self, right: Right) -> bool:
        """Whether one of the token's scopes grants the right."""
        return not right.value.isdisjoint(self.credential.scopes)

    def require(self, right: Right) -> None:
        """Raises ScimError 403 unless one of the token's scopes grants the right."""
        require(right, self.credential.scopes)


def require(right: Right, scopes: frozenset[str]) -> None:
    """Raises ScimError 403 unless one of the scopes grants the right."""
    if right.value.isdisjoint(scopes):
        needed = " or ".join(sorted(right.value))
        raise ScimError(Kind.FORBIDDEN, f"The token needs the scope {needed}")


class Authenticator:
    """Finds the principal behind a header. A good answer is believed for less than a second; a bad one costs one indexed look-up,
    or none for what cannot be a token."""

    def __init__(self, pool: Tenants, peppers: Sequence[bytes]) -> None:
        self._pool = pool
        self._peppers = tuple(peppers)
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()

    async def principal(self, headers: Sequence[bytes]) -> Principal:
        """The principal that the request's Authorization headers name.

        Raises ScimError 401 without a valid token, 400 for two headers, 403 for a tenant that is suspended.
        """
        known = self.known(headers)
        if known is not None:
            return known
        credential = await self._credential(_token(headers))
        if credential is None:
            raise unauthorized("The bearer token is not valid", "invalid_token")
        if not credential.active:
            raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
        principal = Principal(credential)
        if len(headers[0]) > _KEPT_LENGTH:
            return principal
        self._known[headers[0]] = (time.monotonic() + _BELIEVED, principal)
        self._known.move_to_end(headers[0])
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return principal

    def known(self, headers: Sequence[bytes]) -> Principal | None:
        """The principal of a header that was found valid less than a second ago, or None."""
        if len(headers) != 1:
            return None
        found = self._known.get(headers[0])
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def _credential(self, token: str) -> Credential | None:
        if not tokens.looks_like_token(token):
            return None
        for pepper in self._peppers:
            found = await find_credential(self._pool, tokens.digest(pepper, token))
            if found is not None:
                return found
        return None


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
