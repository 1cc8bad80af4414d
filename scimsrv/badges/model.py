"""The data model of credentials as a table: the classes, their members, and how often and as what each is there (Open Badges 3.0 §B).

A test compares it with the standard's JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final


class Kind(Enum):
    """What a member that is no object is."""

    TEXT = auto()
    URI = auto()
    DATE = auto()
    DATE_TIME = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    LANGUAGE = auto()
    JWS = auto()


@dataclass(frozen=True, slots=True)
class Words:
    """One of these words; where `extensible`, also one of one's own, which begins with `ext:`."""

    words: frozenset[str]
    extensible: bool


@dataclass(frozen=True, slots=True)
class Part:
    """An object of a class, or where `by_id` also the URI of one."""

    name: str
    by_id: bool = False


Value = Kind | Words | Part


@dataclass(frozen=True, slots=True)
class Member:
    """What a member's value is, whether it is `required`, and whether it is a list; `compact`: it may also stand outside its list when it
    is the only one."""

    value: Value
    required: bool = False
    many: bool = False
    compact: bool = False


@dataclass(frozen=True, slots=True)
class Class:
    """The members of a class beside `type` and `@context`. `types` are the names of which its `type` needs one of each set, none where any
    will do; `one_type`: its `type` is no list; `closed`: it has no other members; `contexts`: it begins with `@context`."""

    members: Mapping[str, Member]
    types: tuple[frozenset[str], ...] = ()
    one_type: bool = False
    closed: bool = False
    contexts: bool = False


def _one(value: Value) -> Member:
    return Member(value, required=True)


def _maybe(value: Value) -> Member:
    return Member(value)


def _any(value: Value, *, compact: bool = False) -> Member:
    return Member(value, many=True, compact=compact)


def _words(text: str, *, extensible: bool = True) -> Words:
    return Words(frozenset(text.split()), extensible)


ACHIEVEMENT_TYPES: Final = _words(
    "Achievement ApprenticeshipCertificate Assessment Assignment AssociateDegree Award Badge BachelorDegree Certificate "
    "CertificateOfCompletion Certification CommunityService Competency Course CoCurricular Degree Diploma DoctoralDegree Fieldwork "
    "GeneralEducationDevelopment JourneymanCertificate LearningProgram License Membership ProfessionalDoctorate "
    "QualityAssuranceCredential MasterCertificate MasterDegree MicroCredential ResearchDoctorate SecondarySchoolDiploma"
)

IDENTIFIER_TYPES: Final = _words(
    "name sourcedId systemId productId userName accountId emailAddress nationalIdentityNumber isbn issn lisSourcedId oneRosterSourcedId "
    "sisSourcedId ltiContextId ltiDeploymentId ltiToolId ltiPlatformId ltiUserId identifier"
)

RESULT_TYPES: Final = _words(
    "GradePointAverage LetterGrade Percent PerformanceLevel PredictedScore RawScore Result RubricCriterion RubricCriterionLevel "
    "RubricScore ScaledScore Status"
)

RESULT_STATUSES: Final = _words("Completed Enrolled Failed InProgress OnHold Provisional Withdrew", extensible=False)

TARGET_TYPES: Final = _words("ceasn:Competency ceterms:Credential CFItem CFRubric CFRubricCriterion CFRubricCriterionLevel CTDL")

_TEXT, _URI, _DATE_TIME = Kind.TEXT, Kind.URI, Kind.DATE_TIME


def _texts(*names: str) -> dict[str, Member]:
    return dict.fromkeys(names, _maybe(_TEXT))


#: What credentials of any kind have.
_CREDENTIAL: Final = {
    "id": _one(_URI),
    "description": _maybe(_TEXT),
    "issuer": _one(Part("Profile", by_id=True)),
    "validFrom": _one(_DATE_TIME),
    "validUntil": _maybe(_DATE_TIME),
    "awardedDate": _maybe(_DATE_TIME),
    "proof": _any(Part("Proof"), compact=True),
    "credentialSchema": _any(Part("CredentialSchema"), compact=True),
    "credentialStatus": _maybe(Part("CredentialStatus")),
    "refreshService": _maybe(Part("RefreshService")),
    "termsOfUse": _any(Part("TermsOfUse"), compact=True),
}

#: What somebody else says of a credential, an achievement or a profile.
_ENDORSED: Final = {"endorsement": _any(Part("EndorsementCredential")), "endorsementJwt": _any(Kind.JWS)}


def _typed(name: str, members: Mapping[str, Member]) -> Class:
    return Class(members, (frozenset({name}),))


def _exactly(name: str, members: Mapping[str, Member], *, closed: bool = True) -> Class:
    return Class(members, (frozenset({name}),), one_type=True, closed=closed)


def _service(*, id_required: bool = True) -> Class:
    return Class({"id": Member(_URI, required=id_required)}, one_type=True)


CREDENTIAL: Final = "AchievementCredential"
ENDORSEMENT: Final = "EndorsementCredential"

_VERIFIABLE: Final = frozenset({"VerifiableCredential"})

CLASSES: Final[Mapping[str, Class]] = MappingProxyType(
    {
        CREDENTIAL: Class(
            _CREDENTIAL
            | _ENDORSED
            | {
                "name": _maybe(_TEXT),
                "image": _maybe(Part("Image")),
                "credentialSubject": _one(Part("AchievementSubject")),
                "evidence": _any(Part("Evidence")),
            },
            (_VERIFIABLE, frozenset({CREDENTIAL, "OpenBadgeCredential"})),
            contexts=True,
        ),
        ENDORSEMENT: Class(
            _CREDENTIAL | {"name": _one(_TEXT), "credentialSubject": _one(Part("EndorsementSubject"))},
            (_VERIFIABLE, frozenset({ENDORSEMENT})),
            contexts=True,
        ),
        "EndorsementSubject": _typed("EndorsementSubject", {"id": _one(_URI)} | _texts("endorsementComment")),
        "AchievementSubject": _typed(
            "AchievementSubject",
            {
                "id": _maybe(_URI),
                "achievement": _one(Part("Achievement")),
                "identifier": _any(Part("IdentityObject")),
                "activityStartDate": _maybe(_DATE_TIME),
                "activityEndDate": _maybe(_DATE_TIME),
                "creditsEarned": _maybe(Kind.NUMBER),
                "image": _maybe(Part("Image")),
                "result": _any(Part("Result")),
                "source": _maybe(Part("Profile")),
            }
            | _texts("licenseNumber", "narrative", "role", "term"),
        ),
        "IdentityObject": _exactly(
            "IdentityObject",
            {"hashed": _one(Kind.BOOLEAN), "identityHash": _one(_TEXT), "identityType": _one(IDENTIFIER_TYPES), "salt": _maybe(_TEXT)},
        ),
        "Achievement": _typed(
            "Achievement",
            _ENDORSED
            | {
                "id": _one(_URI),
                "name": _one(_TEXT),
                "description": _one(_TEXT),
                "criteria": _one(Part("Criteria")),
                "achievementType": _maybe(ACHIEVEMENT_TYPES),
                "alignment": _any(Part("Alignment")),
                "creator": _maybe(Part("Profile")),
                "creditsAvailable": _maybe(Kind.NUMBER),
                "image": _maybe(Part("Image")),
                "inLanguage": _maybe(Kind.LANGUAGE),
                "otherIdentifier": _any(Part("IdentifierEntry")),
                "related": _any(Part("Related")),
                "resultDescription": _any(Part("ResultDescription")),
                "tag": _any(_TEXT),
            }
            | _texts("fieldOfStudy", "humanCode", "specialization", "version"),
        ),
        "Criteria": Class({"id": _maybe(_URI), "narrative": _maybe(_TEXT)}),
        "Alignment": _typed(
            "Alignment",
            {"targetName": _one(_TEXT), "targetUrl": _one(_URI), "targetType": _maybe(TARGET_TYPES)}
            | _texts("targetCode", "targetDescription", "targetFramework"),
        ),
        "Related": _typed("Related", {"id": _one(_URI), "inLanguage": _maybe(Kind.LANGUAGE), "version": _maybe(_TEXT)}),
        "ResultDescription": _typed(
            "ResultDescription",
            {
                "id": _one(_URI),
                "name": _one(_TEXT),
                "resultType": _one(RESULT_TYPES),
                "alignment": _any(Part("Alignment")),
                "allowedValue": _any(_TEXT),
                "requiredLevel": _maybe(_URI),
                "rubricCriterionLevel": _any(Part("RubricCriterionLevel")),
            }
            | _texts("requiredValue", "valueMin", "valueMax"),
        ),
        "RubricCriterionLevel": _typed(
            "RubricCriterionLevel",
            {"id": _one(_URI), "name": _one(_TEXT), "alignment": _any(Part("Alignment"))} | _texts("description", "level", "points"),
        ),
        "Result": _typed(
            "Result",
            {
                "achievedLevel": _maybe(_URI),
                "alignment": _any(Part("Alignment")),
                "resultDescription": _maybe(_URI),
                "status": _maybe(RESULT_STATUSES),
                "value": _maybe(_TEXT),
            },
        ),
        "Evidence": _typed("Evidence", {"id": _maybe(_URI)} | _texts("narrative", "name", "description", "genre", "audience")),
        "Image": _exactly("Image", {"id": _one(_URI), "caption": _maybe(_TEXT)}),
        "Profile": _typed(
            "Profile",
            _ENDORSED
            | {
                "id": _one(_URI),
                "url": _maybe(_URI),
                "image": _maybe(Part("Image")),
                "address": _maybe(Part("Address")),
                "otherIdentifier": _any(Part("IdentifierEntry")),
                "parentOrg": _maybe(Part("Profile")),
                "dateOfBirth": _maybe(Kind.DATE),
            }
            | _texts("name", "phone", "description", "email", "official", "familyName", "givenName", "additionalName")
            | _texts("patronymicName", "honorificPrefix", "honorificSuffix", "familyNamePrefix"),
        ),
        "Address": _typed(
            "Address",
            {"geo": _maybe(Part("GeoCoordinates"))}
            | _texts("addressCountry", "addressCountryCode", "addressRegion", "addressLocality", "streetAddress")
            | _texts("postOfficeBoxNumber", "postalCode"),
        ),
        "GeoCoordinates": _exactly("GeoCoordinates", {"latitude": _one(Kind.NUMBER), "longitude": _one(Kind.NUMBER)}, closed=False),
        "IdentifierEntry": _exactly("IdentifierEntry", {"identifier": _one(_TEXT), "identifierType": _one(IDENTIFIER_TYPES)}),
        "Proof": Class(
            {"created": _maybe(_DATE_TIME), "verificationMethod": _maybe(_URI)}
            | _texts("cryptosuite", "challenge", "domain", "nonce", "proofPurpose", "proofValue"),
            one_type=True,
        ),
        "CredentialSchema": _service(),
        "CredentialStatus": _service(),
        "RefreshService": _service(),
        "TermsOfUse": _service(id_required=False),
    }
)
"""By their names; all but Criteria have a `type`."""
