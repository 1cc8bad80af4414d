"""The commands' client of the admin API against servers that misbehave: the token stays where it was sent, and mistakes are sentences."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scimsrv.admin.client import ApiUnreachable, Client, ClientError


class _Handler(BaseHTTPRequestHandler):
    """Answers each path in its own wrong way, and notes what it was asked with which token."""

    asked: list[tuple[str, str | None]]
    answers: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("authorization")))
        status, body = self.answers.get(self.path, (200, b"{}"))
        self.send_response(status)
        if status in (301, 302, 307, 308):
            assert isinstance(self.server, ThreadingHTTPServer)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests read what was asked."""


@pytest.fixture
def server() -> Iterator[tuple[str, type[_Handler]]]:
    """Yield the address of a server and its handler."""

    class Handler(_Handler):
        asked: list[tuple[str, str | None]] = []  # noqa: RUF012
        answers: dict[str, tuple[int, bytes]] = {}  # noqa: RUF012

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_address[1]}", Handler
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: tuple[str, type[_Handler]], status: int) -> None:
    """A redirect is an answer like any other that is none of the API's: the token goes nowhere else."""
    url, handler = server
    handler.answers["/admin/v1/tenants"] = (status, b"")
    with pytest.raises(ClientError, match=str(status)):
        asyncio.run(Client(url, "secret").list_tenants())
    assert handler.asked == [("/admin/v1/tenants", "Bearer secret")]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"tenants": 1}', b"\xff", b""])
def test_what_is_no_admin_api_is_told(server: tuple[str, type[_Handler]], body: bytes) -> None:
    """Another server's answer is a sentence that names the address, not the token."""
    url, handler = server
    handler.answers["/admin/v1/tenants"] = (200, body)
    with pytest.raises(ApiUnreachable, match=url) as problem:
        asyncio.run(Client(url, "secret").list_tenants())
    assert "secret" not in str(problem.value)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (404, b'{"detail": "There is no tenant.", "request": "r"}', r"^There is no tenant\.$"),
        (500, b'{"detail": "The server failed.", "request": "r1"}', r"^The server failed\. \(request r1\)$"),
        (502, b"<html>", "answered 502"),
        (404, b"[]", "answered 404"),
        (401, b"", "answered 401"),
    ],
)
def test_refusals(server: tuple[str, type[_Handler]], status: int, body: bytes, says: str) -> None:
    """The detail of a problem document is the message; without one it is the status. A fault carries the request's id."""
    url, handler = server
    handler.answers["/admin/v1/tenants/acme"] = (status, body)
    with pytest.raises(ClientError, match=says):
        asyncio.run(Client(url, "secret").show_tenant("acme"))


def test_addresses(server: tuple[str, type[_Handler]]) -> None:
    """The path of the API may be part of the address or not; slugs are quoted."""
    url, handler = server
    for given in (url, f"{url}/", f"{url}/admin/v1", f"{url}/admin/v1/"):
        with pytest.raises(ApiUnreachable):
            asyncio.run(Client(given, "secret").show_tenant("a/../b?c"))
    assert {path for path, _ in handler.asked} == {"/admin/v1/tenants/a%2F..%2Fb%3Fc"}


@pytest.mark.parametrize("url", ["http://admin.example.com", "http://192.0.2.1:8081/admin/v1"])
def test_tokens_do_not_cross_the_network_in_clear_text(url: str) -> None:
    """Plain http to another machine is refused before anything is sent, unless it is allowed by name; https and loopback are taken."""
    with pytest.raises(ValueError, match="clear text"):
        Client(url, "secret")
    Client(url, "secret", allow_plain_http=True)
    for taken in ("https://admin.example.com", "http://localhost:8081", "http://127.0.0.1", "http://[::1]:8081"):
        Client(taken, "secret")
