"""The chain: each row's hash covers the hash before it, the row, and a salted digest of its values, which may be erased later."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import orjson

#: Bytes of a hash or digest.
SIZE: Final = 32

#: What stands before the first row of a chain.
START: Final = bytes(SIZE)


class Row(NamedTuple):
    """A row of the trail as it is stored; `origin` has id and address of the request behind it, None where there is none; `diff` and
    `content` are JSON text."""

    seq: int
    at: datetime
    actor: str
    origin: Sequence[str] | None
    operation: str
    type: str
    id: str
    version: int
    attributes: Sequence[str]
    coercions: Sequence[str] | None
    diff: str | None
    content: str | None
    salt: bytes | None


@dataclass(frozen=True, slots=True)
class Seal:
    """A stretch of a tenant's chain: `digests` and `hashes` have SIZE bytes for each of `seqs`, of which the first has `position`
    (counted from 1); `previous` is the hash before it, `mac` is made with a key of the server."""

    number: int
    position: int
    at: datetime
    seqs: Sequence[int]
    highest: int
    digests: bytes
    hashes: bytes
    previous: bytes
    mac: bytes

    @property
    def head(self) -> bytes:
        """The hash of the last row."""
        return self.hashes[-SIZE:]

    @property
    def last(self) -> int:
        """The position of the last row."""
        return self.position + len(self.seqs) - 1


def digest(row: Row) -> bytes:
    """SHA-256 of salt and content, either of which may be missing."""
    return hashlib.sha256((row.salt or b"") + (row.content or "").encode()).digest()


def moment(at: datetime) -> str:
    """The UTC time with six digits of a second, such as 2026-01-31T12:00:00.120000+00:00."""
    if at.tzinfo is UTC and at.microsecond:
        return orjson.dumps(at)[1:-1].decode()  # the same, several times as fast
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def record(tenant: int, position: int, row: Row, content: bytes) -> bytes:
    """The bytes of a row that its hash covers: JSON with members in order, no white space, the digest of the values in their place. A row
    without an origin has no member for it."""
    origin = {} if row.origin is None else {"origin": list(row.origin)}
    return orjson.dumps(
        {
            **origin,
            "tenant": tenant,
            "position": position,
            "seq": row.seq,
            "at": moment(row.at),
            "actor": row.actor,
            "operation": row.operation,
            "type": row.type,
            "id": row.id,
            "version": row.version,
            "attributes": list(row.attributes),
            "coercions": None if row.coercions is None else list(row.coercions),
            "diff": row.diff,
            "digest": content.hex(),
        },
        option=orjson.OPT_SORT_KEYS,
    )


def link(previous: bytes, text: bytes) -> bytes:
    """The hash of a record behind another's."""
    return hashlib.sha256(previous + text).digest()


def hashes_of(tenant: int, position: int, previous: bytes, rows: Iterable[tuple[Row, bytes]]) -> Iterator[bytes]:
    """The hashes of rows, each with the digest of its values, that are chained behind `previous`, the first of them at `position`."""
    for place, (row, content) in enumerate(rows, position):
        previous = link(previous, record(tenant, place, row, content))
        yield previous


def seal(
    tenant: int,
    number: int,
    position: int,
    previous: bytes,
    at: datetime,
    seqs: Sequence[int],
    digests: Sequence[bytes],
    hashes: Sequence[bytes],
    key: bytes,
) -> Seal:
    """Seal rows of these numbers, digests and hashes, which are chained behind `previous`, the first of them at `position`."""
    made = Seal(number, position, at, seqs, max(seqs), b"".join(digests), b"".join(hashes), previous, b"")
    return Seal(number, position, at, seqs, made.highest, made.digests, made.hashes, previous, _mac(tenant, made, key))


def is_authentic(tenant: int, sealed: Seal, keys: Iterable[bytes]) -> bool:
    """Whether the seal was made, as it is, by a server with one of the keys."""
    return any(hmac.compare_digest(sealed.mac, _mac(tenant, sealed, key)) for key in keys)


def _mac(tenant: int, sealed: Seal, key: bytes) -> bytes:
    said = [tenant, sealed.number, sealed.position, moment(sealed.at), list(sealed.seqs), sealed.highest]
    parts = (orjson.dumps(said), sealed.digests, sealed.hashes, sealed.previous)
    return hmac.digest(key, b"".join(hashlib.sha256(part).digest() for part in parts), hashlib.sha256)
