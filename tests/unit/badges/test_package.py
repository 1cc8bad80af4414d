"""The facade, and the package that it prefers."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from scimsrv import __version__, assets
from scimsrv.badges import bake, baking
from tests.unit.badges.conftest import native

ROOT = Path(str(assets.ROOT))


def test_the_facade_takes_rust_where_it_is_installed() -> None:
    """All names come from one implementation, and IMPLEMENTATION says which."""
    expected = native() or baking
    assert ("python" if expected is baking else "rust") == bake.IMPLEMENTATION
    for name in set(baking.__all__) - {"KINDS"}:
        assert getattr(bake, name) is getattr(expected, name)


def test_the_facade_does_without_rust() -> None:
    """Where the package cannot be imported the Python implementation serves."""
    code = (
        "import sys; sys.modules['scimsrv_badges'] = None; from scimsrv.badges import bake, baking;"
        "assert bake.IMPLEMENTATION == 'python' and bake.bake_png is baking.bake_png"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


def test_a_package_of_another_version_is_left_alone() -> None:
    """What another version would answer is not known, so the server does it itself."""
    code = (
        "import sys, types; other = types.ModuleType('scimsrv_badges'); other.__version__ = '0.0.1'; sys.modules['scimsrv_badges'] = other;"
        "from scimsrv.badges import bake, baking;"
        "assert (bake.IMPLEMENTATION, bake.PACKAGE) == ('python', '0.0.1') and bake.bake_png is baking.bake_png"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


def test_both_have_one_version() -> None:
    """The package's version is the server's."""
    assert tomllib.loads((ROOT / "rust_badges" / "Cargo.toml").read_text())["workspace"]["package"]["version"] == __version__


def test_the_stub_is_right(rust: Any) -> None:
    """mypy's stubtest finds the compiled module as its stub describes it."""
    command = [sys.executable, "-m", "mypy.stubtest", "scimsrv_badges", "--concise"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_typed(rust: Any) -> None:
    """The installed package carries its marker and its stub."""
    folder = Path(rust.__file__).parent
    assert (folder / "py.typed").is_file()
    assert (folder / "_native.pyi").is_file()


def test_what_both_halves_share_is_the_same_text() -> None:
    """The classes of results and of the error are the same in the server and in the package."""
    package = ROOT / "rust_badges" / "python" / "scimsrv_badges"
    ours = ROOT / "scimsrv" / "badges" / "baking"
    assert (package / "_results.py").read_text() == (ours / "result.py").read_text()
    error = (package / "_errors.py").read_text().partition("class BakeError")[2]
    assert error.strip()
    assert error in (ours / "errors.py").read_text()
