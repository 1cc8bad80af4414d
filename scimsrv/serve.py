"""Runs the server: processes, listeners beside each other, and their orderly end."""

import contextlib
import gc
import logging
import multiprocessing
import multiprocessing.process
import os
import resource
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from scimsrv import logs, observe, service_manager, tracing
from scimsrv.board import Board, Pulse, shared_board
from scimsrv.exposition import exposition, metrics_of
from scimsrv.guard import GuardedProtocol
from scimsrv.listeners import Listeners, ServeError, proxies
from scimsrv.monitor import Condition, create_monitor_app
from scimsrv.reloading import CertificateError, Reloading, check_tls
from scimsrv.settings import PREFIX, Settings, load_settings, to_environment
from scimsrv.store.survey import survey
from scimsrv.supervisor import Announcing, beside, run_here
from scimsrv.surveying import Surveyor
from scimsrv.workers import Workers, run_workers

if TYPE_CHECKING:
    from scimsrv.app import App

_APP: Final = "scimsrv.serve:worker_app"
_ADMIN_CONCURRENCY: Final = 64
_MONITOR_CONCURRENCY: Final = 32
_START_SECONDS: Final = 60.0
_KEEP_ALIVE_SECONDS: Final = 75  # longer than the idle time of common proxies and IdP clients, so that they close first
_AT_EACH_LOOK: Final = -(10**12)  # uvicorn asks the clock on the wall, which may be set back: then nothing would beat for as long
_COLLECT_AFTER: Final = 10_000  # new objects after which cycles among the young are looked for

_BOARD: Final = "_SCIMSRV_BOARD"
"""The variable by which server processes find the directory that they share; no setting, since no operator has a use for it."""

_SUPERVISOR: Final = "supervisor"

#: Where Linux says how many pages of memory a process has.
_STATM: Final = Path("/proc/self/statm")

_pulse = Pulse()
_app: "App | None" = None

_TRACING: Final = threading.Lock()
_tracing: tracing.Tracing | None = None


def worker_app() -> Any:
    """Make the application in a server process, which finds its settings in the environment."""
    global _pulse, _app
    from scimsrv.app import App

    settings = load_settings({}, os.environ)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
        _set_up_logging(settings)
    if _BOARD in os.environ:
        board = Board(Path(os.environ[_BOARD]))
        _pulse, process = board.claim()
        observe.project(metrics_of(board, process, settings.metrics_tenants)[0])
    # What is loaded by now lives as long as the process, and requests leave few cycles: looking for them seldom spares a page's worth
    # of objects being gone through while it is rendered.
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
    GuardedProtocol.concurrency = settings.concurrency
    if _STATM.exists():
        observe.sampled(_resident)
    _app = App(settings)
    return _traced(_app)


def _resident() -> observe.Resident:
    """What this process has of memory."""
    return observe.Resident(int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize())


def _traced(app: Any) -> Any:
    """The application, with traces where they are asked for; both planes of a process share what sends them."""
    global _tracing
    if not tracing.wanted(os.environ):
        return app
    with _TRACING:
        if _tracing is None:
            _tracing = tracing.Tracing(tracing.exporting())
    return _tracing.around(app)


async def beat() -> None:
    """What the event loop of the data plane does each second."""
    _pulse.beat()
    observe.sample()


async def _sample() -> None:
    observe.sample()


def run(settings: Settings, listeners: Listeners, ready: Callable[[], None], read: Callable[[], Settings]) -> None:
    """Serve until SIGINT or SIGTERM, then let running requests end; ready is called once when requests are answered, and read for the
    configuration as it is at SIGHUP.

    The admin API, and metrics and health, are served by this process alone, however many serve the data plane. Raises ServeError when an
    application does not start.
    """
    global _pulse
    # What serves requests has no use for the owner of the tables.
    for name in ("ADMIN_DATABASE_URL", "ADMIN_DATABASE_URL_FILE"):
        os.environ.pop(PREFIX + name, None)
    os.environ.update(to_environment(settings.model_copy(update={"admin_database_url": None})))
    try:
        check_tls(settings)
    except CertificateError as error:
        raise ServeError(str(error)) from None
    try:
        tracing.wanted(os.environ)
    except tracing.TracingError as error:
        raise ServeError(str(error)) from None
    log = _set_up_logging(settings)
    several = settings.workers > 1
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(shared_board()) if several and listeners.metrics is not None else Board(None)
        if board.directory is not None:
            os.environ[_BOARD] = str(board.directory)
            stack.callback(os.environ.pop, _BOARD, None)
        elif not several:
            _pulse = board.claim()[0]
        condition = Condition(board)
        stack.enter_context(_monitor(settings, listeners, board, condition))
        admin = stack.enter_context(_admin(settings, listeners, several=several))

        def answers() -> None:
            condition.start()
            ready()
            service_manager.tell(service_manager.READY, f"STATUS=Answers at {settings.base_url}")

        def leaves() -> None:
            condition.leave()
            service_manager.tell(service_manager.STOPPING)

        config = _config(settings, _APP, GuardedProtocol, settings.workers, factory=True, notify=beat)
        runner: Announcing | Workers = Workers(config, [listeners.data]) if several else Announcing(config)
        runner.ready, runner.leaving, runner.delay = answers, leaves, settings.drain_delay

        def take_over(fresh: Settings) -> None:
            logs.set_level(log, fresh.log_level)
            for one in (config, *admin):
                context = getattr(one, "ssl", None)  # what serves nobody itself has none
                if context is not None and fresh.tls_cert is not None:
                    context.load_cert_chain(fresh.tls_cert, fresh.tls_key)
            GuardedProtocol.concurrency = fresh.concurrency
            if _app is not None:
                _app.reload(fresh)

        runner.reload = Reloading(settings, read, take_over)
        if isinstance(runner, Workers):
            run_workers(runner)
        else:
            run_here(runner, listeners.data)


def _config(
    settings: Settings,
    app: Any,
    protocol: type[GuardedProtocol],
    workers: int,
    *,
    factory: bool = False,
    tls: bool = True,
    notify: Callable[[], Awaitable[None]] | None = None,
) -> uvicorn.Config:
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
        forwarded_allow_ips=proxies(settings),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
        timeout_notify=_AT_EACH_LOOK,
        callback_notify=notify,
        ssl_certfile=settings.tls_cert if tls else None,
        ssl_keyfile=settings.tls_key if tls else None,
    )


@contextlib.contextmanager
def _monitor(settings: Settings, listeners: Listeners, board: Board, condition: Condition) -> Iterator[None]:
    """Serve metrics and health beside the block."""
    if listeners.metrics is None:
        yield
        return
    assert settings.database_url is not None
    metrics, registry = metrics_of(board, _SUPERVISOR, settings.metrics_tenants)

    class MonitorProtocol(GuardedProtocol):
        concurrency = _MONITOR_CONCURRENCY
        plane = None

    look = partial(survey, settings.database_url, isolated=settings.isolated)
    app = create_monitor_app(settings.database_url, condition, exposition(board, registry, metrics.tenants), Surveyor(look))
    server = Announcing(_config(settings, app, MonitorProtocol, 1, tls=False))
    unproject = observe.project(metrics)
    try:
        with beside(server, listeners.metrics, "metrics", _START_SECONDS):
            yield
    finally:
        unproject()


@contextlib.contextmanager
def _admin(settings: Settings, listeners: Listeners, *, several: bool) -> Iterator[list[uvicorn.Config]]:
    """Serve the admin API beside the block; with what it is configured with, if it is."""
    if listeners.admin is None:
        yield []
        return
    from scimsrv.admin.app import create_admin_app
    from scimsrv.admin.problems import guard_refusal

    class AdminProtocol(GuardedProtocol):
        concurrency = _ADMIN_CONCURRENCY
        refusal = staticmethod(guard_refusal)
        plane = "admin"

    # Where one process does everything, its data plane looks at what is looked at each second.
    app = _traced(create_admin_app(settings, lambda: server.should_exit))
    server = Announcing(_config(settings, app, AdminProtocol, 1, notify=_sample if several else None))
    with beside(server, listeners.admin, "the admin API", _START_SECONDS):
        yield [server.config]


def _set_up_logging(settings: Settings) -> logs.Log:
    log = logs.set_up(settings.log_level)
    observe.project(log)
    # While the database is away the driver's pool logs a traceback per attempt: its first line says it all.
    for name in ("asyncpg", "asyncpg.pool"):  # a logger's filter is not its children's
        logging.getLogger(name).addFilter(_without_traceback)
    return log


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _follow(parent: "multiprocessing.process.BaseProcess") -> None:
    """End this server process when the one that started it was killed: it would hold the address for good."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
