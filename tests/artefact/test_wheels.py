"""Wheels of scimsrv-badges: what this machine can build works, and what is not what its name says is refused."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from scimsrv import assets

ROOT = Path(str(assets.ROOT))
NAME = "scimsrv_badges-0.1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
ELF = b"\x7fELF" + bytes(14) + b"\x3e\x00"


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    """The script that `make wheels` runs."""
    spec = importlib.util.spec_from_file_location("wheels", ROOT / "deploy" / "wheels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["wheels"] = module  # which its dataclasses look for
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_the_machines_own(tmp_path: Path) -> None:
    """The wheel for this machine is built, is of the stable ABI, and bakes."""
    command = [sys.executable, str(ROOT / "deploy" / "wheels.py"), "host", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = tmp_path.iterdir()
    assert "-cp311-abi3-" in made.name


@pytest.mark.parametrize(
    ("name", "module", "parts", "says"),
    [
        (NAME, ELF, (), None),
        (NAME.replace("abi3", "cp311"), ELF, (), "not for the stable ABI"),
        (NAME.replace("cp311", "cp312"), ELF, (), "not for the stable ABI"),
        (NAME.replace("x86_64", "aarch64"), ELF, (), "not for x86_64-unknown-linux-gnu"),
        (NAME.replace("manylinux", "linux"), ELF, (), "not for x86_64-unknown-linux-gnu"),
        (NAME, ELF[:18] + b"\xb7\x00", (), "a module for aarch64"),
        (NAME, b"MZ" + bytes(58) + b"\x40\x00\x00\x00" + b"PE\x00\x00\x64\x87", (), "a module for another processor"),
        (NAME, ELF, ("py.typed",), "lacks scimsrv_badges/py.typed"),
        (NAME, ELF, ("_native.abi3.so", "_native.pyi"), "lacks scimsrv_badges/_native.abi3.so, scimsrv_badges/_native.pyi"),
    ],
)
def test_what_a_wheel_has_to_be(
    wheels: ModuleType, tmp_path: Path, name: str, module: bytes, parts: tuple[str, ...], says: str | None
) -> None:
    """Its name, its parts and the processor of its module agree with the platform."""
    made = tmp_path / name
    contents = {"_native.abi3.so": module, "__init__.py": b"", "_native.pyi": b"", "py.typed": b""}
    with zipfile.ZipFile(made, "w") as held:
        for part in contents.keys() - {*parts}:
            held.writestr(f"scimsrv_badges/{part}", contents[part])
    platform = wheels.PLATFORMS[0]
    if says is None:
        wheels.check(made, platform)
    else:
        with pytest.raises(wheels.WheelError, match=re.escape(says)):
            wheels.check(made, platform)


def test_the_platforms_are_documented(wheels: ModuleType) -> None:
    """The README lists each that can be built, and no other."""
    table = [line.split("|")[1] for line in (ROOT / "rust_badges" / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert re.findall(r"`([^`]+)`", " ".join(table)) == [platform.target for platform in wheels.PLATFORMS]


def test_what_cannot_be_built_is_said(wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the standard library of a platform, or something that links for it, it is left out with the reason."""
    monkeypatch.setattr(wheels, "_rustc", lambda *_: str(tmp_path))
    monkeypatch.setattr(wheels, "_has_zig", lambda: False)
    first, musl, windows = (wheels.PLATFORMS[index] for index in (0, 2, -1))
    here = first.target
    assert "rustup target add" in wheels.obstacle(first, here)
    for platform in (first, musl, windows):
        (tmp_path / "lib" / "rustlib" / platform.target / "lib").mkdir(parents=True)
    said = [wheels.obstacle(platform, here) for platform in (first, musl, windows)]
    assert said == [None, "nothing here links for it: install zig", "it is built on a machine of its own kind"]
