"""A server that is told again to end while it waits for what is in progress."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that the user who runs an embedded Postgres can reach."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize(("workers", "number"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
def test_told_again(folder: Path, workers: str, number: signal.Signals) -> None:
    """A request whose body does not end keeps a server that is told to end for as long as it may; SIGHUP changes nothing of that, and
    another signal to end gives the request up, which is answered so."""
    with serving("--workers", workers, cwd=folder, SCIMSRV_DRAIN_SECONDS="300") as served:
        url = httpx.URL(served.announced["tenant_url"])
        token = {"Authorization": f"Bearer {served.announced['token']}"}
        with socket.create_connection((url.host, url.port or 80)) as held:
            head = f"POST {url.path}/Users HTTP/1.1\r\nHost: here\r\nAuthorization: {token['Authorization']}\r\n"
            held.sendall(f"{head}Content-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n{{".encode())
            assert httpx.get(f"{url}/Users", headers=token).status_code == 200
            served.process.send_signal(number)
            end = time.monotonic() + 60
            while True:  # until no connection is taken any more
                assert time.monotonic() < end
                try:
                    socket.create_connection((url.host, url.port or 80)).close()
                except ConnectionError:
                    break
                time.sleep(0.05)
            served.process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                served.process.wait(1)
            while "what is in progress is given up" not in (folder / "serve.log").read_text():
                assert time.monotonic() < end
                served.process.send_signal(number)
                time.sleep(0.5)
            assert served.process.wait(60) == 0
            assert b"503 Service Unavailable" in (answer := held.recv(10_000))
            assert b'"status":"503"' in answer
            assert b"\r\nretry-after: 2\r\n" in answer
