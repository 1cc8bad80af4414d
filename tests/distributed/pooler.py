"""A real PgBouncer in front of the tests' Postgres: transaction pooling over few connections, without prepared statements."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from scimsrv.embedded import USER, Cluster
from scimsrv.system_user import admit, database_account
from tests.postgres import APPLICATION, with_database

#: Connections that the pooler holds to a database, however many its clients have to the pooler.
CONNECTIONS: Final = 3

_START_SECONDS: Final = 15.0

# Debian keeps it where only root's PATH looks.
PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""The program; None where it is not installed."""

# Postgres listens on a socket that only its own account may use, so the pooler runs as that account; whom a client says it is, it is.
_CONFIGURATION: Final = """\
[databases]
* = host={sockets} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""


@contextmanager
def pooler(cluster: Cluster, connections: int = CONNECTIONS) -> Iterator[str]:
    """Run PgBouncer before a server for as long as the block lasts; yields the URL of the server's database through it. To each database
    it holds so many `connections`.

    Raises RuntimeError with PgBouncer's log when it does not come up.
    """
    assert PROGRAM is not None
    folder = Path(tempfile.mkdtemp(prefix="scimsrv-pooler-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    parts = urlsplit(cluster.dsn)
    place = parse_qs(parts.query)
    configuration = folder / "pgbouncer.ini"
    users = folder / "users"
    users.write_text("".join(f'"{user}" ""\n' for user in (USER, APPLICATION)))
    users.chmod(0o644)
    configuration.write_text(
        _CONFIGURATION.format(sockets=place["host"][0], server_port=place["port"][0], users=users, port=port, connections=connections)
    )
    account = database_account(cluster.directory)
    if account is not None:
        admit(account, folder)
    configuration.chmod(0o644)
    log = folder / "pgbouncer.log"
    user, group, others = (None, None, None) if account is None else (account.uid, account.gid, list[int]())
    with log.open("wb") as output:
        child = subprocess.Popen(
            [PROGRAM, str(configuration)], stdout=output, stderr=output, cwd="/", user=user, group=group, extra_groups=others
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start:\n{log.read_text()}")
            time.sleep(0.02)
        yield f"postgresql://{USER}@127.0.0.1:{port}{parts.path}"
    finally:
        child.kill()
        child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def through(pooler_url: str, database: str) -> str:
    """The URL of a database, by way of the pooler."""
    name = database.partition("?")[0].rpartition("/")[2]
    return with_database(pooler_url, name).rstrip("?")
