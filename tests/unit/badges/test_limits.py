"""Every limit of baking holds at its value and one above it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

import pytest

from scimsrv.badges import baking
from tests.unit.badges.pictures import JWS, assemble, chunk, header, pixels, png, svg, text
from tests.unit.badges.test_png import refused

CREDENTIAL: Final = b'<o:credential xmlns:o="https://purl.imsglobal.org/ob/v3p0"'


@dataclass(frozen=True, slots=True)
class Case:
    """A limit: `call` does something of the given size under limits, and is refused with `kind` when that is too much."""

    field: str
    kind: str
    call: Callable[[Any, Any, int], object]
    values: dict[str, int] | None = None
    """Limits other than the preset's, where another limit would be met first."""


def _padded(size: int) -> bytes:
    return assemble(header(), chunk(b"IDAT", bytes(size - 8 - 25 - 12 - 12)), chunk(b"IEND"))


def _padded_svg(size: int) -> bytes:
    return svg(b" " * (size - len(svg(b""))))


def _json(size: int) -> bytes:
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


def _jws(size: int) -> bytes:
    return b"a.b." + b"c" * (size - 4)


CASES: Final = (
    Case("png_bytes", "limit.file", lambda b, limits, n: b.scan_png(_padded(n), limits=limits)),
    Case("png_bytes", "limit.file", lambda b, limits, n: b.extract_png(_padded(n), limits=limits)),
    Case("png_bytes", "limit.file", lambda b, limits, n: b.bake_png(_padded(n - 36 - len(JWS)), JWS, limits=limits)),
    Case("width", "limit.width", lambda b, limits, n: b.scan_png(assemble(header(width=n), pixels(), chunk(b"IEND")), limits=limits)),
    Case("height", "limit.height", lambda b, limits, n: b.inspect(assemble(header(height=n), pixels(), chunk(b"IEND")), limits=limits)),
    Case(
        "area",
        "limit.area",
        lambda b, limits, n: b.strip_png(assemble(header(width=n, height=1), pixels(), chunk(b"IEND")), limits=limits),
        {"area": 100},
    ),
    Case(
        "chunks",
        "limit.chunks",
        lambda b, limits, n: b.scan_png(assemble(header(), *[chunk(b"IDAT")] * (n - 2), chunk(b"IEND")), limits=limits),
    ),
    Case(
        "chunks",
        "limit.chunks",
        lambda b, limits, n: b.bake_png(assemble(header(), *[chunk(b"IDAT")] * (n - 3), chunk(b"IEND")), JWS, limits=limits),
    ),
    Case(
        "ancillary_chunks",
        "limit.ancillary",
        lambda b, limits, n: b.scan_png(png(*[chunk(b"gAMA", bytes(4))] * n, text(JWS)), limits=limits),
        {"ancillary_chunks": 64},
    ),
    Case("text_bytes", "limit.text", lambda b, limits, n: b.scan_png(png(chunk(b"tEXt", bytes(n))), limits=limits)),
    Case("text_bytes", "limit.text", lambda b, limits, n: b.scan_png(png(chunk(b"zTXt", bytes(n))), limits=limits)),
    Case("text_bytes", "limit.text", lambda b, limits, n: b.strip_png(png(chunk(b"iTXt", bytes(n))), limits=limits)),
    Case("text_bytes", "limit.payload", lambda b, limits, n: b.extract_png(png(text(_json(n))), limits=limits)),
    Case("text_bytes", "limit.payload", lambda b, limits, n: b.bake_png(png(), _json(n), limits=limits)),
    Case(
        "text_bytes",
        "limit.payload",
        lambda b, limits, n: b.extract_svg(svg(CREDENTIAL + b">" + _json(n) + b"</o:credential>"), limits=limits),
        {"text_bytes": 1_000},
    ),
    Case("text_bytes", "limit.payload", lambda b, limits, n: b.bake_svg(svg(), _json(n), limits=limits), {"text_bytes": 1_000}),
    Case(
        "text_bytes",
        "limit.payload",
        lambda b, limits, n: b.bake_svg(svg(), _json(n - 5).replace(b"x", b">", 1), limits=limits),
        {"text_bytes": 1_000},
    ),
    Case(
        "text_bytes",
        "limit.payload",
        lambda b, limits, n: b.extract_png(png(text(zlib.compress(_json(n)), flag=1)), limits=limits),
        {"text_bytes": 1_000},
    ),
    Case(
        "inflated_bytes",
        "limit.inflated",
        lambda b, limits, n: b.extract_png(png(text(zlib.compress(_json(n)), flag=1)), limits=limits),
        {"inflated_bytes": 256 * 1024},
    ),
    Case("svg_bytes", "limit.file", lambda b, limits, n: b.extract_svg(_padded_svg(n), limits=limits)),
    Case("svg_bytes", "limit.file", lambda b, limits, n: b.check_svg_art(_padded_svg(n), limits=limits)),
    Case(
        "svg_bytes",
        "limit.file",
        lambda b, limits, n: b.bake_svg(_padded_svg(n - len(b.bake_svg(svg(), JWS)) + len(svg())), JWS, limits=limits),
    ),
    Case("depth", "limit.depth", lambda b, limits, n: b.check_svg_art(svg(b"<g>" * (n - 1) + b"</g>" * (n - 1)), limits=limits)),
    Case("elements", "limit.elements", lambda b, limits, n: b.inspect(svg(b"<g/>" * (n - 1)), limits=limits)),
    Case("elements", "limit.elements", lambda b, limits, n: b.bake_svg(svg(b"<g/>" * (n - 2)), JWS, limits=limits)),
    Case(
        "attributes",
        "limit.attributes",
        lambda b, limits, n: b.extract_svg(svg(b"<g " + b" ".join(b"a%d=''" % one for one in range(n)) + b"/>"), limits=limits),
    ),
    Case(
        "attributes",
        "limit.attributes",
        lambda b, limits, n: b.bake_svg(svg(attributes=b"".join(b" a%d=''" % one for one in range(n - 3))), JWS, limits=limits),
    ),
    Case(
        "attribute_bytes",
        "limit.attribute",
        lambda b, limits, n: b.check_svg_art(svg(b"<path d='" + b" " * n + b"'/>"), limits=limits),
        {"attribute_bytes": 256 * 1024},
    ),
    Case(
        "verify_bytes", "limit.verify", lambda b, limits, n: b.extract_svg(svg(CREDENTIAL + b" verify='" + _jws(n) + b"'/>"), limits=limits)
    ),
    Case("verify_bytes", "limit.verify", lambda b, limits, n: b.bake_svg(svg(), _jws(n), limits=limits)),
)


@pytest.mark.parametrize("preset", ["FOREIGN", "UPLOAD"])
@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{CASES[number].field}-{number}")
def test_at_the_limit_and_above(bakery: Any, preset: str, number: int) -> None:
    """What is as large as a preset permits is taken, and refused for its own reason when it is one larger."""
    case = CASES[number]
    limits = getattr(bakery, preset) if case.values is None else bakery.Limits(**case.values)
    most = getattr(limits, case.field)
    case.call(bakery, limits, most)
    kind, _ = refused(bakery, lambda: case.call(bakery, limits, most + 1))
    assert kind == case.kind


def test_every_limit_is_tested() -> None:
    """No limit is without a case."""
    assert {case.field for case in CASES} == {field.name for field in fields(baking.Limits)}


@pytest.mark.parametrize("name", [field.name for field in fields(baking.Limits)])
def test_ceilings(bakery: Any, name: str) -> None:
    """Configuration may lower every limit down to 1, and raise none."""
    ceiling = getattr(bakery.FOREIGN, name)
    assert getattr(bakery.Limits(**{name: 1}), name) == 1
    assert bakery.Limits(**{name: ceiling}) == bakery.FOREIGN
    for wrong in (0, ceiling + 1):
        with pytest.raises(ValueError, match=f"{name} must be from 1 to {ceiling}"):
            bakery.Limits(**{name: wrong})


def test_presets_are_the_same_in_both(rust: Any) -> None:
    """Both implementations have the same limits with the same values in both presets."""
    for preset in ("FOREIGN", "UPLOAD"):
        ours, theirs = getattr(baking, preset), getattr(rust, preset)
        assert {f.name: getattr(theirs, f.name) for f in fields(ours)} == {f.name: getattr(ours, f.name) for f in fields(ours)}


def test_a_baked_picture_is_read_under_the_limits_it_was_baked_under(bakery: Any) -> None:
    """A depth of one leaves no room for a credential."""
    assert refused(bakery, lambda: bakery.bake_svg(b"<svg/>", JWS, limits=bakery.Limits(depth=1))) == ("limit.depth", None)
