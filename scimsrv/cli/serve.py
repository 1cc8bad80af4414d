"""`scimsrv serve`: start the server, on a database that exists or on an embedded one that it starts and stops itself."""

import argparse
import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from scimsrv import __version__
from scimsrv.cli.common import (
    POSTGRES,
    CommandError,
    add_command,
    add_common,
    application_role,
    emit,
    note,
    settings_of,
    tenant_url,
)
from scimsrv.demo import Demo, prepare_demo
from scimsrv.embedded import Cluster, DirectoryLock, EmbeddedError, start_cluster
from scimsrv.keys import FILE_NAME, ServerKeys
from scimsrv.listeners import check_exposure, listen
from scimsrv.serve import run
from scimsrv.settings import Settings
from scimsrv.store import isolation, migrate
from scimsrv.supervisor import ignore_signals, interruptible

_WAIT_SECONDS = 10.0
_WATCH_SECONDS = 0.5


def register(commands: Any) -> None:
    """Add the command."""
    summary = "start the server; without a database URL on an embedded Postgres, with a demo tenant"
    parser = add_command(commands, "serve", summary, "scimsrv serve --port 8080", _serve)
    add_common(parser)
    for flag, kind, text in (
        ("--host", str, "address to listen on (default 127.0.0.1)"),
        ("--port", int, "port to listen on (default 8080), 0 for a free one"),
        ("--admin-host", str, "address on which the admin API listens (default 127.0.0.1)"),
        ("--admin-port", int, "port of the admin API (default 8081), 0 for a free one"),
        ("--metrics-host", str, "address on which metrics and health are served (default 127.0.0.1)"),
        ("--metrics-port", int, "port of metrics and health (default 9090), 0 for a free one"),
        ("--log-level", str, "least weight of a line in the log: error, warning or info (default)"),
        ("--workers", int, "server processes (default 1)"),
        ("--public-url", str, "URL that clients use, when it differs from the address"),
        ("--pool-size", int, "database connections per process (default 10)"),
        ("--secret-key-file", Path, "file with the server's secret key; needed with a database URL"),
        ("--tls-cert", Path, "certificate chain, to serve https"),
        ("--tls-key", Path, "private key of the certificate"),
    ):
        parser.add_argument(flag, type=kind, metavar=flag.split("-")[-1].upper(), help=text)
    parser.add_argument(
        "--trusted-proxy", action="append", dest="trusted_proxies", metavar="CIDR", help="repeatable: network of a proxy that ends TLS"
    )
    parser.add_argument("--no-admin", dest="admin", action="store_const", const=False, help="do not serve the admin API")
    parser.add_argument("--no-metrics", dest="metrics", action="store_const", const=False, help="serve neither metrics nor health")
    for flag, text in (
        ("--migrate", "bring the given database's schema up to date first"),
        ("--allow-plain-http", "permit http on an address other than loopback"),
        ("--allow-remote-embedded", "permit the embedded mode on an address other than loopback"),
    ):
        parser.add_argument(flag, action="store_const", const=True, help=text)


def _serve(arguments: argparse.Namespace) -> int:
    environ = dict(os.environ)  # the server puts into its own what its processes are to find there
    settings = settings_of(arguments)
    check_exposure(settings)
    with contextlib.suppress(KeyboardInterrupt), interruptible(), listen(settings) as listeners:
        settings = listeners.resolved(settings)
        start = _embedded if settings.embedded else _external
        with start(settings) as (ready_settings, demo):
            announce = partial(_announce, arguments, ready_settings, demo, embedded=settings.embedded)
            run(ready_settings, listeners, announce, partial(settings_of, arguments, environ))
    return 0


def check_external(settings: Settings) -> None:
    """Raises SecretKeyError without a secret key that can be used, CommandError where row-level security leaves no owner of the tables."""
    ServerKeys.load(settings)
    if settings.isolated and settings.admin_database_url is None and (settings.admin or settings.migrate):
        raise CommandError(
            "With isolation = rls migrations and the admin API need admin_database_url, the database as the role that owns the tables; "
            "or serve with --no-admin."
        )


@contextlib.contextmanager
def _external(settings: Settings) -> "Iterator[tuple[Settings, Demo | None]]":
    check_external(settings)
    assert settings.database_url is not None
    if settings.migrate:
        assert settings.owner_url is not None
        asyncio.run(migrate.migrate(settings.owner_url, application=application_role(settings)))
    else:
        found = asyncio.run(migrate.status(settings.database_url))
        if found.pending:
            raise CommandError(
                f"The database is at schema version {found.version}, this program needs {found.expected}: "
                "run `scimsrv db migrate`, or serve with --migrate."
            )
    asyncio.run(isolation.check_at(settings.database_url, isolated=settings.isolated))
    yield settings, None


@contextlib.contextmanager
def _embedded(settings: Settings) -> "Iterator[tuple[Settings, Demo | None]]":
    data_dir = settings.data_dir.absolute()
    lock = DirectoryLock(data_dir, "serve")
    _take(lock, data_dir)
    cluster: Cluster | None = None
    watch: Watch | None = None
    try:
        lock.tell(settings.base_url)
        keys = ServerKeys.load(settings, make=True)
        cluster = start_cluster(data_dir / POSTGRES, settings.postgres_bin)
        asyncio.run(migrate.migrate(cluster.dsn))
        demo = asyncio.run(prepare_demo(cluster.dsn, data_dir, keys))
        watch = Watch(cluster, lambda: start_cluster(data_dir / POSTGRES, settings.postgres_bin))
        key_file = None if settings.secret_key or settings.secret_key_file else data_dir / FILE_NAME
        found = {"database_url": cluster.dsn} | ({} if key_file is None else {"secret_key_file": key_file})
        yield settings.model_copy(update=found), demo
    finally:
        ignore_signals()
        if watch is not None:
            cluster = watch.end()
        if cluster is not None:
            cluster.stop()
        lock.release()


class Watch:
    """Starts the embedded Postgres again should it die while the server runs; until then requests get 503."""

    def __init__(self, cluster: Cluster, restart: Callable[[], Cluster]) -> None:
        """Watch over cluster in a thread of its own."""
        self._cluster = cluster
        self._restart = restart
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> Cluster:
        """Stop watching and return the server that runs now."""
        self._ended.set()
        self._thread.join()
        return self._cluster

    def _watch(self) -> None:
        while not self._ended.wait(_WATCH_SECONDS):
            if not self._cluster.alive():
                note("scimsrv: the embedded Postgres has died; starting it again")
                try:
                    self._cluster = self._restart()
                except EmbeddedError as error:
                    note(f"scimsrv: {error}")


def _take(lock: DirectoryLock, data_dir: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not lock.take():
        if lock.holder().startswith("serve ") or time.monotonic() > deadline:
            raise CommandError(f"Another scimsrv ({lock.holder()}) uses {data_dir}: stop it, or choose another --data-dir.")
        time.sleep(0.05)


def _announce(arguments: argparse.Namespace, settings: Settings, demo: Demo | None, *, embedded: bool) -> None:
    url = tenant_url(settings, demo.slug) if demo is not None else None
    token = demo.token if demo is not None else None
    curl = f"curl -H 'Authorization: Bearer {token}' {url}/Users" if token is not None else None
    lines = [f"scimsrv {__version__} answers at {settings.base_url}"]
    if embedded:
        lines.append(f"Embedded Postgres in {settings.data_dir.absolute()}: for trying out, not for production.")
    if url is not None:
        lines += ["", f"Tenant URL  {url}", f"Token       {token or 'not known here: make one with `scimsrv token create --tenant demo`'}"]
    admin_url = settings.admin_base_url if settings.admin else None
    if admin_url is not None:
        lines += ["", f"Admin API   {admin_url}   (token: `scimsrv admin token create`)"]
    metrics_url = settings.metrics_base_url if settings.metrics else None
    if metrics_url is not None:
        lines += [f"Metrics     {metrics_url}/metrics   (health: /livez, /readyz, /startupz)"]
    if curl is not None:
        lines += ["", f"Try         {curl}"]
    document = {
        "version": __version__,
        "base_url": settings.base_url,
        "tenant_url": url,
        "token": token,
        "curl": curl,
        "admin_url": admin_url,
        "metrics_url": metrics_url,
    }
    emit(arguments, document, "\n".join([*lines, "", "Ctrl-C stops it."]))
