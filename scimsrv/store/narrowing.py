"""What narrows a credential: the resource types that it is good for, and the networks that it may be used from."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from scimsrv.errors import Kind, ScimError
from scimsrv.schema.attribute import fold_name

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Networks that a credential may be narrowed to.
MOST_NETWORKS: Final = 10


@dataclass(frozen=True, slots=True)
class Narrowing:
    """`types` are folded names of resource types, None for all; `networks` are empty for any."""

    types: frozenset[str] | None = None
    networks: tuple[Network, ...] = ()

    def permits(self, type_name: str) -> bool:
        """Whether it is good for the resource type of this name."""
        return self.types is None or fold_name(type_name) in self.types

    def require(self, type_name: str) -> None:
        """Raises ScimError 403 unless it is good for the resource type of this name."""
        if not self.permits(type_name):
            raise ScimError(Kind.FORBIDDEN, f"The credential is not good for resources of type {type_name}")

    def reaches(self, address: str | None) -> bool:
        """Whether it may be used from the address; where that is not known, only if it may be used from anywhere."""
        if not self.networks:
            return True
        try:
            found = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        inner = getattr(found, "ipv4_mapped", None) or found
        return any(inner in network for network in self.networks if network.version == inner.version)


NOWHERE_NARROWED: Final = Narrowing()


def narrowing(row: Any) -> Narrowing:
    """What the columns types and networks of a row say."""
    if row["types"] is None and row["networks"] is None:
        return NOWHERE_NARROWED
    types = None if row["types"] is None else frozenset(fold_name(name) for name in row["types"])
    return Narrowing(types, tuple(row["networks"] or ()))


def parse_networks(texts: Collection[str]) -> list[Network] | None:
    """The networks of the texts, None for none. Raises ValueError naming a text that is none, or where there are more than ten."""
    if len(texts) > MOST_NETWORKS:
        raise ValueError(f"A credential can be narrowed to {MOST_NETWORKS} networks.")
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise ValueError(f"{text!r} is no network; write 192.0.2.0/24 or 2001:db8::/32.") from None
    return found or None
