"""Other programs' view of the same files: expat for XML, published vectors where their folder is named."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from xml.parsers import expat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scimsrv.badges import baking
from scimsrv.badges.baking.markup import Start, value_of
from scimsrv.badges.baking.scope import XMLNS
from scimsrv.badges.baking.xml import read
from tests.unit.badges.pictures import JSON, JWS, rich_svgs
from tests.unit.badges.test_twins import PIECES, SVGS, answer, damaged

VECTORS = os.environ.get("BADGE_VECTORS")
"""Folder with manifest.json and the files that it lists."""


def elements_by_expat(document: bytes) -> list[tuple[str, dict[str, str]]] | None:
    """Return names and attributes of all elements, None where expat finds the document not well-formed."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    try:
        parser.Parse(document, True)
    except expat.ExpatError:
        return None
    return found


def elements_by_us(document: bytes) -> list[tuple[str, dict[str, str]]] | None:
    """Return the same as the reader of this project sees it, None where it refuses the document."""

    def joined(uri: bytes, local: bytes) -> str:
        return (uri + b"\n" + local if uri else local).decode()

    try:
        return [
            (
                joined(tag.uri, tag.local),
                {
                    joined(one.uri, one.local): value_of(document, one.value_start, one.value_end, attribute=True).decode()
                    for one in tag.attributes
                    if one.uri != XMLNS
                },
            )
            for tag in read(document, baking.FOREIGN)
            if isinstance(tag, Start)
        ]
    except baking.BakeError:
        return None


@given(st.one_of(damaged([*SVGS, *rich_svgs().values()]), st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)))
@settings(max_examples=600, deadline=None)
def test_what_is_accepted_is_xml(document: bytes) -> None:
    """Whatever the reader accepts expat accepts too, with the same elements, namespaces and attribute values."""
    ours = elements_by_us(document)
    if ours is not None and not any(byte > 0x7F for name, _ in ours for byte in name.encode()):
        assert ours == elements_by_expat(document)


@pytest.mark.parametrize("name", rich_svgs())
def test_what_real_files_have_is_accepted(name: str) -> None:
    """Files with everything that exports have are read as expat reads them."""
    document = rich_svgs()[name]
    ours = elements_by_us(document)
    assert ours is not None
    assert ours == elements_by_expat(document)


def manifest() -> list[dict[str, Any]]:
    """Return the pictures that the manifest of the vectors lists."""
    if VECTORS is None:
        return []
    entries: list[dict[str, Any]] = json.loads((Path(VECTORS) / "manifest.json").read_text())
    return [entry for entry in entries if entry["file"].endswith((".png", ".svg"))]


@pytest.mark.skipif(VECTORS is None, reason="BADGE_VECTORS names no folder of published vectors")
def test_published_vectors(bakery: Any) -> None:
    """Published pictures hold what their manifest says, take a credential, and are the original again without it."""
    assert manifest()
    for entry in manifest():
        image = (Path(VECTORS or "") / entry["file"]).read_bytes()
        assert hashlib.sha256(image).hexdigest() == entry["sha256"], entry["file"]
        kind = entry["file"][-3:]
        bake, extract = getattr(bakery, f"bake_{kind}"), getattr(bakery, f"extract_{kind}")
        found = extract(image)
        if entry.get("credential") == "none":
            assert found is None
        for expected in entry.get("openbadges", ()):
            assert found.form == "openbadges-2"
            assert found.content == expected["kind"]
            assert hashlib.sha256(found.payload).hexdigest() == expected["text_sha256"]
        for payload in (JSON, JWS):
            baked = bake(image, payload)
            assert extract(baked, strict=True).payload == payload
            with pytest.raises(bakery.BakeError, match="already holds"):
                bake(baked, payload)
            again = bake(baked, JWS, overwrite=True)
            (place,) = [one for one in bakery.inspect(again).found if one.form == "openbadges-3"]
            left = again[: place.start] + again[place.end :]
            assert left.replace(b' xmlns:openbadges="https://purl.imsglobal.org/ob/v3p0"', b"").replace(
                b' xmlns:openbadges3="https://purl.imsglobal.org/ob/v3p0"', b""
            ) == (image)


@pytest.mark.skipif(VECTORS is None, reason="BADGE_VECTORS names no folder of published vectors")
def test_both_agree_on_published_vectors(rust: Any) -> None:
    """Both implementations say the same of every published picture, also of art and of what they bake into it."""
    for entry in manifest():
        image = (Path(VECTORS or "") / entry["file"]).read_bytes()
        for function in ("inspect", "strip_png", "check_svg_art", "extract_png", "extract_svg", "scan_png"):
            assert answer(rust, function, image) == answer(baking, function, image)
        for function in ("bake_png", "bake_svg"):
            assert answer(rust, function, image, JSON) == answer(baking, function, image, JSON)
