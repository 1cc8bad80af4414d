"""What a catalogue's resources have to be beyond what their schemas say (Open Badges 3.0, Achievement and what it consists of)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scimsrv.errors import invalid_value
from scimsrv.schema.badging import ACHIEVEMENT, URN
from scimsrv.schema.definitions import load_badges
from scimsrv.schema.document import Document

#: The types of parents that an achievement of each kind may have, and whether it needs one.
PARENTS: Final[Mapping[str, tuple[frozenset[str], bool]]] = {
    "mini": (frozenset({"BadgeSkills"}), False),
    "skill": (frozenset({"BadgeSkills"}), True),
    "program": (frozenset({"BadgePrograms"}), True),
    "capstone": (frozenset({"BadgePrograms"}), True),
    "progress": (frozenset({"BadgeSkills", "BadgePrograms"}), False),
}

#: Of an achievement: the words that are closed but for extensions, by attribute and sub-attribute.
_EXTENSIBLE: Final = (
    ("achievementType", None),
    ("resultDescriptions", "resultType"),
    ("otherIdentifiers", "identifierType"),
)


def check_catalogue(type_: str, document: Document) -> None:
    """Raises ScimError invalidValue for what is wrong with a resource of the catalogue; its references have their `$ref` where they name
    something."""
    _check_words(type_, document)
    if type_ == ACHIEVEMENT:
        _check_achievement(document)


def _check_achievement(document: Document) -> None:
    kind, parent = document["kind"], document.get("parent")
    wanted, needed = PARENTS[kind]
    if parent is None and needed:
        raise invalid_value(f"parent is required of a {kind}: what it is the achievement of")
    if parent is not None and "$ref" in parent and parent["$ref"].rsplit("/", 2)[1] not in wanted:
        names = " or ".join(sorted(name.removesuffix("s") for name in wanted))
        raise invalid_value(f"parent: that of a {kind} is a {names}")
    if not {"narrative", "id"} & document["criteria"].keys():
        raise invalid_value("criteria: a narrative or the id of a page is required")
    ids = [one["id"] for one in document.get("resultDescriptions", ())]
    if len({*ids}) < len(ids):
        raise invalid_value("resultDescriptions: two have the same id")


def _check_words(type_: str, document: Document) -> None:
    for name, part in _EXTENSIBLE:
        held = document.get(name)
        if held is None:
            continue
        words = _words(type_, name, part)
        for value in (held,) if part is None else [element.get(part) for element in held]:
            if value is not None and value not in words and not value.startswith("ext:"):
                called = name if part is None else f"{name}.{part}"
                raise invalid_value(f"{called} must be a term of Open Badges 3.0, or one of your own that begins with ext:")


def _words(type_: str, name: str, part: str | None) -> frozenset[str]:
    """The canonical values of an attribute as it is shipped."""
    attributes: list[dict[str, Any]] = load_badges().schemas[URN + type_]["attributes"]
    found = next((one for one in attributes if one["name"] == name), {})
    if part is not None:
        found = next((one for one in found.get("subAttributes", ()) if one["name"] == part), {})
    return frozenset(found.get("canonicalValues", ()))
