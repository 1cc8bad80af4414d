"""Both implementations answer alike: results byte for byte, errors with kind, offset and sentence, on generated and damaged files."""

from __future__ import annotations

import dataclasses
import inspect
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scimsrv.badges import baking
from tests.unit.badges import test_art, test_png, test_svg
from tests.unit.badges.conftest import rust_or_skip
from tests.unit.badges.pictures import JSON, JWS, KEYWORD, SIGNATURE, chunk, png, rich_pngs, rich_svgs, svg, text

PNGS = [
    *rich_pngs().values(),
    *(one[0] for one in test_png.FORMS.values()),
    *(one[0] for one in test_png.BROKEN.values()),
    *(one[0] for one in test_png.BROKEN_CREDENTIALS.values()),
]
SVGS = [
    *rich_svgs().values(),
    *(one[0] for one in test_svg.FORMS.values()),
    *(one[0] for one in test_svg.BROKEN.values()),
    *test_art.HARMLESS.values(),
    *(svg(one[0], one[1]) for one in test_art.REFUSED.values()),
]
PAYLOADS = [JSON, JWS, *(one[0] for one in test_png.PAYLOADS.values()), '{"Zoë":"> ]]>"}'.encode()]

#: Limits that small files reach.
SMALL = {
    "png_bytes": 300, "chunks": 5, "ancillary_chunks": 1, "text_bytes": 120, "inflated_bytes": 40, "svg_bytes": 400, "depth": 3,
    "elements": 4, "attributes": 3, "attribute_bytes": 60, "verify_bytes": 30, "width": 2,
}  # fmt: skip


def plain(value: Any) -> Any:
    """Return a result as plain values, whichever implementation it came from."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, baking.PngPlan)):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value.to_bytes() if hasattr(value, "to_bytes") and not isinstance(value, int) else value


def answer(module: Any, function: str, *arguments: Any, limits: dict[str, int] | None = None, **options: Any) -> Any:
    """Return what a function gives, or the error that it raises, as plain values."""
    if limits is not None:
        options["limits"] = module.Limits(**limits)
    try:
        return plain(getattr(module, function)(*arguments, **options))
    except module.BakeError as refusal:
        return "refused", refusal.kind, refusal.offset, refusal.message, str(refusal)


def all_answers(module: Any, image: bytes, payload: bytes, limits: dict[str, int] | None = None) -> list[Any]:
    """Return what every function says of a picture."""
    answers = [
        answer(module, function, image, limits=limits, strict=strict)
        for function in ("extract_png", "extract_svg")
        for strict in (False, True)
    ]
    answers += [answer(module, function, image, limits=limits) for function in ("scan_png", "strip_png", "check_svg_art", "inspect")]
    for overwrite in (False, True):
        answers += [answer(module, function, image, payload, limits=limits, overwrite=overwrite) for function in ("bake_png", "bake_svg")]
    try:
        plan = module.scan_png(image)
    except module.BakeError:
        return answers
    return [*answers, answer(module, "bake_png", image, payload, plan=plan, overwrite=True, limits=limits)]


def compare(image: bytes, payload: bytes) -> None:
    """Assert that both implementations say the same of a picture, under the ceilings and under small limits."""
    other = rust_or_skip()
    for limits in (None, SMALL):
        assert all_answers(other, image, payload, limits) == all_answers(baking, image, payload, limits)


def test_every_picture_of_the_tables() -> None:
    """Every picture and payload of the other tests."""
    for image in [*PNGS, *SVGS]:
        compare(image, JSON)
    for payload in PAYLOADS:
        compare(PNGS[0], payload)
        compare(SVGS[0], payload)


def test_every_truncation(rust: Any) -> None:
    """Pictures cut at every byte."""
    picture = test_png.FORMS["of 3 behind one of 2"][0]
    drawing = next(iter(rich_svgs().values())) + b"<!-- -->"
    both = rich_svgs()["declaration, comments, document type"]
    for image in (picture, drawing, both, test_svg.FORMS["split CDATA"][0]):
        for end in range(len(image)):
            assert all_answers(rust, image[:end], JWS) == all_answers(baking, image[:end], JWS)


@st.composite
def damaged(draw: st.DrawFn, pictures: list[bytes]) -> bytes:
    """A picture of the tables with some bytes changed, taken out, doubled or put in."""
    image = bytearray(draw(st.sampled_from(pictures)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(image)))
        match draw(st.sampled_from(["change", "cut", "double", "put"])):
            case "change":
                image[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "cut":
                del image[at : at + draw(st.integers(1, 12))]
            case "double":
                image[at:at] = image[at : at + draw(st.integers(1, 40))]
            case _:
                image[at:at] = draw(
                    st.sampled_from([b"<", b">", b"&", b'"', b"]]>", b"<!--", b"-->", b"\0", b"\xff", b"\xef\xbf\xbe", b":"])
                )
    return bytes(image)


CHUNKS = st.builds(
    chunk,
    st.sampled_from([b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tEXt", b"iTXt", b"zTXt", b"gAMA", b"eXIf", b"IDat"]),
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from([b"", bytes(3), KEYWORD + b"\0\0\0\0\0{}", KEYWORD + b"\0", b"openbadges\0http://a", b"openbadges\0\0\0\0\0{}"]),
    ),
)


@given(damaged(PNGS), st.sampled_from(PAYLOADS))
@settings(max_examples=300, deadline=None)
def test_damaged_pngs(image: bytes, payload: bytes) -> None:
    """PNGs in which anything may be wrong."""
    compare(image, payload)


@given(st.sampled_from(PNGS), st.lists(CHUNKS, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_pngs_of_any_chunks(image: bytes, more: list[bytes], chance: random.Random) -> None:
    """PNGs whose chunks are whole and come in any number and order."""
    parts = []
    at = 8
    while len(image) - at >= 12 and (length := int.from_bytes(image[at : at + 4])) < len(image):
        parts.append(image[at : at + 12 + length])
        at += 12 + length
    middle = [*parts[1:], *more]
    if chance.random() < 0.5:
        chance.shuffle(middle)
    compare(SIGNATURE + b"".join([*parts[:1], *middle]), JWS)


@given(st.binary(max_size=60), st.integers(0, 1), st.binary(max_size=2), st.booleans())
@settings(max_examples=300, deadline=None)
def test_text_chunks_of_anything(content: bytes, flag: int, tail: bytes, deflated: bool) -> None:
    """Credentials whose text is anything, compressed or not."""
    compare(png(text((zlib.compress(content) if deflated else content) + tail, flag=flag)), JWS)


@given(damaged(SVGS), st.sampled_from(PAYLOADS))
@settings(max_examples=400, deadline=None)
def test_damaged_svgs(image: bytes, payload: bytes) -> None:
    """SVGs in which anything may be wrong."""
    compare(image, payload)


PIECES = [
    b"<svg", b"</svg>", b"<g>", b"</g>", b"<g", b"/>", b">", b" ", b"\r\n", b"\t", b"<!--", b"-->", b"--", b"<![CDATA[", b"]]>",
    b"<?", b"?>",
    b"<!DOCTYPE svg", b" PUBLIC ", b" SYSTEM ", b'"', b"'", b"=", b"a='1'", b' a="2"', b"&amp;", b"&#65;", b"&#x41;", b"&", b";", b"text",
    b' xmlns="http://www.w3.org/2000/svg"', b' xmlns:o="https://purl.imsglobal.org/ob/v3p0"', b' xmlns:o="http://openbadges.org"',
    b"<o:credential", b"</o:credential>", b"<o:credential>{}</o:credential>", b"<o:assertion verify='http://a'/>", b' verify="a.b.c"',
    b"<?xml version='1.0'", b" encoding='UTF-8'", b" standalone='no'", b"?>", b"\xef\xbb\xbf", "ü".encode(), b"<style>", b"</style>",
    b"@import",
    b" style='fill:url(#a)'", b" fill='url( \"x\")'", b" href='#a'", b" onload='x'", b"<script/>", b"\\", b"url(#", b"[",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=24), st.booleans())
@settings(max_examples=600, deadline=None)
def test_svgs_of_any_pieces(pieces: list[bytes], framed: bool) -> None:
    """Documents of any sequence of what XML consists of."""
    image = b"".join(pieces)
    compare(svg(image, b' xmlns:o="https://purl.imsglobal.org/ob/v3p0"') if framed else image, JSON)


@given(st.one_of(st.binary(max_size=40), st.text(max_size=30).map(lambda one: ('{"a":"' + one + '"}').encode("utf-8", "surrogatepass"))))
@settings(max_examples=300, deadline=None)
def test_payloads_of_anything(payload: bytes) -> None:
    """Whatever is to be baked."""
    compare(PNGS[0], payload)
    compare(SVGS[0], payload)


@given(st.one_of(st.binary(max_size=60), st.tuples(st.integers(0, 99), st.integers(0, 3), st.lists(st.integers(20, 99), max_size=6))))
def test_plans_of_anything(stored: Any) -> None:
    """Bytes that may be a plan, read alike."""
    if not isinstance(stored, bytes):
        size, count, ends = stored
        stored = (
            b"SBP1" + size.to_bytes(4) + bytes(4) + (count + 2).to_bytes(4) + count.to_bytes(4) + b"".join(one.to_bytes(4) for one in ends)
        )
    module = rust_or_skip()
    assert plan_of(module, stored) == plan_of(baking, stored)


def plan_of(module: Any, stored: bytes) -> Any:
    """Return what reading a stored plan gives."""
    try:
        plan = module.PngPlan.from_bytes(stored)
    except module.BakeError as refusal:
        return refusal.kind, refusal.offset
    return plan.size, plan.header_crc, plan.chunks, plan.existing, plan.to_bytes()


def test_kinds_are_the_same(rust: Any) -> None:
    """Both have the same kinds of error, in the same order, with the same sentences."""
    assert list(rust.KINDS.items()) == list(baking.KINDS.items())


def test_signatures_are_the_same(rust: Any) -> None:
    """Both have the same names, and functions take the same arguments."""
    assert sorted(rust.__all__) == sorted([*baking.__all__, "__version__"])
    for name in baking.__all__:
        ours = getattr(baking, name)
        if inspect.isfunction(ours):
            theirs = inspect.signature(getattr(rust, name))
            assert [(one.name, one.kind) for one in inspect.signature(ours).parameters.values()] == [
                (one.name, one.kind) for one in theirs.parameters.values()
            ]
        elif isinstance(ours, type) and dataclasses.is_dataclass(ours) and name not in ("Limits", "PngPlan"):
            assert [one.name for one in dataclasses.fields(ours)] == [one.name for one in dataclasses.fields(getattr(rust, name))]


@pytest.mark.parametrize("wrong", ["text", None, 7, bytearray(b"x"), memoryview(b"x")])
def test_only_bytes(rust: Any, wrong: Any) -> None:
    """Rust takes bytes and nothing else: what could change meanwhile is no input for code without the interpreter lock."""
    with pytest.raises(TypeError):
        rust.scan_png(wrong)
