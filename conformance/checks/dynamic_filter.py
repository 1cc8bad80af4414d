"""Filters on a resource type that a tenant made: every operator on every type of attribute (RFC 7644 §3.4.2.2)."""

from __future__ import annotations

from conformance.client import Scim, expect_error
from conformance.dynamic import Gadget, Sample, gadget
from conformance.registry import case

_SECTION = "RFC 7644 §3.4.2.2"
_TAGS = {"dynamic", "filter"}


def _refuses(type_: Gadget, filter_: str) -> None:
    expect_error(type_.scim.get(type_.path, params={"filter": filter_}), 400, "invalidFilter")


def _simple(scim: Scim) -> Sample:
    """a has low values, b high ones, c none."""
    return gadget(scim).sample(
        a={
            "label": "Alpha Beta",
            "code": "Alpha",
            "count": -3,
            "weight": 1.5,
            "enabled": True,
            "builtAt": "2024-05-01T12:00:00Z",
            "image": "AAEC",
            "home": "https://example.com/A",
        },
        b={
            "label": "gamma_delta",
            "code": "alpha",
            "count": 12,
            "weight": 20.25,
            "enabled": False,
            "builtAt": "2024-05-01T12:00:00+02:00",
            "image": "aaec",
            "home": "https://example.com/a",
        },
        c={},
    )


@case("dynamic-filter-equality", section=_SECTION, tags=_TAGS)
def equality(scim: Scim) -> None:
    """eq and ne tell values of each type apart on a made type, with case where the definition says so; no value is not equal."""
    sample = _simple(scim)
    for filter_, equal_to in (
        ('label eq "alpha beta"', "a"),
        ('code eq "alpha"', "b"),
        ("count eq 12", "b"),
        ("count eq -3.0", "a"),
        ("weight eq 1.5", "a"),
        ("enabled eq true", "a"),
        ("enabled eq false", "b"),
        ('builtAt eq "2024-05-01T10:00:00.000Z"', "b"),
        ('image eq "AAEC"', "a"),
        ('home eq "https://example.com/a"', "b"),
        (f'serial eq "{sample.made["c"]["serial"].lower()}"', "c"),
    ):
        sample.selects(filter_, equal_to)
        sample.selects(filter_.replace(" eq ", " ne "), "".join(set("abc") - set(equal_to)))


@case("dynamic-filter-text", section=_SECTION, tags=_TAGS)
def text(scim: Scim) -> None:
    """co, sw and ew look at texts and references of a made type, literally, and are refused for other types."""
    sample = _simple(scim)
    for filter_, names in (
        ('label co "HA BE"', "a"),
        ('label sw "gamma"', "b"),
        ('label ew "BETA"', "a"),
        ('label co "a_d"', "b"),
        ('label co "%"', ""),
        ('label co "_"', "b"),
        ('code sw "al"', "b"),
        ('code co "lph"', "ab"),
        ('home ew "/A"', "a"),
        ('serial sw "s-"', "abc"),
    ):
        sample.selects(filter_, names)
    for attribute, literal in (("count", "1"), ("weight", "1.5"), ("enabled", "true"), ("builtAt", '"2024"'), ("image", '"AA"')):
        for operator in ("co", "sw", "ew"):
            _refuses(sample.gadget, f"{attribute} {operator} {literal}")


@case("dynamic-filter-order", section=_SECTION, tags=_TAGS)
def order(scim: Scim) -> None:
    """gt, ge, lt and le order numbers as numbers, times as times and texts as texts on a made type; other types refuse them."""
    sample = _simple(scim)
    for attribute, low, high in (
        ("count", "-3", "12"),
        ("weight", "1.5", "20.25"),
        ("label", '"ALPHA BETA"', '"gamma_delta"'),
        ("code", '"Alpha"', '"alpha"'),
    ):
        for operator, of_low, of_high in (("gt", "b", ""), ("ge", "ab", "b"), ("lt", "", "a"), ("le", "a", "ab")):
            sample.selects(f"{attribute} {operator} {low}", of_low)
            sample.selects(f"{attribute} {operator} {high}", of_high)
    sample.selects('builtAt gt "2024-05-01T10:00:00Z"', "a")
    sample.selects('builtAt ge "2024-05-01T12:00:00+02:00"', "ab")
    sample.selects('builtAt lt "2024-05-01T13:59:59+02:00"', "b")
    sample.selects('builtAt le "2024-05-01T07:00:00-05:00"', "ab")
    for operator in ("gt", "ge", "lt", "le"):
        _refuses(sample.gadget, f"enabled {operator} true")
        _refuses(sample.gadget, f'image {operator} "AAEC"')


@case("dynamic-filter-presence", section=_SECTION, tags=_TAGS)
def presence(scim: Scim) -> None:
    """pr selects what has a value, for attributes of every type and shape of a made type."""
    sample = gadget(scim).sample(
        a={
            "label": "x",
            "count": 0,
            "weight": 0.0,
            "enabled": False,
            "builtAt": "2024-05-01T12:00:00Z",
            "image": "AAEC",
            "home": "https://example.com",
            "words": ["x"],
            "size": {"height": 1},
            "parts": [{"value": "x"}],
            "extra": {"room": "1"},
        },
        b={"words": [], "label": None, "parts": []},
    )
    named = ("label", "count", "weight", "enabled", "builtAt", "image", "home", "words", "size", "size.height", "parts", "parts.value")
    for attribute in (*named, f"{sample.gadget.extension}:room"):
        sample.selects(f"{attribute} pr", "a")
        sample.selects(f"not ({attribute} pr)", "b")
    sample.selects("size.unit pr", "")
    sample.selects("parts.type pr", "")
    sample.selects("serial pr", "ab")


@case("dynamic-filter-logic", section=_SECTION, tags=_TAGS)
def logic(scim: Scim) -> None:
    """and binds tighter than or, not inverts, parentheses group, on a made type."""
    sample = gadget(scim).sample(
        a={"label": "x", "count": 1}, b={"label": "x", "count": 2}, c={"label": "y", "count": 1}, d={"label": "y", "count": 2}
    )
    for filter_, names in (
        ('label eq "x" and count eq 1', "a"),
        ('label eq "x" or count eq 1', "abc"),
        ('label eq "y" or label eq "x" and count eq 1', "acd"),
        ('(label eq "y" or label eq "x") and count eq 1', "ac"),
        ('not (label eq "x")', "cd"),
        ('not (label eq "x" and count eq 1) and label eq "x"', "b"),
    ):
        sample.selects(filter_, names)


@case("dynamic-filter-values", section=_SECTION, tags=_TAGS)
def several_values(scim: Scim) -> None:
    """A filter on a multi-valued attribute of a made type matches when any value does, also within its extension."""
    type_ = gadget(scim)
    sample = type_.sample(
        a={"words": ["One", "two"], "numbers": [1, 20], "dates": ["2024-01-01T00:00:00Z"], "extra": {"room": "North", "level": 4}},
        b={"words": ["three"], "numbers": [7], "dates": ["2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"], "extra": {"room": "South"}},
        c={},
    )
    for filter_, names in (
        ('words eq "TWO"', "a"),
        ('words sw "t"', "ab"),
        ("numbers gt 10", "a"),
        ("numbers lt 8", "ab"),
        ('dates gt "2024-06-01T00:00:00Z"', "b"),
        (f'{type_.extension}:room eq "north"', "a"),
        (f"{type_.extension}:level ge 4", "a"),
        (f'{type_.extension}:room co "o"', "ab"),
        (f'{type_.urn}:words eq "three"', "b"),
    ):
        sample.selects(filter_, names)


@case("dynamic-filter-elements", section=_SECTION, tags=_TAGS)
def elements(scim: Scim) -> None:
    """A value path on a made type asks for one element that satisfies all of it; separate terms may be met by two."""
    sample = gadget(scim).sample(
        a={"parts": [{"value": "x", "type": "inner", "weight": 1.5}, {"value": "y", "type": "outer", "weight": 9}]},
        b={"parts": [{"value": "x", "type": "outer", "weight": 1.5, "primary": True}]},
        c={"size": {"height": 3, "unit": "CM"}},
    )
    for filter_, names in (
        ('parts[value eq "x" and type eq "inner"]', "a"),
        ('parts.value eq "x" and parts.type eq "outer"', "ab"),
        ('parts[value eq "x" and type eq "outer"]', "b"),
        ("parts[weight gt 2]", "a"),
        ('parts[type eq "inner" and weight gt 2]', ""),
        ("parts[primary eq true]", "b"),
        ('parts[value eq "y" or weight lt 1]', "a"),
        ('parts[not (type eq "outer")]', "a"),
        ('size.unit eq "cm"', "c"),
        ("size[height ge 3]", "c"),
        ('parts[type pr] and parts.value sw "Y"', "a"),
    ):
        sample.selects(filter_, names)


@case("dynamic-filter-refusals", section=_SECTION, tags=_TAGS)
def refusals(scim: Scim) -> None:
    """Filters that name what a made type does not have, or compare what cannot be compared, are invalidFilter."""
    type_ = gadget(scim)
    for filter_ in (
        'colour eq "x"',
        'size.depth eq "x"',
        'parts[colour eq "x"]',
        'count eq "x"',
        'enabled eq "maybe"',
        'builtAt gt "yesterday"',
        'pin eq "1234"',
        f'{type_.extension}:colour eq "x"',
        'userName eq "x"',
    ):
        _refuses(type_, filter_)
