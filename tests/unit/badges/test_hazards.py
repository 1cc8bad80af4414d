"""Files made to cost much: each is answered within little memory, whatever it promises to become."""

from __future__ import annotations

import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from scimsrv import assets
from tests.unit.badges.pictures import JSON, assemble, chunk, header, pixels, png, svg, text

ROOT = Path(str(assets.ROOT))
MIB: Final = 1024 * 1024
DECLARED: Final = b' xmlns:o="https://purl.imsglobal.org/ob/v3p0"'


def bomb(mebibytes: int) -> bytes:
    """Return zeros compressed, made without holding them."""
    packer = zlib.compressobj(9)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mebibytes)), packer.flush()])


#: name → function, picture, kind of the refusal (None: it is answered)
HAZARDS: dict[str, tuple[str, Callable[[], bytes], str | None]] = {
    "as many chunks as permitted": ("scan_png", lambda: assemble(header(), *[chunk(b"IDAT")] * 9_998, chunk(b"IEND")), None),
    "a hundred thousand chunks": ("scan_png", lambda: assemble(header(), *[chunk(b"IDAT")] * 100_000, chunk(b"IEND")), "limit.chunks"),
    "as many text chunks": (
        "extract_png",
        lambda: assemble(header(), *[chunk(b"tEXt", b"x" * 79)] * 9_997, pixels(), chunk(b"IEND")),
        None,
    ),
    "a picture of 2^31 x 2^31": ("inspect", lambda: assemble(header(2**31 - 1, 2**31 - 1), pixels(), chunk(b"IEND")), "limit.width"),
    "text that inflates to 200 MiB": (
        "extract_png",
        lambda: png(text(bomb(200), flag=1)),
        "limit.inflated",
    ),
    "as many elements as permitted": ("extract_svg", lambda: svg(b"<g/>" * 49_999), None),
    "a million elements": ("extract_svg", lambda: svg(b"<g/>" * 200_000), "limit.elements"),
    "a million open elements": ("extract_svg", lambda: b"<svg>" + b"<g>" * 300_000, "limit.depth"),
    "entities": (
        "extract_svg",
        lambda: b'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><svg>&b;</svg>',
        "svg.doctype",
    ),
    "references": ("extract_svg", lambda: svg(b"<o:credential>{" + b"&lt;" * 260_000 + b"</o:credential>", DECLARED), None),
    "attributes": ("extract_svg", lambda: svg((b"<g " + b" ".join(b"a%d=''" % one for one in range(63)) + b"/>") * 2_200), None),
    "a long namespace": (
        "extract_svg",
        lambda: svg(b"<a:g xmlns:a='&amp;" + b"x" * 250_000 + b"'>" + b"<a:g/>" * 49_000 + b"</a:g>"),
        None,
    ),
    "namespaces in scope": (
        "extract_svg",
        lambda: svg(
            b"".join(b"<g " + b" ".join(b"xmlns:p%d_%d='u'" % (depth, one) for one in range(63)) + b">" for depth in range(126))
            + b"<p0_0:a/>" * 40_000
            + b"</g>" * 126
        ),
        None,
    ),
    "credentials": ("bake_svg", lambda: svg(b"<o:credential/>" * 49_000, DECLARED), None),
    "white space in a document type": ("extract_svg", lambda: b"<!DOCTYPE svg" + b" " * 1_000_000, "svg.doctype"),
    "quotes that do not end": ("extract_svg", lambda: svg(b"<g a='" * 100_000), "svg.syntax"),
    "hyphens": ("extract_svg", lambda: svg(b"<!" + b"-" * 1_000_000), "svg.syntax"),
    "brackets": ("extract_svg", lambda: svg(b"<![CDATA[" + b"]]" * 500_000 + b"]]>"), None),
    "links": ("check_svg_art", lambda: svg(b"<style>" + b"url(#" * 50_000 + b"</style>"), None),
}


def answered(module: Any, name: str) -> str | None:
    """Return the kind of the refusal of a hazard, None where it is answered."""
    function, picture, _ = HAZARDS[name]
    image = picture()
    try:
        if function == "bake_svg":
            module.bake_svg(image, JSON, overwrite=True)
        else:
            getattr(module, function)(image)
    except module.BakeError as refusal:
        return str(refusal.kind)
    return None


@pytest.mark.parametrize("name", HAZARDS)
def test_hazards_are_answered(bakery: Any, name: str) -> None:
    """Each is refused for its own reason, or is within the limits and answered."""
    assert answered(bakery, name) == HAZARDS[name][2]


def memory_of_all(module: Any) -> int:
    """Return by how many bytes the peak of this process rises while all pictures are answered, beyond that of making them."""
    for _, picture, _ in HAZARDS.values():
        picture()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in HAZARDS:
        answered(module, name)
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit


def test_memory_stays_small(bakery: Any) -> None:
    """All of them together raise the peak of a process by less than 64 MiB."""
    code = f"from tests.unit.badges.test_hazards import memory_of_all; import {bakery.__name__} as module; print(memory_of_all(module))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64 * MIB
