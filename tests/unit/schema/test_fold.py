"""Folding of text for comparison: stable, blind to case and to composition, and the same for everybody."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.schema.attribute import Attribute, Type, Uniqueness
from scimsrv.schema.semantics import SEMANTICS, fold, key_of

_TEXT = st.text(max_size=20)
_MARKS = [chr(code) for code in range(0x300, 0x370)]
_ALL = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def test_every_character_folds_stably() -> None:
    """Folding the fold of any single character of Unicode changes nothing."""
    assert [char for char in _ALL if fold(fold(char)) != fold(char)] == []


def test_special_characters_with_marks_fold_stably() -> None:
    """So does the fold of characters that grow when folded, together with any combining mark before or after them."""
    growing = [char for char in _ALL if len(char.casefold()) > 1]
    assert len(growing) > 50
    texts = [text for char in growing for mark in _MARKS for text in (char + mark, mark + char)]
    assert [text for text in texts if fold(fold(text)) != fold(text)] == []


def _refused(text: str) -> bool:
    try:
        SEMANTICS[Type.STRING].coerce(text)
    except ValueError:
        return True
    return False


def test_long_runs_of_marks_are_refused() -> None:
    """Of any character that is a combining mark or becomes several: the time that folding takes grows with the square of a run."""
    becoming = [char for char in _ALL if unicodedata.combining(unicodedata.normalize("NFD", char)[0])]
    assert {"\u0301", "\u0344", "\u0f73"} <= {*becoming}
    assert [char for char in becoming if not _refused("a" + char * 31)] == []
    assert [char for char in becoming if _refused("a" + char * 30)] == []


@given(_TEXT)
def test_texts_fold_stably(text: str) -> None:
    """Folding twice is folding once, and the fold is in NFC, so that equal texts have equal bytes."""
    folded = fold(text)
    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@given(_TEXT)
def test_composition_does_not_matter(text: str) -> None:
    """Composed and decomposed forms of a text fold to the same key."""
    assert fold(unicodedata.normalize("NFD", text)) == fold(text) == fold(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ADA", "ada"),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Éva", "éva"),
        ("Éva", "e\u0301va"),
        ("ﬁne", "FINE"),
        ("Ǆ", "ǆ"),
        ("K", "k"),
    ],
)
def test_equal(one: str, other: str) -> None:
    """Texts that differ in case or composition only have one key."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"), [("I", "ı"), ("İ", "i"), ("e", "é"), ("ada ", "ada"), ("ａ", "a"), ("²", "2"), ("\u00ad", ""), ("\u200b", "")]
)
def test_different(one: str, other: str) -> None:
    """No locale's rules, no stripping, no compatibility forms: these texts stay apart."""
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("case_exact", "uniqueness", "equal"),
    [
        (False, Uniqueness.NONE, {("Ada", "ADA"), ("e\u0301", "É")}),
        (True, Uniqueness.NONE, {("e\u0301", "é")}),
        (False, Uniqueness.SERVER, {("Ada", "ADA"), ("ＡＤＡ", "ada"), ("e\u0301", "É"), ("ｱ", "ア")}),
        (True, Uniqueness.SERVER, {("e\u0301", "é")}),
        (False, Uniqueness.GLOBAL, {("ＡＤＡ", "ada"), ("Ada", "ADA"), ("e\u0301", "É"), ("ｱ", "ア")}),
    ],
)
def test_keys_follow_the_characteristics(case_exact: bool, uniqueness: Uniqueness, equal: set[tuple[str, str]]) -> None:
    """caseExact keeps case apart; unique case-insensitive texts are blind to width as well; composition never matters."""
    attribute = Attribute("x", Type.STRING, case_exact=case_exact, uniqueness=uniqueness)
    pairs = {("Ada", "ADA"), ("ＡＤＡ", "ada"), ("e\u0301", "É"), ("e\u0301", "é"), ("ｱ", "ア"), ("a", "b")}
    found = {(one, other) for one, other in pairs if key_of(attribute, one) == key_of(attribute, other)}
    if not case_exact:
        equal = equal | {("e\u0301", "é")}
    assert found == equal
