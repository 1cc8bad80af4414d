"""Credentials into and out of SVG files."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.unit.badges.pictures import JSON, JWS, PUBLIC, rich_svgs, svg
from tests.unit.badges.test_png import refused

PICTURES = rich_svgs()
NAMESPACE = b"https://purl.imsglobal.org/ob/v3p0"
DECLARED = b' xmlns:o="' + NAMESPACE + b'"'


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("payload", [JSON, JWS], ids=["json", "jws"])
def test_an_element_goes_behind_the_root_tag_and_nothing_else_changes(bakery: Any, name: str, payload: bytes) -> None:
    """Taking out the element, and the declaration where there was none, gives the original back; a stock parser finds the credential."""
    image = PICTURES[name]
    baked = bakery.bake_svg(image, payload)
    found = bakery.extract_svg(baked, strict=True)
    assert (found.payload, found.form, found.warnings) == (payload, "openbadges-3", ())
    place = bakery.inspect(baked).found[-1]
    left = baked[: place.start] + baked[place.end :]
    for number in ("", "3", "4"):
        declaration = b" xmlns:openbadges%s=" % number.encode() + b'"' + NAMESPACE + b'"'
        if declaration not in image:
            left = left.replace(declaration, b"", 1)
    if b"/>" in image and not image.rstrip().endswith(b"svg>") and b"</" not in image:
        head, _, name_ = left.rpartition(b"></")
        left = head + b"/>"
        assert name_[:-1] in head
    assert left == image
    root = ET.fromstring(baked)
    element = root[0]
    assert element.tag == "{https://purl.imsglobal.org/ob/v3p0}credential"
    assert ((element.text or "").encode() or element.attrib["verify"].encode()) == payload
    assert element.attrib.keys() == ({"verify"} if payload == JWS else set())
    assert bakery.extract_svg(image) is None


@pytest.mark.parametrize(
    "value", ["ü ]]> 😀 \u007f \uffff", "a > b", "<script>&amp;</script>", "line\nand\ttab", "\u0000\u001f", "\\ud800 \\\\"]
)
def test_json_means_the_same_afterwards(bakery: Any, value: str) -> None:
    """Whatever JSON says is said by what comes out, in ASCII and without what XML cannot hold."""
    document = {"name": value, value: [1, 2.5, None]}
    for ascii_only in (True, False):
        payload = json.dumps(document, ensure_ascii=ascii_only, indent=1).encode()
        baked = bakery.bake_svg(svg(), payload.replace(b"\n", b"\r\n"))
        assert json.loads(bakery.extract_svg(baked).payload) == document
        assert json.loads(ET.fromstring(baked)[0].text or "") == document
        assert baked.isascii()


@pytest.mark.parametrize("payload", [JSON, JWS], ids=["json", "jws"])
def test_at_most_one_credential(bakery: Any, payload: bytes) -> None:
    """A picture that holds credentials, wherever and under whatever prefix, is refused, or loses all of them."""
    one, two = b'<o:credential verify="a.b.c"/>', b"<p:credential xmlns:p='" + NAMESPACE + b"'><![CDATA[{}]]></p:credential>"
    image = svg(b"<g>" + one + b"</g>" + two, DECLARED)
    assert refused(bakery, lambda: bakery.bake_svg(image, payload)) == ("credential.duplicate", image.index(one))
    baked = bakery.bake_svg(image, payload, overwrite=True)
    assert len(bakery.inspect(baked).found) == 1
    assert bakery.extract_svg(baked, strict=True).payload == payload
    assert baked.endswith(b"<g></g></svg>")
    assert bakery.bake_svg(baked, payload, overwrite=True) == baked


OLD = b' xmlns:b="http://openbadges.org"'
BADGER = base64.b64encode(b' {"a": 1}')
#: name → picture, payload, form, content, warnings
FORMS: dict[str, tuple[bytes, bytes | None, str, str, tuple[str, ...]]] = {
    "a JWS": (svg(b'<o:credential verify="a.b.c"></o:credential>', DECLARED), b"a.b.c", "openbadges-3", "jws", ()),
    "JSON": (svg(b"<o:credential>\n  <![CDATA[ {} ]]>\n</o:credential>", DECLARED), b"{}", "openbadges-3", "json", ()),
    "JSON as text": (svg(b'<o:credential>{"a":"&gt;&#x41;"}</o:credential>', DECLARED), b'{"a":">A"}', "openbadges-3", "json", ()),
    "split CDATA": (
        svg(b'<o:credential><![CDATA[{"a":"]]]]><![CDATA[>"}]]></o:credential>', DECLARED), b'{"a":"]]>"}', "openbadges-3", "json", (),
    ),
    "line ends": (svg(b"<o:credential><![CDATA[{\r\n\r}]]>&#13;</o:credential>", DECLARED), b"{\n\n}", "openbadges-3", "json", ()),
    "comments within": (svg(b"<o:credential>{<!-- x -->}</o:credential>", DECLARED), b"{}", "openbadges-3", "json", ()),
    "as the default namespace": (svg(b"<credential xmlns='" + NAMESPACE + b"'>{}</credential>"), b"{}", "openbadges-3", "json", ()),
    "a namespace with a reference": (
        svg(b"<c:credential xmlns:c='https://purl.imsglobal.org/ob/v3&#112;0'>{}</c:credential>"), b"{}", "openbadges-3", "json", (),
    ),
    "at the very end": (svg(b"<g/><o:credential>{}</o:credential>", DECLARED), b"{}", "openbadges-3", "json", ()),
    "both": (
        svg(b'<o:credential verify="a.b.c">{}</o:credential>', DECLARED), b"{}", "openbadges-3", "json", ("credential.ambiguous",),
    ),
    "two": (
        svg(b'<o:credential verify="a.b.c"/><o:credential>{}</o:credential>', DECLARED), b"a.b.c", "openbadges-3", "jws",
        ("credential.duplicate",),
    ),
    "a JWS as text": (svg(b"<o:credential>a.b.c</o:credential>", DECLARED), b"a.b.c", "openbadges-3", "jws", ("credential.form",)),
    "a URL": (
        svg(b'<o:credential verify="https://example.org"/>', DECLARED), b"https://example.org", "openbadges-3", "url", ("credential.form",),
    ),
    "Badger-MU": (
        svg(b'<g/><o:credential verify="' + BADGER + b'"/>', DECLARED), b' {"a": 1}', "legacy-badger-mu", "json", ("credential.form",),
    ),
    "Open Badges 2, both": (
        svg(b'<b:assertion verify="https://example.org/a">\n<![CDATA[ {"id":1} ]]>\n</b:assertion>', OLD),
        b'{"id":1}', "openbadges-2", "json", (),
    ),
    "Open Badges 2, a URL": (
        svg(b'<b:assertion verify=" https://example.org/a "><![CDATA[ ]]></b:assertion>', OLD),
        b"https://example.org/a", "openbadges-2", "url", (),
    ),
    "Open Badges 2, a JWS": (svg(b'<b:assertion verify="a.b.c"/>', OLD), b"a.b.c", "openbadges-2", "jws", ()),
    "Open Badges 2, not JSON": (svg(b"<b:assertion>{verify:</b:assertion>", OLD), b"{verify:", "openbadges-2", "json", ()),
    "3 behind 2": (
        svg(b"<b:assertion>{}</b:assertion><o:credential>{ }</o:credential>", OLD + DECLARED), b"{ }", "openbadges-3", "json", (),
    ),
    "CLR": (svg(b"<c:credential xmlns:c='https://purl.imsglobal.org/clr/v2p0'>{}</c:credential>"), b"{}", "clr", "json", ()),
    "another namespace": (svg(b"<o:credential xmlns:o='https://purl.imsglobal.org/ob/v3p1'>{}</o:credential>"), None, "", "", ()),
    "another element": (svg(b"<o:Credential>{}</o:Credential>", DECLARED), None, "", "", ()),
    "in a comment": (svg(b"<!--<o:credential>{}</o:credential>-->", DECLARED), None, "", "", ()),
    "in CDATA": (svg(b"<text><![CDATA[<o:credential>{}</o:credential>]]></text>", DECLARED), None, "", "", ()),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_forms(bakery: Any, name: str) -> None:
    """Every form is found by namespace and name, never by prefix; strict reading refuses what Open Badges 3.0 forbids."""
    image, payload, form, content, warnings = FORMS[name]
    found = bakery.extract_svg(image)
    if payload is None:
        assert found is None
        return
    assert (found.payload, found.form, found.content, found.warnings) == (payload, form, content, warnings)
    if warnings:
        with pytest.raises(bakery.BakeError) as caught:
            bakery.extract_svg(image, strict=True)
        assert caught.value.kind == warnings[0]
    else:
        assert bakery.extract_svg(image, strict=True) == found


#: name → document, kind, offset
BROKEN: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", "svg.root", 0),
    "text alone": (b" hello", "svg.text", 1),
    "white space alone": (b" \n", "svg.root", 2),
    "another root": (b"<html/>", "svg.root", 0),
    "svg of another namespace": (b'<svg xmlns="urn:x"/>', "svg.root", 0),
    "UTF-16": ("<svg/>".encode("utf-16"), "svg.encoding", 0),
    "Latin-1": (b"<svg>\xe4</svg>", "svg.encoding", 5),
    "another encoding declared": (b'<?xml version="1.0" encoding="latin1"?><svg/>', "svg.encoding", 0),
    "a surrogate": (b"<svg>\xed\xa0\x80</svg>", "svg.encoding", 5),
    "a zero byte": (b"<svg>\0</svg>", "svg.character", 5),
    "an escape character": (b"<svg>\x1b</svg>", "svg.character", 5),
    "U+FFFF": ("<svg>\uffff</svg>".encode(), "svg.character", 5),
    "U+FFFE": ("<svg a='\ufffe'/>".encode(), "svg.character", 8),
    "XML 1.1": (b'<?xml version="1.1"?><svg/>', "svg.syntax", 0),
    "a declaration without version": (b'<?xml encoding="UTF-8"?><svg/>', "svg.syntax", 0),
    "a declaration that does not end": (b'<?xml version="1.0" <svg/>', "svg.syntax", 0),
    "standalone maybe": (b'<?xml version="1.0" standalone="maybe"?><svg/>', "svg.syntax", 0),
    "a declaration too late": (b' <?xml version="1.0"?><svg/>', "svg.instruction", 1),
    "a stylesheet instruction": (b'<?xml-stylesheet href="a.css"?><svg/>', "svg.instruction", 0),
    "an instruction within": (b"<svg><?php x ?></svg>", "svg.instruction", 5),
    "an internal subset": (b'<!DOCTYPE svg [<!ENTITY a "b">]><svg/>', "svg.doctype", 0),
    "an internal subset behind a system id": (b'<!DOCTYPE svg SYSTEM "a" []><svg/>', "svg.doctype", 0),
    "a public id alone": (b'<!DOCTYPE svg PUBLIC "a"><svg/>', "svg.doctype", 0),
    "a public id that is none": (b'<!DOCTYPE svg PUBLIC "{a}" "b"><svg/>', "svg.doctype", 0),
    "a document type in lower case": (b"<!doctype svg><svg/>", "svg.doctype", 0),
    "two document types": (b"<!DOCTYPE svg><!DOCTYPE svg><svg/>", "svg.doctype", 14),
    "a document type behind the root": (b"<svg/><!DOCTYPE svg>", "svg.doctype", 6),
    "a document type that does not end": (b"<!DOCTYPE svg", "svg.doctype", 0),
    "an unknown declaration": (b"<svg><!ELEMENT a></svg>", "svg.doctype", 5),
    "an entity": (b"<svg>&nbsp;</svg>", "svg.entity", 5),
    "an entity in an attribute": (b'<svg a="&b;"/>', "svg.entity", 8),
    "a lone ampersand": (b"<svg>a & b</svg>", "svg.entity", 7),
    "a reference to no character": (b"<svg>&#0;</svg>", "svg.entity", 5),
    "a reference to a surrogate": (b"<svg>&#xD800;</svg>", "svg.entity", 5),
    "a reference beyond Unicode": (b"<svg>&#x110000;</svg>", "svg.entity", 5),
    "a reference with too many digits": (b"<svg>&#00000065;</svg>", "svg.entity", 5),
    "a reference in upper case": (b"<svg>&#X41;</svg>", "svg.entity", 5),
    "a reference that does not end": (b"<svg>&#65</svg>", "svg.entity", 5),
    "]]> in text": (b"<svg>a]]>b</svg>", "svg.text", 6),
    "CDATA before the root": (b"<![CDATA[x]]><svg/>", "svg.text", 0),
    "CDATA that does not end": (b"<svg><![CDATA[x]]", "svg.syntax", 5),
    "a comment that does not end": (b"<svg><!-- x -></svg>", "svg.syntax", 5),
    "two hyphens in a comment": (b"<svg><!-- a--b --></svg>", "svg.syntax", 5),
    "three hyphens at a comment's end": (b"<svg><!-- a ---></svg>", "svg.syntax", 5),
    "a short comment": (b"<svg><!--></svg>", "svg.syntax", 5),
    "no end tag": (b"<svg><g></svg>", "svg.nesting", 8),
    "an end tag too many": (b"<svg></svg></svg>", "svg.nesting", 11),
    "elements left open": (b"<svg><g>", "svg.nesting", 5),
    "two roots": (b"<svg/><svg/>", "svg.nesting", 6),
    "text behind the root": (b"<svg/>\nx", "svg.text", 7),
    "end tags in another case": (b"<svg><g></G></svg>", "svg.nesting", 8),
    "a tag that does not end": (b"<svg><g", "svg.syntax", 5),
    "a tag that ends in white space": (b"<svg><g ", "svg.syntax", 5),
    "a tag without name": (b"<svg>< g/></svg>", "svg.syntax", 5),
    "a name that begins with a digit": (b"<svg><1/></svg>", "svg.syntax", 5),
    "a slash within": (b"<svg><g / ></svg>", "svg.syntax", 8),
    "an end tag with attributes": (b"<svg></svg a='b'>", "svg.syntax", 5),
    "an attribute without value": (b"<svg a/>", "svg.syntax", 5),
    "an attribute without quotes": (b"<svg a=b/>", "svg.syntax", 5),
    "an attribute that does not end": (b'<svg a="b/>', "svg.syntax", 5),
    "a tag in an attribute": (b'<svg a="<"/>', "svg.syntax", 5),
    "attributes without space between": (b'<svg a="b"c="d"/>', "svg.syntax", 0),
    "an attribute twice": (b'<svg a="1" a="2"/>', "svg.attribute", 11),
    "an attribute twice under two prefixes": (b'<svg xmlns:a="u" xmlns:b="u" a:x="1" b:x="2"/>', "svg.attribute", 37),
    "two colons": (b"<svg><a:b:c/></svg>", "svg.name", 5),
    "nothing before the colon": (b"<svg><:b/></svg>", "svg.name", 5),
    "nothing behind the colon": (b'<svg a:="1"/>', "svg.name", 5),
    "a digit behind the colon": (b'<svg xmlns:a="u" a:1="1"/>', "svg.name", 17),
    "an undeclared prefix": (b"<svg><a:b/></svg>", "svg.prefix", 5),
    "an undeclared prefix of an attribute": (b'<svg a:b="1"/>', "svg.prefix", 5),
    "a prefix out of scope": (b'<svg><g xmlns:a="u"/><a:b/></svg>', "svg.prefix", 21),
    "a prefix bound to nothing": (b'<svg xmlns:a=""/>', "svg.prefix", 5),
    "the prefix xmlns": (b'<svg xmlns:xmlns="u"/>', "svg.prefix", 5),
    "the prefix xml for something else": (b'<svg xmlns:xml="u"/>', "svg.prefix", 5),
    "another prefix for xml": (b'<svg xmlns:a="http://www.w3.org/XML/1998/namespace"/>', "svg.prefix", 5),
    "the namespace of xmlns": (b'<svg xmlns="http://www.w3.org/2000/xmlns/"/>', "svg.prefix", 5),
    "an empty credential": (svg(b"<o:credential/>", DECLARED), "credential.empty", 0),
    "an element in a credential": (svg(b"<o:credential><g/></o:credential>", DECLARED), "credential.format", 0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_documents(bakery: Any, name: str) -> None:
    """Whatever is wrong with an SVG has a kind and the byte where it begins, also for a byte order mark and a document type before it."""
    image, kind, offset = BROKEN[name]
    if kind.startswith("credential"):
        offset = image.index(b"<g" if kind == "credential.format" else b"<o:")
    assert refused(bakery, lambda: bakery.extract_svg(image)) == (kind, offset)
    if kind not in ("svg.encoding", "credential.empty"):
        assert refused(bakery, lambda: bakery.bake_svg(image, JSON)) == (kind, offset)
    if image.startswith(b"<svg") and kind != "svg.encoding":
        assert refused(bakery, lambda: bakery.extract_svg(b"\xef\xbb\xbf" + PUBLIC + image)) == (kind, offset + 3 + len(PUBLIC))
