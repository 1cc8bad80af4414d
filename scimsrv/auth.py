"""From the Authorization header to a principal: the only place where a request gets a tenant (RFC 6750, RFC 7617, RFC 7644 §2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from scimsrv import tokens
from scimsrv.errors import Kind, ScimError
from scimsrv.oauth.access_tokens import AccessTokens, Grant
from scimsrv.oauth.claims import LEEWAY, Holder, holder_of
from scimsrv.oauth.jose import TokenRefused, Unverified, looks_like_jwt, read, verify
from scimsrv.oauth.key_sets import KeySets
from scimsrv.oauth.refusals import Refusals
from scimsrv.observe import denied
from scimsrv.store.identity import (
    Credential,
    TrustIdentity,
    find_client,
    find_credential,
    find_trusts,
    is_used,
    note_trust_used,
    takes_basic,
)
from scimsrv.store.pool import Queries, Tenants
from scimsrv.store.proof import Proof
from scimsrv.store.standing import rights_now
from scimsrv.store.trusts import BEARER, EXCHANGE

#: Longest Authorization header that is looked at, in bytes.
MAX_HEADER: Final = 16_384

#: Seconds for which an answer of the database is believed: a revoked token works no longer than this.
_BELIEVED: Final = 0.9

#: Seconds for which a signature that was found good is not checked again.
_PROVED: Final = 300.0

#: Answers kept per process, the oldest going first; and the longest header kept as it is, in bytes: a token of ours has 65.
_KEPT: Final = 10_000
_KEPT_LENGTH: Final = 128

_INVALID: Final = "The bearer token is not valid"


class Right(Enum):
    """What a request needs, as scopes of the token that grant it."""

    READ = frozenset({"scim", "scim:read"})
    WRITE = frozenset({"scim", "scim:write"})
    DESCRIBE = frozenset({"scim", "scim:read", "tenant:admin"})
    DEFINE = frozenset({"tenant:admin"})
    BULK = frozenset({"scim", "scim:bulk"})
    ME = frozenset({"scim:me"})
    AUDIT = frozenset({"audit:read"})
    #: Any of those that let write something; what exactly is asked for each operation.
    CHANGE = frozenset({"scim", "scim:write", "badges:issue", "badges:approve"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of itself: its Authorization headers, the slug in its URL, and the address that it comes from."""

    headers: Sequence[bytes]
    tenant: str
    address: str | None = None

    def place(self) -> tuple[str, bytes]:
        """What tells it from others, in few bytes."""
        header = self.headers[0]
        return self.tenant, header if len(header) <= _KEPT_LENGTH else hashlib.sha256(header).digest()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a live credential of an active tenant, which is believed until then, in seconds of time.monotonic()."""

    credential: Credential
    until: float = field(default=0.0, compare=False)

    def may(self, right: Right) -> bool:
        """Whether one of the token's scopes grants the right."""
        return not right.value.isdisjoint(self.credential.scopes)

    @property
    def defines(self) -> bool:
        """Whether it may change definitions, which are those of all resource types: not where it is narrowed to some."""
        return self.may(Right.DEFINE) and self.credential.narrowing.types is None

    def require(self, right: Right) -> None:
        """Raises ScimError 403 unless one of the token's scopes grants the right."""
        require(right, self.credential.scopes)


class Standing:
    """What a request was let in by, as the pool asks for it once the request has waited longer than that is believed."""

    __slots__ = ("_credential", "_until")

    def __init__(self, principal: Principal) -> None:
        self._credential = principal.credential
        self._until = principal.until

    def is_over(self) -> bool:
        """Whether it is not believed any more."""
        return self._until < time.monotonic()

    async def renew(self, by: Queries) -> None:
        """Look it up again. Raises ScimError 401 for a credential that has ended, 403 for one that may do less than before, or whose tenant
        is suspended."""
        begun, credential = time.monotonic(), self._credential
        try:
            scopes, _ = await rights_now(by, credential.tenant, credential.actor, credential.proof)
        except ScimError as error:
            if error.kind is Kind.UNAUTHORIZED:
                raise unauthorized(_INVALID, "invalid_token") from None
            raise
        if not credential.scopes <= scopes:
            raise ScimError(Kind.FORBIDDEN, "The token may do less than when the request came; send the request again")
        self._until = begun + _BELIEVED


def require(right: Right, scopes: frozenset[str]) -> None:
    """Raises ScimError 403 with the challenge of RFC 6750 §3.1 unless one of the scopes grants the right."""
    if right.value.isdisjoint(scopes):
        raise insufficient(right.value)


def insufficient(scopes: frozenset[str]) -> ScimError:
    """403 for a token that has none of these scopes, with the challenge of RFC 6750 §3.1."""
    needed = sorted(scopes)
    wanted = next(scope for scope in needed if ":" in scope)
    challenge = f'Bearer realm="scim", error="insufficient_scope", scope="{wanted}"'
    return ScimError(Kind.FORBIDDEN, f"The token needs the scope {' or '.join(needed)}", headers={"WWW-Authenticate": challenge})


@dataclass(slots=True)
class Authenticator:
    """Finds the principal behind a request. A good answer is believed for less than a second; a bad one costs one indexed look-up, or
    none for what cannot be a token. The signature of a JWT is checked once, and what it rests on is looked up again each second."""

    pool: Tenants
    peppers: Sequence[bytes] = field(repr=False)
    secret_peppers: Sequence[bytes] = field(repr=False)
    access_tokens: AccessTokens
    key_sets: KeySets
    refusals: Refusals
    clock: Callable[[], float] = time.time
    _known: OrderedDict[tuple[str, bytes], tuple[float, Principal]] = field(default_factory=OrderedDict, init=False, repr=False)
    _proved: OrderedDict[tuple[str, bytes, str], tuple[float, Grant | None]] = field(default_factory=OrderedDict, init=False, repr=False)
    _basic: OrderedDict[str, tuple[float, bool]] = field(default_factory=OrderedDict, init=False, repr=False)

    async def principal(self, shown: Shown) -> Principal:
        """The principal that the request's Authorization headers name.

        Raises ScimError 401 without a valid token, 400 for two headers, 403 for a tenant that is suspended or an address that the
        credential may not be used from.
        """
        known = self.known(shown)
        if known is not None:
            return known
        begun = time.monotonic()  # when it is looked up: the answer may come late
        try:
            credential, ends = await self._credential(shown)
        except ScimError as error:
            if error.kind is Kind.UNAUTHORIZED and await self._takes_basic(shown.tenant):
                challenge = error.headers["WWW-Authenticate"] + ', Basic realm="scim", charset="UTF-8"'
                raise replace(error, headers={"WWW-Authenticate": challenge}) from None
            raise
        if not credential.active:
            raise ScimError(Kind.FORBIDDEN, "The tenant is suspended")
        until = min(begun + _BELIEVED, time.monotonic() + ends - self.clock())
        principal = Principal(credential, until)
        _keep(self._known, shown.place(), (until, principal), _KEPT)
        return _reached(principal, shown)

    def known(self, shown: Shown) -> Principal | None:
        """The principal of a header that was found valid less than a second ago, or None. Raises ScimError 403 as `principal`."""
        found = self.seen(shown)
        return None if found is None else _reached(found, shown)

    def seen(self, shown: Shown) -> Principal | None:
        """The principal of a header that was found valid less than a second ago, wherever it was shown, or None."""
        if len(shown.headers) != 1:
            return None
        found = self._known.get(shown.place())
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def _credential(self, shown: Shown) -> tuple[Credential, float]:
        """The credential, and when it ends by itself in seconds since 1970."""
        scheme, value = _read_header(shown.headers)
        if scheme == "basic":
            found = await self._client(value, shown.tenant)
        elif looks_like_jwt(value):
            return await self._by_jwt(value, shown)
        else:
            found = await self._by_token(value)
        if found is None:
            denied("basic" if scheme == "basic" else "bearer", "invalid")
            raise unauthorized("The client is not known" if scheme == "basic" else _INVALID, "invalid_token")
        return found, float("inf")

    async def _by_token(self, token: str) -> Credential | None:
        if not tokens.looks_like_token(token):
            return None
        for pepper in self.peppers:
            found = await find_credential(self.pool, tokens.digest(pepper, token))
            if found is not None:
                return found
        return None

    async def _client(self, value: str, slug: str) -> Credential | None:
        """The client whose id and secret these are (RFC 7617), where the tenant's policy permits that."""
        try:
            id_, _, secret = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not tokens.looks_like_token(secret, tokens.SECRET) or not tokens.looks_like_client(id_):
            return None
        found = await find_client(self.pool, slug, id_, [tokens.digest(pepper, secret) for pepper in self.secret_peppers])
        return replace(found.credential, proof=Proof(found.edition)) if found is not None and found.basic else None

    async def _by_jwt(self, text: str, shown: Shown) -> tuple[Credential, float]:
        try:
            token = read(text)
            if self.access_tokens.is_ours(token, shown.tenant):
                return await self._issued(token, shown)
            return await self._trusted(token, shown)
        except TokenRefused as refused:
            self.refusals.tell(shown.tenant, "jwt", refused)
            raise unauthorized(_INVALID, "invalid_token") from None

    async def _issued(self, token: Unverified, shown: Shown) -> tuple[Credential, float]:
        """The client or trust to which this server issued the token, if it still is what it was then."""
        place = (*shown.place(), "")
        until, grant = self._proved.get(place, (0.0, None))
        if grant is None or until < time.monotonic():
            grant = self.access_tokens.read(token, shown.tenant)
            _keep(self._proved, place, (time.monotonic() + _PROVED, grant), _KEPT)
        if grant.expires <= self.clock():
            raise TokenRefused("exp")
        if grant.client.startswith(tokens.TRUST):
            trusts = await find_trusts(self.pool, shown.tenant, None, grant.client)
            if not trusts or EXCHANGE not in trusts[0].trust.uses:
                raise TokenRefused("client")
            await self._check_revoked(trusts[0].credential, grant)
            holder = Holder(grant.holder, grant.expires, grant.subject, grant.roles)
            return replace(_held(trusts[0], holder, grant.scopes), proof=Proof(None, grant.digest, grant.expires)), grant.expires
        client = await find_client(self.pool, shown.tenant, grant.client)
        if client is None or client.edition != grant.edition:
            raise TokenRefused("client")
        credential = client.credential
        await self._check_revoked(credential, grant)
        proof = Proof(grant.edition, grant.digest, grant.expires)
        return replace(credential, scopes=credential.scopes & grant.scopes, proof=proof), grant.expires

    async def _check_revoked(self, credential: Credential, grant: Grant) -> None:
        if await is_used(self.pool, credential.tenant, grant.digest):
            raise TokenRefused("jti")

    async def _trusted(self, token: Unverified, shown: Shown) -> tuple[Credential, float]:
        """The trust of the tenant on which another issuer's token rests: the first whose rules it keeps."""
        issuer = token.claims.get("iss")
        trusts = await find_trusts(self.pool, shown.tenant, issuer) if isinstance(issuer, str) and "\x00" not in issuer else []
        reason = TokenRefused("iss")
        for found in trusts:
            if BEARER not in found.trust.uses:
                continue
            try:
                now = self.clock()
                holder = holder_of(token.header, token.claims, found.trust, found.me_claim, now, bearer=True)
                await self._prove(token, found, shown)
            except TokenRefused as refused:
                reason = refused
                continue
            await note_trust_used(self.pool, found)
            ends = holder.expires + LEEWAY  # the issuer's clock may be ahead
            return replace(_held(found, holder, holder.scopes(found.trust)), proof=Proof(ends=ends)), ends
        raise reason

    async def _prove(self, token: Unverified, found: TrustIdentity, shown: Shown) -> None:
        place = (*shown.place(), found.trust.id)
        if self._proved.get(place, (0.0, None))[0] > time.monotonic():
            return
        keys = await self.key_sets.of_trust(found.credential.tenant, found.trust, token.kid)
        verify(token, keys, found.trust.algorithms)
        _keep(self._proved, place, (time.monotonic() + _PROVED, None), _KEPT)

    async def _takes_basic(self, slug: str) -> bool:
        until, found = self._basic.get(slug, (0.0, False))
        if until < time.monotonic():
            found = await takes_basic(self.pool, slug)
            _keep(self._basic, slug, (time.monotonic() + _BELIEVED, found), _KEPT)
        return found


def _held(found: TrustIdentity, holder: Holder, scopes: frozenset[str]) -> Credential:
    return replace(
        found.credential,
        scopes=scopes & holder.scopes(found.trust),
        subject=holder.subject,
        holder=holder.name,
        roles=holder.roles,
    )


def _reached(principal: Principal, shown: Shown) -> Principal:
    """The principal. Raises ScimError 403 where the credential may not be used from the address."""
    if not principal.credential.narrowing.reaches(shown.address):
        raise ScimError(Kind.FORBIDDEN, "The credential may not be used from this network")
    return principal


def _keep(places: OrderedDict[Any, Any], place: Any, value: Any, most: int) -> None:
    places[place] = value
    places.move_to_end(place)
    if len(places) > most:
        places.popitem(last=False)


def _read_header(headers: Sequence[bytes]) -> tuple[str, str]:
    """The scheme in lower case, and what follows it."""
    if not headers:
        raise unauthorized("A bearer token is needed", None)
    if len(headers) > 1:
        raise ScimError(Kind.BAD_REQUEST, "The Authorization header is given twice")
    if len(headers[0]) > MAX_HEADER:
        raise unauthorized("The Authorization header is too long", "invalid_token")
    text = headers[0].decode("latin-1").strip()
    scheme, _, rest = text.partition(" ")
    if scheme.lower() in ("bearer", "basic"):
        return scheme.lower(), rest.strip()
    if tokens.looks_like_token(text):  # Okta's header authentication sends the token alone
        return "bearer", text
    raise unauthorized("The Authorization header must have the scheme Bearer", None)


def unauthorized(detail: str, error: str | None) -> ScimError:
    """401 with the challenge that RFC 6750 §3 demands."""
    challenge = 'Bearer realm="scim"' + (f', error="{error}"' if error else "")
    return ScimError(Kind.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})
