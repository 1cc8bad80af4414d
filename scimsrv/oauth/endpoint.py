"""The token endpoint of a tenant: who proves to be a client, or to hold a token that the tenant trusts, gets an access token (RFC 6749)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, InvalidScopeError, UnauthorizedClientError

from scimsrv import tokens
from scimsrv.oauth.access_tokens import AccessTokens, Grant
from scimsrv.oauth.asking import ACCESS_TOKEN, Asked, Assertion, Secret, Subject
from scimsrv.oauth.claims import LEEWAY, check_claims, check_type, holder_of
from scimsrv.oauth.jose import ALGORITHMS, TokenRefused, Unverified, read, verify
from scimsrv.oauth.key_sets import KeySets
from scimsrv.oauth.refusals import Refusals
from scimsrv.observe import denied
from scimsrv.scopes import ALIASES
from scimsrv.store.identity import Credential, TrustIdentity, find_client, find_trusts, note_trust_used, use_assertion
from scimsrv.store.pool import Tenants
from scimsrv.store.trusts import EXCHANGE

#: Seconds ahead that the end of an assertion of a client may lie, as long as its jti is kept.
_LONGEST_ASSERTION: Final = 3600

_LONGEST_JTI: Final = 256


#: Lets a request of somebody who is known in, as far as the limits on traffic permit. Raises ScimError 429.
Admit = Callable[[Credential], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Found:
    """Who was found: the most that the access token may grant, and for how many seconds."""

    credential: Credential
    grant: Grant
    lifetime: int


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Issues access tokens. What is wrong with a proof is not told: an unknown tenant, client or issuer and a wrong secret are alike."""

    pool: Tenants
    peppers: Sequence[bytes] = field(repr=False)
    access_tokens: AccessTokens
    key_sets: KeySets
    refusals: Refusals

    async def issue(self, slug: str, asked: Asked, address: str | None, admit: Admit) -> dict[str, Any]:
        """The successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1). `admit` lets whoever is known in. Raises an error of RFC 6749 §5.2, and
        ScimError 429."""
        now = self.access_tokens.clock()
        found = (
            await self._by_subject(slug, asked.proof, now) if isinstance(asked.proof, Subject) else await self._by(slug, asked.proof, now)
        )
        if not found.credential.active:
            raise UnauthorizedClientError("The tenant is suspended.")
        if not found.credential.narrowing.reaches(address):
            raise UnauthorizedClientError("The client may not be used from this network.")
        await admit(found.credential)
        targets = {self.access_tokens.issuer(slug), self.access_tokens.audience(slug)}
        if not {resource.rstrip("/") for resource in asked.resources} <= targets:
            raise OAuth2Error("Access tokens are for this tenant alone.", error="invalid_target")
        scopes = _scopes(asked.scope, found.grant.scopes)
        lifetime = int(min(found.lifetime, found.grant.expires - now))
        if lifetime < 1:
            raise _refused(asked)
        grant = Grant(
            *(found.grant.client, found.grant.holder, found.grant.edition, scopes, now + lifetime, found.grant.subject, found.grant.roles)
        )
        answer = {"access_token": self.access_tokens.issue(slug, grant), "token_type": "Bearer", "expires_in": lifetime}
        answer["scope"] = " ".join(sorted(scopes))
        return answer | ({"issued_token_type": ACCESS_TOKEN} if isinstance(asked.proof, Subject) else {})

    async def revoke(self, slug: str, proof: Secret | Assertion, text: str, admit: Admit) -> None:
        """End an access token before its time (RFC 7009 §2): every process refuses it within a second. One that is none, or none any more,
        is as good as revoked. `admit` as in `issue`. Raises an error of RFC 6749 §5.2, and ScimError 429."""
        found = await self._by(slug, proof, self.access_tokens.clock())
        await admit(found.credential)
        try:
            grant = self.access_tokens.read(read(text), slug)
        except TokenRefused:
            return
        if (grant.client, grant.holder) != (found.grant.client, found.grant.holder):
            raise UnauthorizedClientError("The token was issued to somebody else.")
        ends = datetime.fromtimestamp(grant.expires + LEEWAY, UTC)
        await use_assertion(self.pool, found.credential.tenant, grant.digest, ends)

    async def _by(self, slug: str, proof: Secret | Assertion, now: float) -> _Found:
        return await (self._by_secret(slug, proof, now) if isinstance(proof, Secret) else self._by_assertion(slug, proof, now))

    async def _by_secret(self, slug: str, proof: Secret, now: float) -> _Found:
        found = None
        if tokens.looks_like_client(proof.client) and tokens.looks_like_token(proof.secret, tokens.SECRET):
            digests = [tokens.digest(pepper, proof.secret) for pepper in self.peppers]
            found = await find_client(self.pool, slug, proof.client, digests)
        if found is None:
            denied("secret", "unknown")
            raise InvalidClientError("The client is not known.", status_code=401)
        grant = Grant(proof.client, "", found.edition, found.credential.scopes, float("inf"))
        return _Found(found.credential, grant, found.lifetime)

    async def _by_assertion(self, slug: str, proof: Assertion, now: float) -> _Found:
        """A client that signs for itself (RFC 7523 §3, its issuer is its own id), or the workload of a trusted issuer."""
        try:
            token = read(proof.token)
            issuer = token.claims.get("iss")
            if isinstance(issuer, str) and tokens.looks_like_client(issuer):
                if proof.client not in (None, issuer):
                    raise TokenRefused("client_id")
                return await self._signing_client(slug, issuer, token, now)
            return await self._trusted(slug, token, now)
        except TokenRefused as refused:
            self.refusals.tell(slug, "assertion", refused)
            raise InvalidClientError("The client is not known.", status_code=401) from None

    async def _by_subject(self, slug: str, proof: Subject, now: float) -> _Found:
        try:
            return await self._trusted(slug, read(proof.token), now)
        except TokenRefused as refused:
            self.refusals.tell(slug, "exchange", refused)
            raise InvalidRequestError("The subject_token is not valid.") from None

    async def _signing_client(self, slug: str, id_: str, token: Unverified, now: float) -> _Found:
        check_type(token.header)
        found = await find_client(self.pool, slug, id_)
        if found is None or found.jwks is None:
            raise TokenRefused("client")
        audiences = (f"{self.access_tokens.issuer(slug)}/oauth/token", self.access_tokens.issuer(slug))
        expires = check_claims(token.claims, id_, audiences, now)
        if token.claims["sub"] != id_:
            raise TokenRefused("sub")
        if expires > now + _LONGEST_ASSERTION + LEEWAY:
            raise TokenRefused("exp")
        verify(token, self.key_sets.given(found.credential.tenant, id_, found.jwks), ALGORITHMS)
        await self._use(found.credential.tenant, id_, token, expires)
        return _Found(found.credential, Grant(id_, "", found.edition, found.credential.scopes, float("inf")), found.lifetime)

    async def _trusted(self, slug: str, token: Unverified, now: float) -> _Found:
        """The trust on which a token of another issuer rests: the first whose rules it keeps."""
        issuer = token.claims.get("iss")
        known = await find_trusts(self.pool, slug, issuer) if isinstance(issuer, str) and "\x00" not in issuer else []
        reason = TokenRefused("iss")
        for found in known:
            if EXCHANGE not in found.trust.uses:
                continue
            try:
                return await self._by_trust(found, token, now)
            except TokenRefused as refused:
                reason = refused
        raise reason

    async def _by_trust(self, found: TrustIdentity, token: Unverified, now: float) -> _Found:
        trust = found.trust
        holder = holder_of(token.header, token.claims, trust, found.me_claim, now, bearer=False)
        verify(token, await self.key_sets.of_trust(found.credential.tenant, trust, token.kid), trust.algorithms)
        if trust.single_use:
            await self._use(found.credential.tenant, trust.issuer, token, holder.expires)
        await note_trust_used(self.pool, found)
        grant = Grant(trust.id, holder.name, 0, holder.scopes(trust), holder.expires, holder.subject, holder.roles)
        return _Found(found.credential, grant, trust.lifetime)

    async def _use(self, tenant: int, issuer: str, token: Unverified, expires: float) -> None:
        """Use an assertion that is good once, wherever it is shown again (RFC 7523 §3). Raises TokenRefused."""
        jti = token.claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            raise TokenRefused("jti")
        digest = hashlib.sha256(f"{issuer}\x00{jti}".encode("utf-8", "surrogatepass")).digest()
        if not await use_assertion(self.pool, tenant, digest, datetime.fromtimestamp(expires + LEEWAY, UTC)):
            raise TokenRefused("jti")


def _scopes(asked: tuple[str, ...] | None, permitted: frozenset[str]) -> frozenset[str]:
    """The scopes that are granted: all that are permitted, or those that are asked for."""
    if asked is None:
        return permitted
    wanted = frozenset(scope for name in asked for scope in ALIASES.get(name, (name,)) if name not in ALIASES or scope in permitted)
    if not wanted or not wanted <= permitted:
        raise InvalidScopeError("The client does not have all of these scopes.")
    return wanted


def _refused(asked: Asked) -> OAuth2Error:
    if isinstance(asked.proof, Subject):
        return InvalidRequestError("The subject_token is not valid.")
    return InvalidClientError("The client is not known.", status_code=401)
