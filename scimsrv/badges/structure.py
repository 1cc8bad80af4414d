"""What a credential must look like: what the data model's table says, and how its parts refer to each other (Open Badges 3.0 §B)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from datetime import date, datetime
from itertools import islice
from typing import Any, Final, assert_never

from scimsrv.badges.contexts import VC, VC_1
from scimsrv.badges.model import CLASSES, CREDENTIAL, ENDORSEMENT, Class, Kind, Member, Part, Value, Words

_OPEN_BADGES: Final = re.compile(r"https://purl\.imsglobal\.org/spec/ob/v3p0/context(-3\.\d\.\d)*\.json", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_LANGUAGE: Final = re.compile(r"[a-z]{2,4}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_JWS: Final = re.compile(r"[a-zA-Z0-9_-]+\.[a-zA-Z0-9_-]*\.[a-zA-Z0-9_-]+")
_OWN_WORD: Final = re.compile(r"ext:[a-zA-Z0-9|._-]+")
_MOST: Final = 20
_LONGEST_WORD: Final = 100

#: What version 1.1 of the data model of verifiable credentials calls these members.
_IN_1: Final = {"validFrom": "issuanceDate", "validUntil": "expirationDate"}

#: Sentences for what is no object.
_CALLED: Final = {
    Kind.TEXT: "a string",
    Kind.URI: "a URI",
    Kind.DATE: "a date",
    Kind.DATE_TIME: "a dateTime with an offset",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.LANGUAGE: "a language, with a script and a region or without",
    Kind.JWS: "a compact JWS",
}


def faults(credential: Mapping[str, Any]) -> list[str]:
    """What is wrong with a credential, as sentences that name the member; nothing when all is well, and at most twenty. An endorsement is
    held against the rules for endorsements, everything else against those for achievements. Both the canonical form with arrays and the
    compacted one are accepted, and version 1.1 of the data model as well as 2.0."""
    types = _types(credential)
    endorses = ENDORSEMENT in types and types.isdisjoint(CLASSES[CREDENTIAL].types[1])
    return list(islice(_object(credential, CLASSES[ENDORSEMENT if endorses else CREDENTIAL], ""), _MOST))


def _object(value: Mapping[str, Any], class_: Class, place: str) -> Iterator[str]:
    """What is wrong with an object of a class; `place` is where it is, with a dot at its end."""
    older = class_.contexts and _is_of_1(value)
    if class_.contexts:
        yield from _contexts(value.get("@context"), place)
    if class_.types or class_.one_type:
        yield from _type(value.get("type"), class_, place)
    for name, member in class_.members.items():
        called = _IN_1.get(name, name) if older else name
        if called in value:
            yield from _member(value[called], member, place + called)
        elif member.required:
            yield f"{place}{called} is required"
    if class_.closed:
        for name in sorted(value.keys() - class_.members.keys() - {"type"}):
            yield f"{place}{name[:_LONGEST_WORD]} is no member of {_named(class_)}"
    if class_ is CLASSES["AchievementSubject"]:
        yield from _subject(value, place)


def _member(value: Any, member: Member, place: str) -> Iterator[str]:
    if not member.many:
        yield from _value(value, member.value, place)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _value(one, member.value, f"{place}[{number}]")
    elif member.compact:
        yield from _value(value, member.value, place)
    else:
        yield f"{place} must be a list"


def _value(value: Any, wanted: Value, place: str) -> Iterator[str]:
    match wanted:
        case Kind():
            if not _is(value, wanted):
                yield f"{place} must be {_CALLED[wanted]}"
        case Words():
            own = isinstance(value, str) and wanted.extensible and _OWN_WORD.fullmatch(value) is not None
            if not own and not (isinstance(value, str) and value in wanted.words):
                yield f"{place} must be one of the standard's terms" + (", or begin with ext:" if wanted.extensible else "")
        case Part():
            if isinstance(value, Mapping):
                yield from _object(value, CLASSES[wanted.name], f"{place}.")
            elif not wanted.by_id:
                yield f"{place} must be an object"
            elif not _is(value, Kind.URI):
                yield f"{place} must be a URI or a {wanted.name}"
        case _:
            assert_never(wanted)


def _is(value: Any, kind: Kind) -> bool:
    match kind:
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.URI:
            return isinstance(value, str) and _URI.fullmatch(value) is not None
        case Kind.LANGUAGE:
            return isinstance(value, str) and _LANGUAGE.fullmatch(value) is not None
        case Kind.JWS:
            return isinstance(value, str) and _JWS.fullmatch(value) is not None
        case Kind.DATE:
            return isinstance(value, str) and _DATE.fullmatch(value) is not None and _reads(value, date)
        case Kind.DATE_TIME:
            return isinstance(value, str) and _DATE_TIME.fullmatch(value) is not None and _reads(value, datetime)
        case _:
            assert_never(kind)


def _reads(text: str, type_: type[date]) -> bool:
    """Whether the calendar has this day, and the day this time."""
    try:
        type_.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_of_1(value: Mapping[str, Any]) -> bool:
    contexts = value.get("@context")
    return isinstance(contexts, list) and contexts[:1] == [VC_1]


def _contexts(contexts: Any, place: str) -> Iterator[str]:
    if not isinstance(contexts, list) or contexts[:1] not in ([VC], [VC_1]):
        yield f"{place}@context must begin with the context of verifiable credentials"
    elif len(contexts) < 2 or not isinstance(contexts[1], str) or _OPEN_BADGES.fullmatch(contexts[1]) is None:
        yield f"{place}@context must go on with the context of Open Badges 3.0"
    elif not all(isinstance(one, str | Mapping) for one in contexts):
        yield f"{place}@context must hold URIs and objects"


def _type(value: Any, class_: Class, place: str) -> Iterator[str]:
    types = _types({"type": value})
    if value is None:
        yield f"{place}type is required"
    elif class_.one_type and not isinstance(value, str):
        yield f"{place}type must be a string"
    elif isinstance(value, list) and not all(isinstance(one, str) for one in value):
        yield f"{place}type must hold strings"
    elif any(types.isdisjoint(wanted) for wanted in class_.types):
        yield f"{place}type must have {_named(class_)}"


def _named(class_: Class) -> str:
    return " and ".join(" or ".join(sorted(names)) for names in class_.types)


def _subject(subject: Mapping[str, Any], place: str) -> Iterator[str]:
    """How a subject has to name whom it is about, and its results what they are results of."""
    if "id" not in subject and not subject.get("identifier"):
        yield f"{place}id or an identifier is required"
    achievement = subject.get("achievement")
    if not isinstance(achievement, Mapping):
        return
    described = _by_id(achievement.get("resultDescription"))
    levels = {id_: _by_id(one.get("rubricCriterionLevel")).keys() for id_, one in described.items()}
    for number, (id_, one) in enumerate(described.items()):
        wanted = one.get("requiredLevel")
        if isinstance(wanted, str) and wanted not in levels[id_]:
            yield f"{place}achievement.resultDescription[{number}].requiredLevel must be one of its rubricCriterionLevel"
    anywhere = {level for own in levels.values() for level in own}
    results = subject.get("result")
    for number, result in enumerate(results if isinstance(results, list) else ()):
        if isinstance(result, Mapping):
            yield from _result(result, described, anywhere, f"{place}result[{number}].")


def _result(result: Mapping[str, Any], described: Mapping[str, Mapping[str, Any]], levels: Set[str], place: str) -> Iterator[str]:
    name, level = result.get("resultDescription"), result.get("achievedLevel")
    if isinstance(name, str):
        if name not in described:
            yield f"{place}resultDescription must be one of the achievement's"
        elif described[name].get("resultType") == "Status" and "status" not in result:
            yield f"{place}status is required where the result is a Status"
    if isinstance(level, str) and level not in levels:
        yield f"{place}achievedLevel must be one of the rubricCriterionLevel that the achievement describes"


def _by_id(value: Any) -> dict[str, Mapping[str, Any]]:
    """Objects of a list by their ids."""
    objects = [one for one in (value if isinstance(value, list) else ()) if isinstance(one, Mapping)]
    return {one["id"]: one for one in objects if isinstance(one.get("id"), str)}


def _types(value: Mapping[str, Any]) -> frozenset[str]:
    types = value.get("type")
    return frozenset(one for one in (types if isinstance(types, list) else [types]) if isinstance(one, str))
