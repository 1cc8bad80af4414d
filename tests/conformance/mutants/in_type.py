"""Mistakes in the types and forms of values."""

from __future__ import annotations

from typing import Any

from scimsrv.schema import semantics
from scimsrv.schema.attribute import Type
from tests.conformance.mutants.registry import mutant, variant
from tests.conformance.mutants.tools import rule


def _typed(type_: Type, name: str, mistake: str, coerce: Any) -> None:
    @variant(name, mistake)
    def apply() -> None:
        rule(type_, coerce=coerce)


_typed(
    Type.STRING,
    "strings_of_any_type",
    "Numbers and booleans are taken as strings.",
    lambda value: value if isinstance(value, str) else str(value),
)
_typed(Type.BOOLEAN, "booleans_of_any_type", "Anything is taken as a boolean.", bool)
_typed(Type.INTEGER, "integers_of_any_type", "Text and fractions are taken as integers.", lambda value: int(float(value)))
_typed(Type.DECIMAL, "decimals_of_any_type", "Text is taken as decimal.", lambda value: float(value))
_typed(
    Type.DATETIME,
    "dates_of_any_form",
    "Any text is taken as dateTime.",
    lambda value: "2026-01-01T00:00:00Z" if isinstance(value, str) else value,
)
_typed(Type.BINARY, "binary_of_any_form", "Any text is taken as base64.", lambda value: value)
_typed(Type.REFERENCE, "references_of_any_type", "Numbers are taken as references.", str)


@mutant
def booleans_as_text_are_refused() -> None:
    """ "True" is no boolean."""

    def coerce(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    rule(Type.BOOLEAN, coerce=coerce)


@mutant
def text_true_is_false() -> None:
    """ "True" as text is false."""
    rule(Type.BOOLEAN, coerce=lambda value: value is True)


@mutant
def binary_is_normalised() -> None:
    """Base64 is stored without its padding."""
    original = semantics.SEMANTICS[Type.BINARY].coerce
    rule(Type.BINARY, coerce=lambda value: original(value).rstrip("="))


@mutant
def binary_needs_padding() -> None:
    """Base64 without padding, or in the alphabet for URLs, is refused."""
    original = semantics.SEMANTICS[Type.BINARY].coerce

    def coerce(value: Any) -> str:
        text: str = original(value)
        if len(text) % 4 or "-" in text or "_" in text:
            raise ValueError("must be padded base64")
        return text

    rule(Type.BINARY, coerce=coerce)


@mutant
def dates_in_utc_only() -> None:
    """A dateTime with an offset is refused."""
    original = semantics.SEMANTICS[Type.DATETIME].coerce

    def coerce(value: Any) -> str:
        text: str = original(value)
        if not text.endswith("Z"):
            raise ValueError("must be in UTC")
        return text

    rule(Type.DATETIME, coerce=coerce)


@mutant
def texts_are_trimmed() -> None:
    """White space around a text is dropped."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).strip())


@mutant
def texts_are_ascii() -> None:
    """Characters outside of ASCII become question marks."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).encode("ascii", "replace").decode())


@mutant
def texts_are_normalised() -> None:
    """Texts are stored in compatibility form, not as sent."""
    import unicodedata

    rule(Type.STRING, coerce=lambda value: unicodedata.normalize("NFKC", semantics._coerce_text(value)))


@mutant
def texts_are_stored_in_lower_case() -> None:
    """Texts are stored in lower case."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value).lower())


@mutant
def texts_are_short() -> None:
    """Texts are cut at 20 characters."""
    rule(Type.STRING, coerce=lambda value: semantics._coerce_text(value)[:20])


@mutant
def references_are_rewritten() -> None:
    """References are stored in lower case."""
    rule(Type.REFERENCE, coerce=lambda value: semantics._coerce_text(value).lower())


@mutant
def references_must_be_absolute() -> None:
    """References that are no absolute URI are refused, those between resources too."""

    def coerce(value: Any) -> str:
        if "://" not in semantics._coerce_text(value):
            raise ValueError("must be a URI")
        return str(value)

    rule(Type.REFERENCE, coerce=coerce)
