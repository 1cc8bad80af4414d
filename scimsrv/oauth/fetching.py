"""Documents at URLs that an administrator of a tenant gave: fetched only where the operator permits it (RFC 8725 §3.10).

https alone, from hosts that are listed; the name is resolved once, every address must be one of the public internet, and that address is
connected to, so that a name which changes its mind leads nowhere; no redirects; bounded in size and time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httptools

from scimsrv.observe import TRACEPARENT

#: Seconds that everything may take, and bytes that a document may have.
TIMEOUT: Final = 2.0
MAX_BYTES: Final = 256 * 1024

#: What is taken: JSON, also where a server has names of its own for what is in it, and else credentials as tokens, as lists may be.
_ACCEPT: Final = "application/json, application/*;q=0.9, text/plain;q=0.8, */*;q=0.1"

#: Bytes that are read at once; and that an answer may have beside its document.
_PIECE: Final = 16 * 1024

_HOST: Final = re.compile(r"[a-z0-9.:-]{1,253}")
_PRINTED: Final = re.compile(r"[\x21-\x7e]+")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchError(Exception):
    """A document that cannot be had; the message says why."""


#: Names that are looked up at a time.
_LOOKUPS: Final = 4

Resolve = Callable[[str, int], Awaitable[list[str]]]


def _resolver() -> Resolve:
    """Looks names up by threads of its own: a lookup cannot be given up, and those of names whose servers do not answer would keep waiting
    what else the process does by threads."""
    threads = ThreadPoolExecutor(max_workers=_LOOKUPS, thread_name_prefix="names")

    async def resolve(host: str, port: int) -> list[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(threads, look_up)
        return [str(one[4][0]) for one in found]

    return resolve


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, also when it is an IPv4 address in the clothes of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches from `hosts`, which the setting of this name lists: names, `*.example.com` for all names below one, or `*` for any name at
    the usual port; none when empty.
    `resolve` gives the addresses of a name, `permits` judges them, `context` judges certificates, by the authorities that the machine
    trusts when it is None."""

    hosts: Collection[str]
    resolve: Resolve = field(default_factory=_resolver, repr=False)
    permits: Callable[[Address], bool] = is_public
    context: ssl.SSLContext | None = field(default=None, repr=False)
    timeout: float = TIMEOUT
    setting: str = "jwks_hosts"

    def check(self, url: str) -> tuple[str, int, str]:
        """Host, port and path of a URL that may be fetched. Raises FetchError for any other."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 443
        except ValueError:
            raise FetchError("the URL is malformed") from None
        if parts.scheme != "https" or parts.username is not None or parts.fragment or _HOST.fullmatch(host or "") is None:
            raise FetchError("the URL is not an https one with a host, and without user and fragment")
        assert host is not None
        if not any(host == one or (one.startswith("*.") and host.endswith(one[1:])) or (one, port) == ("*", 443) for one in self.hosts):
            raise FetchError(f"the setting {self.setting} does not list {host}")
        if _PRINTED.fullmatch(url) is None:
            raise FetchError("the URL is malformed")
        return host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    async def fetch(self, url: str) -> bytes:
        """The document at a URL. Raises FetchError."""
        host, port, path = self.check(url)
        try:
            async with asyncio.timeout(self.timeout):
                return await self._fetch(host, port, path)
        except TimeoutError:
            raise FetchError(f"{host} did not answer within {self.timeout:g} seconds") from None
        except (OSError, ssl.SSLError, UnicodeError) as problem:
            raise FetchError(f"{host} cannot be reached: {type(problem).__name__}") from None

    async def _fetch(self, host: str, port: int, path: str) -> bytes:
        addresses = await self.resolve(host, port)
        if not addresses or not all(self.permits(ipaddress.ip_address(one.partition("%")[0])) for one in addresses):
            raise FetchError(f"{host} is not an address of the public internet")
        context = self.context or ssl.create_default_context()
        reader, writer = await asyncio.open_connection(addresses[0], port, ssl=context, server_hostname=host)
        try:
            name = host if port == 443 else f"{host}:{port}"
            head = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nAccept: {_ACCEPT}\r\nUser-Agent: scimsrv\r\nConnection: close\r\n"
            traceparent = TRACEPARENT.get()
            head += f"traceparent: {traceparent}\r\n\r\n" if traceparent else "\r\n"
            writer.write(head.encode("ascii"))
            answer = _Answer()
            parser = httptools.HttpResponseParser(answer)
            taken = 0
            while not answer.complete and (piece := await reader.read(_PIECE)):
                taken += len(piece)
                if taken > MAX_BYTES + _PIECE:
                    raise FetchError(f"{host} answered more than {MAX_BYTES} bytes")
                try:
                    parser.feed_data(piece)
                except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                    raise FetchError(f"{host} did not answer in HTTP") from None
                if answer.started and parser.get_status_code() != 200:
                    raise FetchError(f"{host} answered {parser.get_status_code()}")
        finally:
            writer.transport.abort()
        if not answer.complete and not answer.started:
            raise FetchError(f"{host} did not answer in HTTP")
        document = b"".join(answer.pieces)
        if len(document) > MAX_BYTES:
            raise FetchError(f"{host} answered more than {MAX_BYTES} bytes")
        return document


class _Answer:
    """Collects what the parser finds."""

    def __init__(self) -> None:
        self.started = False
        self.complete = False
        self.pieces: list[bytes] = []

    def on_headers_complete(self) -> None:
        self.started = True

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.complete = True
