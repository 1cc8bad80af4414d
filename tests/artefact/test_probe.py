"""`scimsrv doctor --probe`: what it says of servers that identity providers would fail with, of each kind one, and of this one."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scimsrv.cli import main
from scimsrv.probe import exchange
from scimsrv.probe.exchange import Answer, Prober
from scimsrv.probe.judging import _RULES, ERROR, LIST, SILENCES, Expected, judge
from scimsrv.probe.playing import play
from tests.processes import serving

_TOKEN: Final = "hunter2-secret-token"
_SCIM: Final = "application/scim+json"


class _Say(NamedTuple):
    """An answer of a made-up server."""

    status: int = 200
    body: Any = None
    kind: str = _SCIM
    headers: Mapping[str, str] = MappingProxyType({})


def _list(*resources: Any, **changes: Any) -> dict[str, Any]:
    made = {
        "schemas": [LIST],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def _error(status: int, **more: Any) -> _Say:
    return _Say(status, {"schemas": [ERROR], "status": str(status)} | more)


_ADA: Final = {"id": "1", "userName": "ada"}
_PAGE: Final = "<!DOCTYPE html><title>Sign in</title>"

#: What every made-up server answers where nothing else is said: by what it is asked for.
_GOOD: Final = {
    "filter": _Say(body=_list()),
    "page": _Say(body=_list(_ADA)),
    "one": _error(404),
    "groups": _Say(body=_list()),
    "group page": _Say(body=_list()),
    "made up": _error(401),
}

#: A change of that; the check that finds it, by the beginning of its name; the name of the problem.
_BROKEN: Final[dict[str, tuple[dict[str, _Say], str, str]]] = {
    "token": ({"filter": _error(401, detail="The token has expired")}, "Test Connection", "unauthorized"),
    "basic": ({"filter": _Say(401, "", "text/plain", {"WWW-Authenticate": 'Basic realm="x"'})}, "Test Connection", "basic"),
    "suspended": ({"filter": _error(403)}, "Test Connection", "forbidden"),
    "moved": ({"filter": _Say(302, "", "text/html", {"Location": "https://elsewhere.example/"})}, "Test Connection", "redirect"),
    "login": ({"filter": _Say(200, _PAGE, "text/html")}, "Test Connection", "page"),
    "site": ({"filter": _Say(404, _PAGE, "text/html")}, "Test Connection", "page-missing"),
    "nothing": ({"filter": _Say(404, {"error": "no such route"}, "application/json")}, "Test Connection", "not-found"),
    "guid": ({"filter": _error(404)}, "Test Connection", "not-empty-list"),
    "busy": ({"filter": _error(429)}, "Test Connection", "throttled"),
    "post only": ({"filter": _error(405)}, "Test Connection", "method"),
    "broken": ({"filter": _error(500, detail="Oops")}, "Test Connection", "failed"),
    "no filters": ({"filter": _error(400, scimType="invalidFilter", detail="No filters here")}, "Test Connection", "filter"),
    "teapot": ({"filter": _error(418)}, "Test Connection", "status"),
    "text": ({"filter": _Say(200, "OK", "text/plain")}, "Test Connection", "no-json"),
    "text type": ({"filter": _Say(200, _list(), "text/plain")}, "Test Connection", "content-type"),
    "array": ({"filter": _Say(200, [], "application/json")}, "Test Connection", "no-list"),
    "no total": ({"filter": _Say(body=_list(totalResults=None))}, "Test Connection", "no-total"),
    "total as text": ({"filter": _Say(body=_list(totalResults="0"))}, "Test Connection", "total"),
    "no schemas": ({"filter": _Say(body=_list(schemas=None))}, "Test Connection", "no-schemas"),
    "small r": ({"page": _Say(body=_list(_ADA, Resources=None, resources=[_ADA]))}, "Test connector: the first", "resources"),
    "everybody": ({"filter": _Say(body=_list(_ADA))}, "Test Connection", "filter-ignored"),
    "open": ({"made up": _Say(body=_list(_ADA))}, "a token that was made up", "open"),
    "made up 500": ({"made up": _error(500)}, "a token that was made up", "status"),
    "no start": ({"page": _Say(body=_list(_ADA, startIndex=None))}, "Test connector: the first", "start"),
    "items as text": ({"page": _Say(body=_list(_ADA, itemsPerPage="1"))}, "Test connector: the first", "items"),
    "no ids": ({"page": _Say(body=_list({"userName": "ada"}))}, "Test connector: the first", "ids"),
    "everything": ({"page": _Say(body=_list(_ADA, _ADA, _ADA))}, "Test connector: the first", "count"),
    "no groups": ({"groups": _error(404)}, "a group that does not exist", "not-empty-list"),
    "200 for nobody": ({"one": _Say(body=_ADA)}, "a user by an id", "status"),
    "404 without error": ({"one": _Say(404, {}, "application/json")}, "a user by an id", "no-error"),
}


class _Handler(BaseHTTPRequestHandler):
    """Answers as the case that the path begins with says."""

    def do_GET(self) -> None:
        _, case, *rest = self.path.partition("?")[0].split("/")
        name = case.replace("%20", " ")
        what = self._what(rest)
        said = _Say(404, _PAGE, "text/html")
        if name in _BROKEN or name == "good":
            said = (_GOOD | (_BROKEN[name][0] if name in _BROKEN else {})).get(what, said)
        body = said.body if isinstance(said.body, str) else json.dumps(said.body)
        self.send_response(said.status)
        self.send_header("Content-Type", said.kind)
        self.send_header("Content-Length", str(len(body)))
        for header, value in said.headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def _what(self, rest: list[str]) -> str:
        if "made-up" in self.headers.get("Authorization", ""):
            return "made up"
        searched = "filter=" in self.path
        match rest:
            case ["Users"]:
                return "filter" if searched else "page"
            case ["Users", _]:
                return "one"
            case ["Groups"]:
                return "groups" if searched else "group page"
        return ""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def made_up() -> Iterator[str]:
    """Yield the URL of the made-up servers, before the name of a case."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _problems(url: str, token: str = _TOKEN) -> dict[str, str]:
    return {step.what: step.problem.name for step in play(Prober(url, token)) if step.problem is not None}


def test_what_is_wrong_with_servers(made_up: str) -> None:
    """Nothing with one that answers as it ought to; each fault is found by the check that meets it, under its name; there is a fault for
    each rule that an answer to a question can break."""
    assert _problems(f"{made_up}/good/") == {}
    for case, (_, check, name) in _BROKEN.items():
        found = _problems(f"{made_up}/{case.replace(' ', '%20')}")
        assert [problem for what, problem in found.items() if what.startswith(check)] == [name], case
    rules = {rule.name for expected, rules in _RULES.items() if expected.name not in ("ONE", "DONE") for rule in rules}
    assert rules <= {name for _, _, name in _BROKEN.values()}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", {}),
        ("/Users", {"Test Connection: a user who does not exist": "base-url"}),
        ("/Groups/", {"Test Connection: a user who does not exist": "base-url"}),
    ],
)
def test_a_url_that_is_not_the_tenants(made_up: str, path: str, found: dict[str, str]) -> None:
    """Where the tenant's URL is near, it is told."""
    assert _problems(f"{made_up}/good{path}") == found
    for step in play(Prober(f"{made_up}/good{path}?aadOptscim062020", _TOKEN)):
        assert step.problem is None or f"enter {made_up}/good?aadOptscim062020 as the tenant URL" in step.problem.fix


# -- no answer at all ------------------------------------------------------------------------------------------------


def _certificate(folder: Path, name: str, host: str, issuer: Any = None, *, days: int = 1) -> tuple[Path, Any]:
    """A certificate with its key in one file, and what signs others with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signer, above = (key, subject) if issuer is None else issuer
    alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    clear = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, clear)
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file, (key, subject)


def test_servers_that_cannot_be_asked(tmp_path: Path, made_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way in which no answer comes is told apart."""
    authority, signer = _certificate(tmp_path, "authority", "authority.example")
    trusting = ssl.create_default_context

    def context() -> ssl.SSLContext:
        made = trusting()
        made.load_verify_locations(authority)
        return made

    monkeypatch.setattr(ssl, "create_default_context", context)
    monkeypatch.setattr(exchange, "PATIENCE", 0.5)
    others = {
        "certificate-untrusted": _certificate(tmp_path, "own", "127.0.0.1")[0],
        "certificate-name": _certificate(tmp_path, "name", "other.example", signer)[0],
        "certificate-expired": _certificate(tmp_path, "expired", "127.0.0.1", signer, days=-1)[0],
        "": _certificate(tmp_path, "right", "127.0.0.1", signer)[0],
        "tls-refused": _certificate(tmp_path, "old", "127.0.0.1", signer)[0],
    }
    found = set()
    for reason, certificate in others.items():
        with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
            speaking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            speaking.load_cert_chain(certificate)
            if reason == "tls-refused":
                speaking.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
                speaking.maximum_version = ssl.TLSVersion.TLSv1_2
            server.socket = speaking.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            assert set(_problems(f"https://127.0.0.1:{server.server_port}/good").values()) == ({reason} if reason else set())
            if not reason:
                assert set(_problems(f"http://127.0.0.1:{server.server_port}/good").values()) <= {"cut", "no-http"}
            server.shutdown()
        found.add(reason)
    silent = socket.create_server(("127.0.0.1", 0))
    for reason, url in {
        "tls-not-spoken": made_up.replace("http:", "https:"),
        "host-unknown": "https://nobody.invalid",
        "no-answer": f"http://127.0.0.1:{silent.getsockname()[1]}",
    }.items():
        assert set(_problems(url).values()) == {reason}
        found.add(reason)
    silent.close()
    assert set(_problems(f"http://127.0.0.1:{_free_port()}").values()) == {"refused"}
    for reason, said in {"cut": b"", "no-http": b"SSH-2.0-OpenSSH_9.2\r\n"}.items():
        assert _asked_of(said) == {reason}
    assert SILENCES.keys() - found == {"refused", "cut", "no-http", "unreachable"}


def _free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _asked_of(said: bytes) -> set[str]:
    """What is found where something takes the request, says this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            taken, _ = listening.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        return set(_problems(f"http://127.0.0.1:{listening.getsockname()[1]}").values())


@pytest.mark.parametrize("odd", [None, 5, True, "x", [None], [5], {"a": 1}], ids=repr)
def test_answers_whose_lists_are_none(odd: Any) -> None:
    """Where a list ought to be a server may have anything, as some have null where nothing was found: a finding at most, no failure."""

    class Odd(Prober):
        def ask(self, method: str, path: str, *_: Any, token: str | None = None, **__: Any) -> Answer:
            body: Any = {
                "id": "1",
                "members": odd,
                "schemas": [LIST],
                "Resources": odd,
                "totalResults": 0,
                "startIndex": 1,
                "itemsPerPage": 0,
            }
            return Answer(401 if token else 200, _SCIM, "", body)

    assert len(list(play(Odd("http://127.0.0.1", "t"), writes=True))) == 17
    for expected in Expected:
        for status in (200, 404):
            judge(expected, Answer(status, _SCIM, "", {"schemas": odd, "totalResults": 0}))


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, made_up: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Code 0 and 1 as findings say; the token is never printed, also where the server says it, and goes nowhere in clear text unasked."""
    (tmp_path / "token").write_text(f"{_TOKEN}\n")
    given = ["--token-file", str(tmp_path / "token")]
    assert main(["doctor", "--probe", f"{made_up}/good", "--json", *given]) == 0
    assert {one["ok"] for one in json.loads(capsys.readouterr().out)["findings"]} == {True}
    assert main(["doctor", "--probe", f"{made_up}/token", *given]) == 1
    assert "MEND" in capsys.readouterr().out
    for arguments, says in (
        (["--probe", "http://192.0.2.1/scim", *given], "--allow-plain-http"),
        (["--probe", f"{made_up}/good"], "--token-file"),
        (["--probe", f"{made_up}/good", "--token", "two words"], "line breaks"),
        (["--probe", "ftp://127.0.0.1", *given], "must look like"),
        (["--probe", "https://[::1", *given], "cannot be read"),
        (["--probe", f"{made_up}/good", "--token-file", str(tmp_path / "none")], "cannot be read"),
    ):
        assert main(["doctor", *arguments]) == 1
        assert says in capsys.readouterr().err


def test_this_server(capsys: pytest.CaptureFixture[str]) -> None:
    """This server passes with everything that is tried, and nothing of it stays; doctor finds nothing to mend beside it, verify nothing
    wrong."""

    def done(*arguments: str) -> tuple[int, str]:
        code = main(arguments)
        said = capsys.readouterr()
        assert token[:-1] not in said.out + said.err
        return code, said.out

    folder = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    place = ("--data-dir", str(folder / ".scimsrv"), "--json")
    try:
        with serving(cwd=folder) as served:
            url, token = served.announced["tenant_url"], served.announced["token"]
            code, text = done("doctor", "--probe", url, "--token", token, "--write", "--json")
            findings = json.loads(text)["findings"]
            assert [one for one in findings if not one["ok"]] == []
            assert (code, len(findings)) == (0, 17)
            assert done("doctor", "--probe", served.announced["base_url"], "--token", token)[0] == 1
            code, text = done("doctor", "--probe", url, "--token", token[:-1])
            assert (code, "401: the token was not accepted" in text) == (1, True)
            code, text = done("doctor", *place)
            assert [one for one in json.loads(text)["findings"] if not one["ok"]] == []
            assert code == 0
            code, text = done("verify", *place)
            assert (code, json.loads(text)["tenants"]["demo"]["findings"]) == (0, [])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
