"""Builds wheels of scimsrv-badges for the usual platforms and looks at each; run by `make wheels`.

Every wheel is for the stable ABI of Python 3.11 (abi3): one for a platform serves all later versions. A platform can be built where the
Rust toolchain has its standard library and something links for it: the machine itself, or zig. What cannot be built is said.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CRATE = ROOT / "rust_badges"
DIST = ROOT / "dist"


@dataclass(frozen=True)
class Platform:
    """A platform by its Rust target. `tags` are what a wheel's platform tag begins and ends with, `compatibility` the least that the wheel
    asks of a Linux, `module` what the compiled part is called. `by_zig`: zig links for it elsewhere."""

    target: str
    tags: tuple[str, str]
    compatibility: str = "pypi"
    by_zig: bool = True
    module: str = "_native.abi3.so"


PLATFORMS = (
    Platform("x86_64-unknown-linux-gnu", ("manylinux", "x86_64"), "manylinux2014"),
    Platform("aarch64-unknown-linux-gnu", ("manylinux", "aarch64"), "manylinux2014"),
    Platform("x86_64-unknown-linux-musl", ("musllinux", "x86_64"), "musllinux_1_2"),
    Platform("aarch64-unknown-linux-musl", ("musllinux", "aarch64"), "musllinux_1_2"),
    Platform("x86_64-apple-darwin", ("macosx", "x86_64")),
    Platform("aarch64-apple-darwin", ("macosx", "arm64")),
    Platform("x86_64-pc-windows-msvc", ("win", "amd64"), by_zig=False, module="_native.pyd"),
)

#: A PNG of one pixel: what a wheel that runs here has to put a credential into, and find it there again.
_TRIAL = """
from scimsrv_badges import bake_png, bake_svg, extract_png, extract_svg
png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082")
svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
assert extract_png(bake_png(png, b"eyJ.e30.AA")).payload == b"eyJ.e30.AA"
assert extract_svg(bake_svg(svg, b"eyJ.e30.AA")).payload == b"eyJ.e30.AA"
"""


class WheelError(Exception):
    """A wheel cannot be built, or is not what it should be; the message says why."""


def host() -> str:
    """The Rust target of this machine. Raises WheelError where there is no toolchain."""
    return next(line.removeprefix("host: ") for line in _rustc("-vV").splitlines() if line.startswith("host: "))


def obstacle(platform: Platform, here: str) -> str | None:
    """Why the platform cannot be built on this one, None where it can."""
    library = Path(_rustc("--print", "sysroot").strip()) / "lib" / "rustlib" / platform.target / "lib"
    if not library.is_dir():
        return f"the toolchain lacks its standard library (rustup target add {platform.target})"
    if _is_native(platform, here) or (platform.by_zig and _has_zig()):
        return None
    return "nothing here links for it: install zig" if platform.by_zig else "it is built on a machine of its own kind"


def build(platform: Platform, here: str, out: Path) -> Path:
    """Build the wheel and look at it; where it is. Raises WheelError."""
    # The host's own build without zig shares what `make wheel` has compiled, and asks for the C library that is here.
    zig = platform.by_zig and _has_zig()
    command = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--quiet", "--manifest-path", str(CRATE / "Cargo.toml")]
    command += ["--interpreter", f"python{sys.version_info.major}.{sys.version_info.minor}"] if zig else []
    command += ["--zig", "--compatibility", platform.compatibility] if zig else []
    command += ["--target", platform.target] if zig or platform.target != here else []
    environment = os.environ | {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))}
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run([*command, "--out", folder], env=environment, check=False).returncode:
            raise WheelError("maturin failed")
        (made,) = Path(folder).glob("*.whl")
        check(made, platform)
        if platform.target == here:
            try_out(made)
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(made, out))


def check(wheel: Path, platform: Platform) -> None:
    """A wheel is of the stable ABI and for the platform, with a module for its processor, a stub and a marker. Raises WheelError."""
    *_, python, abi, tag = wheel.stem.split("-")
    if (python, abi) != ("cp311", "abi3"):
        raise WheelError(f"{wheel.name} is not for the stable ABI of Python 3.11")
    if not (tag.startswith(platform.tags[0]) and tag.endswith(platform.tags[1])):
        raise WheelError(f"{wheel.name} is not for {platform.target}")
    with zipfile.ZipFile(wheel) as held:
        names = set(held.namelist())
        wanted = {f"scimsrv_badges/{name}" for name in (platform.module, "__init__.py", "_native.pyi", "py.typed")}
        if not wanted <= names:
            raise WheelError(f"{wheel.name} lacks {', '.join(sorted(wanted - names))}")
        processor = _processor(held.read(f"scimsrv_badges/{platform.module}"))
        if processor != platform.target.partition("-")[0]:
            raise WheelError(f"{wheel.name} has a module for {processor}")


#: What a module says of the processor that runs it, by the beginning of its format (ELF, Mach-O, PE): where, and in which words.
_ELF, _MACH, _PE = b"\x7fELF", b"\xcf\xfa\xed\xfe", b"MZ"
_PROCESSORS = {
    (_ELF, b"\x3e\x00"): "x86_64",
    (_ELF, b"\xb7\x00"): "aarch64",
    (_MACH, b"\x07\x00"): "x86_64",
    (_MACH, b"\x0c\x00"): "aarch64",
    (_PE, b"\x64\x86"): "x86_64",
}


def _processor(module: bytes) -> str:
    """The processor that a compiled module is for, as Rust calls it."""
    places = {_ELF: 18, _MACH: 4, _PE: int.from_bytes(module[60:64], "little") + 4}
    kind = next((one for one in places if module.startswith(one)), b"")
    at = places.get(kind, 0)
    return _PROCESSORS.get((kind, module[at : at + 2]), "another processor")


def try_out(wheel: Path) -> None:
    """Unpack a wheel that runs here, and bake with it. Raises WheelError."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as held:
            held.extractall(folder)
        code = f"import sys; sys.path.insert(0, {folder!r})\n{_TRIAL}"
        trial = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    if trial.returncode:
        raise WheelError(f"{wheel.name} does not work: {trial.stderr.strip()}")


def _is_native(platform: Platform, here: str) -> bool:
    """Whether this machine's own tools link for the platform; those of macOS do for both of its processors."""
    return platform.target == here or (platform.target.endswith("-apple-darwin") and here.endswith("-apple-darwin"))


def _has_zig() -> bool:
    return shutil.which("zig") is not None or importlib.util.find_spec("ziglang") is not None


def _rustc(*arguments: str) -> str:
    try:
        return subprocess.run(["rustc", *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        raise WheelError("there is no Rust toolchain") from problem


def main() -> int:
    """Build what is named, or everything that can be built here; 1 where something named, or everything, cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="Rust targets, or `host`; all that can be built without any")
    parser.add_argument("--out", type=Path, default=DIST)
    given = parser.parse_args()
    try:
        here = host()
    except WheelError as problem:
        print(f"no wheels: {problem}", file=sys.stderr)
        return 1
    named = [here if target == "host" else target for target in given.targets]
    unknown = set(named) - {platform.target for platform in PLATFORMS}
    if unknown:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    failed, made = False, 0
    for platform in PLATFORMS:
        if named and platform.target not in named:
            continue
        try:
            reason = obstacle(platform, here)
            if reason is None:
                print(f"{platform.target}: {build(platform, here, given.out).name}")
                made += 1
            else:
                print(f"{platform.target}: left out, {reason}")
                failed |= bool(named)
        except WheelError as problem:
            print(f"{platform.target}: {problem}", file=sys.stderr)
            failed = True
    return 1 if failed or not made else 0


if __name__ == "__main__":
    sys.exit(main())
