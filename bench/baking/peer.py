"""Run by the interpreter of the peers' own environment: times openbadgeslib and Pillow, prints nanoseconds per call as JSON.

Usage: peer.py PICTURE CREDENTIAL ROUNDS.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def per_call(work: Callable[[], object], seconds: float = 0.004) -> float:
    """Return nanoseconds per call over about `seconds`, at least one call."""
    calls, begun = 0, time.perf_counter_ns()
    while True:
        work()
        calls += 1
        taken = time.perf_counter_ns() - begun
        if taken > seconds * 1e9:
            return taken / calls


def main() -> None:
    """Time both and print."""
    image, token = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_text()
    rounds = int(sys.argv[3])
    library = importlib.import_module("openbadgeslib.baking")
    pillow, pillow_png = importlib.import_module("PIL.Image"), importlib.import_module("PIL.PngImagePlugin")
    keyword = library.ITXT_KEYWORD_OB3

    def encode_again() -> None:
        text = pillow_png.PngInfo()
        text.add_itxt("openbadgecredential", token)
        pillow.open(io.BytesIO(image)).save(io.BytesIO(), "PNG", pnginfo=text)

    baked = library.bake_png(image, token, keyword=keyword)
    if library.extract_png(baked, keyword=keyword) != token:
        raise RuntimeError("openbadgeslib does not find what it baked")
    sides: dict[str, Callable[[], object]] = {
        "openbadgeslib bake": lambda: library.bake_png(image, token, keyword=keyword),
        "openbadgeslib extract": lambda: library.extract_png(baked, keyword=keyword),
        "Pillow re-encode": encode_again,
    }
    print(json.dumps({name: [per_call(work) for _ in range(rounds)] for name, work in sides.items()}))


if __name__ == "__main__":
    main()
