"""The table of kinds of failure: what docs/errors.md says, what the RFC allows, and how a failure reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from scimsrv import assets
from scimsrv.errors import Kind, ScimError, invalid_syntax, invalid_value, mutability

_DOCUMENT = Path(str(assets.ROOT)) / "docs" / "errors.md"

#: The words of RFC 7644 Table 9, which are all that scimType may be.
_SCIM_TYPES = {
    *("invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue", "invalidVers"),
    "sensitive",
    *("invalidCursor", "expiredCursor", "invalidCount"),  # RFC 9865 §2.1
}


def _documented() -> dict[str, list[str]]:
    """The rows of the document's table by kind."""
    rows = [line.strip("|").split("|") for line in _DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in rows[0]] == ["kind", "status", "scimType", "when", "what to do"]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows[2:]}


def test_every_kind_is_documented() -> None:
    """The document has a row for each kind, in the order of the table, and no other."""
    assert list(_documented()) == [kind.name for kind in Kind]


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_the_document_is_right(kind: Kind) -> None:
    """Status and scimType are those sent; when it happens and what to do about it are said."""
    status, scim_type, when, advice = _documented()[kind.name]
    assert status == str(kind.value.status)
    assert scim_type == ("–" if kind.value.scim_type is None else f"`{kind.value.scim_type}`")
    assert when
    assert advice


@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.name)
def test_kinds_keep_to_the_rfc(kind: Kind) -> None:
    """A scimType is one of the RFC's and comes with 400, a taken value with 409; every kind has a sentence of its own."""
    status, scim_type, sentence = kind.value
    assert 400 <= status < 600
    if scim_type is not None:
        assert scim_type in _SCIM_TYPES
        assert status == (409 if scim_type == "uniqueness" else 400)
    assert sentence.endswith(".")
    assert [other for other in Kind if other.value.sentence == sentence] == [kind]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ScimError(Kind.NOT_FOUND), "Resource not found."),
        (ScimError(Kind.NOT_FOUND, "User not found"), "User not found"),
        (ScimError(Kind.INVALID_PATH, "no such path", 0), "Operation 1: no such path"),
        (ScimError(Kind.NO_TARGET, None, 4), f"Operation 5: {Kind.NO_TARGET.value.sentence}"),
    ],
)
def test_sentences(error: ScimError, sentence: str) -> None:
    """The detail, else the kind's own sentence, behind the number of the operation, counted from one."""
    assert error.sentence == sentence
    assert str(error) == f"{error.kind.name}: {sentence}"


def test_short_forms() -> None:
    """The helpers make the kinds that they are named for."""
    made = [invalid_value("x"), mutability("x"), invalid_syntax("x")]
    assert [error.kind for error in made] == [Kind.INVALID_VALUE, Kind.MUTABILITY, Kind.INVALID_SYNTAX]
    assert {error.sentence for error in made} == {"x"}
