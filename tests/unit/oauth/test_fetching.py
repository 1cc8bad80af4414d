"""Fetching the keys of issuers: only from where the operator permits, only over https, and never from inside (RFC 8725 §3.10)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scimsrv.oauth.fetching import MAX_BYTES, Fetcher, FetchError, is_public
from scimsrv.observe import TRACEPARENT
from scimsrv.openbadges.answers import negotiated

HOST = "keys.example.com"
BODY = b'{"keys": []}'

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate of HOST that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    place = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    place.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return place


@asynccontextmanager
async def serving(certificate: Path, answer: Answering, *, tls: bool = True) -> AsyncIterator[int]:
    """Answer on a port of this machine for the length of a block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    writers: list[asyncio.StreamWriter] = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(answering, "127.0.0.1", 0, ssl=context if tls else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def replying(text: bytes, asked: list[bytes] | None = None) -> Answering:
    """Answer with these bytes and close."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if asked is not None:
                asked.append(head)
            writer.write(text)
            await writer.drain()
        writer.close()

    return answer


def here(certificate: Path, **other: object) -> Fetcher:
    """A fetcher for which HOST is this machine, and this machine the public internet."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    context = ssl.create_default_context(cafile=str(certificate))
    usual: dict[str, object] = {"hosts": [HOST], "resolve": resolve, "permits": lambda _: True, "context": context}
    return Fetcher(**(usual | other))  # type: ignore[arg-type]


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "text",
    [
        _OK + b"Content-Length: 12\r\n\r\n" + BODY,
        _OK + b"Connection: close\r\n\r\n" + BODY,
        _OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5] + b"\r\n7\r\n" + BODY[5:] + b"\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    ],
    ids=["length", "close", "chunks", "HTTP/1.0"],
)
async def test_a_document_is_fetched(certificate: Path, text: bytes) -> None:
    """Whatever ends the body, it is read; the request names the host and asks for the path and query alone."""
    asked: list[bytes] = []
    async with serving(certificate, replying(text, asked)) as port:
        assert await here(certificate).fetch(f"https://{HOST}:{port}/a/keys?x=1") == BODY
    assert asked[0].startswith(b"GET /a/keys?x=1 HTTP/1.1\r\nHost: keys.example.com:")
    assert b"uthorization" not in asked[0]
    accept = next(line for line in asked[0].decode().split("\r\n") if line.startswith("Accept: ")).removeprefix("Accept: ")
    assert negotiated(accept, ("text/html", "application/json", "text/plain")) == "application/json"
    assert negotiated(accept, ("text/html", "text/plain")) == "text/plain"  # where there is a token alone
    for alone in ("application/did+json", "application/jwk-set+json", "application/vc+jwt"):
        assert negotiated(accept, ("text/html", alone)) == alone


async def test_what_is_fetched_is_part_of_a_trace(certificate: Path) -> None:
    """The request for keys has the traceparent of the request that needs them, and none where there is none."""
    asked: list[bytes] = []
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with serving(certificate, replying(_OK + b"Content-Length: 12\r\n\r\n" + BODY, asked)) as port:
        for given in ("", traceparent):
            token = TRACEPARENT.set(given)
            assert await here(certificate).fetch(f"https://{HOST}:{port}/keys") == BODY
            TRACEPARENT.reset(token)
    assert [b"traceparent" in head for head in asked] == [False, True]
    assert f"\r\ntraceparent: {traceparent}\r\n".encode() in asked[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n", "answered 301"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        (b"SSH-2.0-x\r\n", "not answer in HTTP"),
        (b"", "not answer in HTTP"),
        (_OK + b"Content-Length: 99999999\r\n\r\n" + b" " * (MAX_BYTES * 2), "more than"),
        (_OK + b"\r\n" + b" " * (MAX_BYTES * 2), "more than"),
        (_OK + b"X-Filler: " + b"x" * (MAX_BYTES * 2), "more than|not answer in HTTP"),
    ],
    ids=["302", "301", "404", "500", "ssh", "nothing", "large", "endless", "large header"],
)
async def test_other_answers(certificate: Path, text: bytes, says: str) -> None:
    """A redirect leads nowhere, and what is no document of a fair size is none."""
    async with serving(certificate, replying(text)) as port:
        with pytest.raises(FetchError, match=says):
            await here(certificate).fetch(f"https://{HOST}:{port}/keys")


async def test_how_large_a_document_may_be(certificate: Path) -> None:
    """As large as the limit, and not a byte larger, whether its length is said or not."""
    for head in (_OK + b"Content-Length: %d\r\n\r\n", _OK + b"Connection: close\r\n\r\n"):
        for size in (MAX_BYTES, MAX_BYTES + 1):
            async with serving(certificate, replying((head % size if b"%" in head else head) + b"x" * size)) as port:
                fetched = here(certificate, timeout=30.0).fetch(f"https://{HOST}:{port}/keys")
                if size == MAX_BYTES:
                    assert len(await fetched) == size
                else:
                    with pytest.raises(FetchError, match="more than 262144 bytes"):
                        await fetched


async def test_slow_answers(certificate: Path) -> None:
    """What takes too long is given up, whether nothing comes or a byte now and then."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            for byte in _OK * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()

    async with serving(certificate, trickle) as port:
        with pytest.raises(FetchError, match=r"within 0\.3 seconds"):
            await here(certificate, timeout=0.3).fetch(f"https://{HOST}:{port}/keys")


async def test_certificates_are_checked(certificate: Path) -> None:
    """A certificate of another authority or another name, and plain text where TLS is due, are refused before anything is asked."""
    asked: list[bytes] = []
    reply = replying(_OK + b"Content-Length: 12\r\n\r\n" + BODY, asked)
    async with serving(certificate, reply) as port:
        for fetcher, host in (
            (here(certificate, context=ssl.create_default_context()), HOST),
            (here(certificate, hosts=["other.example.com"]), "other.example.com"),
        ):
            with pytest.raises(FetchError, match="cannot be reached"):
                await fetcher.fetch(f"https://{host}:{port}/keys")
    async with serving(certificate, reply, tls=False) as port:
        with pytest.raises(FetchError, match=r"cannot be reached|did not answer"):
            await here(certificate).fetch(f"https://{HOST}:{port}/keys")
    assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example.com/",
        "ftp://keys.example.com/",
        "file:///etc/passwd",
        "//keys.example.com/",
        "keys.example.com",
        "https://keys.example.com@evil.example/",
        "https://user:secret@keys.example.com/",
        "https://evil.example/?keys.example.com",
        "https://evil.example#keys.example.com",
        "https://keys.example.com/#x",
        "https://keys.example.com.evil.example/",
        "https://xkeys.example.com/",
        "https://keys.example.com./",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://localhost/",
        "https://keys.example.com:x/",
        "https://keys.example.com:99999/",
        "https://keys.example.com/\r\nX: y",
        "https://keys.example.com/ x",
        "https://k\u0435ys.example.com/",
        "https:///keys",
        "",
    ],
)
async def test_urls_that_are_not_fetched(url: str) -> None:
    """Another scheme, a user, a host that is not listed whatever it looks like, or characters that split a request: nothing is resolved."""
    resolved: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        resolved.append(host)
        return ["192.0.2.1"]

    with pytest.raises(FetchError):
        await Fetcher([HOST], resolve=resolve).fetch(url)
    assert resolved == []


async def test_nothing_is_fetched_by_default() -> None:
    """Without a list of hosts there is no way out, and a domain of the list has what is below it alone."""
    with pytest.raises(FetchError, match=r"does not list keys\.example\.com"):
        await Fetcher(()).fetch(f"https://{HOST}/")
    below = Fetcher(["*.okta.com"])
    assert below.check("https://acme.okta.com/keys?x") == ("acme.okta.com", 443, "/keys?x")
    assert below.check("https://a.b.okta.com:8443") == ("a.b.okta.com", 8443, "/")
    for other in ("https://okta.com/", "https://evilokta.com/", "https://okta.com.evil.example/"):
        with pytest.raises(FetchError):
            below.check(other)


_INSIDE = [
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "192.0.0.1"),
    *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1"),
    *(
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
    ),
]


@pytest.mark.parametrize("address", _INSIDE)
async def test_addresses_of_the_inside(address: str) -> None:
    """A listed name that leads to a private, local, multicast or metadata address is not connected to, in whatever clothes, nor beside
    good ones."""
    assert not is_public(ipaddress.ip_address(address))

    for found in ([address], ["93.184.216.34", address], [address, "93.184.216.34"]):

        async def resolve(host: str, port: int, found: list[str] = found) -> list[str]:
            return found

        with pytest.raises(FetchError, match="not an address of the public internet"):
            await Fetcher([HOST], resolve=resolve).fetch(f"https://{HOST}/keys")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_outside(address: str) -> None:
    """Others are permitted."""
    assert is_public(ipaddress.ip_address(address))


async def test_the_name_is_resolved_once(certificate: Path) -> None:
    """A name that changes its mind between the look and the connection leads to what was looked at."""
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    looked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        looked.append(host)
        return answers.pop(0)

    asked: list[bytes] = []
    async with serving(certificate, replying(_OK + b"Content-Length: 12\r\n\r\n" + BODY, asked)) as port:
        assert await here(certificate, resolve=resolve).fetch(f"https://{HOST}:{port}/keys") == BODY
    assert looked == [HOST]
    assert len(asked) == 1


async def test_names_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer keeps its own lookups waiting, and nothing else that the process does by threads."""
    answered = threading.Event()

    def look_up(*_: object, **_named: object) -> None:
        answered.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    fetcher = Fetcher(["*"], timeout=0.5)
    waiting = [asyncio.create_task(fetcher.fetch(f"https://{number}.example/")) for number in range(40)]
    try:
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "done") == "done"
            for one in waiting:
                with pytest.raises(FetchError, match="did not answer within"):
                    await one
    finally:
        answered.set()
