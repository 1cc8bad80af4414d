"""Cursors: sealed places in a query's order that only their own query, client and tenant can open (RFC 9865 §2, §5.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scimsrv.errors import Kind, ScimError, invalid_value
from scimsrv.protocol.plan import Cursor, Cursors, Position
from scimsrv.protocol.request import Search
from scimsrv.schema.attribute import fold_name

#: Longest cursor in characters, made or looked at: it must fit into a URL beside a filter.
LONGEST: Final = 4096

_NONCE: Final = 12
#: Contents from this many bytes on are deflated: only long sort keys gain by it.
_DEFLATED: Final = 512


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose cursors they are: the tenant's key, the credential's short id and scopes, and the epoch of what is queried, which every
    change of the tenant's policy and of the definitions of these resource types ends."""

    tenant: int
    client: str
    scopes: frozenset[str]
    epoch: str


def binding(holder: Holder, endpoint: str, search: Search, order: Sequence[int] = ()) -> bytes:
    """The 32 bytes of the digest of what must stay the same from page to page, but for count (RFC 9865 §2).

    `order` are the numbers of the indexes that the sort keys may come from: keys of one and without one are not alike.
    """
    only = None if search.projection.only is None else sorted(search.projection.only)
    sort_by = None if search.sort_by is None else fold_name(search.sort_by)
    whose = [holder.tenant, holder.client, sorted(holder.scopes), holder.epoch]
    what = [endpoint, search.filter, sort_by, search.descending, only, sorted(search.projection.without), list(order)]
    return hashlib.sha256(orjson.dumps([whose, what])).digest()


@dataclass(frozen=True, slots=True)
class Sealer:
    """Makes cursors with the first key, opens those of any. `timeout` is how many seconds they work; `clock` gives seconds since 1970,
    `random` so many random bytes."""

    keys: tuple[bytes, ...] = field(repr=False)
    timeout: int
    clock: Callable[[], float]
    random: Callable[[int], bytes]

    def links(self, cursors: Cursors, count: int) -> dict[str, str]:
        """The members of a ListResponse that lead to its neighbours, for pages of `count`.

        Raises ScimError invalidValue where the next page's cursor would be too long. The previous page's is left out then: RFC 9865 §2
        permits it, while a page without nextCursor says that it is the last.
        """
        made = {}
        if cursors.next is not None:
            text = self._seal(cursors.binding, count, cursors.next, backwards=False)
            if len(text) > LONGEST:
                raise invalid_value("sortBy: a value is too long to go on behind it; page with startIndex, or sort by another attribute")
            made["nextCursor"] = text
        if cursors.previous is not None:
            text = self._seal(cursors.binding, count, cursors.previous, backwards=True)
            if len(text) <= LONGEST:
                made["previousCursor"] = text
        return made

    def open(self, text: str, bound: bytes, count: int) -> Cursor:
        """The place that a client's cursor stands for in the query bound so; the empty one stands for the first page.

        Raises ScimError invalidCursor for what was not made for this query, with one sentence for all cases (RFC 9865 §5.2),
        expiredCursor, and invalidCount when the pages before had another size (RFC 9865 §2.1).
        """
        if not text:
            return Cursor(bound)
        issued, size, backwards, id_, key = self._contents(text, bound)
        # Both times are rounded down, so a cursor never dies before its time.
        if int(self.clock()) - issued > self.timeout:
            raise ScimError(Kind.EXPIRED_CURSOR)
        if size != count:
            raise ScimError(Kind.INVALID_COUNT, f"count must be {size}, as for the first page")
        return Cursor(bound, Position(key, id_), bool(backwards))

    def _seal(self, bound: bytes, count: int, position: Position, *, backwards: bool) -> str:
        contents = orjson.dumps([int(self.clock()), count, int(backwards), position.id, position.key])
        if len(contents) >= _DEFLATED:
            contents = zlib.compress(contents)
        nonce = self.random(_NONCE)
        return _text(nonce + _cipher(self.keys[0], bound).encrypt(nonce, contents, None))

    def _contents(self, text: str, bound: bytes) -> list[Any]:
        sealed = _bytes(text) if len(text) <= LONGEST else b""
        for key in self.keys:
            try:
                contents = _cipher(key, bound).decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
            except (InvalidTag, ValueError):  # the latter for less than a nonce
                continue
            # JSON begins with a bracket, deflated data never does.
            found: list[Any] = orjson.loads(contents if contents.startswith(b"[") else zlib.decompress(contents))
            return found
        raise ScimError(Kind.INVALID_CURSOR)


def _cipher(key: bytes, bound: bytes) -> AESGCM:
    # A key for each query rather than one for all: random nonces may then repeat across queries without harm.
    return AESGCM(hmac.digest(key, bound, "sha256"))


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """What the text encodes, nothing for any other spelling of it: the decoder itself skips what it does not know."""
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return sealed if _text(sealed) == text else b""
