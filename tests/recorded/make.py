"""Records a database as a former version of the program fills it: `python -m tests.recorded.make PROGRAM FILE`.

PROGRAM is a checkout of that version (`git archive COMMIT | tar -x -C PROGRAM`); the file of schema 3 is by commit 51c8bb6. It is asked
over HTTP for what it can do, then its database is dumped, by an old pg_dump if there is one, so that every supported Postgres takes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

from tests.postgres import binaries, test_server, versions
from tests.wire.support import ENTERPRISE, KEY, group, patch, user

_PORT: Final = "18080"

#: Lines of a dump that not every version knows, or that are for psql.
_LEFT_OUT: Final = re.compile(r"(SET |SELECT pg_catalog\.set_config|\\|--|$)")


def main(program: Path, file: Path) -> None:
    """Fill a database with the program and write the file."""
    version = versions()[-1]
    with test_server(version) as server:
        dsn = server.create(migrated=False)
        given = {"SCIMSRV_DATABASE_URL": dsn, "SCIMSRV_SECRET_KEY": KEY, "PYTHONPATH": str(program)}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SCIMSRV_")} | given

        def run(*arguments: str) -> str:
            command = [sys.executable, "-m", "scimsrv", *arguments]
            return subprocess.run(command, cwd=program, env=environment, check=True, capture_output=True, text=True).stdout.strip()

        run("db", "migrate")
        run("tenant", "create", "acme")
        token = run("token", "create", "--tenant", "acme", "--label", "recorded")
        with _serving(program, environment):
            _fill(f"http://127.0.0.1:{_PORT}/scim/acme/v2", token)
        command = [
            str((binaries(version) or Path()) / "pg_dump"),
            "--inserts",
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            "--dbname",
            dsn,
        ]
        dumped = subprocess.run([*command, "--dbname", dsn], check=True, capture_output=True, text=True).stdout
    lines = [line for line in dumped.splitlines() if not _LEFT_OUT.match(line)]
    file.write_text("\n".join([f"-- token: {token}", *lines, ""]))


@contextlib.contextmanager
def _serving(program: Path, environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, "-m", "scimsrv", "serve", "--port", _PORT]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, cwd=program, env=environment, stdout=log, stderr=log) as process:
        try:
            for _ in range(300):
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{_PORT}/")
                    break
                time.sleep(0.1)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def _fill(url: str, token: str) -> None:
    """Users and groups, changed, nested, deactivated and deleted."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}) as http:

        def ask(method: str, path: str, body: Any = None) -> Any:
            answer = http.request(method, url + path, json=body)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

        boss = ask("POST", "/Users", user("Boss@example.com", displayName="The Boß", password="Correct-Horse-9"))
        manager = {ENTERPRISE: {"manager": {"value": boss["id"]}, "department": "Straße"}}
        users = [
            ask("POST", "/Users", user(f"Ada-{number}", externalId=f"X{number}", emails=[{"value": f"A{number}@example.com"}], **manager))
            for number in range(20)
        ]
        inner = ask("POST", "/Groups", group(*(one["id"] for one in users[:10]), displayName="Inner"))
        ask("POST", "/Groups", group(inner["id"], users[10]["id"], displayName="Outer"))
        for one in users[:5]:
            ask("PATCH", f"/Users/{one['id']}", patch({"op": "replace", "value": {"active": False, "displayName": "Ådä"}}))
        ask("PATCH", f"/Groups/{inner['id']}", patch({"op": "remove", "path": f'members[value eq "{users[0]["id"]}"]'}))
        ask("PUT", f"/Users/{users[6]['id']}", user("renamed", externalId="X6"))
        ask("DELETE", f"/Users/{users[19]['id']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
