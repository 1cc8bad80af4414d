"""What a credential must look like: every rule of the data model is named where it is broken, and the table is the standard's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scimsrv.badges import contexts, model
from scimsrv.badges.model import CLASSES, Class, Kind, Member, Part, Words
from scimsrv.badges.structure import faults
from tests.unit.badges.test_verification import CREDENTIAL

OWN = "https://badges.example.org/"

#: A credential with every class of the data model in it.
FULL: dict[str, Any] = CREDENTIAL | {
    "image": {"id": f"{OWN}image", "type": "Image"},
    "evidence": [{"id": f"{OWN}evidence", "type": ["Evidence"], "name": "Essay"}],
    "proof": [{"type": "DataIntegrityProof", "created": "2026-01-31T09:00:00Z", "verificationMethod": f"{OWN}#key"}],
    "credentialSchema": [{"id": f"{OWN}schema", "type": "1EdTechJsonSchemaValidator2019"}],
    "credentialStatus": {"id": f"{OWN}list", "type": "1EdTechRevocationList"},
    "refreshService": {"id": f"{OWN}new", "type": "1EdTechCredentialRefresh"},
    "termsOfUse": [{"type": "Terms"}],
    "issuer": {
        "id": f"{OWN}issuer",
        "type": ["Profile"],
        "otherIdentifier": [{"type": "IdentifierEntry", "identifier": "1", "identifierType": "systemId"}],
        "address": {"type": ["Address"], "geo": {"type": "GeoCoordinates", "latitude": 1.5, "longitude": 2}},
        "parentOrg": {"id": "did:example:parent", "type": ["Profile"], "dateOfBirth": "1900-01-31"},
        "endorsementJwt": ["e30.e30.AA"],
        "endorsement": [
            {
                "@context": [contexts.VC, contexts.OPEN_BADGES],
                "id": f"{OWN}endorsement",
                "type": ["VerifiableCredential", "EndorsementCredential"],
                "name": "Endorsement",
                "issuer": "did:example:endorser",
                "validFrom": "2026-01-31T09:00:00+01:00",
                "credentialSubject": {"id": f"{OWN}issuer", "type": ["EndorsementSubject"], "endorsementComment": "Good"},
            }
        ],
    },
    "credentialSubject": {
        "type": ["AchievementSubject"],
        "creditsEarned": 1.5,
        "identifier": [{"type": "IdentityObject", "hashed": False, "identityHash": "a@example.org", "identityType": "ext:mail"}],
        "result": [
            {"type": ["Result"], "resultDescription": "urn:r", "achievedLevel": "urn:l"},
            {"type": ["Result"], "resultDescription": "urn:s", "status": "Completed"},
        ],
        "achievement": CREDENTIAL["credentialSubject"]["achievement"]
        | {
            "achievementType": "Course",
            "inLanguage": "zh-Hant-TW",
            "related": [{"id": f"{OWN}de", "type": ["Related"], "inLanguage": "de"}],
            "alignment": [{"type": ["Alignment"], "targetName": "Team", "targetUrl": f"{OWN}team", "targetType": "CTDL"}],
            "resultDescription": [
                {
                    "id": "urn:r",
                    "type": ["ResultDescription"],
                    "name": "Rubric",
                    "resultType": "RubricCriterionLevel",
                    "requiredLevel": "urn:l",
                    "rubricCriterionLevel": [{"id": "urn:l", "type": ["RubricCriterionLevel"], "name": "High", "points": "4"}],
                },
                {"id": "urn:s", "type": ["ResultDescription"], "name": "Status", "resultType": "Status", "allowedValue": ["a"]},
            ],
        },
    },
}


def _copy(document: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(orjson.dumps(document))
    return made


def test_a_whole_credential() -> None:
    """A credential with everything in it has no faults, in the canonical form, compacted, and as version 1.1 calls its members."""
    assert faults(FULL) == []
    assert faults(FULL | {"proof": FULL["proof"][0], "type": FULL["type"], "credentialSchema": FULL["credentialSchema"][0]}) == []
    older = {name: value for name, value in CREDENTIAL.items() if name not in ("validFrom", "validUntil")}
    older |= {"@context": [contexts.VC_1, contexts.OPEN_BADGES], "issuanceDate": "2022-01-31T09:00:00Z"}
    assert faults(older) == []
    assert faults(older | {"expirationDate": "soon"}) == ["expirationDate must be a dateTime with an offset"]
    assert faults(CREDENTIAL | {"issuanceDate": "2022-01-31T09:00:00Z"}) == []
    assert faults({name: value for name, value in older.items() if name != "issuanceDate"}) == ["issuanceDate is required"]


SUBJECT = "credentialSubject"

#: Names of members, as strangers might put them anywhere.
NAMES = st.sampled_from(sorted({name for class_ in CLASSES.values() for name in class_.members} | {"type", "@context"}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it.pop("@context"), "@context must begin"),
        (lambda it: it.update({"@context": [contexts.VC, "https://example.org/"]}), "the context of Open Badges"),
        (lambda it: it["@context"].append(7), "@context must hold"),
        (lambda it: it.pop("id"), "id is required"),
        (lambda it: it.update(id="no uri"), "id must be a URI"),
        (lambda it: it.update(type=["VerifiableCredential"]), "type must have"),
        (lambda it: it["type"].append(1), "type must hold strings"),
        (lambda it: it.pop("issuer"), "issuer is required"),
        (lambda it: it.update(issuer="Example"), "issuer must be a URI or a Profile"),
        (lambda it: it["issuer"].update(type="Person"), "issuer.type must have Profile"),
        (lambda it: it["issuer"].update(url=None), "issuer.url must be a URI"),
        (lambda it: it["issuer"]["parentOrg"].pop("id"), "issuer.parentOrg.id is required"),
        (lambda it: it["issuer"]["parentOrg"].update(dateOfBirth="1900-02-30"), "issuer.parentOrg.dateOfBirth must be a date"),
        (lambda it: it["issuer"].update(endorsementJwt=["e30.e30"]), "issuer.endorsementJwt[0] must be a compact JWS"),
        (lambda it: it["issuer"]["endorsement"][0].pop("name"), "issuer.endorsement[0].name is required"),
        (lambda it: it["issuer"]["endorsement"][0].pop("@context"), "issuer.endorsement[0].@context must begin"),
        (lambda it: it["issuer"]["address"]["geo"].update(latitude=True), "geo.latitude must be a number"),
        (lambda it: it["issuer"]["otherIdentifier"][0].update(note="x"), "otherIdentifier[0].note is no member of IdentifierEntry"),
        (lambda it: it.pop("validFrom"), "validFrom is required"),
        (lambda it: it.update(validFrom="2026-01-31T09:00:00"), "validFrom must be"),
        (lambda it: it.update(validFrom="2026-02-30T09:00:00Z"), "validFrom must be"),
        (lambda it: it.update(validUntil=1801386000), "validUntil must be"),
        (lambda it: it.update(image="https://example.org/a.png"), "image must be an object"),
        (lambda it: it["image"].update(type=["Image"]), "image.type must be a string"),
        (lambda it: it.update(evidence=it["evidence"][0]), "evidence must be a list"),
        (lambda it: it["credentialStatus"].pop("id"), "credentialStatus.id is required"),
        (lambda it: it.update(credentialStatus=[]), "credentialStatus must be an object"),
        (lambda it: it.update(proof={}), "proof.type is required"),
        (lambda it: it.pop(SUBJECT), "credentialSubject is required"),
        (lambda it: it[SUBJECT].pop("type"), "credentialSubject.type is required"),
        (lambda it: it[SUBJECT].pop("identifier"), "credentialSubject.id or an identifier is required"),
        (lambda it: it[SUBJECT]["identifier"][0].pop("hashed"), "identifier[0].hashed is required"),
        (lambda it: it[SUBJECT]["identifier"][0].update(identityType="email"), "identifier[0].identityType must be one of"),
        (lambda it: it[SUBJECT].pop("achievement"), "achievement is required"),
        (lambda it: it[SUBJECT]["achievement"].pop("name"), "achievement.name is required"),
        (lambda it: it[SUBJECT]["achievement"].pop("description"), "achievement.description is required"),
        (lambda it: it[SUBJECT]["achievement"].pop("criteria"), "achievement.criteria is required"),
        (lambda it: it[SUBJECT]["achievement"].update(inLanguage="German"), "inLanguage must be a language"),
        (lambda it: it[SUBJECT]["achievement"].update(achievementType="Prize"), "achievementType must be one of"),
        (lambda it: it[SUBJECT]["achievement"]["alignment"][0].pop("targetUrl"), "alignment[0].targetUrl is required"),
        (lambda it: it[SUBJECT]["achievement"]["resultDescription"][0].update(requiredLevel="urn:x"), "[0].requiredLevel must be one of"),
        (lambda it: it[SUBJECT]["result"][0].update(achievedLevel="urn:x"), "result[0].achievedLevel must be one of"),
        (lambda it: it[SUBJECT]["result"][0].update(resultDescription="urn:x"), "result[0].resultDescription must be one of"),
        (lambda it: it[SUBJECT]["result"][1].pop("status"), "result[1].status is required"),
        (lambda it: it[SUBJECT]["result"][1].update(status="ext:Done"), "result[1].status must be one of the standard's terms"),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], object], says: str) -> None:
    """One thing that is missing or malformed is one sentence, which names it."""
    document = _copy(FULL)
    change(document)
    (fault,) = faults(document)
    assert says in fault


def test_an_achievement_is_not_judged_as_an_endorsement() -> None:
    """The rules for endorsements are for what is nothing else; and of many faults twenty are told."""
    lacking = FULL["issuer"]["endorsement"][0]
    assert faults(lacking) == []
    both = lacking | {"type": [*lacking["type"], "OpenBadgeCredential"]}
    assert "credentialSubject.achievement is required" in faults(both)
    assert len(faults(FULL | {"evidence": [{}] * 50})) == 20


def _broken(value: Any) -> Iterator[None]:
    """The document, changed in one place after another: each member removed, and made something else."""
    if isinstance(value, dict):
        for name in [*value]:
            kept = value.pop(name)
            yield
            for other in (None, 7, "", [], {}, [kept], {"id": "urn:x", "type": "x"}):
                value[name] = other
                yield
            value[name] = kept
            yield from _broken(kept)
    elif isinstance(value, list):
        for one in value:
            yield from _broken(one)


def test_nothing_makes_it_fail() -> None:
    """Whatever single change is made, what is wrong are sentences; a required member that is missing is always among them."""
    document = _copy(FULL)
    for _ in _broken(document):
        found = faults(document)
        assert len(found) <= 20
        assert all(isinstance(fault, str) for fault in found)
    for place, class_ in _objects(document, CLASSES[model.CREDENTIAL], ""):
        for name in [name for name, member in class_.members.items() if member.required]:
            kept = place[1].pop(name)
            assert f"{place[0]}{name} is required" in faults(document)
            place[1][name] = kept


def _objects(value: dict[str, Any], class_: Class, path: str) -> Iterator[tuple[tuple[str, dict[str, Any]], Class]]:
    """Every object of a credential, with where it is, and its class."""
    yield (path, value), class_
    for name, member in class_.members.items():
        if isinstance(member.value, Part) and name in value:
            numbered = [(f"[{number}]", one) for number, one in enumerate(value[name])] if member.many else [("", value[name])]
            for index, one in numbered:
                if isinstance(one, dict):
                    yield from _objects(one, CLASSES[member.value.name], f"{path}{name}{index}.")


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(NAMES | st.text(), it))
)
def test_anything_at_all(value: Any) -> None:
    """Any JSON in place of a credential, of its subject or of its contexts has faults, and whatever stands for an issuer is looked at."""
    assert not isinstance(value, dict) or faults(value)
    assert faults(FULL | {"credentialSubject": value})
    assert faults(FULL | {"@context": value})
    assert len(faults(FULL | {"issuer": value})) <= 20


# -- the standard's own ----------------------------------------------------------------------------------------------------

#: The canonical JSON Schema of the standard, and a folder with its examples, for those who have them.
SCHEMA = os.environ.get("BADGE_SCHEMA")
EXAMPLES = os.environ.get("BADGE_VECTORS")

#: Examples that are credentials, in the canonical or the compacted form.
CREDENTIALS = {
    *("achievementAlignmentCase-1", "achievementAlignmentCe-1", "basicOpenBadgeCredential-1", "docformat-1", "fullOpenBadge-1"),
    *(f"equality-and-comparison-{number}" for number in range(1, 5)),
    *("linked-data-proof-ob-1", "linked-data-proof-ob-3", "skillAssertionCase-1", "skillAssertionCtdl-1"),
    *("recommended-practices-1", "recommended-practices-5", "endorsement-1"),
}


@pytest.mark.skipif(EXAMPLES is None, reason="BADGE_VECTORS names no folder of published vectors")
def test_published_examples() -> None:
    """Of the standard's examples those that are credentials have no faults, and the others do."""
    folder = Path(EXAMPLES or "") / "ob30-spec-examples"
    assert {path.stem for path in folder.glob("*.json") if not faults(orjson.loads(path.read_bytes()))} == CREDENTIALS


needs_schema = pytest.mark.skipif(SCHEMA is None, reason="BADGE_SCHEMA names no copy of the standard's JSON Schema")


def _schema() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(Path(SCHEMA or "").read_bytes())
    return found


def _shape(one: Mapping[str, Any]) -> tuple[Any, bool]:
    """What a member of the schema is, in words of its own, and whether it is a list."""
    if one.get("type") == "array":
        return _shape(one["items"])[0], True
    if "$ref" in one:
        return one["$ref"].rpartition("/")[2], False
    if "oneOf" in one:
        return (frozenset(one["oneOf"][0]["enum"]), True), False
    if "enum" in one:
        return (frozenset(one["enum"]), False), False
    return one["type"], False


def _own_shape(member: Member) -> tuple[Any, bool]:
    match member.value:
        case Words(words, extensible):
            return (words, extensible), member.many
        case Part(name, by_id):
            return f"{name}Ref" if by_id else name, member.many
        case Kind.NUMBER | Kind.BOOLEAN as kind:
            return kind.name.lower(), member.many
        case _:
            return "string", member.many


@needs_schema
def test_the_table_is_the_standards() -> None:
    """Class by class the same members, required ones, lists, words and kinds as the canonical schema has."""
    schema = _schema()
    theirs = schema["$defs"] | {model.CREDENTIAL: schema}
    assert CLASSES.keys() == theirs.keys() - {"Context", "ProfileRef"}
    for name, class_ in CLASSES.items():
        found = {member: _shape(one) for member, one in theirs[name]["properties"].items() if member not in ("type", "@context")}
        assert {member: _own_shape(one) for member, one in class_.members.items()} == found, name
        required = {member for member, one in class_.members.items() if one.required}
        assert required == {*theirs[name].get("required", ())} - {"type", "@context"}, name
        assert class_.closed == (theirs[name].get("additionalProperties") is False), name
        assert class_.one_type == (theirs[name]["properties"].get("type", {}).get("type") == "string"), name
        formats = {member for member, one in theirs[name]["properties"].items() if "format" in one}
        assert formats == {member for member, one in class_.members.items() if one.value in (Kind.DATE, Kind.DATE_TIME)}, name


@needs_schema
def test_what_the_schema_refuses_is_refused() -> None:
    """Whatever single change the schema refuses has a fault here, but where the compacted form is taken too."""
    validator = jsonschema.Draft201909Validator(_schema())
    document = _copy(FULL)
    assert [error.message for error in validator.iter_errors(document)] == []
    refused = 0
    for _ in _broken(document):
        if not validator.is_valid(document):
            refused += 1
            canonical = all(isinstance(document.get(name), list) for name in ("proof", "credentialSchema", "termsOfUse"))
            assert faults(document) or not canonical, document
    assert refused > 500
