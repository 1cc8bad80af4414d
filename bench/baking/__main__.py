"""Command line: python -m bench.baking [--rounds N] [--no-peers] [--json FILE]."""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.baking.picture import credential, picture
from scimsrv.badges import bake, baking

ROOT: Final = Path(__file__).resolve().parents[2]
PEERS: Final = ROOT / ".venv" / "bench-peers"
"""Environment of the peers, made here: nothing of theirs is installed in that of the project."""

PACKAGES: Final = ("openbadgeslib==4.6.3", "pillow==13.0.0")
_TURN: Final = 0.004

Figures = dict[str, list[float]]
"""Nanoseconds per call, round by round."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A comparison of two sides: their ratio or, in microseconds, their difference, and what it has to be."""

    title: str
    ours: str
    other: str
    goal: float | None
    at_least: bool = False
    difference: bool = False

    def figure(self, figures: Figures) -> float:
        """Return what the least disturbed rounds of both sides give: these are microseconds, and any neighbour takes milliseconds."""
        ours, other = min(figures[self.ours]), min(figures[self.other])
        if self.difference:
            return (ours - other) / 1000
        return other / ours if self.at_least else ours / other

    def met(self, figure: float) -> bool | None:
        """Tell whether a figure meets the goal; None where there is none."""
        if self.goal is None:
            return None
        return figure >= self.goal if self.at_least else figure <= self.goal


BARS: Final = (
    Bar("Rust, with plan / copy", "bake with plan", "copy", 1.3),
    Bar("Rust, validated with all CRCs / copy", "bake validated", "copy", 3.0),
    Bar("Rust, extraction from 4 MB / from 84 kB", "extract from 4 MB", "extract", 1.3),
    Bar("through Python, more than in Rust (µs)", "package bake with plan", "bake with plan", 3.0, difference=True),
    Bar("openbadgeslib bake / through Python", "package bake with plan", "openbadgeslib bake", 20.0, at_least=True),
    Bar("Pillow re-encode / through Python", "package bake with plan", "Pillow re-encode", 5_000.0, at_least=True),
    Bar("Python twin, with plan / through Python", "package bake with plan", "twin bake with plan", None, at_least=True),
    Bar("Python twin, validated / through Python, validated", "package bake validated", "twin bake validated", None, at_least=True),
    Bar("openbadgeslib extract / through Python", "package extract", "openbadgeslib extract", None, at_least=True),
    Bar("Python twin, extraction / through Python", "package extract", "twin extract", None, at_least=True),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code says whether it could be measured (0), not whether the goals were met."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.baking", description="Measure baking against a copy of the same bytes and against others."
    )
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="rounds, the sides of a process by turns (default 40)")
    parser.add_argument(
        "--no-peers", action="store_true", help="leave out openbadgeslib and Pillow, which are installed into an environment of their own"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    options = parser.parse_args(argv)
    if bake.IMPLEMENTATION != "rust":
        parser.exit(1, "scimsrv-badges is not installed: make wheel\n")
    image, token = picture(), credential()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "picture.png", Path(folder) / "credential.jws"]
        for path, content in zip(paths, (image, token), strict=True):
            path.write_bytes(content)
        arguments = [*map(str, paths), str(options.rounds)]
        figures = in_rust(arguments) | in_python(image, token, options.rounds)
        if not options.no_peers:
            figures |= of_peers(arguments)
    report(image, token, figures)
    if options.json is not None:
        rows = [asdict(bar) | {"figure": bar.figure(figures)} for bar in BARS if {bar.ours, bar.other} <= figures.keys()]
        options.json.write_text(
            json.dumps({"picture": len(image), "nanoseconds": figures, "bars": rows}, indent=2) + "\n", encoding="utf-8"
        )
    return 0


def in_rust(arguments: list[str]) -> Figures:
    """Time the crate in a process without Python."""
    command = ["cargo", "run", "--quiet", "--locked", "--release", "-p", "baking", "--example", "bars", "--", *arguments]
    lines = subprocess.run(command, cwd=ROOT / "rust_badges", check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: [float(one) for one in rest.split()] for name, _, rest in (line.partition(":") for line in lines)}


def in_python(image: bytes, token: bytes, rounds: int) -> Figures:
    """Time both implementations as the server calls them."""
    sides: dict[str, Callable[[], object]] = {}
    for name, module in (("package", importlib.import_module("scimsrv_badges")), ("twin", baking)):
        sides |= _calls(name, module, image, token)
    figures: Figures = {name: [] for name in sides}
    for turn in range(-1, rounds):
        for name, work in sides.items():
            taken = per_call(work)
            if turn >= 0:
                figures[name].append(taken)
    return figures


def _calls(name: str, module: Any, image: bytes, token: bytes) -> dict[str, Callable[[], object]]:
    plan = module.scan_png(image)
    baked = module.bake_png(image, token, plan=plan)
    if module.extract_png(baked).payload != token:
        raise RuntimeError(f"{name} does not find what it baked")
    return {
        f"{name} bake with plan": lambda: module.bake_png(image, token, plan=plan),
        f"{name} bake validated": lambda: module.bake_png(image, token),
        f"{name} extract": lambda: module.extract_png(baked),
    }


def per_call(work: Callable[[], object]) -> float:
    """Return nanoseconds per call over a turn."""
    calls, begun = 0, time.perf_counter_ns()
    while True:
        for _ in range(16):
            work()
        calls += 16
        taken = time.perf_counter_ns() - begun
        if taken > _TURN * 1e9:
            return taken / calls


def of_peers(arguments: list[str]) -> Figures:
    """Time the peers in an environment of their own, which is made when it is not there."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        venv.create(PEERS, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
    done = subprocess.run([python, ROOT / "bench" / "baking" / "peer.py", *arguments], check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def report(image: bytes, token: bytes, figures: Figures) -> None:
    """Print every side's best round and every bar with its verdict."""
    print(f"PNG of {len(image)} bytes, credential of {len(token)} bytes\n")
    for name, taken in figures.items():
        print(f"{name:28}{min(taken) / 1000:12.3f} µs   (median {statistics.median(taken) / 1000:.3f})")
    print()
    for bar in BARS:
        if not {bar.ours, bar.other} <= figures.keys():
            continue
        figure = bar.figure(figures)
        verdict = {None: "-", True: "PASS", False: "FAIL"}[bar.met(figure)]
        goal = "" if bar.goal is None else f"{'>=' if bar.at_least else '<='} {bar.goal:g}"
        print(f"{bar.title:52}{figure:12.2f}   {goal:10} {verdict}")


if __name__ == "__main__":
    sys.exit(main())
