"""Lists of a resource type that a tenant made: order, pages and what is shown of each (RFC 7644 §3.4.2, §3.9, RFC 9865)."""

from __future__ import annotations

from conformance.client import SEARCH_REQUEST, Json, Scim, ensure, equal, expect
from conformance.dynamic import Sample, gadget
from conformance.registry import case

_TAGS = {"dynamic", "search"}


def _order(sample: Sample, **params: str | int) -> str:
    return "".join(sample.names(sample.gadget.scim.read(sample.gadget.path, params=params)))


@case("dynamic-sort", section="RFC 7644 §3.4.2.3", tags=_TAGS)
def sort(scim: Scim) -> None:
    """A made type sorts by attributes of each type, both ways, by the primary or first of several, and what has no value is last."""
    scim.feature("sort")
    sample = gadget(scim).sample(
        a={
            "label": "b",
            "code": "B",
            "count": 10,
            "weight": 9.5,
            "enabled": True,
            "builtAt": "2024-01-01T00:00:00+02:00",
            "words": ["b"],
            "size": {"height": 2},
            "parts": [{"value": "c"}, {"value": "b", "primary": True}],
            "extra": {"room": "b", "level": 20},
        },
        b={
            "label": "C",
            "code": "a",
            "count": 9,
            "weight": 10.5,
            "enabled": False,
            "builtAt": "2023-12-31T23:00:00Z",
            "words": ["c", "a"],
            "size": {"height": 10},
            "parts": [{"value": "a"}],
            "extra": {"room": "C", "level": 3},
        },
        c={},
    )
    extension = sample.gadget.extension
    for by, up in (
        ("label", "abc"),
        ("code", "abc"),
        ("count", "bac"),
        ("weight", "abc"),
        ("enabled", "bac"),
        ("builtAt", "abc"),
        ("words", "abc"),
        ("size.height", "abc"),
        ("parts", "bac"),
        ("parts.value", "bac"),
        (f"{extension}:room", "abc"),
        (f"{extension}:level", "bac"),
    ):
        equal(_order(sample, sortBy=by), up, f"order by {by}")
        equal(_order(sample, sortBy=by, sortOrder="descending").strip("c"), up[1::-1], f"descending order of what has {by}")


@case("dynamic-pages", section="RFC 7644 §3.4.2.4", tags=_TAGS)
def pages(scim: Scim) -> None:
    """A list of a made type comes page by page, whole, each once, with the numbers right, filtered and sorted too."""
    type_ = gadget(scim)
    ids = [type_.create(count=number, label="odd" if number % 2 else "even")["id"] for number in range(7)]
    for params, wanted in (
        ({}, sorted(ids)),
        ({"sortBy": "count", "sortOrder": "descending"}, ids[::-1]),
        ({"sortBy": "count", "filter": 'label eq "odd"'}, ids[1::2]),
    ):
        seen: list[str] = []
        while len(seen) < len(wanted):
            page = scim.read(type_.path, params={**params, "startIndex": len(seen) + 1, "count": 2})
            equal(page["totalResults"], len(wanted), "totalResults")
            equal(page["startIndex"], len(seen) + 1, "startIndex")
            got = [one["id"] for one in page["Resources"]]
            equal((page["itemsPerPage"], len(got)), (min(2, len(wanted) - len(seen)),) * 2, "itemsPerPage and resources")
            seen += got
        equal(seen if "sortBy" in params else sorted(seen), wanted, f"all pages with {params}")


@case("dynamic-cursor", section="RFC 9865 §2", tags=_TAGS)
def cursor(scim: Scim) -> None:
    """A list of a made type comes by cursor, whole and each once, in the order of any of its attributes."""
    if not (scim.read("/ServiceProviderConfig").get("pagination") or {}).get("cursor"):
        return scim.feature("pagination")
    type_ = gadget(scim)
    ids = [type_.create(weight=number / 2, label="odd" if number % 2 else "even")["id"] for number in range(7)]
    for params, wanted in (
        ({}, sorted(ids)),
        ({"sortBy": "weight", "sortOrder": "descending"}, ids[::-1]),
        ({"sortBy": "weight", "filter": 'label eq "even"'}, ids[::2]),
    ):
        seen: list[str] = []
        next_: str | None = ""
        while next_ is not None:
            page = scim.read(type_.path, params={**params, "cursor": next_, "count": 3})
            seen += [one["id"] for one in page["Resources"]]
            next_ = page.get("nextCursor")
            ensure(len(seen) <= len(wanted), f"more than {len(wanted)} resources by cursor")
        equal(seen if "sortBy" in params else sorted(seen), wanted, f"all pages by cursor with {params}")
    return None


@case("dynamic-projection", section="RFC 7644 §3.9", tags=_TAGS)
def projection(scim: Scim) -> None:
    """attributes and excludedAttributes choose attributes, sub-attributes and extensions of a made type, in reads, lists and writes."""
    type_ = gadget(scim)
    made = type_.create(
        label="x", count=1, size={"height": 2, "unit": "cm"}, parts=[{"value": "p", "type": "inner"}], extra={"room": "1", "level": 2}
    )
    keys = {"schemas", "id"}

    def compare(shown: Json, wanted: Json, what: str) -> None:
        equal({key: value for key, value in shown.items() if key not in keys}, wanted, what)
        equal(shown.get("id"), made["id"], f"id with {what}")

    for names, wanted in (
        ("label", {"label": "x"}),
        ("LABEL,count", {"label": "x", "count": 1}),
        ("size.height", {"size": {"height": 2}}),
        ("parts.type", {"parts": [{"type": "inner"}]}),
        (f"{type_.extension}:room", {type_.extension: {"room": "1"}}),
        (f"{type_.urn}:label", {"label": "x"}),
        ("colour", {}),
    ):
        compare(type_.read(made, attributes=names), wanted, f"attributes={names}")
        compare(scim.read(type_.path, params={"attributes": names})["Resources"][0], wanted, f"attributes={names} of a list")
    for names, gone in (("label,size.unit", ("label",)), (f"parts,{type_.extension}:level", ("parts",))):
        shown = type_.read(made, excludedAttributes=names)
        for name in gone:
            ensure(name not in shown, f"{name} is shown with excludedAttributes={names}")
        equal(shown.get("count"), 1, f"count with excludedAttributes={names}")
        if "unit" in names:
            equal(shown.get("size"), {"height": 2}, "size without unit")
        else:
            equal(shown.get(type_.extension), {"room": "1"}, "the extension without level")
    answer = expect(scim.put(type_.at(made) + "?attributes=label", type_.body(serial=made["serial"], label="y", count=2)), 200).json()
    compare(answer, {"label": "y"}, "attributes=label of a PUT")


@case("dynamic-search", section="RFC 7644 §3.4.3", tags=_TAGS)
def search(scim: Scim) -> None:
    """POST /.search on a made type's endpoint filters, sorts, pages and projects; a search at the root finds its resources too."""
    sample = gadget(scim).sample(a={"label": "x", "count": 2}, b={"label": "x", "count": 1}, c={"label": "y"})
    request = {
        "schemas": [SEARCH_REQUEST],
        "filter": 'label eq "x"',
        "sortBy": "count",
        "startIndex": 1,
        "count": 1,
        "attributes": ["label"],
    }
    found = expect(scim.post(f"{sample.gadget.path}/.search", request), 200).json()
    equal((found["totalResults"], sample.names(found)), (2, ["b"]), "found by /.search")
    equal(set(found["Resources"][0]) - {"schemas", "id"}, {"label"}, "attributes shown")
    made = sample.made["c"]
    root = {"schemas": [SEARCH_REQUEST], "filter": f'id eq "{made["id"]}"'}
    answer = scim.post("/.search", root)
    if expect(answer, 200, 403, 404, 501).status_code == 200:  # searching at the root is optional
        equal([one["meta"]["resourceType"] for one in answer.json()["Resources"]], [sample.gadget.name], "types found at the root")
