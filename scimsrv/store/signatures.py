"""Signs what was issued: credentials after the transaction that makes them, and status lists when somebody asks for them.

What cannot be signed is set aside with the reason and tried again later; it keeps nothing else waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from scimsrv.badges import jws, status_list
from scimsrv.badges.places import Places
from scimsrv.badges.signing import SigningKey
from scimsrv.errors import Kind, ScimError
from scimsrv.observe import Badged, SigningFailed, observe
from scimsrv.store.badge_keys import Keyring
from scimsrv.store.issuing import Issued, issued_for
from scimsrv.store.pool import Queries
from scimsrv.store.queries import load
from scimsrv.store.scope import now

_SQL = load("credentialing")

#: Credentials that are signed in one go, and between two turns of the other requests: a signature takes up to half a millisecond, in
#: which nothing else runs in the process.
BATCH: Final = 200
_AT_ONCE: Final = 5

#: Times that a credential is signed which is replaced meanwhile.
_ATTEMPTS: Final = 3

#: Characters of a reason that are kept.
_LONGEST: Final = 300


class _UnsignableError(Exception):
    """A credential that cannot be signed; the message says why."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A credential that is not signed yet. `failures` counts the attempts, `problem` says why the last one failed, `again` when the next
    one is due; None where none was made."""

    award: str
    issuer: str
    issued: datetime
    failures: int
    problem: str | None
    again: datetime | None


async def issuers_with_unsigned(db: Queries) -> list[tuple[int, str]]:
    """The tenants and issuers whose credentials wait for being signed."""
    return [(row["tenant"], row["issuer"]) for row in await db.fetch(_SQL["with_unsigned"])]


async def waiting_credentials(db: Queries, tenant: int, count: int) -> list[Waiting]:
    """The tenant's credentials that are not signed, those that failed first, at most `count`."""
    return [Waiting(**row) for row in await db.fetch(_SQL["waiting"], tenant, count)]


async def sign_waiting(db: Queries, keyring: Keyring, tenant: int, issuer: str) -> bool:
    """Sign a batch of an issuer's credentials that are due, the oldest first; whether there may be more."""
    rows = await db.fetch(_SQL["unsigned"], tenant, issuer, BATCH)
    await _sign(db, keyring, tenant, issuer, [(row["award"], row["credential"]) for row in rows])
    return len(rows) == BATCH


async def signed(db: Queries, keyring: Keyring, tenant: int, issued: Issued) -> str:
    """The signed form of a credential, which is made now where nobody has made it yet. Raises ScimError 409 where it cannot be made."""
    found: Issued | None = issued
    for _ in range(_ATTEMPTS):  # another one where the credential is replaced, or the key is given up, at the same time
        if found is None or found.jwt is not None:
            break
        problems = await _sign(db, keyring, tenant, found.issuer, [(found.award, found.credential)])
        if problems:
            raise ScimError(Kind.CONFLICT, f"The award's credential cannot be signed: {problems[found.award]}")
        found = await issued_for(db, tenant, issued.award)
    if found is None or found.jwt is None:
        raise LookupError(f"the credential of award {issued.award} is gone")
    return found.jwt


async def _sign(db: Queries, keyring: Keyring, tenant: int, issuer: str, waiting: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Sign an issuer's credentials, given by their awards as JSON text. What cannot be signed is set aside; returns the reasons by award.

    Raises what the issuer's key raises where that cannot be used: then nothing of the issuer's can be signed.
    """
    made: list[tuple[str, str, str, str]] = []
    problems: dict[str, str] = {}
    kid: str | None = None
    for number, (award, text) in enumerate(waiting, 1):
        try:
            document, url = _read(text)
            if url != kid:  # another URL only where the server's own has changed
                key, kid = await keyring.signing_key(db, tenant, issuer, "token", token_kid(url)), url
            made.append((award, _token(document, key), key.kid.rsplit("/", 1)[1], text))
        except _UnsignableError as problem:
            problems[award] = str(problem)[:_LONGEST]
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
    if made:
        tag = await db.execute(_SQL["store_signed"], tenant, *map(list, zip(*made, strict=True)), now())
        observe(Badged("signed", int(tag.rsplit(" ", 1)[1])))  # without those that somebody else has signed meanwhile
    if problems:
        texts = [text for award, text in waiting if award in problems]
        await db.execute(_SQL["set_aside"], tenant, list(problems), list(problems.values()), texts)
        observe(SigningFailed(len(problems)))
    return problems


async def note_proof(db: Queries, tenant: int, award: str, key: str) -> None:
    """Note in the trail that an embedded proof was made for an award's credential, with the key of this id."""
    said = orjson.dumps({"key": key, "form": "Data Integrity"}).decode()
    await db.execute(_SQL["note_signature"], tenant, now(), "system", award, said)


def _read(text: str) -> tuple[Mapping[str, Any], str]:
    """A credential and the URL of its issuer. Raises _UnsignableError."""
    try:
        document = orjson.loads(text)
        url: str = document["issuer"]["id"]
    except (ValueError, KeyError, TypeError) as problem:
        raise _UnsignableError("it is not a credential with an issuer") from problem
    return document, url


def _token(document: Mapping[str, Any], key: SigningKey) -> str:
    """The credential as a token. Raises _UnsignableError."""
    try:
        return jws.sign(document, key)
    except KeyError as problem:
        raise _UnsignableError(f"it has no {problem.args[0]}") from problem
    except (ValueError, TypeError) as problem:
        raise _UnsignableError(str(problem)) from problem


def token_kid(issuer_url: str) -> Callable[[str, Any], str]:
    """The id of a key that signs tokens: below its issuer's URL."""
    return lambda thumbprint, _key: f"{issuer_url}/keys/{thumbprint}"


async def status_token(db: Queries, keyring: Keyring, tenant: int, places: Places, issuer: str, number: int) -> str | None:
    """The signed status list, made anew where something was revoked since; None where there is no such list."""
    made: str | None = None
    for _ in range(_ATTEMPTS):  # another one where somebody else was quicker, or the key was given up at the same time
        row = await db.fetchrow(_SQL["list"], tenant, issuer, number)
        if row is None:
            return None
        if row["jwt"] is not None and row["published"] == row["revision"]:
            token: str = row["jwt"]
            return token
        revoked = [one["place"] for one in await db.fetch(_SQL["revoked_places"], tenant, issuer, number)]
        url = places.status_list(issuer, number)
        document = status_list.list_credential(url, places.issuer(issuer), jws.date_time(datetime.now(UTC)), status_list.encode(revoked))
        key = await keyring.signing_key(db, tenant, issuer, "token", token_kid(places.issuer(issuer)))
        made = jws.sign(document, key)
        said = (made, key.kid.rsplit("/", 1)[1], now())
        if not (await db.execute(_SQL["publish_list"], tenant, issuer, number, row["revision"], *said)).endswith(" 0"):
            break
    return made
