"""Whose word counts for the address of a client."""

from __future__ import annotations

from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from scimsrv.listeners import proxies
from scimsrv.settings import Settings


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("10.1.2.3", "192.0.2.7"),
        ("::ffff:10.1.2.3", "192.0.2.7"),
        ("2001:db8::1", "192.0.2.7"),
        ("11.1.2.3", "11.1.2.3"),
        ("::ffff:11.1.2.3", "::ffff:11.1.2.3"),
        ("::10.1.2.3", "::10.1.2.3"),
    ],
)
async def test_proxies_are_trusted_on_every_listener(peer: str, client: str) -> None:
    """A proxy is known by its network whether it reaches a listener for IPv4 or one for both versions; nobody else is believed."""
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    trusted = proxies(Settings(trusted_proxies=("10.0.0.0/8", "2001:db8::/32")))
    assert trusted is not None
    scope: Any = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"192.0.2.7")]}
    await ProxyHeadersMiddleware(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [client]


def test_nobody_is_trusted_by_default() -> None:
    """Without the setting no header says where a request comes from."""
    assert proxies(Settings()) is None
