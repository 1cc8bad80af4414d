"""What uploaded SVG art may consist of."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from scimsrv.badges.baking import allowed
from tests.unit.badges.pictures import JWS, PUBLIC, svg
from tests.unit.badges.test_png import refused

XLINK = b' xmlns:xlink="http://www.w3.org/1999/xlink"'

HARMLESS: dict[str, bytes] = {
    "shapes": svg(b'<defs><linearGradient id="a"><stop offset="0"/></linearGradient></defs><rect fill="url(#a)" width="9"/>'),
    "a quoted fragment": svg(b"<rect fill=\"url( '#a' ) red\"/>"),
    "a link to a fragment": svg(b'<use xlink:href="#a"/><a href="#b"><text>x</text></a>', XLINK),
    "a picture within": svg(b'<image href="data:image/png;base64,iVBORw0KGgo="/>'),
    "a picture within, wrapped": svg(b'<image xlink:href="data:image/jpeg;base64,/9j/\n  4AAQ"/>', XLINK),
    "a style": svg(b"<style>.a > .b { fill: url(#g); stroke: #fff }</style><g class='a' style='opacity:.5'/>"),
    "a style in CDATA": svg(b'<style type="text/css"><![CDATA[ .a{fill:red} ]]></style>'),
    "an animation": svg(b'<circle r="1"><animate attributeName="r" from="1" to="2" dur="1s"/></circle>'),
    "text for readers": svg(
        b"<title>A badge</title><desc>http://example.org @ you \\o/ url(x)</desc>",
        b' role="img" aria-label="Element(s) by mail@example.org"',
    ),
    "space and language": svg(b"<text xml:space='preserve' xml:lang='en' lang='en' data-x='y'/>"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_drawings_pass_unchanged(bakery: Any, name: str) -> None:
    """What draws, links within the file or speaks to readers stays byte for byte."""
    assert bakery.check_svg_art(HARMLESS[name]) == HARMLESS[name]


#: name → content, attributes of the root, kind
REFUSED: dict[str, tuple[bytes, bytes, str]] = {
    "a script": (b"<script>alert(1)</script>", b"", "art.element"),
    "a prefixed script": (b"<s:script xmlns:s='http://www.w3.org/2000/svg'/>", b"", "art.element"),
    "a foreign object": (b"<foreignObject/>", b"", "art.element"),
    "an iframe": (b"<iframe xmlns='http://www.w3.org/1999/xhtml'/>", b"", "art.element"),
    "XHTML": (b"<h:body xmlns:h='http://www.w3.org/1999/xhtml'/>", b"", "art.element"),
    "an unknown element": (b"<blink/>", b"", "art.element"),
    "an element of another case": (b"<SCRIPT/>", b"", "art.element"),
    "a credential": (b'<o:credential xmlns:o="https://purl.imsglobal.org/ob/v3p0" verify="a.b.c"/>', b"", "art.element"),
    "a set": (b"<set attributeName='href' to='javascript:alert(1)'/>", b"", "art.attribute"),
    "an animated link": (b"<animate attributeName='xlink:href' values='javascript:alert(1)'/>", b"", "art.attribute"),
    "an animated handler": (b"<set attributeName=' onload ' to='alert(1)'/>", b"", "art.attribute"),
    "a handler": (b"<g onclick='alert(1)'/>", b"", "art.attribute"),
    "a handler at the root": (b"", b" onload='alert(1)'", "art.attribute"),
    "a handler in another case": (b"<g OnClick='alert(1)'/>", b"", "art.attribute"),
    "an attribute of an unknown namespace": (b"<g x:href='a' xmlns:x='urn:x'/>", b"", "art.attribute"),
    "a base": (b"<g xml:base='http://example.org/'/>", b"", "art.attribute"),
    "a link": (b"<a href='https://example.org'/>", b"", "art.link"),
    "a link by xlink": (b"<use xlink:href='other.svg#a'/>", XLINK, "art.link"),
    "a script as link": (b"<a href=' java&#115;cript:alert(1)'/>", b"", "art.link"),
    "an empty link": (b"<image href=''/>", b"", "art.link"),
    "a picture elsewhere": (b"<image href='https://example.org/a.png'/>", b"", "art.link"),
    "an SVG as picture": (b"<image href='data:image/svg+xml;base64,PHN2Zy8+'/>", b"", "art.link"),
    "a data link outside a picture": (b"<a href='data:image/png;base64,AAAA'/>", b"", "art.link"),
    "HTML as data": (b"<image href='data:text/html,x'/>", b"", "art.link"),
    "a paint from elsewhere": (b"<rect fill='url(https://example.org/a#b)'/>", b"", "art.link"),
    "a second paint": (b"<rect fill='url(#a) URL( \"//example.org\")'/>", b"", "art.link"),
    "a hidden paint": (b"<rect fill='u\\72l(//example.org)'/>", b"", "art.link"),
    "a paint that does not end": (b"<rect fill='url('/>", b"", "art.link"),
    "an animated paint": (b"<animate attributeName='fill' to='url(http://example.org)'/>", b"", "art.link"),
    "an image set as paint": (b"<rect mask='IMAGE-SET(\"//example.org\" 1x)'/>", b"", "art.link"),
    "a source as paint": (b"<rect fill='src(\"//example.org\")'/>", b"", "art.link"),
    "an animated image set": (b"<animate attributeName='mask' to='-webkit-image-set(\"//example.org\" 1x)'/>", b"", "art.link"),
    "a style that imports": (b"<style>@import 'https://example.org/a.css';</style>", b"", "art.style"),
    "a style that loads": (b"<style>.a{fill:url(https://example.org/a)}</style>", b"", "art.style"),
    "a style that loads in CDATA": (b"<style><![CDATA[.a{fill:URL('//example.org')}]]></style>", b"", "art.style"),
    "a style in parts": (b"<style>.a{fill:u<!-- -->rl(//example.org)}</style>", b"", "art.style"),
    "a style with references": (b"<style>&#64;import 'x'</style>", b"", "art.style"),
    "a style with escapes": (b"<style>.a{fill:\\75rl(x)}</style>", b"", "art.style"),
    "a style with an image set": (b"<g style='background:image-set(\"//example.org\" 1x)'/>", b"", "art.style"),
    "a style attribute that loads": (b"<g style='fill:url(x)'/>", b"", "art.style"),
    "a style attribute with a script": (b"<g style='x:javascript:y'/>", b"", "art.style"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_on_the_list_is_refused(bakery: Any, name: str) -> None:
    """Scripts, handlers, foreign content, links to elsewhere and styles that load are refused where they stand."""
    content, attributes, kind = REFUSED[name]
    image = svg(content, attributes)
    found, offset = refused(bakery, lambda: bakery.check_svg_art(image))
    assert found == kind
    assert offset is not None
    assert offset >= len(svg(b"")) - len(b"></svg>")


def test_the_message_names_what_is_not_permitted(bakery: Any) -> None:
    """The message ends with the name, shortened to 64 characters."""
    with pytest.raises(bakery.BakeError) as caught:
        bakery.check_svg_art(svg(b"<" + "ö".encode() * 100 + b"/>"))
    assert caught.value.message.endswith(": " + "ö" * 64)
    assert str(caught.value).endswith("(art.element at byte 58)")


INKSCAPE = (
    b' xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" inkscape:version="1.3"'
)


def test_what_programs_keep_for_themselves_is_cut_out(bakery: Any) -> None:
    """Document type, editor's elements with all they hold, and editor's attributes go; the drawing stays."""
    inside = (
        b'<sodipodi:namedview id="v"><inkscape:grid/><script/></sodipodi:namedview>'
        b'<metadata><rdf:RDF><x:y xmlns:x="urn:x"/></rdf:RDF></metadata>'
        b'<g inkscape:label="Layer 1"  id="l" inkscape:groupmode="layer"><path d="M0 0"/></g><inkscape:end/>'
    )
    checked = bakery.check_svg_art(svg(inside, INKSCAPE, PUBLIC + b"\n"))
    assert checked == svg(
        b'<metadata></metadata><g   id="l" ><path d="M0 0"/></g>', INKSCAPE.replace(b'inkscape:version="1.3"', b""), b"\n"
    )
    assert bakery.check_svg_art(checked) == checked
    assert ET.fromstring(checked).tag == "{http://www.w3.org/2000/svg}svg"
    assert bakery.extract_svg(bakery.bake_svg(checked, JWS)).payload == JWS


def test_art_needs_the_namespace(bakery: Any) -> None:
    """Without the namespace of SVG a viewer draws nothing, so that is refused as art."""
    assert refused(bakery, lambda: bakery.check_svg_art(b"<svg/>")) == ("svg.root", 0)


def test_both_lists_are_the_same(rust: Any) -> None:
    """The tables of both implementations hold the same names."""
    lists = rust._native.ALLOWED
    ours = {
        "ELEMENTS": allowed.ELEMENTS,
        "ATTRIBUTES": allowed.ATTRIBUTES,
        "XLINK_ATTRIBUTES": allowed.XLINK_ATTRIBUTES,
        "XML_ATTRIBUTES": allowed.XML_ATTRIBUTES,
        "ANIMATION_ONLY": allowed.ATTRIBUTES - allowed.ANIMATED,
        "CUT": allowed.CUT,
    }
    assert {name: {one.encode() for one in names} for name, names in lists.items()} == ours


def test_nothing_that_runs_is_on_the_list() -> None:
    """The lists hold no script, no container for other languages and no handler."""
    assert not allowed.ELEMENTS & set(b"script foreignObject iframe object embed audio video canvas handler listener".split())
    assert not [name for name in allowed.ATTRIBUTES if name.lower().startswith(b"on")]
    assert not allowed.ANIMATED & {b"href", b"style"}
