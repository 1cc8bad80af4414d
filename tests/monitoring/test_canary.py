"""Nothing secret and nothing personal that a client sends is in log, metrics or traces, and no secret in an answer, whatever goes wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import orjson
import pytest

from scimsrv.logs import FIELDS
from tests.distributed.site import Site, running
from tests.monitoring.scraping import scrape, until
from tests.wire.support import ENTERPRISE, KEY, SCIM, USER, Client, patch

#: Part of everything that is planted; letters only, so that no encoding hides it.
CANARY: Final = "kanarienvogel"

_TOKEN: Final = f"scs_abcdef_{CANARY}".ljust(54, "x") + "_000000"
_EMAIL: Final = f"{CANARY}@example.com"
_PERSON: Final[dict[str, Any]] = {
    "schemas": [USER, ENTERPRISE],
    "userName": _EMAIL,
    "externalId": f"ext-{CANARY}",
    "password": f"Secret-{CANARY}-1!",
    "displayName": f"Ana {CANARY}",
    "name": {"givenName": CANARY, "familyName": CANARY},
    "emails": [{"value": _EMAIL, "type": "work"}],
    "phoneNumbers": [{"value": f"tel:{CANARY}"}],
    ENTERPRISE: {"employeeNumber": CANARY},
}


async def _everything(client: Client, http: httpx.AsyncClient, admin_url: str) -> None:
    """Send the canary in everything that a client can send, in good requests and in bad ones."""
    made = (await client.post("/Users", _PERSON)).json()
    path = f"/Users/{made['id']}"
    await client.post("/Users", _PERSON)
    await client.post("/Users", _PERSON | {"active": CANARY, CANARY: CANARY})
    await client.put(path, _PERSON | {"title": CANARY})
    for operation in (
        {"op": "replace", "path": "password", "value": f"other-{CANARY}"},
        {"op": "replace", "path": f'emails[value eq "{_EMAIL}"].value', "value": CANARY},
        {"op": "replace", "path": CANARY, "value": CANARY},
        {"op": CANARY, "path": "title", "value": CANARY},
        {"op": "remove", "path": f'emails[value eq "{CANARY}"'},
    ):
        await client.request("PATCH", path, patch(operation))
    for text in (f'userName eq "{_EMAIL}"', f'title co "{CANARY}"', f'{CANARY} eq "x"', f'password sw "{CANARY}"', f'title gt "{CANARY}'):
        await client.get("/Users", filter=text, attributes=CANARY, sortBy=CANARY, cursor=CANARY)
        await client.get("/Users", filter=text)
        await client.request("POST", "/Users/.search", {"schemas": [CANARY], "filter": text})
    for place in (f"/Users/{_EMAIL}", f"/{CANARY}", f"/Users/{CANARY}/{CANARY}", f"/Users/%F0{CANARY}", f"/.requests/{CANARY}"):
        for method in ("GET", "DELETE", "POST"):
            await client.request(method, place, {CANARY: CANARY} if method == "POST" else None)
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": CANARY, "data": _PERSON | {"userName": f"b-{_EMAIL}"}},
        {"method": "PATCH", "path": f"/Users/{CANARY}", "data": patch({"op": "remove", "path": CANARY})},
    ]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    await client.request("POST", "/Bulk", bulk)
    await client.request("POST", "/Bulk", bulk, headers={"Prefer": "respond-async", "Idempotency-Key": CANARY})
    await client.request("POST", "/Users", content=f'{{"userName": "{_EMAIL}"'.encode())
    await client.request("POST", "/Users", content=CANARY.encode(), headers={"Content-Type": f"text/{CANARY}"})
    for name, value in (
        ("X-Request-Id", _TOKEN),
        ("X-Request-Id", _TOKEN[:60]),
        ("X-Request-Id", _EMAIL),
        ("client-request-id", _EMAIL),
        ("Cookie", f"session={CANARY}"),
        ("User-Agent", CANARY),
        ("If-Match", f'"{CANARY}"'),
        ("Prefer", CANARY),
        ("Accept", f"text/{CANARY}"),
        ("Idempotency-Key", CANARY),
        ("X-Forwarded-For", CANARY),
        ("Content-Encoding", CANARY),
        ("traceparent", CANARY),
        ("tracestate", f"{CANARY}={CANARY}"),
        ("baggage", f"user={CANARY}"),
    ):
        await client.request("PUT", path, _PERSON, headers={name: value})
    for given in (f"Bearer {_TOKEN}", f"Basic {CANARY}", f"{CANARY} {CANARY}", CANARY, f"Bearer eyJ{CANARY}.{CANARY}.{CANARY}"):
        await client.request("GET", "/Users", headers={"Authorization": given})
        await http.get(f"{admin_url}/tenants/{CANARY}", headers={"Authorization": given})
    await http.get(client.base.replace(client.slug, CANARY) + "/Users")
    await http.request(CANARY.upper(), f"{client.base}/Users")


def _raw(port: int, *messages: bytes) -> None:
    """Send what no client library would, and what ends early."""
    for message in messages:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(message)
            connection.settimeout(0.5)
            try:
                connection.recv(4096)
            except TimeoutError:
                continue


async def _failures(site: Site, client: Client) -> None:
    """Let the database refuse what is written, with messages that show the whole row, and lose a table."""
    connection = await asyncpg.connect(site.database)
    try:
        await connection.execute("ALTER TABLE resource ADD CONSTRAINT none CHECK (type <> 'User') NOT VALID")
        assert (await client.post("/Users", _PERSON | {"userName": f"c-{_EMAIL}"})).status_code == 500
        await connection.execute("ALTER TABLE resource DROP CONSTRAINT none")
        await connection.execute("ALTER TABLE unique_key RENAME TO gone")
        assert (await client.get("/Users", filter=f'userName eq "{_EMAIL}"')).status_code == 500
        await connection.execute("ALTER TABLE gone RENAME TO unique_key")
    finally:
        await connection.close()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the URL of what takes spans (OTLP over HTTP), and what it was sent."""
    taken: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    served = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}", taken
    finally:
        served.shutdown()
        served.server_close()
        thread.join()


async def test_nothing_leaks(database: str, tmp_path: Path, collector: tuple[str, list[bytes]]) -> None:
    """Everything that the server wrote to its log, shows in its metrics and sent as traces is free of it; each line of the log has allowed
    fields only; and what it answered holds neither a password nor a token."""
    answered: list[bytes] = []

    async def taken(answer: httpx.Response) -> None:
        answered.append(str(answer.headers).encode() + await answer.aread())

    endpoint, spans = collector
    http = httpx.AsyncClient(timeout=30, event_hooks={"response": [taken]})
    async with http:
        lines, metrics, token = await _all_of_it(database, tmp_path, http, endpoint)
    assert lines.count("\n") > 60
    assert '"status":500' in lines
    assert "CheckViolationError" in lines
    traces = b"".join(spans).decode("latin-1")
    assert "PATCH /Users/{id}" in traces
    for text in (lines, metrics, traces):
        assert CANARY not in text.lower()
        assert token[10:50] not in text
    for line in lines.splitlines():
        assert set(orjson.loads(line)) <= set(FIELDS), line
    assert len(answered) > 60
    for secret in (_PERSON["password"], f"other-{CANARY}", _TOKEN, token, KEY[2:]):
        assert not [one for one in answered if secret.encode() in one]


async def _all_of_it(database: str, folder: Path, http: httpx.AsyncClient, endpoint: str) -> tuple[str, str, str]:
    """Let a server meet all of it; its log, its metrics, and the token that it was shown."""
    with running(database, database, folder, workers=(1,), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as site:
        (client,) = await site.tenant(http, "scim:bulk")
        served = site.servers[0]
        await _everything(client, http, served.announced["admin_url"])
        await _failures(site, client)
        head = f"Host: x\r\nAuthorization: Bearer {client.token}\r\nContent-Type: {SCIM}\r\n"
        where = client.base.partition("/scim/")[2]
        await asyncio.to_thread(
            _raw,
            site.ports[0],
            f"{CANARY}\r\n\r\n".encode(),
            f"GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\nHost: {CANARY}\r\n\r\n".encode(),
            f"GET /{CANARY * 1000} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {CANARY * 4000}\r\n\r\n".encode(),
            f"POST /scim/{where}/Users HTTP/1.1\r\n{head}Content-Length: 1000\r\n\r\n{{\"userName\": \"{_EMAIL}\"".encode(),
        )  # fmt: skip
        log = site.folders[0] / "serve.log"
        await until(log.read_text, lambda text: text.count("499") >= 1)
        metrics = scrape(served).text
    return log.read_text(), metrics, client.token or ""
