"""Credentials that are narrowed: to networks by address, in whatever form it comes, and to resource types by name."""

from __future__ import annotations

import pytest

from scimsrv.errors import ScimError
from scimsrv.store.narrowing import Narrowing, parse_networks


@pytest.mark.parametrize(
    ("networks", "address", "reached"),
    [
        ((), "203.0.113.9", True),
        ((), None, True),
        (("192.0.2.0/24",), "192.0.2.7", True),
        (("192.0.2.0/24",), "192.0.3.7", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
        (("192.0.2.0/24",), "::192.0.2.7", False),
        (("192.0.2.0/24",), None, False),
        (("192.0.2.0/24",), "", False),
        (("192.0.2.0/24",), "unix:", False),
        (("192.0.2.0/24", "2001:db8::/32"), "2001:db8::1", True),
        (("2001:db8::/32",), "192.0.2.7", False),
        (("0.0.0.0/0",), "2001:db8::1", False),
    ],
)
def test_networks(networks: tuple[str, ...], address: str | None, reached: bool) -> None:
    """An address is in one of the networks or not; where it is not known, it is in none."""
    assert Narrowing(networks=tuple(parse_networks(networks) or ())).reaches(address) is reached


def test_types() -> None:
    """Names are compared without case; without names every type is permitted, and with none that there is, none is."""
    users = Narrowing(frozenset({"user"}))
    assert users.permits("User")
    assert users.permits("USER")
    assert not users.permits("Group")
    assert Narrowing().permits("Group")
    assert not Narrowing(frozenset()).permits("User")
    with pytest.raises(ScimError, match="type Group"):
        users.require("Group")


@pytest.mark.parametrize("texts", [["10.0.0.1/8"], ["x"], ["10.0.0.0/33"], [""], ["10.0.0.0/8"] * 11])
def test_what_is_no_network(texts: list[str]) -> None:
    """A text that is no network, or has bits of a host, is refused, and so are more than ten."""
    with pytest.raises(ValueError, match="network"):
        parse_networks(texts)
