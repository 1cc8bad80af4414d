"""What the data model has beyond the essentials is in resources and credentials: rubrics, relatives, endorsements, parents, places."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from scimsrv.badges import contexts, jws, signing, verification
from scimsrv.badges.integrity import Canonicalizer, prove
from scimsrv.badges.structure import faults
from scimsrv.oauth.fetching import Fetcher, FetchError
from tests.wire.badges import URN, achievement, award, badges
from tests.wire.support import PUBLIC, Server, Starter, assert_error

#: The canonical JSON Schema of the standard, for those who have it.
SCHEMA = os.environ.get("BADGE_SCHEMA")

RUBRIC = {"id": "rubric", "name": "Essay", "resultType": "RubricCriterionLevel", "requiredLevel": "good"}
LEVELS = [
    {"resultDescription": "rubric", "id": "poor", "name": "Poor", "level": "1", "points": "0", "description": "Not yet."},
    {"resultDescription": "rubric", "id": "good", "name": "Good", "level": "2", "points": "4"},
]
ALIGNED = {"targetName": "Writing", "targetUrl": "https://example.org/writing"}
PARENT = {"id": "did:web:parent.example", "name": "University", "url": "https://parent.example/"}


class Endorser:
    """Somebody elsewhere with a key of their own."""

    def __init__(self) -> None:
        key = signing.new_key("EdDSA")
        self.did = "did:key:" + signing.multikey_of(signing.public_jwk(key))
        self.key = signing.SigningKey("EdDSA", f"{self.did}#{self.did.removeprefix('did:key:')}", key)

    def endorsement(self, target: str, **changes: Any) -> dict[str, Any]:
        """What is said of what has this URL, not signed."""
        return {
            "@context": [contexts.VC, contexts.OPEN_BADGES],
            "id": "urn:uuid:3f6b3a30-0000-4000-8000-000000000001",
            "type": ["VerifiableCredential", "EndorsementCredential"],
            "name": "Endorsement",
            "issuer": {"id": self.did, "type": ["Profile"], "name": "Endorser"},
            "validFrom": "2026-01-31T09:00:00Z",
            "credentialSubject": {"id": target, "type": ["EndorsementSubject"], "endorsementComment": "Well made"},
        } | changes

    def token(self, target: str, **changes: Any) -> str:
        """The same as a token."""
        return jws.sign(self.endorsement(target, **changes), self.key)

    def document(self, target: str, **changes: Any) -> str:
        """The same as the text of a document."""
        signed = prove(self.endorsement(target, **changes), self.key, "2026-01-31T09:00:00Z", Canonicalizer(contexts.load(None)))
        return orjson.dumps(signed).decode()


async def test_all_of_it_is_in_the_credential(server: Server) -> None:
    """Each attribute is in the place that the standard has for it, in both signed forms, and both are what the standard's schema says."""
    made = await badges(server)
    base, endorser = f"{PUBLIC}/badges/{made.client.slug}", Endorser()
    issuer = await made.client.patch(
        f"/BadgeIssuers/{made.issuer}",
        *({"op": "add", "path": path, "value": value} for path, value in (("parentOrg", PARENT), ("phone", "+49 1"), ("official", "Ada"))),
        {"op": "add", "path": "address", "value": {"postOfficeBoxNumber": "7", "latitude": 51.5, "longitude": -0.1}},
        {"op": "add", "path": "otherIdentifiers", "value": [{"identifier": "1", "identifierType": "systemId"}]},
        {"op": "add", "path": "endorsements", "value": [endorser.token(f"{base}/issuers/{made.issuer}")]},
    )
    assert issuer.status_code == 200, issuer.text
    badge = await made.achievement(
        resultDescriptions=[RUBRIC],
        rubricLevels=LEVELS,
        alignments=[ALIGNED, ALIGNED | {"of": "rubric"}, ALIGNED | {"of": "good", "targetType": "CFRubricCriterionLevel"}],
        related=[{"id": "https://example.org/de", "inLanguage": "de", "edition": "2"}],
    )
    url = f"{base}/achievements/{badge}"
    given = [endorser.token(url), endorser.document(url, description="")]  # which is signed, too
    endorsed = await made.client.patch(f"/Achievements/{badge}", {"op": "add", "path": "endorsements", "value": given})
    assert (endorsed.status_code, endorsed.json()["endorsements"]) == (200, given), endorsed.text
    user = (await made.client.new_user(emails=[{"value": "ada@example.com"}]))["id"]
    assessor = {"id": "https://assessor.example/", "name": "Assessor"}
    result = [{"resultDescription": "rubric", "achievedLevel": "good"}]
    held = await made.award(user, badge, assessor=assessor, result=result)

    token = (await made.client.get(f"/Awards/{held['id']}/credential.jwt")).text
    document = (await made.client.get(f"/Awards/{held['id']}/credential.json")).content
    for credential in (jws.read(token).credential, orjson.loads(document)):
        subject, profile = credential["credentialSubject"], credential["issuer"]
        shown = subject["achievement"]
        (description,) = shown["resultDescription"]
        aligned = {"type": ["Alignment"], **ALIGNED}
        assert (shown["alignment"], description["alignment"]) == ([aligned], [aligned])
        assert description["requiredLevel"] == f"{url}#good"
        poor, good = description["rubricCriterionLevel"]
        assert good == {
            "id": f"{url}#good",
            "type": ["RubricCriterionLevel"],
            "name": "Good",
            "level": "2",
            "points": "4",
            "alignment": [aligned | {"targetType": "CFRubricCriterionLevel"}],
        }
        assert poor["description"] == "Not yet."
        assert subject["result"] == [{"type": ["Result"], "resultDescription": f"{url}#rubric", "achievedLevel": f"{url}#good"}]
        assert subject["source"] == {"type": ["Profile"], **assessor}
        assert shown["related"] == [{"type": ["Related"], "id": "https://example.org/de", "inLanguage": "de", "version": "2"}]
        assert (shown["endorsementJwt"], shown["endorsement"]) == ([given[0]], [orjson.loads(given[1])])
        assert (profile["parentOrg"], profile["official"], profile["phone"]) == ({"type": ["Profile"], **PARENT}, "Ada", "+49 1")
        geo = {"type": "GeoCoordinates", "latitude": 51.5, "longitude": -0.1}
        assert profile["address"] == {"type": ["Address"], "postOfficeBoxNumber": "7", "geo": geo}
        assert (len(profile["endorsementJwt"]), profile["otherIdentifier"][0]["identifier"]) == (1, "1")
        assert faults(credential) == []
        if SCHEMA is not None:
            validator = jsonschema.Draft201909Validator(orjson.loads(Path(SCHEMA).read_bytes()))
            assert [error.message for error in validator.iter_errors(credential)] == []

    for body in (token.encode(), document):
        report = (await made.client.request("POST", "/badges/verify", content=body)).json()
        assert [report[name]["verdict"] for name in ("signature", "issuerBinding", "schema")] == ["valid", "proven", "valid"]
        assert [(one["of"], one["signature"]["verdict"], one["schema"]["verdict"]) for one in report["endorsements"]] == [
            ("achievement", "valid", "valid"),
            ("achievement", "valid", "valid"),
            ("issuer", "valid", "valid"),
        ]
    public = await made.client.http.get(url.removeprefix(PUBLIC))
    assert public.json()["endorsementJwt"] == [given[0]]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"rubricLevels": LEVELS}, "rubricLevels.resultDescription must be the id of one"),
    ({"resultDescriptions": [RUBRIC], "rubricLevels": [LEVELS[1], LEVELS[1] | {"name": "x"}]}, "rubricLevels: two have the same id"),
    ({"resultDescriptions": [RUBRIC], "rubricLevels": [LEVELS[1] | {"id": "rubric"}]}, "rubricLevels: two have the same id"),
    ({"resultDescriptions": [RUBRIC], "rubricLevels": LEVELS[:1]}, "resultDescriptions.requiredLevel must be the id of one"),
    ({"alignments": [ALIGNED | {"of": "rubric"}]}, "alignments.of must be the id of one"),
    ({"related": [{"id": "the German one"}]}, "related.id must be a whole URI"),
    ({"related": [{"id": "urn:x:1", "inLanguage": "German"}]}, "related.inLanguage must be a language"),
    ({"endorsements": ["x"]}, "endorsements: one cannot be read"),
    ({"endorsements": ['{"type": "EndorsementCredential"}']}, "endorsements: one is no EndorsementCredential with a proof"),
    ({"endorsements": [Endorser().token("urn:x:1", type=["VerifiableCredential"])]}, "endorsements: one is no EndorsementCredential"),
    ({"endorsements": [Endorser().token("urn:x:1", name=7)]}, "endorsements: one is not what the standard says: name must be a string"),
    ({"endorsements": [Endorser().token("urn:x:1")]}, "endorsements: one is about something else"),
    ({"endorsements": [f"x{number}" for number in range(11)]}, "endorsements: there may be 10"),
]


async def test_what_an_achievement_cannot_say(server: Server) -> None:
    """What would not make a credential of the standard is refused by its attribute."""
    made = await badges(server)
    for attributes, says in WRONG:
        assert_error(await made.client.post("/Achievements", achievement(made.issuer) | attributes), 400, "invalidValue", says)


async def test_what_an_issuer_and_an_award_cannot_say(server: Server) -> None:
    """A parent has a URI, a place two numbers that are on the earth; an achieved level is one of the achievement's."""
    made = await badges(server)
    for attributes, says in (
        ({"parentOrg": {"id": "University"}}, "parentOrg.id must be a whole URI"),
        ({"parentOrg": {"name": "University"}}, "parentOrg.id is required"),
        ({"address": {"latitude": 1}}, "latitude and longitude come together"),
        ({"address": {"latitude": 91, "longitude": 0}}, "address.latitude must be between -90 and 90"),
        ({"endorsements": [Endorser().token("https://example.org/issuers/other")]}, "endorsements: one is about something else"),
    ):
        body = {"schemas": [URN + "BadgeIssuer"], "displayName": "Other"} | attributes
        assert_error(await made.client.post("/BadgeIssuers", body), 400, "invalidValue", says)
    badge = await made.achievement(resultDescriptions=[RUBRIC, RUBRIC | {"id": "other", "requiredLevel": None}], rubricLevels=LEVELS)
    user = (await made.client.new_user())["id"]
    for award_, says in (
        ({"result": [{"achievedLevel": "best"}]}, "result.achievedLevel must be the id of one"),
        ({"result": [{"achievedLevel": "good", "resultDescription": "other"}]}, "result.achievedLevel must be the id of one"),
        ({"assessor": {"id": "Ada"}}, "assessor.id must be a whole URI"),
    ):
        assert_error(await made.client.post("/Awards", award(user, badge, **award_)), 400, "invalidValue", says)
    held = await made.award(user, badge)
    later = {"op": "add", "path": "assessor", "value": {"id": "urn:x:ada"}}
    assert_error(await made.client.patch(f"/Awards/{held['id']}", later), 400, "mutability", "assessor")


async def test_an_endorsement_is_about_the_whole_url(server: Server) -> None:
    """One is refused that is about the same id at another host, of another tenant, or spelt in another way, as token and as document."""
    made = await badges(server)
    badge, endorser, slug = await made.achievement(), Endorser(), made.client.slug
    for kind, path, id_ in (("achievements", f"/Achievements/{badge}", badge), ("issuers", f"/BadgeIssuers/{made.issuer}", made.issuer)):
        url = f"{PUBLIC}/badges/{slug}/{kind}/{id_}"
        others = [
            f"https://evil.example/badges/{slug}/{kind}/{id_}",
            f"{PUBLIC}.evil.example/badges/{slug}/{kind}/{id_}",
            f"{PUBLIC}/badges/other/{kind}/{id_}",
            f"https://evil.example/?{url}",
            f"{url}/",
            f"{url}#part",
            url.replace(f"/{kind}", f"/%{ord(kind[0]):X}{kind[1:]}"),
        ]
        for given in (*map(endorser.token, others), endorser.document(others[0], description="")):
            answer = await made.client.patch(path, {"op": "add", "path": "endorsements", "value": [given]})
            assert_error(
                answer,
                400,
                "invalidValue",
                f"endorsements: one is about something else: its credentialSubject.id must be the public URL of what it endorses, {url}",
            )
        own = endorser.token(url)
        answer = await made.client.patch(path, {"op": "add", "path": "endorsements", "value": [own]})
        assert (answer.status_code, answer.json()["endorsements"]) == (200, [own])


async def test_what_is_issued_can_be_read(server: Server) -> None:
    """An endorsement is refused that lies too deep where it will stand, and an award whose credential has more parts than are read."""
    made = await badges(server)
    badge = await made.achievement()
    url, signed = f"{PUBLIC}/badges/{made.client.slug}/achievements/{badge}", {"proof": [{"type": "DataIntegrityProof"}]}
    deep: Any = 1
    for depth in range(1, 21):
        deep = [deep]
        given = orjson.dumps(Endorser().endorsement(url, extra=deep, **signed)).decode()
        if depth >= 19:
            endorsed = await made.client.patch(f"/Achievements/{badge}", {"op": "replace", "path": "endorsements", "value": [given]})
            assert endorsed.status_code == (200 if depth == 19 else 400), endorsed.text
    assert_error(endorsed, 400, "invalidValue", "nested too deep")
    user = (await made.client.new_user())["id"]
    held = await made.award(user, badge)
    token = await made.client.get(f"/Awards/{held['id']}/credential.jwt")
    assert (await made.client.request("POST", "/badges/verify", content=token.content)).status_code == 200
    page = jws.read(token.text).credential["id"].removeprefix(PUBLIC)
    assert (await made.client.http.get(page, headers={"Accept": "text/html"})).status_code == 200
    many: list[list[Any]] = [[[]] * 3_000, [0] * 11_000]
    for parts in many:
        both = [orjson.dumps(Endorser().endorsement(url, id=f"urn:x:{number}", extra=parts, **signed)).decode() for number in range(2)]
        endorsed = await made.client.patch(f"/Achievements/{badge}", {"op": "replace", "path": "endorsements", "value": both})
        assert endorsed.status_code == 200, endorsed.text
        other = (await made.client.new_user())["id"]
        assert_error(await made.client.post("/Awards", award(other, badge)), 400, "invalidValue", "more parts than a verification reads")


async def test_endorsements_cost_nothing_on_public_pages(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for the page of an award without a token has one credential judged, however many endorsements it carries, and has nobody
    asked for keys; a verification with a token has."""
    asked: list[str] = []
    judged: list[str] = []

    async def fetch(_fetcher: Fetcher, url: str) -> bytes:
        asked.append(url)
        raise FetchError("it is away")

    def judge(presented: verification.Presented, *given: Any, **named: Any) -> verification.Report:
        judged.append(presented.credential["id"])
        return real(presented, *given, **named)

    real = verification.judge
    monkeypatch.setattr(Fetcher, "fetch", fetch)
    monkeypatch.setattr(verification, "judge", judge)
    async with start(badge_issuer_hosts=("*",)) as server:
        made = await badges(server)
        badge = await made.achievement()
        url, key = f"{PUBLIC}/badges/{made.client.slug}/achievements/{badge}", Endorser().key.key
        given = [
            jws.sign(
                Endorser().endorsement(url, issuer={"id": f"https://{number}.example/", "type": ["Profile"]}),
                signing.SigningKey("EdDSA", f"https://{number}.example/key", key),
            )
            for number in range(3)
        ]
        endorsed = await made.client.patch(f"/Achievements/{badge}", {"op": "add", "path": "endorsements", "value": given})
        assert endorsed.status_code == 200, endorsed.text
        held = await made.award((await made.client.new_user())["id"], badge)
        token = (await made.client.get(f"/Awards/{held['id']}/credential.jwt")).text
        page = jws.read(token).credential["id"].removeprefix(PUBLIC)
        for path in (page, f"{page}/verdicts.json"):
            assert (await made.client.http.get(path, headers={"Accept": "text/html, */*;q=0.1"})).status_code == 200
        assert (asked, judged) == ([], [f"{PUBLIC}{page}"] * 2)
        report = (await made.client.request("POST", "/badges/verify", content=token.encode())).json()
        assert (len(asked), len(report["endorsements"])) == (3, 3)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2026-01-31T10:00:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T24:00:00Z", "2026-02-01T00:00:00Z"),
        ("2026-01-31T10:00:00.5+02:00", "2026-01-31T08:00:00Z"),
    ],
)
async def test_times_of_what_was_done(server: Server, given: str, shown: str) -> None:
    """A time in a credential has an offset, which the standard demands: where the award has none it is in UTC."""
    made = await badges(server)
    user = (await made.client.new_user())["id"]
    awarded = await made.award(user, await made.achievement(), activityStartDate=given, activityEndDate=given)
    credential = jws.read((await made.client.get(f"/Awards/{awarded['id']}/credential.jwt")).text).credential
    subject = credential["credentialSubject"]
    assert (subject["activityStartDate"], subject["activityEndDate"], faults(credential)) == (shown, shown, [])
