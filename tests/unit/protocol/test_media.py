"""Media types: what a body may be, and what is answered (RFC 7644 §3.1)."""

from __future__ import annotations

import pytest

from scimsrv.errors import Kind
from scimsrv.protocol.request import answer_type, check_content_type
from tests.unit.protocol.support import refused

SCIM, JSON = "application/scim+json", "application/json"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        SCIM,
        JSON,
        "Application/SCIM+JSON",
        f"{SCIM};charset=utf-8",
        f"{SCIM}; charset=UTF-8",
        f'{JSON} ; Charset="utf-8"',
        f"{JSON}; charset=utf8",
        f"{SCIM}; version=2; charset=utf-8",
        f"{SCIM};",
    ],
)
def test_accepted(header: str | None) -> None:
    """SCIM JSON, JSON and no type at all are read, with UTF-8 in any spelling."""
    check_content_type(header)


@pytest.mark.parametrize(
    "header",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/scim",
        "application/scim+jsonx",
        "json",
        "*/*",
        f"{JSON}, {SCIM}",
        f"{SCIM}; charset=latin-1",
        f"{JSON}; charset=utf-16",
    ],
)
def test_unsupported(header: str) -> None:
    """Other types and other encodings are 415."""
    with refused(Kind.UNSUPPORTED_MEDIA):
        check_content_type(header)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, SCIM),
        ("", SCIM),
        ("*/*", SCIM),
        ("application/*", SCIM),
        (SCIM, SCIM),
        (JSON, JSON),
        ("APPLICATION/JSON", JSON),
        (f"{JSON}, {SCIM}", SCIM),
        (f"{JSON}, */*", SCIM),
        (f"{SCIM};q=0.5, {JSON};q=0.4", SCIM),
        (f"{SCIM};q=0.4, {JSON};q=0.5", JSON),
        (f"{SCIM};q=0, {JSON}", JSON),
        (f"{JSON}; charset=utf-8", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", SCIM),
        ("text/html, application/json;q=0.1", JSON),
        (f"{SCIM};q=high", SCIM),
    ],
)
def test_answered(accept: str | None, answered: str) -> None:
    """SCIM JSON unless the client likes JSON better."""
    assert answer_type(accept) == answered


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "text/*", f"{SCIM};q=0", "*/*;q=0", f"{SCIM};q=0, {JSON};q=0.0", "nonsense"]
)
def test_not_acceptable(accept: str) -> None:
    """A client that takes neither gets 406."""
    with refused(Kind.NOT_ACCEPTABLE):
        answer_type(accept)
