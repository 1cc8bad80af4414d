"""Credentials into and out of PNG files."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from tests.unit.badges.pictures import JSON, JWS, KEYWORD, assemble, chunk, header, pixels, png, rich_pngs, text

PICTURES = rich_pngs()


def refused(bakery: Any, call: Any) -> tuple[str, int | None]:
    """Return kind and offset of the error that a call raises."""
    with pytest.raises(bakery.BakeError) as caught:
        call()
    return caught.value.kind, caught.value.offset


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("payload", [JSON, JWS, '{"name":"Zoë > ]]>"}'.encode(), b" {}\r\n"])
def test_a_chunk_goes_behind_the_header_and_nothing_else_changes(bakery: Any, name: str, payload: bytes) -> None:
    """The result is the original with one chunk inserted at byte 33, of exactly the standard's form, and it is found again as it was."""
    image = PICTURES[name]
    baked = bakery.bake_png(image, payload)
    assert baked == image[:33] + text(payload) + image[33:]
    assert baked == bakery.bake_png(image, payload, plan=bakery.scan_png(image))
    found = bakery.extract_png(baked, strict=True)
    assert (found.payload, found.form, found.offset, found.warnings) == (payload, "openbadges-3", 33, ())
    (place,) = bakery.inspect(baked).found
    assert baked[: place.start] + baked[place.end :] == image
    assert bakery.extract_png(image) is None


@pytest.mark.parametrize("where", ["before the picture", "after the picture", "in both places"])
def test_at_most_one_credential(bakery: Any, where: str) -> None:
    """A picture that holds credentials is refused, or loses all of them; what is left is exactly one."""
    before = [text(b"{}")] if where != "after the picture" else []
    after = [text(b"{}"), text(JWS)] if where != "before the picture" else []
    image = png(chunk(b"gAMA", bytes(4)), *before, after=after)
    plan = bakery.scan_png(image)
    assert len(plan.existing) == len(before) + len(after)
    for given in (None, plan):
        assert refused(bakery, lambda given=given: bakery.bake_png(image, JSON, plan=given)) == (
            "credential.duplicate",
            plan.existing[0][0],
        )
        assert bakery.bake_png(image, JSON, plan=given, overwrite=True) == png(text(JSON), chunk(b"gAMA", bytes(4)))


FORMS = {
    "of Open Badges 3": (png(text(JSON)), JSON, "openbadges-3", "json", ()),
    "after the picture": (png(after=[text(JWS)]), JWS, "openbadges-3", "jws", ()),
    "of Open Badges 2": (png(text(JSON, keyword=b"openbadges")), JSON, "openbadges-2", "json", ()),
    "of Open Badges 2, signed": (png(text(JWS, keyword=b"openbadges")), JWS, "openbadges-2", "jws", ()),
    "a URL in a tEXt chunk": (
        png(chunk(b"tEXt", b"openbadges\0https://example.org/a")),
        b"https://example.org/a",
        "openbadges-1",
        "url",
        (),
    ),
    "a CLR": (png(text(JSON, keyword=b"clrcredential")), JSON, "clr", "json", ()),
    "of 3 behind one of 2": (png(text(b"{}", keyword=b"openbadges"), after=[text(JSON)]), JSON, "openbadges-3", "json", ()),
    "the first of two": (png(text(JSON), text(JWS)), JSON, "openbadges-3", "json", ()),
    "compressed": (png(text(zlib.compress(JSON), flag=1)), JSON, "openbadges-3", "json", ("credential.compressed",)),
    "with a language": (png(text(JSON, language=b"en")), JSON, "openbadges-3", "json", ("credential.language",)),
    "with a translation": (png(text(JSON, translated=b"Abzeichen")), JSON, "openbadges-3", "json", ("credential.language",)),
    "something else": (png(text(b"hello")), b"hello", "openbadges-3", "other", ("credential.form",)),
    "not quite its keyword": (png(text(JSON, keyword=b"openbadgecredentials"), text(JSON, keyword=b"Openbadges")), None, "", "", ()),
    "its keyword in another chunk": (png(chunk(b"tEXt", KEYWORD + b"\0{}")), None, "", "", ()),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(bakery: Any, name: str) -> None:
    """Every form is found by chunk type and keyword; strict reading refuses what Open Badges 3.0 forbids."""
    image, payload, form, content, warnings = FORMS[name]
    found = bakery.extract_png(image)
    if payload is None:
        assert found is None
        return
    assert (found.payload, found.form, found.content, found.warnings) == (payload, form, content, warnings)
    if warnings:
        assert refused(bakery, lambda: bakery.extract_png(image, strict=True)) == (warnings[0], found.offset)
    elif name == "the first of two":
        assert refused(bakery, lambda: bakery.extract_png(image, strict=True)) == ("credential.duplicate", 33 + len(text(JSON)))
    else:
        assert bakery.extract_png(image, strict=True) == found


def broken_chunk(*, at: int, content: bytes) -> bytes:
    """Return a PNG in which bytes were overwritten."""
    image = bytearray(png(chunk(b"gAMA", bytes(4))))
    image[at : at + len(content)] = content
    return bytes(image)


GOOD = png()
END = len(GOOD)
#: name → picture, kind, offset
BROKEN: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", "png.signature", 0),
    "another format": (b"GIF89a", "png.signature", 0),
    "a signature alone": (GOOD[:8], "png.iend", 8),
    "cut in a chunk's frame": (GOOD[:11], "png.truncated", 8),
    "cut in a chunk": (GOOD[:-1], "png.truncated", END - 12),
    "cut before IEND": (GOOD[:-12], "png.iend", END - 12),
    "a length beyond the end": (broken_chunk(at=33, content=b"\0\0\xff\xff"), "png.truncated", 33),
    "a length beyond 2^31 - 1": (broken_chunk(at=33, content=b"\x80\0\0\0"), "png.length", 33),
    "the largest length": (broken_chunk(at=33, content=b"\x7f\xff\xff\xff"), "png.truncated", 33),
    "a type that is no word": (broken_chunk(at=37, content=b"gA\0A"), "png.type", 37),
    "no header first": (assemble(pixels(), header(), chunk(b"IEND")), "png.ihdr", 8),
    "a second header": (png(header()), "png.ihdr", 33),
    "a header of another length": (assemble(chunk(b"IHDR", bytes(14)), pixels(), chunk(b"IEND")), "png.ihdr", 8),
    "a header that does not match": (broken_chunk(at=29, content=b"\1\2\3\4"), "png.crc", 29),
    "no width": (assemble(header(width=0), pixels(), chunk(b"IEND")), "png.dimensions", 16),
    "no height": (assemble(header(height=0), pixels(), chunk(b"IEND")), "png.dimensions", 16),
    "a width of 2^31": (assemble(header(width=2**31), pixels(), chunk(b"IEND")), "png.dimensions", 16),
    "an unknown colour type": (assemble(header(colour=5), pixels(), chunk(b"IEND")), "png.ihdr", 24),
    "a depth that the colour type has not": (assemble(header(colour=2, depth=4), pixels(), chunk(b"IEND")), "png.ihdr", 24),
    "an unknown interlacing": (assemble(header(interlace=2), pixels(), chunk(b"IEND")), "png.ihdr", 24),
    "an unknown critical chunk": (png(chunk(b"JDAT", b"x")), "png.critical", 33),
    "a wrong checksum": (broken_chunk(at=41, content=b"\1"), "png.crc", 45),
    "no picture": (assemble(header(), chunk(b"IEND")), "png.idat", 33),
    "a picture in two places": (png(pixels(), chunk(b"gAMA", bytes(4))), "png.idat", 33 + len(pixels()) + 16),
    "no palette for indices": (assemble(header(colour=3), pixels(colour=3), chunk(b"IEND")), "png.palette", 33),
    "a palette for grey": (assemble(header(colour=0), chunk(b"PLTE", bytes(3)), pixels(), chunk(b"IEND")), "png.palette", 33),
    "two palettes": (png(chunk(b"PLTE", bytes(3)), chunk(b"PLTE", bytes(3))), "png.palette", 48),
    "an empty palette": (png(chunk(b"PLTE")), "png.palette", 33),
    "a palette of 257": (png(chunk(b"PLTE", bytes(771))), "png.palette", 33),
    "a palette of thirds": (png(chunk(b"PLTE", bytes(4))), "png.palette", 33),
    "a palette behind the picture": (png(after=[chunk(b"PLTE", bytes(3))]), "png.palette", 33 + len(pixels())),
    "an end with content": (assemble(header(), pixels(), chunk(b"IEND", b"x")), "png.iend", 33 + len(pixels())),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_pictures(bakery: Any, name: str) -> None:
    """Whatever is wrong with a PNG has a kind and the byte where it begins, the same for baking, scanning and stripping."""
    image, kind, offset = BROKEN[name]
    for call in (
        bakery.scan_png,
        bakery.strip_png,
        lambda image: bakery.bake_png(image, JSON),
        lambda i: bakery.extract_png(i, strict=True),
    ):
        assert refused(bakery, lambda call=call: call(image)) == (kind, offset)


#: name → picture, kind, offset
BROKEN_CREDENTIALS: dict[str, tuple[bytes, str, int]] = {
    "no flag": (png(chunk(b"iTXt", KEYWORD + b"\0")), "credential.format", 61),
    "no language": (png(chunk(b"iTXt", KEYWORD + b"\0\0\0")), "credential.format", 61),
    "no translation": (png(chunk(b"iTXt", KEYWORD + b"\0\0\0\0")), "credential.format", 61),
    "a flag of 2": (png(text(JSON, flag=2)), "credential.format", 61),
    "an unknown compression": (png(text(JSON, flag=1, method=1)), "credential.format", 61),
    "not UTF-8": (png(text(b'{"a":"\xff"}')), "credential.utf8", 71),
    "not UTF-8 when inflated": (png(text(zlib.compress(b"{\xff}"), flag=1)), "credential.utf8", 65),
    "not deflated": (png(text(b"hello", flag=1)), "png.inflate", 65),
    "deflated in part": (png(text(zlib.compress(JSON)[:-5], flag=1)), "png.inflate", 65),
    "deflated with a wrong sum": (png(text(zlib.compress(JSON)[:-1] + b"\0", flag=1)), "png.inflate", 65),
    "deflated with more behind": (png(text(zlib.compress(JSON) + b"x", flag=1)), "png.inflate", 65),
    "empty": (png(text(b"")), "credential.empty", 33),
    "a wrong checksum": (png(text(JSON))[:66] + b"?" + png(text(JSON))[67:], "png.crc", 33 + len(text(JSON)) - 4),
}


@pytest.mark.parametrize("name", BROKEN_CREDENTIALS)
def test_broken_credentials(bakery: Any, name: str) -> None:
    """A credential's chunk that cannot be read is an error, not an absence."""
    image, kind, offset = BROKEN_CREDENTIALS[name]
    assert refused(bakery, lambda: bakery.extract_png(image)) == (kind, offset)


PAYLOADS: dict[str, tuple[bytes, str, int | None]] = {
    "nothing": (b"", "payload.form", None),
    "a word": (b"hello", "payload.form", None),
    "two parts": (b"a.b", "payload.form", None),
    "four parts": (b"a.b.c.d", "payload.form", None),
    "an empty part": (b"a..c", "payload.form", None),
    "a JWS with a line end": (b"a.b.c\n", "payload.form", None),
    "an array": (b"[]", "payload.form", None),
    "half an object": (b'{"a":1', "payload.form", None),
    "not UTF-8": (b'{"a":"\xc3"}', "payload.utf8", 6),
    "a surrogate": (b'{"a":"\xed\xa0\x80"}', "payload.utf8", 6),
    "a zero byte": (b'{"a":"\0"}', "payload.control", 6),
    "a form feed": (b"{\x0c}", "payload.control", 1),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_may_be_baked(bakery: Any, name: str) -> None:
    """Only a JSON object or a compact JWS goes into a picture of either kind."""
    payload, kind, offset = PAYLOADS[name]
    assert refused(bakery, lambda: bakery.bake_png(png(), payload)) == (kind, offset)
    assert refused(bakery, lambda: bakery.bake_svg(b"<svg/>", payload)) == (kind, offset)


def test_a_plan_belongs_to_its_picture(bakery: Any) -> None:
    """A plan survives storage, and is refused for a picture of another size or with another header."""
    image = png(text(b"{}"), after=[text(b"{}")])
    plan = bakery.scan_png(image)
    stored = plan.to_bytes()
    assert bakery.PngPlan.from_bytes(stored) == plan
    assert hash(bakery.PngPlan.from_bytes(stored)) == hash(plan)
    assert (plan.size, plan.chunks, len(plan.existing)) == (len(image), 5, 2)
    longer, other = image + b"x", assemble(header(width=2), image[33:])
    for wrong in (longer, other, b"", b"x" * len(image)):
        assert refused(bakery, lambda wrong=wrong: bakery.bake_png(wrong, JSON, plan=plan)) == ("plan.mismatch", None)


@pytest.mark.parametrize(
    "stored",
    [
        b"", b"SBP1", b"SBP2" + bytes(16), b"SBP1" + bytes(16), b"SBP1" + (99).to_bytes(4) + bytes(12) + b"x",
        b"SBP1" + (99).to_bytes(4) + bytes(8) + (1).to_bytes(4),
        b"SBP1" + (99).to_bytes(4) + bytes(4) + (3).to_bytes(4) + (1).to_bytes(4) + (32).to_bytes(4) + (40).to_bytes(4),
        b"SBP1" + (99).to_bytes(4) + bytes(4) + (3).to_bytes(4) + (1).to_bytes(4) + (40).to_bytes(4) + (40).to_bytes(4),
        b"SBP1" + (99).to_bytes(4) + bytes(4) + (3).to_bytes(4) + (1).to_bytes(4) + (40).to_bytes(4) + (100).to_bytes(4),
        b"SBP1" + (99).to_bytes(4) + bytes(4) + (0).to_bytes(4) + (1).to_bytes(4) + (40).to_bytes(4) + (50).to_bytes(4),
        b"SBP1" + (99).to_bytes(4) + bytes(4) + (0xFFFFFFFF).to_bytes(4) + (0xFFFFFFFF).to_bytes(4) + bytes(8),
    ],
)  # fmt: skip
def test_stored_bytes_that_are_no_plan(bakery: Any, stored: bytes) -> None:
    """A plan from elsewhere is held against its own bounds before anything is copied by it."""
    assert refused(bakery, lambda: bakery.PngPlan.from_bytes(stored)) == ("plan.format", None)


def test_stripped_art(bakery: Any) -> None:
    """Uploaded art loses texts, eXIf and what follows its end; everything that is seen stays as it was."""
    kept = chunk(b"gAMA", bytes(4))
    image = png(
        chunk(b"tEXt", b"Author\0someone"),
        kept,
        text(JSON),
        chunk(b"zTXt", b"a\0\0b"),
        after=[chunk(b"eXIf", b"GPS"), chunk(b"tIME", bytes(7))],
    )
    assert bakery.strip_png(image + b"more") == png(kept, after=[chunk(b"tIME", bytes(7))])
    assert bakery.strip_png(png()) == png()


def test_what_a_picture_consists_of(bakery: Any) -> None:
    """An inspection gives dimensions, chunks, bytes after the end and what carries credentials."""
    seen = bakery.inspect(png(text(JSON), text(JSON, keyword=b"openbadges")) + b"xyz")
    first = len(text(JSON))
    assert (seen.kind, seen.width, seen.height, seen.trailing, seen.elements) == ("png", 3, 2, 3, 0)
    assert [one.type for one in seen.chunks] == ["IHDR", "iTXt", "iTXt", "IDAT", "IEND"]
    assert [(one.offset, one.length) for one in seen.chunks][:2] == [(8, 13), (33, first - 12)]
    assert [(one.form, one.start) for one in seen.found] == [("openbadges-3", 33), ("openbadges-2", 33 + first)]
    assert refused(bakery, lambda: bakery.inspect(b"GIF89a")) == ("image.unknown", 0)


def test_reading_stops_at_the_credential(bakery: Any) -> None:
    """What lies behind a credential directly after the header is not looked at, unless reading is strict."""
    image = png(text(JSON))
    cut = image[: 33 + len(text(JSON))]
    assert bakery.extract_png(cut).payload == JSON
    assert refused(bakery, lambda: bakery.extract_png(cut, strict=True)) == ("png.iend", len(cut))
