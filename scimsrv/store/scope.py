"""What a plan is carried out with: the database, the tenant, its catalogue, and who asks."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from scimsrv.limits import Limits
from scimsrv.schema.catalog import Catalog
from scimsrv.store.names import Names
from scimsrv.store.narrowing import NOWHERE_NARROWED, Narrowing
from scimsrv.store.pool import Database
from scimsrv.store.proof import ALWAYS, Proof
from scimsrv.store.rendition import SLOTS


class Actor(str):
    """By whom something is changed, the id that the trail has, with the origin that a Scope has as well; any other text has none."""

    __slots__ = ("origin",)

    origin: tuple[str, str] | None

    def __new__(cls, name: str, origin: tuple[str, str] | None) -> Self:
        """The id with its origin."""
        made = super().__new__(cls, name)
        made.origin = origin
        return made


def by_whom(actor: str) -> list[str]:
    """By whom a change is made, as statements are told: the actor, and the origin where there is one."""
    origin = actor.origin if isinstance(actor, Actor) else None
    return [actor] if origin is None else [actor, *origin]


async def _nothing_to_ask() -> None:
    """Nobody's right, and no definition, can have changed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`tenant` is the tenant's key, `base_url` its URL without a slash at the end, `actor` the credential's short id; `wake` tells the
    background that there is work for it; `names` are those that this process keeps. `slot` is the one row of each count that this scope
    changes, None for any. `hashes` are those made beforehand, by the resource's id and the secret. `scopes` are the credential's, None
    where the server acts by itself, `subject` what it says of the user whom it stands for, `proof` what it was shown by, and `narrowing`
    says which resource types it is good for; `own` is the id of the user to whose badges a request keeps, None where it may reach
    everybody's. `origin` is the id of the request and the address that it came from, None where no request is behind it. `ask_again`
    is for what has waited: it raises ScimError where it may not go on, and OutdatedError where it has to be planned again."""

    pool: Database
    tenant: int
    catalog: Catalog
    base_url: str
    actor: str
    limits: Limits
    wake: Callable[[], None] = lambda: None
    names: Names = field(default_factory=Names)
    slot: int | None = None
    narrowing: Narrowing = NOWHERE_NARROWED
    hashes: Mapping[str, dict[str, str]] = field(default_factory=dict)
    scopes: frozenset[str] | None = None
    subject: str | None = None
    proof: Proof = ALWAYS
    own: str | None = None
    origin: tuple[str, str] | None = None
    ask_again: Callable[[], Awaitable[None]] = _nothing_to_ask

    @property
    def by(self) -> list[str]:
        """By whom a change is made, as statements are told: the actor, and the origin where there is one."""
        return [self.actor] if self.origin is None else [self.actor, *self.origin]

    def count_slot(self) -> int:
        """The row of a type's count that a write changes."""
        return random.randrange(SLOTS) if self.slot is None else self.slot  # noqa: S311 - spreads writers, keeps no secret


def now() -> datetime:
    """The present UTC time in whole milliseconds, the precision that is stored and served."""
    milliseconds = time.time_ns() // 1_000_000
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


#: The lowest 62 bits, which a UUIDv7 has free.
_LOW: Final = (1 << 62) - 1


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): ids in the order of creation, and never the same twice."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10))  # asked for once, since each time costs as much as all the rest
    value = milliseconds << 80 | 0x7 << 76 | chance >> 68 << 64 | 0b10 << 62 | chance & _LOW
    text = value.to_bytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
