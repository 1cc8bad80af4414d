"""Large pictures are worked on without the interpreter lock."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.badges.pictures import JWS, assemble, chunk, header, svg, text

LARGE_SVG = svg(b'<g class="a"/>' * 18_000)
LARGE_PNG = assemble(header(), chunk(b"IDAT", bytes(4_000_000)), chunk(b"IEND"))
BAKED_PNG = assemble(header(), *[chunk(b"tEXt", b"x" * 80)] * 9_000, chunk(b"IDAT"), text(JWS), chunk(b"IEND"))


@pytest.fixture(autouse=True)
def _no_switching() -> Iterator[None]:
    """Let threads change only where one gives the lock up of itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    yield
    sys.setswitchinterval(before)


def overtaken(work: Callable[[], object]) -> bool:
    """Tell whether this thread ran between beginning and end of the work of another one."""
    state = "not begun"

    def other() -> None:
        nonlocal state
        state = "begun"
        work()
        state = "done"

    thread = threading.Thread(target=other)
    thread.start()
    seen = state
    thread.join()
    return seen == "begun"


CALLS: dict[str, Callable[[Any], object]] = {
    "scan_png": lambda rust: rust.scan_png(LARGE_PNG),
    "bake_png": lambda rust: rust.bake_png(LARGE_PNG, JWS),
    "strip_png": lambda rust: rust.strip_png(LARGE_PNG, limits=rust.FOREIGN),
    "extract_png": lambda rust: rust.extract_png(BAKED_PNG),
    "bake_svg": lambda rust: rust.bake_svg(LARGE_SVG, JWS),
    "extract_svg": lambda rust: rust.extract_svg(LARGE_SVG),
    "check_svg_art": lambda rust: rust.check_svg_art(LARGE_SVG, limits=rust.FOREIGN),
    "inspect": lambda rust: rust.inspect(LARGE_SVG),
}


@pytest.mark.parametrize("name", CALLS)
def test_others_run_meanwhile(rust: Any, name: str) -> None:
    """While a call works on a large picture another thread gets its turn; with the lock held it never would, however often it is tried."""
    assert any(overtaken(lambda: CALLS[name](rust)) for _ in range(300))


def test_small_pictures_keep_the_lock(rust: Any) -> None:
    """A small picture costs less than giving the lock up."""
    image = assemble(header(), chunk(b"IDAT"), chunk(b"IEND"))
    assert not any(overtaken(lambda: rust.bake_png(image, JWS)) for _ in range(100))


def test_the_measure_sees_a_lock_that_is_held() -> None:
    """Python code that does not wait is never overtaken: the measure above can fail."""
    assert not any(overtaken(lambda: sum(range(100_000))) for _ in range(100))
