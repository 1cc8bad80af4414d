"""The admin API with real processes: its listener, its tokens, and the commands that speak to it instead of a database."""

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from scimsrv.cli.common import INTERRUPTED
from scimsrv.embedded import running
from scimsrv.tokens import ADMIN, looks_like_token
from tests.processes import PROGRAM, Served, environment, run, serving
from tests.wire.oauth_support import DIRECTORY, RSA, public_keys


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder with a short path to work in; a Postgres left in it is stopped."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    left = running(made / ".scimsrv" / "postgres")
    if left is not None:
        left.stop()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Yield a running server with two processes."""
    with serving("--workers", "2", cwd=folder) as made:
        yield made


@pytest.fixture(scope="module")
def token(folder: Path, served: Served) -> str:
    """Return an admin token, made on the database."""
    made = run("admin", "token", "create", "--label", "test", cwd=folder)
    assert "not shown again" in made.stderr
    return made.stdout.removesuffix("\n")


@pytest.fixture
def away() -> Iterator[Path]:
    """Yield a folder from which no database can be found."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    assert not (made / ".scimsrv").exists()
    shutil.rmtree(made)


def test_the_listener(served: Served, token: str) -> None:
    """The URL is announced, no token is made by itself, and one process answers there beside any number for the tenants."""
    assert served.announced["admin_url"].startswith("http://127.0.0.1:")
    assert served.announced["admin_url"].endswith("/admin/v1")
    assert "sca_" not in json.dumps(served.announced)
    assert looks_like_token(token, ADMIN)
    answer = httpx.get(f"{served.announced['admin_url']}/openapi.json", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "server" not in answer.headers
    assert answer.json()["openapi"].startswith("3.1.")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /admin/v1/tenants HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_refused_below(served: Served, sent: bytes, status: int) -> None:
    """Malformed and oversized requests get problem documents too."""
    parts = urlsplit(served.announced["admin_url"])
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(sent)
        answer = b""
        while chunk := raw.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_same_verbs(folder: Path, served: Served, token: str, away: Path) -> None:
    """Commands about tenants and tokens do and answer through the API exactly what they do and answer on the database."""
    given = {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}

    def ask(*arguments: str) -> str:
        done = run(*arguments, cwd=away, **given)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def both(*arguments: str) -> str:
        here, there = run(*arguments, cwd=folder).stdout, ask(*arguments)
        assert here == there
        return there

    assert ask("tenant", "create", "remote", "--preset", "entra") == f"{served.announced['base_url']}/scim/remote/v2\n"
    assert [one["slug"] for one in json.loads(both("tenant", "list", "--json"))["tenants"]] == ["demo", "remote"]
    made = json.loads(ask("token", "create", "--tenant", "remote", "--label", "entra", "--json", "--expires", "never"))
    users = httpx.get(f"{made['url']}/Users", headers={"authorization": f"Bearer {made['token']}"})
    assert users.status_code == 200
    both("token", "list", "--tenant", "remote")
    rotated = json.loads(ask("token", "rotate", "--tenant", "remote", "--label", "entra", "--json"))
    assert ask("token", "revoke", "--tenant", "remote", made["kid"]) == f"revoked {made['kid']}\n"
    assert [one["kid"] for one in json.loads(both("token", "list", "--tenant", "remote", "--json"))["tokens"]] == [rotated["kid"]]
    assert json.loads(ask("tenant", "policy", "set", "remote", "patch_body=always", "--json", "--if-version", "1")) == {
        "policy": {"profile": "entra", "patch_body": "always"}, "version": 2,
    }  # fmt: skip
    assert json.loads(both("tenant", "policy", "show", "remote", "--effective", "--json"))["policy"]["patch_replace_upsert"] is True
    assert json.loads(ask("tenant", "policy", "set", "remote", "--unset", "patch_body", "--json"))["policy"] == {"profile": "entra"}
    department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
    assert json.loads(ask("index", "add", "remote", "User", department, "--json"))["index"]["state"] == "building"
    assert department in both("index", "list", "remote")
    assert json.loads(ask("index", "remove", "remote", "User", department, "--json"))["index"]["state"] == "retiring"
    assert ask("tenant", "suspend", "remote") == "suspended\n"
    assert "suspended" in both("tenant", "show", "remote")
    assert ask("tenant", "resume", "remote") == "active\n"
    assert ask("tenant", "delete", "remote", "--yes") == "deleted remote with 0 resources\n"


def test_what_clients_do_is_told_and_followed(folder: Path, served: Served, token: str, away: Path) -> None:
    """`activity --follow` tells through the API what other processes serve; the list is the same by both ways, and exits are clean."""
    given = {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}
    run("tenant", "create", "watched", cwd=folder)
    made = json.loads(run("token", "create", "--tenant", "watched", "--label", "Okta prod", "--json", cwd=folder).stdout)
    headers = {"authorization": f"Bearer {made['token']}", "content-type": "application/scim+json"}
    follower = subprocess.Popen(
        [*PROGRAM, "activity", "watched", "--follow", "--outcome", "ok"],
        cwd=away,
        env=environment(**given),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    told: list[str] = []
    reading = threading.Thread(target=lambda out: told.append(out.readline()), args=(follower.stdout,))
    reading.start()
    try:
        for number in range(300):  # until it follows
            body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"u{number}", "displayName": f"User {number}"}
            assert httpx.post(f"{made['url']}/Users", json=body, headers=headers).status_code == 201
            reading.join(0.2)
            if told:
                break
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == INTERRUPTED
    finally:
        follower.kill()
        follower.wait()
        reading.join()
        follower.stdout.close()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ  Okta created User User \d+  \([\w-]+\)\n", told[0]), told
    arguments = ("activity", "watched", "--json", "--user", "u0", "--since", "1h")
    here, there = run(*arguments, cwd=folder), run(*arguments, cwd=away, **given)
    assert here.stdout == there.stdout
    assert [one["sentence"] for one in json.loads(there.stdout)["activity"]] == ["Okta created User User 0"]
    wrong = run("activity", "watched", "--count", "0", cwd=away, **given)
    assert (wrong.returncode, "count" in wrong.stderr, "Traceback" in wrong.stderr) == (1, True, False)
    missing = run("activity", "nobody", "--follow", cwd=away, **given)
    assert (missing.returncode, "Traceback" in missing.stderr) == (1, False)


def test_clients_and_trusts(folder: Path, served: Served, token: str, away: Path) -> None:
    """A client is made, used and revoked, an issuer trusted and trusted no more, on the database and through the API alike."""
    given = {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}
    keys = away / "keys.json"
    keys.write_text(json.dumps(public_keys(RSA)))

    def ask(*arguments: str) -> str:
        done = run(*arguments, "--tenant", "demo", cwd=away, **given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def both(*arguments: str) -> str:
        there = ask(*arguments)
        assert run(*arguments, "--tenant", "demo", cwd=folder).stdout == there
        return there

    client, secret = ask("client", "create", "--label", "okta", "--type", "User").split()
    shown = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    answer = httpx.post(f"{served.announced['base_url']}/scim/demo/oauth/token", data=shown)
    assert answer.status_code == 200, answer.text
    bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
    url = f"{served.announced['base_url']}/scim/demo/v2"
    assert [httpx.get(f"{url}/{path}", headers=bearer).status_code for path in ("Users", "Groups")] == [200, 403]
    again, second = ask("client", "rotate", client).split()
    assert (again, second != secret) == (client, True)
    assert client in both("client", "list")
    assert ask("client", "revoke", client, "--secret", secret.split("_")[1]) == f"revoked {secret.split('_')[1]}\n"
    assert ask("client", "revoke", client) == f"revoked {client}\n"
    assert ask("client", "create", "--jwks", str(keys)).count("\n") == 1
    entra = ask("trust", "add", "--entra", DIRECTORY.upper(), "--app", "app-1", "--jwks", str(keys)).strip()
    named = ("--issuer", "https://x.example/", "--audience", "a", "--jwks", str(keys))
    people = ask("trust", "add", *named, "--role", "viewer:groups=g=1", "--use", "bearer").strip()
    found = {one["id"]: one for one in json.loads(both("trust", "list", "--json"))["trusts"]}
    assert found[entra]["pins"] == {"tid": [DIRECTORY], "appid": ["app-1"]}
    assert (found[entra]["issuer"], found[entra]["uses"]) == (f"https://sts.windows.net/{DIRECTORY}/", ["bearer"])
    assert found[people]["roles"] == [{"claim": "groups", "value": "g=1", "role": "viewer"}]
    assert ask("trust", "remove", entra) == f"removed {entra}\n"
    assert DIRECTORY not in both("trust", "list")


def test_keys_of_badge_issuers(served: Served, token: str, away: Path) -> None:
    """`badge key` rotates, lists, retires and compromises keys through the API, and shows no private one."""
    given = {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}

    def ask(*arguments: str) -> str:
        done = run(*arguments, cwd=away, **given)
        assert done.returncode == 0, done.stderr
        assert '"d"' not in done.stdout + done.stderr
        return done.stdout.strip()

    ask("tenant", "create", "badged", "--set", "badges=true")
    made = json.loads(ask("token", "create", "--tenant", "badged", "--json"))
    issuer = httpx.post(
        f"{made['url']}/BadgeIssuers",
        json={"schemas": ["urn:scimsrv:scim:schemas:badges:1.0:BadgeIssuer"], "displayName": "Institute"},
        headers={"authorization": f"Bearer {made['token']}"},
    ).json()["id"]
    where = ("--tenant", "badged", "--issuer", issuer)
    first = ask("badge", "key", "rotate", *where, "--overlap", "0")
    second = ask("badge", "key", "rotate", *where, "--alg", "ES256")
    listed = json.loads(ask("badge", "key", "list", "--tenant", "badged", "--json"))["keys"]
    assert [(one["thumbprint"], one["state"]) for one in listed] == [(first, "active"), (second, "pending")]
    assert ask("badge", "key", "retire", *where, first) == f"retired {first}"
    assert ask("badge", "key", "compromise", *where, second, "--since", "2026-01-01T00:00:00Z") == f"compromised {second}"
    refused = run("badge", "key", "retire", *where, second, cwd=away, **given)
    assert (refused.returncode, "could be retired" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["client", "revoke", "--tenant", "demo", "scc_x"], 1, "There is no client 'scc_x'"),
        (["client", "create", "--tenant", "demo", "--jwks", "/nowhere"], 1, "cannot be read"),
        (["client", "create", "--tenant", "demo", "--network", "x"], 1, "no network"),
        (["trust", "remove", "--tenant", "demo", "sct_x"], 1, "There is no trust 'sct_x'"),
        (["trust", "add", "--tenant", "demo", "--entra", "x"], 1, "needs --app"),
        (["trust", "add", "--tenant", "demo", "--issuer", "https://x", "--audience", "a", "--pin", "x"], 1, "CLAIM=VALUE"),
        (["trust", "add", "--tenant", "demo", "--issuer", "https://x", "--audience", "a", "--role", "x"], 1, "ROLE:CLAIM=VALUE"),
        (["trust", "add", "--tenant", "demo"], 1, "issuer"),
        (["tenant", "show", "nobody"], 1, "There is no tenant 'nobody'"),
        (["tenant", "create", "demo"], 1, "already exists"),
        (["tenant", "create", "x" * 200], 1, "slug: "),
        (["tenant", "policy", "set", "demo"], 1, "Name what to set"),
        (["tenant", "policy", "set", "demo", "strict_uri=true"], 1, "did you mean strict_uris"),
        (["tenant", "policy", "set", "demo", "strict_uris=true", "--if-version", "99"], 1, "has version 1"),
        (["token", "revoke", "--tenant", "demo", "nothing"], 1, "There is no token 'nothing'"),
        (["token", "create", "--tenant", "demo", "--label", ""], 1, "label: "),
        (["tenant", "list", "--admin-url", "http://127.0.0.1:1"], 3, "http://127.0.0.1:1/admin/v1 does not answer"),
        (["tenant", "list", "--admin-url", "http://admin.example.com"], 2, "clear text"),
        (["tenant", "list", "--admin-url", "ftp://127.0.0.1"], 2, "Setting admin_url"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_mistakes(served: Served, token: str, away: Path, arguments: list[str], code: int, message: str) -> None:
    """A mistake gets its exit code and the API's own sentence, never a traceback, never the token."""
    done = run(*arguments, cwd=away, SCIMSRV_ADMIN_URL=served.announced["admin_url"], SCIMSRV_ADMIN_TOKEN=token)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert token not in done.stderr + done.stdout


def test_the_token_is_needed(served: Served, token: str, away: Path) -> None:
    """Without a token, or with one that is none, commands say so; a file may hold it; what is no admin API is told apart."""
    url = served.announced["admin_url"]
    missing = run("tenant", "list", cwd=away, SCIMSRV_ADMIN_URL=url)
    assert (missing.returncode, "SCIMSRV_ADMIN_TOKEN" in missing.stderr) == (2, True)
    wrong = run("tenant", "list", cwd=away, SCIMSRV_ADMIN_URL=url, SCIMSRV_ADMIN_TOKEN=served.announced["token"])
    assert (wrong.returncode, "no admin token" in wrong.stderr) == (1, True)
    (away / "token").write_text(token + "\n")
    from_file = run("tenant", "list", cwd=away, SCIMSRV_ADMIN_URL=url, SCIMSRV_ADMIN_TOKEN_FILE=str(away / "token"))
    assert from_file.returncode == 0
    scim = run("tenant", "list", cwd=away, SCIMSRV_ADMIN_URL=served.announced["base_url"], SCIMSRV_ADMIN_TOKEN=token)
    assert (scim.returncode, "no such endpoint" in scim.stderr) == (1, True)


def test_admin_tokens_are_listed_and_revoked(folder: Path, served: Served) -> None:
    """A token is listed with its scopes, ends at once, and what was done is recorded with the account that did it."""
    made = json.loads(run("admin", "token", "create", "--scope", "admin:read", "--expires", "12h", "--json", cwd=folder).stdout)
    head = {"authorization": f"Bearer {made['token']}"}
    assert httpx.get(f"{served.announced['admin_url']}/tenants", headers=head).status_code == 200
    changes = httpx.get(f"{served.announced['admin_url']}/changes", headers=head).json()["changes"]
    assert (changes[0]["operation"], changes[0]["subject"]) == ("admin.token.create", made["kid"])
    assert changes[0]["actor"].startswith("command")
    listed = json.loads(run("admin", "token", "list", "--json", cwd=folder).stdout)["tokens"]
    assert made["kid"] in {one["kid"] for one in listed}
    assert made["token"] not in json.dumps(listed)
    assert run("admin", "token", "revoke", made["kid"], cwd=folder).stdout == f"revoked {made['kid']}\n"
    assert httpx.get(f"{served.announced['admin_url']}/tenants", headers=head).status_code == 401
    again = run("admin", "token", "revoke", made["kid"], cwd=folder)
    assert (again.returncode, "no admin token" in again.stderr) == (1, True)


def test_without_it(away: Path) -> None:
    """--no-admin leaves it out; an address that is taken is named with the flag that changes it; the same rules hold for its address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", "0", "--admin-port", port, cwd=away)
    assert (done.returncode, f"port {port}" in done.stderr, "--admin-port" in done.stderr) == (1, True, True)
    for arguments, says in (
        (("--admin-host", "0.0.0.0"), "--allow-remote-embedded"),
        (("--admin-host", "0.0.0.0", "--allow-remote-embedded"), "clear text on 0.0.0.0"),
        (("--port", "9999", "--admin-port", "9999"), "admin_port must not be port"),
    ):
        done = run("serve", "--port", "0", *arguments, cwd=away)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_no_admin(folder: Path) -> None:
    """With --no-admin nothing listens and nothing is announced."""
    with serving("--no-admin", "--data-dir", "other", cwd=folder) as made:
        assert made.announced["admin_url"] is None
        assert httpx.get(f"{made.announced['tenant_url']}/ServiceProviderConfig").status_code == 200
        assert made.end() == 0
