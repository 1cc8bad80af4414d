"""A server that is told to read its configuration again, by SIGHUP: what it takes over, and what it goes on with where it cannot."""

import datetime
import ipaddress
import json
import os
import pty
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.processes import Served, environment, serving


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that the user who runs an embedded Postgres can reach."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _certificate(folder: Path, serial: int) -> None:
    """Write a key and a certificate for this machine, which it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(serial)
    made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    signed = made.add_extension(here, critical=False).sign(key, hashes.SHA256())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _shown(served: Served, name: str) -> int:
    """The serial number of the certificate that a listener shows to a new connection."""
    url = httpx.URL(served.announced[name])
    pem = ssl.get_server_certificate((url.host, url.port or 443))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def _page(served: Served) -> int:
    """How many resources a list has at most."""
    config = httpx.get(f"{served.announced['tenant_url']}/ServiceProviderConfig", verify=False).json()
    number: int = config["filter"]["maxResults"]
    return number


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_taken_over(folder: Path, workers: str) -> None:
    """Certificates, limits and the log's level change without a refused request; a setting that cannot is named, and a configuration that
    is wrong changes nothing."""
    config, log = folder / "config.toml", folder / "serve.log"
    files = f'tls_cert = "{folder}/cert.pem"\ntls_key = "{folder}/key.pem"\n'
    config.write_text(f'{files}log_level = "error"\nmax_page = 500\n')
    _certificate(folder, 1)
    with serving("--config", str(config), "--workers", workers, cwd=folder) as served:
        assert (_page(served), _shown(served, "base_url"), _shown(served, "admin_url")) == (500, 1, 1)
        assert '"event":"request"' not in log.read_text()
        _certificate(folder, 2)
        config.write_text(f'{files}log_level = "info"\nmax_page = 700\npool_size = 4\n')
        served.process.send_signal(signal.SIGHUP)
        _until(lambda: (_page(served), _shown(served, "base_url"), _shown(served, "admin_url")) == (700, 2, 2))
        _until(lambda: '"event":"request"' in log.read_text())
        assert "these settings need a new start: pool_size" in log.read_text()
        if workers == "2":  # until the other process has been replaced, too
            _until(lambda: all(_page(served) == 700 for _ in range(20)))
        config.write_text(f"{files}max_pages = 900\n")
        served.process.send_signal(signal.SIGHUP)
        _until(lambda: "what held goes on" in log.read_text())
        said = [json.loads(line)["event"] for line in log.read_text().splitlines() if "what held goes on" in line]
        assert "max_pages" in said[0]
        assert _page(served) == 700
        assert served.end() == 0


_TOLD_WHILE_IT_IS_LOADED = """
import os, signal, sys

class Told:
    def find_spec(self, name, path=None, target=None):
        if name in ("asyncpg", "uvicorn"):
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Told())
from scimsrv.__main__ import main
sys.exit(main())
"""


def test_told_while_the_program_is_loaded(folder: Path) -> None:
    """SIGHUP that comes while the program is still being loaded does not end a server, which takes it when it can; every other command
    ends by it, as programs do."""
    program = (sys.executable, "-c", _TOLD_WHILE_IT_IS_LOADED)
    with serving(cwd=folder, program=program) as served:
        _until(lambda: "the configuration was read again" in (folder / "serve.log").read_text())
        assert served.end() == 0
    ended = subprocess.run([*program, "version"], cwd=folder, env=environment(), check=False, capture_output=True, timeout=60)
    assert ended.returncode == -signal.SIGHUP


def test_a_closed_terminal_ends_the_server(folder: Path) -> None:
    """Whoever closes the terminal of a server has not left one behind that nobody sees."""
    mine, terminal = pty.openpty()
    before = os.dup(0)
    os.dup2(terminal, 0)
    try:
        with serving(cwd=folder) as served:
            os.dup2(before, 0)
            assert served.end(signal.SIGHUP) == 0
    finally:
        os.dup2(before, 0)
        for one in (mine, terminal, before):
            os.close(one)
