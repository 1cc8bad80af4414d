"""From an award, its achievement and its issuer to an OpenBadgeCredential (Open Badges 3.0 §B.1), before it is signed.

What is a list in the standard is always written as one, and what is empty is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from scimsrv.badges import jws
from scimsrv.badges.contexts import EXTENSIONS, OPEN_BADGES, VC
from scimsrv.badges.places import Places
from scimsrv.schema.semantics import instant

#: A URI or IRI, as the standard's schema and JSON-LD take them.
URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20<>\"{}|\\^`]+")


@dataclass(frozen=True, slots=True)
class Picture:
    """Where the picture of an achievement or an issuer is, and what it shows."""

    url: str
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Awarded:
    """What a credential says beside the catalogue. `token` is the unguessable part of its URL, `subject` a URI that stands for the person
    here and nowhere else, `identity` an IdentityObject, if any; `award` is the SCIM resource."""

    token: str
    subject: str
    identity: Mapping[str, Any] | None
    awarded: datetime
    valid_until: datetime | None
    award: Mapping[str, Any]


def credential(
    places: Places,
    awarded: Awarded,
    achievement: Mapping[str, Any],
    issuer: Mapping[str, Any],
    status: Mapping[str, Any] | None,
    *,
    evidence: bool,
) -> dict[str, Any]:
    """The credential. `achievement` and `issuer` are as `achievement_object` and `profile` make them; without `evidence` neither evidence
    nor results are in it."""
    award = awarded.award
    about = {
        "identifier": None if awarded.identity is None else [awarded.identity],
        **{name: award.get(name) for name in _OF_SUBJECT},
        **{name: _moment(award.get(name)) for name in _TIMES},
        "source": _organisation(award.get("assessor")),
        "result": [_result(one, achievement["id"]) for one in award.get("result", ())] if evidence else None,
    }
    rest = {
        "validUntil": None if awarded.valid_until is None else jws.date_time(awarded.valid_until),
        "evidence": [_typed("Evidence", one, _OF_EVIDENCE) for one in award.get("evidence", ())] if evidence else None,
        "credentialStatus": status,
    }
    # What the catalogue says is complete already, and the same for many awards: only the award's own parts are looked through.
    return {
        "@context": [VC, OPEN_BADGES, EXTENSIONS],
        "id": places.award(awarded.token),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": achievement["name"],
        "issuer": issuer,
        "validFrom": jws.date_time(awarded.awarded),
        "credentialSubject": {
            "id": awarded.subject,
            "type": ["AchievementSubject"],
            "achievement": achievement,
            **_without_nothing(about),
        },
        "credentialSchema": [dict(_SCHEMA)],
        **_without_nothing(rest),
    }


#: The JSON Schema that the standard has for the document; its type is a term of the third context.
_SCHEMA: Final = {
    "id": "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json",
    "type": "1EdTechJsonSchemaValidator2019",
}

_OF_SUBJECT: Final = ("creditsEarned", "licenseNumber", "narrative", "role", "term")
_TIMES: Final = ("activityStartDate", "activityEndDate")
_OF_EVIDENCE: Final = ("id", "name", "description", "narrative", "genre", "audience")


def without_person(document: Mapping[str, Any]) -> dict[str, Any]:
    """A credential without what tells whose it is: identity, and what was written or shown of the person."""
    subject = {name: value for name, value in document["credentialSubject"].items() if name not in _OF_PERSON}
    return {name: value for name, value in document.items() if name != "evidence"} | {"credentialSubject": subject}


_OF_PERSON: Final = frozenset({"identifier", "narrative", "result", "licenseNumber"})


def achievement_object(places: Places, document: Mapping[str, Any], picture: Picture | None) -> dict[str, Any]:
    """The Achievement of a SCIM resource of that type. `picture` is where its image can be had."""
    url = places.achievement(document["id"])
    creator = document.get("creator") or {}
    made = {
        "id": url,
        "type": ["Achievement"],
        "name": document["displayName"],
        "description": document["description"],
        "criteria": {name: document.get("criteria", {}).get(name) for name in ("id", "narrative")},
        **{name: document.get(name) for name in _OF_ACHIEVEMENT},
        "version": document.get("edition"),
        "tag": list(document.get("tags", ())),
        "image": _image(picture),
        "creator": {"id": places.issuer(creator["value"]), "type": ["Profile"]} if "value" in creator else None,
        "alignment": _alignments(document, None),
        "otherIdentifier": [_identifier(one) for one in document.get("otherIdentifiers", ())],
        "related": [_related(one) for one in document.get("related", ())],
        "resultDescription": [_result_description(one, url, document) for one in document.get("resultDescriptions", ())],
    }
    return _without_nothing(made, keep=("criteria",)) | endorsements_of(document)


_OF_ACHIEVEMENT: Final = (*("achievementType", "humanCode", "fieldOfStudy", "specialization", "creditsAvailable", "inLanguage"),)
_OF_ALIGNMENT: Final = ("targetName", "targetUrl", "targetCode", "targetDescription", "targetFramework", "targetType")


def profile(places: Places, document: Mapping[str, Any], picture: Picture | None) -> dict[str, Any]:
    """The Profile of a SCIM resource of the type BadgeIssuer."""
    address = document.get("address")
    made = {
        "id": places.issuer(document["id"]),
        "type": ["Profile"],
        "name": document["displayName"],
        **{name: document.get(name) for name in ("url", "email", "phone", "description", "official")},
        "image": _image(picture),
        "address": None if not address else _address(address),
        "parentOrg": _organisation(document.get("parentOrg")),
        "otherIdentifier": [_identifier(one) for one in document.get("otherIdentifiers", ())],
    }
    return _without_nothing(made) | endorsements_of(document)


def endorsements_of(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What others say of an achievement or an issuer, by the names that the standard has for tokens and for documents; what there is none
    of is left out. Each is as it was given, with what is empty in it: a signature covers it."""
    given = document.get("endorsements", ())
    tokens = [one for one in given if jws.looks_like_token(one.encode())]
    made = {"endorsement": [orjson.loads(one) for one in given if one not in tokens], "endorsementJwt": [one.strip() for one in tokens]}
    return {name: held for name, held in made.items() if held}


def _image(picture: Picture | None) -> dict[str, Any] | None:
    return None if picture is None else {"id": picture.url, "type": "Image", "caption": picture.caption}


def _identifier(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "IdentifierEntry", "identifier": one["identifier"], "identifierType": one["identifierType"]}


def _address(address: Mapping[str, Any]) -> dict[str, Any]:
    geo = {name: address.get(name) for name in ("latitude", "longitude")}
    rest = {name: value for name, value in address.items() if name not in geo}
    return {"type": ["Address"], **rest, "geo": None if None in geo.values() else {"type": "GeoCoordinates", **geo}}


def _organisation(one: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if not one else _typed("Profile", one, ("id", "name", "url"))


def _related(one: Mapping[str, Any]) -> dict[str, Any]:
    return _typed("Related", one, ("id", "inLanguage")) | {"version": one.get("edition")}


def _alignments(document: Mapping[str, Any], of: str | None) -> list[dict[str, Any]]:
    """The alignments of an achievement's part of this id, or of the achievement itself."""
    return [_typed("Alignment", one, _OF_ALIGNMENT) for one in document.get("alignments", ()) if one.get("of") == of]


def _moment(text: str | None) -> str | None:
    """A time of an award with the offset that the standard demands: without one it is in UTC."""
    return None if text is None else jws.date_time(instant(text))


def _typed(type_: str, one: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {"type": [type_], **{name: one.get(name) for name in names}}


def _result_description(one: Mapping[str, Any], achievement: str, document: Mapping[str, Any]) -> dict[str, Any]:
    required = one.get("requiredLevel")
    levels = [level for level in document.get("rubricLevels", ()) if level["resultDescription"] == one["id"]]
    return {
        "id": _part(one["id"], achievement),
        "type": ["ResultDescription"],
        "name": one["name"],
        "resultType": one["resultType"],
        "allowedValue": list(one.get("allowedValues", ())),
        **{name: one.get(name) for name in ("requiredValue", "valueMin", "valueMax")},
        "requiredLevel": None if required is None else _part(required, achievement),
        "rubricCriterionLevel": [_level(level, achievement, document) for level in levels],
        "alignment": _alignments(document, one["id"]),
    }


def _level(one: Mapping[str, Any], achievement: str, document: Mapping[str, Any]) -> dict[str, Any]:
    made = _typed("RubricCriterionLevel", one, ("name", "level", "points", "description"))
    return made | {"id": _part(one["id"], achievement), "alignment": _alignments(document, one["id"])}


def _result(one: Mapping[str, Any], achievement: str) -> dict[str, Any]:
    described, level = one.get("resultDescription"), one.get("achievedLevel")
    return {
        "type": ["Result"],
        "resultDescription": None if described is None else _part(described, achievement),
        "achievedLevel": None if level is None else _part(level, achievement),
        "status": one.get("status"),
        "value": one.get("value"),
    }


def _part(id_: str, achievement: str) -> str:
    """The URI of a part of an achievement: its id where that is one."""
    return id_ if URI.fullmatch(id_) else f"{achievement}#{quote(id_, safe='')}"


def _without_nothing(value: Mapping[str, Any], keep: Sequence[str] = ()) -> dict[str, Any]:
    """The object without members that are null or empty, at every depth."""
    made = {name: _compact(member) for name, member in value.items()}
    return {name: member for name, member in made.items() if name in keep or (member is not None and member not in ({}, [], ""))}


def _compact(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_nothing(value)
    if isinstance(value, list):
        return [_compact(member) for member in value]
    return value
