"""The keys of badge issuers: made when first needed, sealed before they are stored, rotated with an overlap, and read to sign with.

A private key leaves this module only as an object that signs. What signs now is decided by the database's clock.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import orjson

from scimsrv.badges import signing
from scimsrv.badges.profile import PublicKey
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("credentialing")

Purpose: TypeAlias = Literal["token", "proof"]
"""What a key signs: JSON Web Tokens, or embedded proofs."""

#: Private keys that a process holds, the oldest going first.
_HELD: Final = 1_000

#: Credentials that lose the signature of a compromised key by one statement.
_BATCH: Final = 5_000


class BadgeKeyError(Exception):
    """What was asked of a key is not possible; the message says why."""


class BadgeKeyMissing(BadgeKeyError):  # noqa: N818 - a kind of BadgeKeyError
    """There is no such key, or no such issuer."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key as an administrator sees it; `state` is pending, active, retired or compromised."""

    issuer: str
    purpose: Purpose
    thumbprint: str
    alg: str
    state: str
    created: datetime
    signs_from: datetime
    retired: datetime | None
    compromised: datetime | None


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key with what it is for."""

    purpose: str
    key: PublicKey


class Keyring:
    """The keys of all issuers, for signing. `seal` and `open_` encrypt and decrypt a private key for its place."""

    def __init__(self, seal: Callable[[bytes, str], bytes], open_: Callable[[bytes, str], bytes], default: str = signing.RS256) -> None:
        self._seal = seal
        self._open = open_
        self._default = default
        self._held: OrderedDict[tuple[int, str, str], Any] = OrderedDict()

    async def signing_key(
        self, db: Queries, tenant: int, issuer: str, purpose: Purpose, kid: Callable[[str, Any], str]
    ) -> signing.SigningKey:
        """The key that signs now; `kid` makes its id of thumbprint and key. An issuer that has none gets one."""
        for _ in range(3):
            row = await db.fetchrow(_SQL["signing_key"], tenant, issuer, purpose)
            if row is not None:
                key = self._opened(tenant, issuer, row["thumbprint"], row["sealed"])
                return signing.SigningKey(row["alg"], kid(row["thumbprint"], key), key)
            await self._add(db, tenant, issuer, purpose, signing.EDDSA if purpose == "proof" else self._default, 0, 1)
        raise BadgeKeyError(f"Issuer {issuer} has no key that signs: rotate its {purpose} key.")

    async def add(self, db: Queries, tenant: int, issuer: str, purpose: Purpose, alg: str, seconds: float) -> str | None:
        """Make a key that signs from so many seconds on, after all that there are, and return its thumbprint; None where another was
        quicker."""
        return await self._add(db, tenant, issuer, purpose, alg, seconds, None)

    async def _add(
        self, db: Queries, tenant: int, issuer: str, purpose: Purpose, alg: str, seconds: float, number: int | None
    ) -> str | None:
        if purpose == "proof" and alg != signing.EDDSA:
            raise BadgeKeyError(f"Embedded proofs are made by {signing.EDDSA} keys only.")
        key = await asyncio.to_thread(signing.new_key, alg)
        thumbprint = signing.thumbprint(key)
        sealed = self._seal(signing.private_text(key), _place(tenant, issuer, thumbprint))
        public = orjson.dumps(signing.public_jwk(key)).decode()
        tag = await db.execute(_SQL["add_key"], tenant, issuer, purpose, thumbprint, alg, public, sealed, seconds, number)
        return None if tag.endswith(" 0") else thumbprint

    def _opened(self, tenant: int, issuer: str, thumbprint: str, sealed: bytes) -> Any:
        place = (tenant, issuer, thumbprint)
        key = self._held.get(place)
        if key is None:
            key = self._held[place] = signing.read_private(self._open(sealed, _place(tenant, issuer, thumbprint)))
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        return key


def _place(tenant: int, issuer: str, thumbprint: str) -> str:
    """What a sealed key is bound to: it opens for no other tenant, issuer or key."""
    return f"badge-key\x1f{tenant}\x1f{issuer}\x1f{thumbprint}"


async def published_keys(db: Queries, tenant: int, issuer: str) -> list[PublishedKey]:
    """All keys of an issuer, compromised ones too: who publishes them leaves these out, who verifies needs to know since when."""
    return [
        PublishedKey(row["purpose"], PublicKey(row["thumbprint"], orjson.loads(row["public"]), row["compromised"]))
        for row in await db.fetch(_SQL["keys"], tenant, issuer)
    ]


async def all_keys(db: Queries) -> list[tuple[str, str, PublicKey]]:
    """Slug, issuer and key of everything that signs on this server."""
    rows = await db.fetch(_SQL["all_keys"])
    return [(row["slug"], row["issuer"], PublicKey(row["thumbprint"], orjson.loads(row["public"]))) for row in rows]


async def list_keys(db: Queries, tenant: int, issuer: str | None) -> list[KeyState]:
    """The keys of a tenant's issuers, or of one of them, with their states."""
    rows = await db.fetch(_SQL["list_keys"], tenant, issuer)
    now = datetime.now(UTC)
    signing_now: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["retired"] is None and row["compromised"] is None and row["signs_from"] <= now:
            signing_now[row["issuer"], row["purpose"]] = row["number"]
    return [_state(row, signing_now.get((row["issuer"], row["purpose"])), now) for row in rows]


def _state(row: Any, in_use: int | None, now: datetime) -> KeyState:
    state = "retired"
    if row["compromised"] is not None:
        state = "compromised"
    elif row["number"] == in_use:
        state = "active"
    elif row["retired"] is None and row["signs_from"] > now:
        state = "pending"
    fields = ("created", "signs_from", "retired", "compromised")
    return KeyState(row["issuer"], row["purpose"], row["thumbprint"], row["alg"], state, *(row[name] for name in fields))


async def retire_key(db: Queries, tenant: int, issuer: str, thumbprint: str) -> None:
    """Let a key sign nothing more; what it signed still verifies. Raises BadgeKeyError when the issuer has no such key that signs."""
    if (await db.execute(_SQL["retire_key"], tenant, issuer, thumbprint)).endswith(" 0"):
        raise BadgeKeyMissing(f"Issuer {issuer} has no key {thumbprint!r} that could be retired.")


async def compromise_key(db: Queries, tenant: int, issuer: str, thumbprint: str, since: datetime) -> None:
    """Mark a key as known to others since a time: it is published no more, what it signed since then counts for nothing, and the lists
    that it signed are signed again. Raises BadgeKeyMissing when the issuer has no such key."""
    if (await db.execute(_SQL["compromise_key"], tenant, issuer, thumbprint, since)).endswith(" 0"):
        raise BadgeKeyMissing(f"Issuer {issuer} has no key {thumbprint!r}.")
    await db.execute(_SQL["unsign_lists"], tenant, issuer, thumbprint)


async def unsign(db: Queries, tenant: int, issuer: str, thumbprint: str) -> int:
    """Take a key's signature from the credentials that this server keeps, so that another key signs them; returns how many. Lists that it
    signed while it was being given up are signed again, too."""
    await db.execute(_SQL["unsign_lists"], tenant, issuer, thumbprint)
    total = 0
    while count := int((await db.execute(_SQL["unsign_credentials"], tenant, issuer, thumbprint, _BATCH)).split()[-1]):
        total += count
    return total


def with_thumbprint(keys: Sequence[KeyState], thumbprint: str) -> KeyState:
    """The one of these keys that has this thumbprint. Raises BadgeKeyMissing."""
    for one in keys:
        if one.thumbprint == thumbprint:
            return one
    raise BadgeKeyMissing(f"There is no key {thumbprint!r}.")
