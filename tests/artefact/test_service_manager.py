"""What systemd is told by a server that it started: when it answers, and when it is about to end."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a short path, as sockets need it."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize(("workers", "abstract"), [("1", False), ("2", True)])
def test_ready_and_stopping(folder: Path, workers: str, abstract: bool) -> None:
    """READY comes once, when requests are answered, whether one process serves or several; STOPPING when the server was told to end."""
    name = f"@scimsrv-test-{folder.name}-{workers}" if abstract else str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(60)
        with serving("--workers", workers, cwd=folder, NOTIFY_SOCKET=name) as served:
            ready = manager.recv(4096).decode().splitlines()
            assert ready == ["READY=1", f"STATUS=Answers at {served.announced['base_url']}"]
            assert httpx.get(f"{served.announced['tenant_url']}/ServiceProviderConfig").status_code == 200
            assert served.end() == 0
            assert manager.recv(4096) == b"STOPPING=1"
            manager.setblocking(False)
            with pytest.raises(BlockingIOError):
                manager.recv(4096)


def test_a_service_manager_that_has_gone(folder: Path) -> None:
    """A server whose service manager does not listen serves all the same."""
    with serving(cwd=folder, NOTIFY_SOCKET=str(folder / "nobody")) as served:
        assert served.end() == 0
