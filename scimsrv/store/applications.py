"""Applications that users let reach the Open Badges API: registered by themselves, permitted by a user, and what they were given.

Of secrets, codes and tokens only digests are stored; each names the grant that it belongs to, so that it is found by its primary key.
`by` says, for the audit trail, who does it: the actor, then id and address of the request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from scimsrv.errors import Kind, ScimError
from scimsrv.store.connection import Connection
from scimsrv.store.credentials import CredentialMissing
from scimsrv.store.identity import Credential
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load

_SQL = load("applications")

ACCESS: Final = "sob"
"""What an application's access tokens begin with."""

CODE: Final = "soc"
REFRESH: Final = "sor"

#: Seconds for which a user is waited for, a code is good, and an access token; days that a refresh token is good, each anew.
ANSWER_SECONDS: Final = 600
CODE_SECONDS: Final = 300
ACCESS_SECONDS: Final = 3_600
_REFRESH_SECONDS: Final = 90 * 86_400

#: Applications of a tenant, and those of one network that no user has permitted anything; requests that wait for their users, and those of
#: one network.
MOST_APPLICATIONS: Final = 1_000
MOST_UNUSED: Final = 50
MOST_WAITING: Final = 1_000
MOST_WAITING_OF_NETWORK: Final = 100

MOST_PERMITTED: Final = 100
"""What a user may permit applications at a time."""

OFFLINE: Final = "offline_access"

_TOKEN: Final = re.compile(r"(sob|soc|sor)_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")
_REQUEST: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Application:
    """A registered application: `metadata` is what it said of itself (RFC 7591 §2)."""

    id: str
    metadata: Mapping[str, Any]
    created: datetime
    secret: bytes = field(repr=False)

    def has(self, secret: str) -> bool:
        """Whether this is its secret."""
        return hmac.compare_digest(self.secret, _digest(secret))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an application wants of a user: scopes, where to go back to with which state, and the challenge that a verifier answers."""

    scopes: Sequence[str]
    redirect: str
    state: str
    challenge: str


@dataclass(frozen=True, slots=True)
class Issued:
    """What an application gets for a code or a refresh token; `refresh` is None without the scope `offline_access`, and for one that
    has not registered for it."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    scopes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Permission:
    """A request that waits for its user, or one that was granted: the application's metadata and the scopes."""

    application: str
    metadata: Mapping[str, Any]
    scopes: Sequence[str]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """Where a user's browser goes back to with the answer. `code` is None where the user said no."""

    redirect: str
    state: str
    code: str | None = field(repr=False)


async def register(db: Queries, tenant: int, id_: str, metadata: Mapping[str, Any], network: str) -> tuple[str, datetime] | None:
    """Store an application that comes from this network; its secret and when it was registered. Where there is no place, the oldest gives
    way of those that no user has permitted anything, those of the network that has the most first; None where there are none."""
    secret = secrets.token_urlsafe(32)
    said = (_digest(secret), orjson.dumps(metadata).decode(), network, MOST_APPLICATIONS, MOST_UNUSED)
    row = await db.fetchrow(_SQL["register"], tenant, id_, *said)
    return None if row is None else (secret, row["created"])


async def find_application(db: Queries, tenant: int, id_: str) -> Application | None:
    """The application of this id, or None."""
    row = await db.fetchrow(_SQL["application"], tenant, id_)
    return None if row is None else Application(row["id"], orjson.loads(row["metadata"]), row["created"], bytes(row["secret"]))


@dataclass(frozen=True, slots=True)
class Registered:
    """An application as an administrator sees it: since when it is registered, when a user permitted it something last, and how many users
    do at present."""

    id: str
    client_name: str
    client_uri: str
    created: datetime
    used: datetime | None
    users: int


async def list_applications(db: Queries | Connection, tenant: int) -> list[Registered]:
    """The tenant's applications, the oldest first."""
    found = []
    for row in await db.fetch(_SQL["applications"], tenant):
        said = orjson.loads(row["metadata"])
        found.append(Registered(row["id"], said["client_name"], said["client_uri"], row["created"], row["used"], row["users"]))
    return found


async def remove_application(db: Queries | Connection, tenant: int, id_: str) -> None:
    """Remove an application with everything that users permitted it. Raises CredentialMissing."""
    if (await db.execute(_SQL["remove"], tenant, id_)).endswith(" 0"):
        raise CredentialMissing(f"There is no application {id_!r}; `scimsrv badge application list` shows those there are.")


async def ask(db: Queries, tenant: int, application: str, wanted: Wanted, network: str) -> str | None:
    """Let a user be asked who comes from this network; the id of the request, None where the application is gone. Where too many wait,
    the oldest gives way, of the network that has the most."""
    id_ = secrets.token_hex(16)
    said = (list(wanted.scopes), wanted.redirect, wanted.state, wanted.challenge, ANSWER_SECONDS)
    row = await db.fetchrow(_SQL["ask"], tenant, id_, application, *said, network, MOST_WAITING, MOST_WAITING_OF_NETWORK)
    return None if row is None else id_


async def find_asked(db: Queries, tenant: int, id_: str) -> Permission | None:
    """What a user is asked, None when there is no such request or it was answered."""
    row = await db.fetchrow(_SQL["asked"], tenant, id_) if _REQUEST.fullmatch(id_) else None
    return None if row is None else Permission("", orjson.loads(row["metadata"]), row["scopes"], row["expires"])


async def answer(db: Queries, tenant: int, id_: str, user: str, subject: str | None, by: Sequence[str]) -> Answered | None:
    """Note a user's answer, given by a token with this subject, None for no; None when there is nothing (any more) to be answered. Raises
    ScimError 409 for somebody who permits as much as one may."""
    if not _REQUEST.fullmatch(id_):
        return None
    if subject is None:
        row = await db.fetchrow(_SQL["deny"], tenant, id_)
        return None if row is None else Answered(row["redirect"], row["state"], None)
    code = _new(CODE, id_)
    row = await db.fetchrow(_SQL["permit"], tenant, id_, user, subject, _digest(code), CODE_SECONDS, by, MOST_PERMITTED)
    if row is not None and row["state"] is None:
        raise ScimError(Kind.CONFLICT, f"A user may permit {MOST_PERMITTED} times at once: withdraw what is permitted to others first")
    return None if row is None else Answered(row["redirect"], row["state"], code)


@dataclass(frozen=True, slots=True)
class ByCode:
    """A code that is to be redeemed: where it came to, and the challenge that its verifier answers."""

    code: str = field(repr=False)
    redirect: str
    challenge: str


async def redeem(db: Queries, tenant: int, application: str, shown: ByCode, by: Sequence[str], *, renewable: bool) -> Issued | None:
    """Tokens for a code, once, with one to refresh them where that is `renewable`; None for one that is not good. What a code gave ends
    when its application shows it again (RFC 6749 §4.1.2); another one, to which it was not issued, ends nothing by it (§4.1.3)."""
    id_ = _grant_of(shown.code, CODE)
    if id_ is None:
        return None
    access, refresh = _new(ACCESS, id_), _new(REFRESH, id_)
    said = (_digest(shown.code), shown.redirect, shown.challenge, _digest(access), ACCESS_SECONDS)
    row = await db.fetchrow(_SQL["redeem"], tenant, id_, application, *said, _digest(refresh) if renewable else None, _REFRESH_SECONDS)
    if row is None:
        await db.execute(_SQL["end"], tenant, id_, application, _digest(shown.code), by, "A code was shown again")
        return None
    return Issued(access, refresh if row["renewable"] else None, row["scopes"])


async def renew(db: Queries, tenant: int, application: str, token: str, by: Sequence[str]) -> Issued | None:
    """Tokens for a refresh token, which the new one replaces; None for one that is not good. When one that was replaced is shown, the
    grant ends: two have it."""
    id_ = _grant_of(token, REFRESH)
    if id_ is None:
        return None
    access, refresh = _new(ACCESS, id_), _new(REFRESH, id_)
    said = (_digest(token), _digest(access), ACCESS_SECONDS, _digest(refresh), _REFRESH_SECONDS)
    row = await db.fetchrow(_SQL["refresh"], tenant, id_, application, *said)
    if row is None:
        await db.execute(_SQL["end"], tenant, id_, application, None, by, "A refresh token was shown that is not good any more")
        return None
    return Issued(access, refresh, row["scopes"])


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token stands for: its `credential` has no scopes, since it is good for nothing but the Open Badges API, where it has
    `scopes`, for this `user`. One that is not `good` has expired or was replaced: it names something that was permitted, by 128 bits that
    nobody guesses."""

    credential: Credential
    user: str
    scopes: frozenset[str]
    good: bool
    token: str = field(repr=False)


async def find_access(db: Queries, tenant: int, token: str) -> Access | None:
    """What an access token stands for, None where it is none of what anybody permitted."""
    id_ = _grant_of(token, ACCESS)
    row = None if id_ is None else await db.fetchrow(_SQL["by_access"], tenant, id_, _digest(token))
    if row is None:
        return None
    active = row["status"] == "active"
    found = Credential(row["tenant"], row["slug"], active, row["revision"], row["application"], frozenset(), row["subject"])
    return Access(found, row["holder"], frozenset(row["scopes"]), row["good"], token)


async def end(db: Queries, tenant: int, application: str, token: str, by: Sequence[str], reason: str) -> None:
    """End the grant that an access or refresh token of the application's belongs to; nothing where there is none."""
    id_ = _grant_of(token, ACCESS) or _grant_of(token, REFRESH)
    if id_ is not None:
        await db.execute(_SQL["end"], tenant, id_, application, _digest(token), by, reason)


async def list_permitted(db: Queries, tenant: int, user: str) -> list[Permission]:
    """What a user permits at present."""
    rows = await db.fetch(_SQL["permitted"], tenant, user)
    return [Permission(row["application"], orjson.loads(row["metadata"]), row["scopes"], row["expires"]) for row in rows]


async def withdraw(db: Queries | Connection, tenant: int, user: str, application: str | None, by: Sequence[str], reason: str) -> bool:
    """End everything that a user permits an application, or any; whether there was anything."""
    row = await db.fetchrow(_SQL["withdraw"], tenant, user, application, by, reason)
    return row is not None and row["ended"] > 0


async def withdraw_all(connection: Connection, tenant: int) -> None:
    """End everything that a tenant's users permit applications."""
    await connection.execute(_SQL["withdraw_all"], tenant)


def _new(kind: str, grant: str) -> str:
    return f"{kind}_{grant}_{secrets.token_urlsafe(32)}"


def _grant_of(token: str, kind: str) -> str | None:
    """The grant that a code or token of this kind belongs to; None where it is none."""
    match = _TOKEN.fullmatch(token)
    return match[2] if match is not None and match[1] == kind else None


def _digest(secret: str) -> bytes:
    """256 random bits need no more than this."""
    return hashlib.sha256(secret.encode()).digest()
