"""Every command in README.md and docs/ runs as written, in order, on a server started as the README says."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scimsrv import assets
from tests import forking
from tests.processes import Served, environment, serving

ROOT = Path(str(assets.ROOT))
_BLOCK = re.compile(r"^```sh[ \t]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

# These are what runs this test; each is checked to be a target of the Makefile instead.
_MAKE = re.compile(r"make ([a-z-]+)( SERVE_ARGS=.*)?")


def _documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _commands(document: Path) -> list[str]:
    """Return the commands of a document's ```sh blocks; a line that ends with a backslash goes on in the next."""
    text = document.read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    bare = [re.sub(r"(^|\s+)# .*$", "", line).strip() for line in lines]
    return [line for line in bare if line]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield an empty folder in which the commands run."""
    made = Path(tempfile.mkdtemp(prefix="scimsrv-test-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Yield a running server with the demo tenant."""
    with serving(cwd=folder) as running:
        yield running


def test_there_are_commands() -> None:
    """The README shows the two commands that a newcomer needs."""
    assert {"make serve", "make test"} <= set(_commands(ROOT / "README.md"))


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_run(document: Path, folder: Path, served: Served) -> None:
    """Each command of a document succeeds; later ones may use variables that earlier ones set."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    script = []
    for line in _commands(document):
        made = _MAKE.fullmatch(line)
        if made is not None:
            assert made[1] in targets, line
        elif not line.startswith(("git clone ", "cd ")):
            script.append(line)
    base = served.announced["base_url"]
    text = "\n".join(script).replace("http://127.0.0.1:8080", base)
    text = text.replace("http://127.0.0.1:8081/admin/v1", served.announced["admin_url"])
    path = f"{forking.shim()}:{Path(sys.executable).parent}:{environment()['PATH']}"
    # -e stops at the first command that fails, pipefail sees one inside a pipe, and curl fails on a status of 400 or more.
    prelude = (
        f'set -euo pipefail\ncurl() {{ command curl --silent --show-error --fail-with-body "$@"; }}\nTOKEN={served.announced["token"]}\n'
    )
    done = subprocess.run(
        ["bash", "-c", prelude + text], cwd=folder, env=environment(PATH=path), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{text}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
