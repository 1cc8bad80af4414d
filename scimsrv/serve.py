"""Runs the server: address, database, processes, and their orderly end."""

import contextlib
import gc
import logging
import multiprocessing
import multiprocessing.process
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from scimsrv.guard import GuardedProtocol
from scimsrv.settings import PREFIX, Settings, SettingsError, is_loopback, load_settings, to_environment

_APP: Final = "scimsrv.serve:worker_app"
_ADMIN_CONCURRENCY: Final = 64
_START_SECONDS: Final = 60.0
_KEEP_ALIVE_SECONDS: Final = 75  # longer than the idle time of common proxies and IdP clients, so that they close first
_COLLECT_AFTER: Final = 10_000  # new objects after which cycles among the young are looked for


class ServeError(Exception):
    """The server cannot start; the message says why and what to do."""


def check_exposure(settings: Settings) -> None:
    """Refuse what would expose data by oversight. Raises SettingsError with the way to allow it by name."""
    for host in (settings.host, settings.admin_host) if settings.admin else (settings.host,):
        if is_loopback(host):
            continue
        if settings.embedded and not settings.allow_remote_embedded:
            raise SettingsError(
                f"The embedded mode is for trying out and stays on this machine; {host} is not a loopback address. "
                "Give --database-url, or allow it with --allow-remote-embedded."
            )
        if settings.tls_cert is None and not settings.trusted_proxies and not settings.allow_plain_http:
            raise SettingsError(
                f"Tokens would cross the network in clear text on {host}. Give --tls-cert and --tls-key, name the proxy that "
                "terminates TLS with --trusted-proxy, or allow it with --allow-plain-http."
            )


@contextlib.contextmanager
def listen(settings: Settings) -> "Iterator[Listeners]":
    """Reserve the addresses for the length of a block. Raises ServeError when one is taken or not ours."""
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(_reserved(settings.host, settings.port, "--port"))
        if not settings.admin:
            yield Listeners(data, None)
            return
        admin = stack.enter_context(_reserved(settings.admin_host, settings.admin_port, "--admin-port, or do without with --no-admin"))
        yield Listeners(data, admin)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The reserved addresses: that of the data plane, and that of the admin API where it is served."""

    data: socket.socket
    admin: socket.socket | None

    def resolved(self, settings: Settings) -> Settings:
        """The settings with the ports that were found free."""
        ports = {"port": self.data.getsockname()[1]}
        if self.admin is not None:
            ports["admin_port"] = self.admin.getsockname()[1]
        return settings.model_copy(update=ports)


def _reserved(host: str, port: int, flag: str) -> socket.socket:
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise ServeError(f"Cannot listen on {host} port {port}: {error.strerror}. Choose another with {flag}.") from None
    reserved.set_inheritable(True)
    return reserved


def worker_app() -> Any:
    """Make the application in a server process, which finds its settings in the environment."""
    from scimsrv.app import create_app

    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _set_up_logging()
    # What is loaded by now lives as long as the process, and requests leave few cycles: looking for them seldom spares a page's worth
    # of objects being gone through while it is rendered.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    settings = load_settings({}, os.environ)
    GuardedProtocol.concurrency = settings.concurrency
    return create_app(settings)


def run(settings: Settings, listeners: Listeners, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests end; ready is called once when requests are answered.

    The admin API is served by this process alone, however many serve the data plane. Raises ServeError when an application does not
    start.
    """
    # What serves requests has no use for the owner of the tables.
    for name in ("ADMIN_DATABASE_URL", "ADMIN_DATABASE_URL_FILE"):
        os.environ.pop(PREFIX + name, None)
    os.environ.update(to_environment(settings.model_copy(update={"admin_database_url": None})))
    config = _config(settings, _APP, GuardedProtocol, settings.workers, factory=True)
    _check_tls(settings)
    serve = _run_here if settings.workers == 1 else _run_workers
    with _admin(settings, listeners.admin):
        serve(config, listeners.data, ready)


def _config(settings: Settings, app: Any, protocol: type[GuardedProtocol], workers: int, *, factory: bool) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        http=protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies) or None,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


@contextlib.contextmanager
def _admin(settings: Settings, reserved: socket.socket | None) -> Iterator[None]:
    """Serve the admin API beside the block, in a thread with an event loop of its own."""
    if reserved is None:
        yield
        return
    from scimsrv.admin.app import create_admin_app
    from scimsrv.admin.problems import guard_refusal

    _set_up_logging()

    class AdminProtocol(GuardedProtocol):
        concurrency = _ADMIN_CONCURRENCY
        refusal = staticmethod(guard_refusal)

    server = _Announcing(_config(settings, create_admin_app(settings), AdminProtocol, 1, factory=False))
    answers = threading.Event()
    server.ready = answers.set
    thread = threading.Thread(target=_run_until_told, args=(server, reserved, answers), name="admin")
    thread.start()
    try:
        if not answers.wait(_START_SECONDS) or not server.started:
            raise ServeError("The admin API did not start; the reason is above.")
        yield
    finally:
        server.should_exit = True
        thread.join()


def _run_until_told(server: uvicorn.Server, reserved: socket.socket, ended: threading.Event) -> None:
    try:
        with contextlib.suppress(SystemExit):  # its lifespan failed, and was logged
            server.run([reserved])
    finally:
        ended.set()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C does inside the block, and let neither disturb the tidying up behind it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let the end of the program not be cut short by another Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _check_tls(settings: Settings) -> None:
    if settings.tls_cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise ServeError(f"The certificate {settings.tls_cert} and key {settings.tls_key} cannot be used: {error}.") from None


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # While the database is away the driver's pool logs a traceback per attempt: its first line says it all.
    for name in ("asyncpg", "asyncpg.pool"):  # a logger's filter is not its children's
        logging.getLogger(name).addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _follow(parent: "multiprocessing.process.BaseProcess") -> None:
    """End this server process when the one that started it was killed: it would hold the address for good."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _Announcing(uvicorn.Server):
    """uvicorn's server that says when it answers."""

    ready: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


def _run_here(config: uvicorn.Config, reserved: socket.socket, ready: Callable[[], None]) -> None:
    server = _Announcing(config)
    server.ready = ready
    try:
        # uvicorn raises the signal again that stopped it, after the orderly end.
        with contextlib.suppress(KeyboardInterrupt):
            server.run([reserved])
    except SystemExit:
        raise ServeError("The application did not start; the reason is above.") from None


class _Workers(Multiprocess):
    """uvicorn's supervisor that says when all of its processes answer."""

    ready: Callable[[], None]

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(60, self.should_exit) for process in self.processes):
            self.ready()


def _run_workers(config: uvicorn.Config, reserved: socket.socket, ready: Callable[[], None]) -> None:
    supervisor = _Workers(config, [reserved])
    supervisor.ready = ready
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise ServeError("The application did not start; the reason is above.")
