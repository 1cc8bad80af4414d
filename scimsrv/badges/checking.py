"""What a catalogue's resources have to be beyond what their schemas say (Open Badges 3.0, Achievement and what it consists of)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from scimsrv.badges.credential import URI
from scimsrv.badges.endorsements import MOST, is_endorsement
from scimsrv.badges.places import Places
from scimsrv.badges.strict import UnreadableError, read_json
from scimsrv.badges.structure import faults
from scimsrv.badges.verification import read
from scimsrv.errors import invalid_value
from scimsrv.schema.badging import ACHIEVEMENT, ISSUER, URN
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
    ("alignments", "targetType"),
)

#: Of resources of the catalogue: what stands in credentials as a URI, by attribute and sub-attribute.
_URIS: Final = (
    *(("url", None), ("image", "value"), ("criteria", "id"), ("alignments", "targetUrl"), ("related", "id")),
    *(("parentOrg", "id"), ("parentOrg", "url")),
)

#: What is said of an award beside its evidence that stands in credentials as a URI.
_URIS_OF_AWARD: Final = (("evidence", "id"), ("assessor", "id"), ("assessor", "url"))

#: How the public URLs of what can be endorsed are made.
_PUBLIC: Final = {ACHIEVEMENT: Places.achievement, ISSUER: Places.issuer}

#: A term of one's own, and a language, as the standard's schema and JSON-LD take them.
_OWN: Final = re.compile(r"ext:[A-Za-z0-9._][A-Za-z0-9._-]*")
_LANGUAGE: Final = re.compile(r"[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


#: How deep in a credential an endorsement stands that is a document: the whole has to be one that can be read.
_AROUND: Final = (b'{"credentialSubject":{"achievement":{"endorsement":[', b"]}}}")


def check_catalogue(type_: str, document: Document, base_url: str, before: Document | None = None) -> None:
    """Raises ScimError invalidValue for what is wrong with a resource of the catalogue; its references have their `$ref` where they name
    something. `base_url` is the tenant's. Endorsements that it had `before` stay: they may be about a public URL that the server had then.
    """
    _check_words(type_, document)
    for name, part in _URIS:
        _check_uris(name, part, document)
    if type_ == ACHIEVEMENT:
        _check_achievement(document)
    if type_ == ISSUER:
        _check_place(document.get("address", {}))
    given = document.get("endorsements", ())
    if len(given) > MOST:
        raise invalid_value(f"endorsements: there may be {MOST}, which is as many as a verification looks at")
    kept = () if before is None else before.get("endorsements", ())
    for one in given:
        if one not in kept:
            _check_endorsement(one, _PUBLIC[type_](Places.beside(base_url), document["id"]))


def check_evidence(document: Document) -> None:
    """Raises ScimError invalidValue for what an award or a request shows, or who assessed it, whose id is no URI: no proof could be made of
    it."""
    for name, part in _URIS_OF_AWARD:
        _check_uris(name, part, document)


def _check_uris(name: str, part: str | None, document: Document) -> None:
    for value in _held(document, name, part):
        if URI.fullmatch(value) is None:
            called = name if part is None else f"{name}.{part}"
            raise invalid_value(f"{called} must be a whole URI, as https://example.org/ is one")


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
    for one in ({"inLanguage": document.get("inLanguage")}, *document.get("related", ())):
        if one.get("inLanguage") is not None and _LANGUAGE.fullmatch(one["inLanguage"]) is None:
            called = "inLanguage" if one.get("id") is None else "related.inLanguage"
            raise invalid_value(f"{called} must be a language, with a script and a region or without: de, pt-BR, zh-Hant-TW")
    _check_results(document)


def _check_results(document: Document) -> None:
    """What an achievement says of results names only what it describes."""
    described, levels = document.get("resultDescriptions", ()), document.get("rubricLevels", ())
    ids = [one["id"] for one in described]
    if len({*ids}) < len(ids):
        raise invalid_value("resultDescriptions: two have the same id")
    own: dict[str, set[str]] = {id_: set() for id_ in ids}
    for level in levels:
        if level["resultDescription"] not in own:
            raise invalid_value("rubricLevels.resultDescription must be the id of one of the resultDescriptions")
        own[level["resultDescription"]].add(level["id"])
    ids += [level["id"] for level in levels]
    if len({*ids}) < len(ids):
        raise invalid_value("rubricLevels: two have the same id, or that of a result description")
    for one in described:
        if one.get("requiredLevel") is not None and one["requiredLevel"] not in own[one["id"]]:
            raise invalid_value("resultDescriptions.requiredLevel must be the id of one of the rubricLevels of that result description")
    for one in document.get("alignments", ()):
        if one.get("of") is not None and one["of"] not in ids:
            raise invalid_value("alignments.of must be the id of one of the resultDescriptions or rubricLevels")


def _check_place(address: Mapping[str, Any]) -> None:
    """Where an address is on the earth, which takes both numbers."""
    for name, most in (("latitude", 90), ("longitude", 180)):
        if (address.get(name) is None) != (address.get("latitude") is None):
            raise invalid_value("address: latitude and longitude come together")
        if address.get(name) is not None and not -most <= address[name] <= most:
            raise invalid_value(f"address.{name} must be between -{most} and {most}")


def _check_endorsement(text: str, target: str) -> None:
    """What somebody else says of a resource is an endorsement by the standard's rules, signed, and about its public URL as credentials
    name it: what it is about is signed, and credentials carry it as it is."""
    try:
        presented = read(text.encode("utf-8", "replace"))
        if presented.token is None:
            read_json(_AROUND[0] + text.encode("utf-8", "replace") + _AROUND[1])
    except UnreadableError as problem:
        raise invalid_value(f"endorsements: one cannot be read: {problem}") from problem
    if presented.form == "unsigned" or not is_endorsement(presented.credential):
        raise invalid_value("endorsements: one is no EndorsementCredential with a proof")
    wrong = faults(presented.credential)
    if wrong:
        raise invalid_value(f"endorsements: one is not what the standard says: {wrong[0]}")
    if presented.credential["credentialSubject"].get("id") != target:
        raise invalid_value(
            f"endorsements: one is about something else: its credentialSubject.id must be the public URL of what it endorses, {target}"
        )


def _check_words(type_: str, document: Document) -> None:
    for name, part in _EXTENSIBLE:
        values = _held(document, name, part)
        words = _words(type_, name, part) if values else ()
        for value in values:
            if value not in words and _OWN.fullmatch(value) is None:
                called = name if part is None else f"{name}.{part}"
                raise invalid_value(f"{called} must be a term of Open Badges 3.0, or one of your own: ext: with letters, digits, . - and _")


def _held(document: Document, name: str, part: str | None) -> list[str]:
    """What a document has of an attribute, or of a part of it."""
    held = document.get(name)
    if held is None or part is None:
        return [] if held is None else [held]
    elements: Iterable[Mapping[str, Any]] = held if isinstance(held, list) else (held,)
    return [element[part] for element in elements if element.get(part) is not None]


def _words(type_: str, name: str, part: str | None) -> frozenset[str]:
    """The canonical values of an attribute as it is shipped."""
    attributes: list[dict[str, Any]] = load_badges().schemas[URN + type_]["attributes"]
    found = next((one for one in attributes if one["name"] == name), {})
    if part is not None:
        found = next((one for one in found.get("subAttributes", ()) if one["name"] == part), {})
    return frozenset(found.get("canonicalValues", ()))
