"""Which addresses count as one network."""

import pytest

from scimsrv.oauth.service import client_network


@pytest.mark.parametrize(
    ("client", "network"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 4711), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::1", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:3::1", 1), "2001:db8:1:3::/64"),
        (("::ffff:192.0.2.7", 4711), "192.0.2.7"),
        (("not:an:address", 4711), "not:an:address"),
        (None, ""),
    ],
)
def test_networks(client: tuple[str, int] | None, network: str) -> None:
    """An IPv6 address counts as its /64, an IPv4 address, however it is written, as itself."""
    assert client_network({"client": client}) == network
