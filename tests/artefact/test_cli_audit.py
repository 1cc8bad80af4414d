"""The commands about audit trails and deleted resources, with real processes: on the database, and through the admin API."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scimsrv.embedded import running
from tests.processes import Served, run, serving

SCIM = "application/scim+json"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


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
    """Yield a running server with two processes, both of which seal."""
    with serving("--workers", "2", cwd=folder) as made:
        yield made


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    """Yield a client of the tenant demo."""
    headers = {"authorization": f"Bearer {served.announced['token']}", "content-type": SCIM}
    with httpx.Client(base_url=served.announced["tenant_url"], headers=headers) as made:
        yield made


@pytest.fixture
def way(request: pytest.FixtureRequest, folder: Path, served: Served) -> dict[str, str]:
    """The environment of commands that work on the database, or through the admin API."""
    if request.param == "database":
        return {}
    token = run("admin", "token", "create", cwd=folder).stdout.strip()
    return {"SCIMSRV_ADMIN_URL": served.announced["admin_url"], "SCIMSRV_ADMIN_TOKEN": token}


def _user(client: httpx.Client, name: str) -> str:
    answer = client.post("/Users", content=json.dumps({"schemas": [USER], "userName": name}))
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


def _sealed(folder: Path, position: int) -> dict[str, Any]:
    """The state of the chain once so much is sealed, which the servers do by themselves."""
    end = time.monotonic() + 30
    while True:
        found: dict[str, Any] = json.loads(run("audit", "show", "demo", "--json", cwd=folder).stdout)
        if found["position"] >= position and not found["unsealed"]:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.3)


def test_verify(folder: Path, client: httpx.Client) -> None:
    """The servers seal; the chain verifies, with a hash that was written down; what is wrong is named, with the exit code 1."""
    _user(client, "ada")
    state = _sealed(folder, 1)
    head = f"{state['position']}:{state['head']}"
    done = run("audit", "verify", "demo", "--head", head, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert head in done.stdout
    wrong = run("audit", "verify", "demo", "--head", f"{state['position']}:{'0' * 64}", "--json", cwd=folder)
    assert wrong.returncode == 1
    assert "written down" in wrong.stderr
    assert len(json.loads(wrong.stdout)["tenants"]["demo"]["problems"]) == 1
    assert run("audit", "verify", "--head", head, cwd=folder).returncode == 1
    assert run("audit", "verify", "nobody", cwd=folder).returncode == 1
    assert run("audit", "verify", cwd=folder).returncode == 0
    assert run("audit", "seal", "demo", cwd=folder).stdout == "0\n"


@pytest.mark.parametrize("way", ["database", "api"], indirect=True)
def test_export(folder: Path, client: httpx.Client, way: dict[str, str]) -> None:
    """The rows come one in each line, from any position, in both forms, the same by either way."""
    _user(client, f"exported by {len(way)}")
    _sealed(folder, 2)
    rows = [
        json.loads(line) for line in run("audit", "export", "demo", "--after", "1", "--count", "1", cwd=folder, **way).stdout.splitlines()
    ]
    assert [row["position"] for row in rows] == [2]
    event = json.loads(run("audit", "export", "demo", "--format", "ocsf", "--count", "1", cwd=folder, **way).stdout)
    assert event["class_uid"] == 3004
    assert run("audit", "export", "demo", "--since", "2999-01-01T00:00:00Z", cwd=folder, **way).stdout == ""


@pytest.mark.parametrize("way", ["database", "api"], indirect=True)
def test_deleted_restored_erased(folder: Path, client: httpx.Client, way: dict[str, str]) -> None:
    """A user is listed among the deleted, brought back, deleted again and erased; without --yes nothing is."""
    ada = _user(client, f"deleted by {len(way)}")
    assert client.delete(f"/Users/{ada}").status_code == 204
    listed = json.loads(run("deleted", "list", "demo", "--id", ada, "--json", cwd=folder, **way).stdout)
    assert [one["id"] for one in listed["deleted"]] == [ada]
    assert run("deleted", "restore", "demo", ada, cwd=folder, **way).stdout == f"{ada}\n"
    assert client.get(f"/Users/{ada}").status_code == 200
    there = run("erase", "demo", ada, "--yes", cwd=folder, **way)
    assert (there.returncode, "delete it before" in there.stderr) == (1, True)
    client.delete(f"/Users/{ada}")
    assert run("erase", "demo", ada, cwd=folder, **way).returncode == 1
    assert run("erase", "demo", ada, "--yes", cwd=folder, **way).stdout == f"erased {ada}\n"
    assert run("deleted", "restore", "demo", ada, cwd=folder, **way).returncode == 1
    assert run("audit", "verify", "demo", cwd=folder).returncode == 0


@pytest.mark.parametrize("way", ["database", "api"], indirect=True)
def test_guard(folder: Path, client: httpx.Client, way: dict[str, str]) -> None:
    """What the guard holds is shown and released."""
    assert run("tenant", "policy", "set", "demo", "deletion_guard=forbid", "deletion_guard_count=0", cwd=folder).returncode == 0
    ada = _user(client, f"guarded by {len(way)}")
    end = time.monotonic() + 10
    while client.delete(f"/Users/{ada}").status_code != 403:  # the policy is known everywhere within a second
        assert time.monotonic() < end
        ada = _user(client, f"guarded by {len(way)} {time.monotonic()}")
    (shown,) = json.loads(run("guard", "show", "demo", "--json", cwd=folder, **way).stdout)["types"]
    assert shown["held"] is not None
    assert run("guard", "release", "demo", "User", "--allow", "1", cwd=folder, **way).stdout == "released User\n"
    assert client.delete(f"/Users/{ada}").status_code == 204
    assert run("guard", "release", "demo", "Nothing", cwd=folder, **way).returncode == 1
    assert run("tenant", "policy", "set", "demo", "--unset", "deletion_guard", cwd=folder).returncode == 0
