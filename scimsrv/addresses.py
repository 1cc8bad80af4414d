"""From an address to whoever has it."""

from __future__ import annotations

import ipaddress


def network_of(address: str) -> str:
    """The network of whoever has an address: of an IPv6 address the /64, all of which one has who has one of its addresses; of one that
    is IPv4's in other clothes that. What is no address is what it is."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)) if mapped is None else mapped)
