"""What the endpoints of badges share: the keys, the contexts, embedded proofs on demand, and verification against what is known here."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

import orjson

from scimsrv.badges import elsewhere, endorsements, identity, integrity, jws, profile, revocation_list, status_list, verification
from scimsrv.badges.places import Places, owner_of
from scimsrv.badges.signing import multikey_of, public_jwk
from scimsrv.badges.strict import UnreadableError
from scimsrv.errors import Kind, ScimError
from scimsrv.oauth.fetching import Fetcher, FetchError
from scimsrv.observe import Badged, observe
from scimsrv.openbadges.fetched import Documents
from scimsrv.openbadges.refreshing import refresh, service_of
from scimsrv.store import issuing, signatures
from scimsrv.store.badge_keys import Keyring, all_keys, published_keys
from scimsrv.store.issuing import Issued
from scimsrv.store.pool import Tenants

#: Documents with embedded proofs that a process keeps, and their bytes, the oldest going first: making one costs hundredths of a second.
_KEPT: Final = 1_000
_KEPT_BYTES: Final = 32 * 1024 * 1024

#: Seconds for which the keys of all issuers are not read again.
_BELIEVED: Final = 5.0

#: Documents whose proofs are made or verified at a time, of one tenant's one; the others wait, so that requests of other kinds, and of
#: other tenants, get their turn.
_AT_ONCE: Final = 2

#: Lists of other servers, and documents with keys of their issuers, that one verification fetches, and the depth to which it looks at
#: endorsements of endorsements.
LISTS: Final = 3
ISSUERS: Final = 3
_DEPTH: Final = 3

#: What says from when on a status list holds, which it need not say (Bitstring Status List §2.2).
_BEGINNINGS: Final = frozenset({"validFrom", "issuanceDate"})
_EVER: Final = {"validFrom": "0001-01-01T00:00:00Z"}


@dataclass(slots=True)
class _Walk:
    """What one verification, for a tenant, has looked at: the lists and the keys of other servers that it asked for, and how many
    endorsements it may still look at."""

    tenant: int
    lists: set[str] = field(default_factory=set)
    issuers: set[str] = field(default_factory=set)
    endorsements: int = endorsements.MOST


@dataclass(frozen=True, slots=True)
class Office:
    """One process's part in issuing and verifying. `public` is the server's public URL without a slash at its end."""

    pool: Tenants
    keyring: Keyring
    canonicalizer: integrity.Canonicalizer
    public: str
    turns: asyncio.Semaphore
    queues: WeakValueDictionary[int, asyncio.Lock]
    proven: OrderedDict[tuple[int, str, bytes], bytes]
    known: list[tuple[float, list[dict[str, Any]]]]
    lists: Documents
    issuers: Documents

    @classmethod
    def of(
        cls,
        pool: Tenants,
        keyring: Keyring,
        canonicalizer: integrity.Canonicalizer,
        public: str,
        hosts: Collection[str] = (),
        issuers: Collection[str] = (),
    ) -> Office:
        """An office that has done nothing yet; `hosts` are those from which status lists may be fetched, `issuers` the same for keys."""
        fetched = (Documents(Fetcher(hosts, setting="badge_status_hosts")), Documents(Fetcher(issuers, setting="badge_issuer_hosts")))
        return cls(pool, keyring, canonicalizer, public, asyncio.Semaphore(_AT_ONCE), WeakValueDictionary(), OrderedDict(), [], *fetched)

    def places(self, slug: str) -> Places:
        """The public URLs of a tenant."""
        return Places(self.public, slug)

    async def everybodys_keys(self) -> list[dict[str, Any]]:
        """The keys of all issuers on this server; believed for some seconds, since anybody may ask as often as they like."""
        clock = asyncio.get_running_loop().time()
        if not self.known or self.known[0][0] < clock:
            keys = [profile.jwk(self.places(slug), issuer, key) for slug, issuer, key in await all_keys(self.pool.across())]
            self.known[:] = [(clock + _BELIEVED, keys)]
        return self.known[0][1]

    async def token(self, tenant: int, issued: Issued) -> str:
        """The credential as a JSON Web Token. Raises ScimError 409 where it cannot be signed."""
        return await signatures.signed(self.pool.of(tenant), self.keyring, tenant, issued)

    async def document(self, tenant: int, issued: Issued) -> bytes:
        """The credential with an embedded proof. Raises ScimError 501 where the server cannot make one."""
        problem = self.canonicalizer.problem()
        if problem is not None:
            raise ScimError(Kind.NOT_IMPLEMENTED, f"Embedded proofs cannot be made: {problem}. The credential is there as a JSON Web Token")
        credential = orjson.loads(issued.credential)
        issuer = credential["issuer"]["id"]
        key = await self.keyring.signing_key(self.pool.of(tenant), tenant, issued.issuer, "proof", _method(issuer))
        place = (tenant, key.kid, hashlib.sha256(issued.credential.encode()).digest())
        if place in self.proven:
            return self.proven[place]
        async with self._turn(tenant):
            if place in self.proven:  # somebody else who wanted it had the turn before
                return self.proven[place]
            created = jws.date_time(datetime.now(UTC))
            try:
                signed = await asyncio.to_thread(integrity.prove, credential, key, created, self.canonicalizer)
            except integrity.IntegrityError as error:
                raise ScimError(Kind.CONFLICT, f"The award cannot be signed with an embedded proof: {error}") from error
            await signatures.note_proof(self.pool.of(tenant), tenant, issued.award, key.kid)
            made = self.proven[place] = orjson.dumps(signed)
            while len(self.proven) > _KEPT or sum(map(len, self.proven.values())) > _KEPT_BYTES:
                self.proven.popitem(last=False)
        return made

    async def verify(
        self, payload: bytes, recipient: str | None = None, *, tenant: int = 0, renew: bool = False, endorsed: bool = True
    ) -> dict[str, Any]:
        """The report on a credential, as JSON, for a tenant: where `endorsed`, with those on the endorsements that it carries, each of
        which costs as much as the credential itself and may have keys fetched; with `renew` on the newer one, where the credential says
        where that is to be had. Raises UnreadableError."""
        presented = verification.read(payload)
        walk = _Walk(tenant)
        report = await self._proven(presented, walk)
        url, said = service_of(presented.credential) if renew else None, {}
        if url is not None:
            presented, report, renewed = await self._renewed(url, presented, report, walk)
            said = {"refresh": renewed.shown()}
        report = await self._with_status(presented, report, walk)
        observe(Badged("verified" if report.signature.verdict == "valid" else "refuted"))
        return {
            "form": presented.form,
            "credential": _summary(presented.credential),
            **report.shown(),
            **said,
            **({} if recipient is None else {"recipient": _is_about(presented.credential, recipient)}),
            **(await self._endorsements(presented.credential, walk, 1) if endorsed else {}),
        }

    async def _renewed(
        self, url: str, presented: verification.Presented, report: verification.Report, walk: _Walk
    ) -> tuple[verification.Presented, verification.Report, verification.Verdict]:
        """A newer one of a credential with the report on it, where it is its issuer's; else the one that there is; and what came of it."""
        newer = await refresh(url, presented, report, self.issuers)
        if newer.found is None:
            return presented, report, verification.Verdict("current" if newer.detail is None else "unknown", newer.detail)
        judged = await self._proven(newer.found, walk)
        if not judged.holds:
            return presented, report, verification.Verdict("unknown", "the newer one is not proven to be its issuer's")
        return newer.found, judged, verification.Verdict("refreshed")

    async def _endorsements(self, credential: Mapping[str, Any], walk: _Walk, depth: int) -> dict[str, Any]:
        """The reports on the endorsements that a credential carries, and on those that these do; nothing where there are none."""
        carried = endorsements.carried(credential)[: walk.endorsements] if depth <= _DEPTH else []
        walk.endorsements -= len(carried)
        return {"endorsements": [await self._endorsed(one, walk, depth) for one in carried]} if carried else {}

    async def _judged(self, presented: verification.Presented, walk: _Walk) -> verification.Report:
        """The report on a credential."""
        return await self._with_status(presented, await self._proven(presented, walk), walk)

    async def _with_status(self, presented: verification.Presented, report: verification.Report, walk: _Walk) -> verification.Report:
        """The report on a credential with what its status list says."""
        status = await self._status(presented, walk, holds=report.holds)
        return verification.with_status(report, presented.credential, status, datetime.now(UTC))

    async def _proven(self, presented: verification.Presented, walk: _Walk) -> verification.Report:
        """The report on a credential, as if it had no status list."""
        keys = {method: key for method in presented.methods if (key := await self._key(method)) is not None}
        found, why = await self._keys_elsewhere(presented, keys.keys(), walk)
        judge = partial(verification.judge, why=why)
        judged = partial(asyncio.to_thread, judge, presented, keys | found, None, datetime.now(UTC), self.canonicalizer)
        if presented.token is not None:  # which takes no more than a signature does
            return await judged()
        async with self._turn(walk.tenant):
            return await judged()

    @asynccontextmanager
    async def _turn(self, tenant: int) -> AsyncIterator[None]:
        """A turn at what takes long; a tenant has one at a time, and waits for no more than one of each other tenant's."""
        queue = self.queues.setdefault(tenant, asyncio.Lock())
        async with queue, self.turns:
            yield

    async def _keys_elsewhere(
        self, presented: verification.Presented, known: Collection[str], walk: _Walk
    ) -> tuple[dict[str, verification.KnownKey], str]:
        """The keys by which a credential is signed and that are not `known` here, as its issuer publishes them elsewhere; and why others
        are not known."""
        brought = None if presented.token is None else elsewhere.brought_by(presented.token)
        wanted = [method for method in presented.methods if method not in known] + ([verification.BROUGHT] if brought is not None else [])
        issuer = presented.issuer
        if issuer is None or not wanted:
            return {}, verification.UNFETCHED
        if owner_of(issuer, self.public) is not None:
            return {}, "it is none of its issuer's, who is one of this server"
        if not self.issuers.fetcher.hosts:
            return {}, verification.UNFETCHED
        try:
            place = elsewhere.whereabouts(issuer, token=presented.token is not None)
            if len(walk.issuers | {place.url}) > ISSUERS:
                return {}, f"more than {ISSUERS} issuers are named, and the keys of the others are not fetched"
            walk.issuers.add(place.url)
            body = await self.issuers.body(place.url)
        except FetchError as problem:
            return {}, f"the issuer's keys cannot be had: {problem}"
        except elsewhere.UnknownKeyError as problem:
            return {}, str(problem)
        found: dict[str, verification.KnownKey] = {}
        why = verification.UNFETCHED
        for method in wanted:
            try:
                found[method] = elsewhere.found_in(body, place, issuer, method or None, brought, datetime.now(UTC))
            except elsewhere.UnknownKeyError as problem:
                why = str(problem)
        return found, why

    async def _endorsed(self, carried: endorsements.Endorsement, walk: _Walk, depth: int) -> dict[str, Any]:
        """The report on an endorsement at this depth."""
        try:
            presented = verification.read(carried.payload)
        except UnreadableError as problem:
            return {"of": carried.of, "signature": {"verdict": "invalid", "detail": str(problem)}}
        said = endorsements.comment(presented.credential)
        summary = {name: value for name, value in _summary(presented.credential).items() if name in ("id", "issuer", "issuerName")}
        report = await self._judged(presented, walk)
        judged = replace(report, structure=[*report.structure, *endorsements.faults(presented.credential, carried.target)]).shown()
        more = await self._endorsements(presented.credential, walk, depth + 1)
        return {"of": carried.of, **summary, **({} if said is None else {"comment": said}), **judged, **more}

    async def _key(self, method: str) -> verification.KnownKey | None:
        """The key of this id: one of an issuer here, or one that is its own name."""
        own = owner_of(method, self.public)
        if own is None:
            return verification.self_described(method)
        slug, issuer = own
        tenant = await issuing.find_tenant_key(self.pool.across(), slug)
        if tenant is None:
            return None
        places = self.places(slug)
        for published in await published_keys(self.pool.of(tenant), tenant, issuer):
            key = published.key
            of_token = published.purpose == "token"
            if method == (places.key(issuer, key.thumbprint) if of_token else places.method(issuer, multikey_of(key.jwk))):
                return verification.KnownKey(key.jwk, places.issuer(issuer), "one of the issuer's keys on this server", key.compromised)
        return None

    async def _status(self, presented: verification.Presented, walk: _Walk, *, holds: bool) -> bool | str | None:
        """Whether the credential is revoked by its list, or why that is not known; lists of other servers are asked about what `holds`."""
        try:
            entry = verification.status_entry(presented.credential)
        except status_list.StatusListError as problem:
            return str(problem)
        if entry is None:
            return None
        own = owner_of(entry.url, self.public)
        if own is None or isinstance(entry, revocation_list.ListEntry):
            return await self._elsewhere(presented, entry, walk, holds=holds)
        slug, issuer = own
        places, number = self.places(slug), entry.url.rsplit("/", 1)[-1]
        known = number.isascii() and number.isdigit() and len(number) <= 9
        if not known or entry.url != places.status_list(issuer, int(number)) or presented.issuer != places.issuer(issuer):
            return "the status list is not one of the issuer's"
        if entry.index >= status_list.SIZE:
            return "RANGE_ERROR: statusListIndex is beyond the end of the list"
        tenant = await issuing.find_tenant_key(self.pool.across(), slug)
        found = None if tenant is None else await issuing.is_revoked(self.pool.of(tenant), tenant, issuer, int(number), entry.index)
        return "the place in the status list is nobody's" if found is None else found

    async def _elsewhere(
        self,
        presented: verification.Presented,
        entry: status_list.StatusEntry | revocation_list.ListEntry,
        walk: _Walk,
        *,
        holds: bool,
    ) -> bool | str:
        """What a list of another server says, which has to be the issuer's. Nobody has a list fetched by a credential that is not one."""
        if not self.lists.fetcher.hosts:
            return "the status list is not one of this server, and nothing is fetched"
        if not holds:
            return "a list of another server is fetched for a credential alone whose signature and issuer hold"
        if len(walk.lists | {entry.url}) > LISTS:
            return f"more than {LISTS} lists are named, and the others are not fetched"
        walk.lists.add(entry.url)
        try:
            body = await self.lists.body(entry.url)
            if isinstance(entry, revocation_list.ListEntry):
                return revocation_list.is_listed(body, entry.url, presented.issuer, str(presented.credential.get("id")))
            listed = verification.read(body)
            report = await self._proven(listed, walk)
            if not report.holds or listed.issuer != presented.issuer:
                return "the status list is not signed by the issuer"
            since = {} if _BEGINNINGS & listed.credential.keys() else _EVER
            valid = verification.with_status(report, since | listed.credential, None, datetime.now(UTC)).status
            if valid.verdict != "active":
                return f"the status list is {valid.verdict}"
            return await asyncio.to_thread(status_list.revoked_in, listed.credential, entry)
        except FetchError as problem:
            return f"the status list cannot be had: {problem}"
        except (status_list.StatusListError, UnreadableError) as problem:
            return str(problem)


def _method(issuer: str) -> Any:
    """The id of a key that makes embedded proofs: a part of the issuer's profile."""

    def kid(_thumbprint: str, key: Any) -> str:
        return f"{issuer}#{multikey_of(public_jwk(key))}"

    return kid


def _summary(credential: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of the report wants to know of the credential."""
    issuer, subject = credential.get("issuer"), credential.get("credentialSubject")
    achievement = subject.get("achievement") if isinstance(subject, dict) else None
    found = {
        "id": credential.get("id"),
        "name": achievement.get("name") if isinstance(achievement, dict) else credential.get("name"),
        "issuer": issuer.get("id") if isinstance(issuer, dict) else issuer,
        "issuerName": issuer.get("name") if isinstance(issuer, dict) else None,
        "validFrom": credential.get("validFrom", credential.get("issuanceDate")),
        "validUntil": credential.get("validUntil", credential.get("expirationDate")),
    }
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _is_about(credential: Mapping[str, Any], recipient: str) -> dict[str, str]:
    """Whether one of the subject's identifiers is this identity."""
    subject = credential.get("credentialSubject")
    stated = subject.get("identifier") if isinstance(subject, dict) else None
    objects = [one for one in (stated if isinstance(stated, list) else [stated]) if isinstance(one, dict)]
    if not objects:
        return {"verdict": "unknown", "detail": "the credential names no identity"}
    return {"verdict": "matches" if any(identity.is_about(one, recipient) for one in objects) else "differs"}
