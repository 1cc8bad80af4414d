"""The command line with real processes: first start, second start, kill -9, every command, every kind of mistake."""

import json
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scimsrv.cli import build_parser
from scimsrv.embedded import running
from scimsrv.tokens import looks_like_token
from tests.postgres import TestServer
from tests.processes import run, serving

_KEY = "1:" + "A" * 43


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path to work in; a Postgres left in it is stopped."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    left = running(made / ".scimsrv" / "postgres")
    if left is not None:
        left.stop()
    shutil.rmtree(made, ignore_errors=True)


def _users(announced: dict[str, Any]) -> httpx.Response:
    return httpx.get(f"{announced['tenant_url']}/Users", headers={"authorization": f"Bearer {announced['token']}"})


def test_first_and_second_start(folder: Path) -> None:
    """The first start makes tenant, token and key; the second one shows the same and keeps the data."""
    with serving(cwd=folder) as first:
        assert first.announced["tenant_url"] == f"{first.announced['base_url']}/scim/demo/v2"
        assert looks_like_token(first.announced["token"])
        assert first.announced["curl"].endswith("/Users")
        made = httpx.post(
            f"{first.announced['tenant_url']}/Users",
            headers={"authorization": f"Bearer {first.announced['token']}", "content-type": "application/scim+json"},
            content=json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@example.com"}),
        )
        assert made.status_code == 201
        assert first.end(signal.SIGINT) == 0
    assert running(folder / ".scimsrv" / "postgres") is None
    for name in ("demo-token", "secret-key"):
        assert stat.S_IMODE((folder / ".scimsrv" / name).stat().st_mode) == 0o600
    with serving(cwd=folder) as second:
        assert second.announced["token"] == first.announced["token"]
        assert _users(second.announced).json()["totalResults"] == 1
        assert "server" not in _users(second.announced).headers
        assert second.end(signal.SIGTERM) == 0
    assert {json.loads(line)["level"] for line in (folder / "serve.log").read_text().splitlines()} == {"info"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_server(folder: Path, workers: str) -> None:
    """After kill -9 of the server its processes go, its data stays, and the next start takes over what still runs."""
    with serving("--workers", workers, cwd=folder) as first:
        assert _users(first.announced).status_code == 200
        first.process.kill()
        first.process.wait()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                httpx.get(first.announced["base_url"])
            except httpx.TransportError:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("a process of the killed server still answers")
    orphan = running(folder / ".scimsrv" / "postgres")
    assert orphan is not None
    with serving("--workers", workers, cwd=folder) as second:
        assert _users(second.announced).status_code == 200
        assert second.end() == 0
    assert not orphan.alive()


def test_killed_postgres(folder: Path) -> None:
    """After kill -9 of Postgres requests get 503 with Retry-After, and soon are served again without a restart."""
    with serving(cwd=folder) as served:
        assert _users(served.announced).status_code == 200
        cluster = running(folder / ".scimsrv" / "postgres")
        assert cluster is not None
        os.kill(cluster.pid, signal.SIGKILL)
        answers = [_users(served.announced)]
        deadline = time.monotonic() + 15
        while answers[-1].status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
            answers.append(_users(served.announced))
        assert answers[-1].status_code == 200
        for answer in answers[:-1]:
            assert (answer.status_code, answer.json()["status"]) in {(503, "503"), (200, "200")}
            assert int(answer.headers["retry-after"]) >= 1
        assert served.end() == 0


def test_one_server_per_data_directory(folder: Path) -> None:
    """A second server on the same data directory is refused and told who holds it."""
    with serving(cwd=folder) as served:
        other = run("serve", "--no-admin", "--no-metrics", "--port", "0", cwd=folder)
        assert other.returncode == 1
        assert f"serve {served.process.pid}" in other.stderr


def test_revoked_demo_token_is_not_shown(folder: Path) -> None:
    """A demo token that was revoked is no longer printed; nothing else is made in its place."""
    with serving(cwd=folder) as served:
        kid = served.announced["token"].split("_")[1]
        assert run("token", "revoke", "--tenant", "demo", kid, cwd=folder).returncode == 0
    with serving(cwd=folder) as served:
        assert (served.announced["token"], served.announced["curl"]) == (None, None)
        listed = json.loads(run("token", "list", "--tenant", "demo", "--json", cwd=folder).stdout)
        assert listed == {"tokens": []}


def test_tenants_and_tokens(folder: Path) -> None:
    """Tenants and tokens are made beside a running server, work at once, and end at once."""
    with serving(cwd=folder) as served:
        created = run("tenant", "create", "acme", "--profile", "okta", cwd=folder)
        assert (created.returncode, created.stdout) == (0, f"{served.announced['base_url']}/scim/acme/v2\n")
        token = run("token", "create", "--tenant", "acme", "--scope", "scim:read", cwd=folder)
        assert looks_like_token(token.stdout.removesuffix("\n"))
        assert "not shown again" in token.stderr
        acme = {"tenant_url": created.stdout.strip(), "token": token.stdout.strip()}
        assert _users(acme).status_code == 200
        rotated = json.loads(run("token", "rotate", "--tenant", "acme", "--json", "--expires", "never", cwd=folder).stdout)
        assert (rotated["expires"], rotated["scopes"]) == (None, ["scim:read"])
        assert _users(acme | {"token": rotated["token"]}).status_code == 200
        assert run("token", "revoke", "--tenant", "acme", token.stdout.split("_")[1], cwd=folder).returncode == 0
        assert run("tenant", "suspend", "acme", cwd=folder).stdout == "suspended\n"
        assert run("tenant", "resume", "acme", cwd=folder).stdout == "active\n"
        assert [one["slug"] for one in json.loads(run("tenant", "list", "--json", cwd=folder).stdout)["tenants"]] == ["acme", "demo"]
        assert "okta" in run("tenant", "show", "acme", cwd=folder).stdout
        deleted = run("tenant", "delete", "acme", "--yes", cwd=folder)
        assert (deleted.returncode, deleted.stdout) == (0, "deleted acme with 0 resources\n")
    # Without a server the commands start its Postgres for themselves, and stop it again.
    assert [one["slug"] for one in json.loads(run("tenant", "list", "--json", cwd=folder).stdout)["tenants"]] == ["demo"]
    assert running(folder / ".scimsrv" / "postgres") is None
    healthy = run("doctor", "--json", cwd=folder)
    assert healthy.returncode == 0
    assert {one["check"] for one in json.loads(healthy.stdout)["findings"]} >= {
        "secret key",
        "badges",
        "server",
        "schema",
        "fsync",
        "clock",
        "role",
    }


def test_database_of_ones_own(cluster: TestServer, folder: Path) -> None:
    """With a database URL nothing is made by itself: the schema comes by migrating, the key from its file."""
    dsn = cluster.create(migrated=False)
    given = {"SCIMSRV_DATABASE_URL": dsn, "SCIMSRV_SECRET_KEY": _KEY}
    assert run("serve", "--no-admin", "--no-metrics", "--port", "0", cwd=folder, SCIMSRV_DATABASE_URL=dsn).returncode == 2
    refused = run("serve", "--no-admin", "--no-metrics", "--port", "0", cwd=folder, **given)
    assert refused.returncode == 1
    assert "scimsrv db migrate" in refused.stderr
    assert run("db", "status", cwd=folder, **given).returncode == 1
    assert run("tenant", "list", cwd=folder, **given).returncode == 3
    assert run("doctor", cwd=folder, **given).returncode == 1
    assert run("db", "migrate", cwd=folder, **given).stdout.startswith("0001_initial\n")
    assert run("db", "migrate", cwd=folder, **given).stdout == ""
    assert run("db", "status", cwd=folder, **given).returncode == 0
    with serving(cwd=folder, **given) as served:
        assert (served.announced["tenant_url"], served.announced["token"]) == (None, None)
        assert json.loads(run("tenant", "list", "--json", cwd=folder, **given).stdout) == {"tenants": []}
        url = run("tenant", "create", "acme", cwd=folder, **given, SCIMSRV_PUBLIC_URL=served.announced["base_url"]).stdout.strip()
        token = run("token", "create", "--tenant", "acme", cwd=folder, **given).stdout.strip()
        assert _users({"tenant_url": url, "token": token}).status_code == 200
        assert served.end() == 0
    assert not (folder / ".scimsrv").exists()
    cluster.drop(dsn)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["serve", "--host", "0.0.0.0"], 2, "--allow-remote-embedded"),
        (["serve", "--host", "0.0.0.0", "--allow-remote-embedded"], 2, "--allow-plain-http"),
        (["serve", "--host", "0.0.0.0", "--database-url", "postgresql://db.example.com/x"], 2, "clear text"),
        (["serve", "--host", "192.0.2.1", "--allow-remote-embedded", "--allow-plain-http"], 1, "Cannot listen on 192.0.2.1"),
        (["serve", "--tls-cert", "a"], 2, "tls_cert and tls_key"),
        (["serve", "--port", "99999"], 2, "Setting port"),
        (["serve", "--prot", "1"], 2, "scimsrv serve: error: unrecognized arguments: --prot 1; did you mean --port?"),
        (["serve", "more"], 2, "scimsrv serve: error: unrecognized arguments: more"),
        (["tenat", "list"], 2, "there is no 'tenat'; scimsrv --help lists what there is; did you mean tenant?"),
        (["tenant", "lst"], 2, "did you mean list?"),
        (["serve", "--config", "none.toml"], 2, "none.toml cannot be read"),
        (["tenant", "list"], 3, "There is no database in .scimsrv"),
        (["tenant", "delete", "acme"], 1, "confirm with --yes"),
        (["tenant", "create", "acme", "--set", "require_if_match"], 1, "write SWITCH=VALUE"),
        (["tenant", "list", "--database-url", "postgresql://u:hunter2@127.0.0.1:1/x"], 3, "Cannot connect to the database 127.0.0.1:1/x"),
        (["tenant", "list", "--database-url", "nonsense"], 3, "Cannot connect"),
        (["token", "create", "--tenant", "acme", "--expires", "soon"], 2, "no lifetime"),
        (["token", "create", "--tenant", "acme", "--scope", "all"], 1, "Unknown scope 'all'"),
        (["token", "create"], 2, "--tenant"),
        (["db", "status"], 3, "There is no database"),
        (["doctor"], 1, ""),
        ([], 2, "COMMAND"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_mistakes(folder: Path, arguments: list[str], code: int, message: str) -> None:
    """A user's mistake gets its exit code and a sentence on stderr, never a traceback, never a secret."""
    done = run(*arguments, cwd=folder)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_address_in_use(folder: Path) -> None:
    """A port that is taken is named, and no database is left running."""
    with serving(cwd=folder) as served:
        port = served.announced["base_url"].rpartition(":")[2]
        done = run("serve", "--no-admin", "--no-metrics", "--port", port, "--data-dir", "other", cwd=folder)
        assert done.returncode == 1
        assert f"port {port}" in done.stderr
        assert not (folder / "other").exists()


def _leaves(parser: Any, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    children = [action for action in parser._actions if hasattr(action, "choices") and isinstance(action.choices, dict)]
    if not children:
        yield name
    for action in children:
        for word, child in action.choices.items():
            yield from _leaves(child, (*name, word))


@pytest.mark.parametrize("words", list(_leaves(build_parser())), ids=" ".join)
def test_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself with an example of itself, its exit codes, and can answer in JSON, unless it prints a text."""
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*words, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert f"Example:\n  scimsrv {' '.join(words)}" in text
    assert "Exit codes:" in text
    assert "--json" in text or words in (("completion",), ("man",))


def test_version(folder: Path) -> None:
    """The version is printed alone."""
    assert run("version", cwd=folder).stdout == "0.1.0\n"
    assert json.loads(run("version", "--json", cwd=folder).stdout) == {"version": "0.1.0"}
