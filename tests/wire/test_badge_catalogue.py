"""A catalogue's resources: what they have to be beyond their schemas, when they are made and when they are changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.badges import URN, USER_EXTENSION, Badges, achievement, award, badges
from tests.wire.support import Server, assert_error

_RESULT = {"id": "urn:x:1", "name": "Score", "resultType": "Percent"}


async def _catalogue(made: Badges) -> dict[str, str]:
    """A programme and a skill, by what stands for them in the tables below."""
    program = await made.new("BadgeProgram", displayName="P")
    return {"{program}": program, "{skill}": await made.new("BadgeSkill", displayName="S", program={"value": program})}


_ALIGNMENT = {"targetName": "Team", "targetUrl": "https://example.org/team"}


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(part, ids) for name, part in value.items()}
    return ids.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("kind", "attributes", "says"),
    [
        ("mini", {"kind": "maxi"}, 'kind must be one of "mini, skill, program, progress, capstone"'),
        ("mini", {"criteria": {}}, "criteria is required"),
        ("mini", {"description": None}, "description is required"),
        ("mini", {"creator": {"value": "nobody"}}, "creator: there is no BadgeIssuer with the id"),
        ("mini", {"creator": {"value": "{skill}"}}, "creator: there is no BadgeIssuer with the id"),
        ("mini", {"parent": {"value": "nothing"}}, "parent: there is no BadgeSkill or BadgeProgram with the id"),
        ("mini", {"parent": {"value": "{program}"}}, "parent: that of a mini is a BadgeSkill"),
        ("skill", {}, "parent is required of a skill"),
        ("skill", {"parent": {"value": "{program}"}}, "parent: that of a skill is a BadgeSkill"),
        ("program", {"parent": {"value": "{skill}"}}, "parent: that of a program is a BadgeProgram"),
        ("capstone", {"parent": {"value": "{skill}"}}, "parent: that of a capstone is a BadgeProgram"),
        ("mini", {"achievementType": "Medal"}, "achievementType must be a term of Open Badges 3.0"),
        ("mini", {"resultDescriptions": [_RESULT | {"resultType": "Grade"}]}, "resultDescriptions.resultType must be a term"),
        ("mini", {"resultDescriptions": [_RESULT, _RESULT | {"name": "Other"}]}, "resultDescriptions: two have the same id"),
        ("mini", {"otherIdentifiers": [{"identifier": "1", "identifierType": "no"}]}, "otherIdentifiers.identifierType must be a term"),
        ("mini", {"achievementType": "ext:"}, "achievementType must be a term"),
        ("mini", {"alignments": [_ALIGNMENT | {"targetType": "Skill"}]}, "alignments.targetType must be a term"),
        ("mini", {"alignments": [_ALIGNMENT | {"targetUrl": "example.org/team"}]}, "alignments.targetUrl must be a whole URI"),
        ("mini", {"criteria": {"id": "page 7"}}, "criteria.id must be a whole URI"),
        ("mini", {"criteria": {"id": "urn:a\x01b"}}, "criteria.id must be a whole URI"),
        ("mini", {"image": {"value": "badge.png"}}, "image.value must be a whole URI"),
        ("mini", {"inLanguage": "German"}, "inLanguage must be a language"),
    ],
)
async def test_achievements_that_are_none(server: Server, kind: str, attributes: dict[str, Any], says: str) -> None:
    """What is wrong with an achievement is said by its attribute."""
    made = await badges(server)
    body = achievement(made.issuer, kind) | _filled(attributes, await _catalogue(made))
    assert_error(await made.client.post("/Achievements", body), 400, "invalidValue", says)


async def test_what_no_proof_could_be_made_of(server: Server) -> None:
    """An issuer's page, and evidence of an award or a request, are URIs; parts of an achievement may be called anything."""
    made = await badges(server)
    refused = await made.client.post("/BadgeIssuers", {"schemas": [URN + "BadgeIssuer"], "displayName": "Other", "url": "example.org"})
    assert_error(refused, 400, "invalidValue", "url must be a whole URI")
    user = (await made.client.new_user())["id"]
    badge = await made.achievement(inLanguage="zh-Hant-TW", resultDescriptions=[_RESULT | {"id": "points of <a> {test}"}])
    asked = {"schemas": [URN + "BadgeRequest"], "requester": {"value": user}, "achievement": {"value": badge}}
    for path, body in (("/Awards", award(user, badge)), ("/BadgeRequests", asked)):
        assert_error(await made.client.post(path, body | {"evidence": [{"id": "exercise 7"}]}), 400, "invalidValue", "evidence.id must be")
    result = [{"resultDescription": "points of <a> {test}", "value": "9"}]
    given = await made.award(user, badge, evidence=[{"id": "https://example.org/7"}, {"name": "On paper"}], result=result)
    assert (await made.client.get(f"/Awards/{given['id']}/credential.json")).status_code == 200


@pytest.mark.parametrize(
    ("value", "status", "kind", "says"),
    [
        ({"parent": {"value": "{program}"}}, 400, "invalidValue", "parent: that of a mini is a BadgeSkill"),
        ({"parent": {"value": "nothing"}}, 400, "invalidValue", "parent: there is no"),
        ({"creator": {"value": "nobody"}}, 400, "invalidValue", "creator: there is no BadgeIssuer"),
        ({"kind": "capstone"}, 400, "mutability", "kind is immutable"),
        ({"achievementType": "Medal"}, 400, "invalidValue", "achievementType must be a term"),
        ({"creator": None}, 400, "invalidValue", "creator is required"),
    ],
)
async def test_achievements_stay_what_they_are(server: Server, value: dict[str, Any], status: int, kind: str, says: str) -> None:
    """A change is held to the same rules, and one that breaks them leaves everything as it was."""
    made = await badges(server)
    ids = await _catalogue(made)
    id_ = await made.achievement("mini", ids["{skill}"])
    shown = (await made.client.get(f"/Achievements/{id_}")).json()
    refused = await made.client.patch(f"/Achievements/{id_}", {"op": "replace", "value": _filled(value, ids)})
    assert_error(refused, status, kind, says)
    assert (await made.client.get(f"/Achievements/{id_}")).json() == shown


async def test_terms_of_ones_own(server: Server) -> None:
    """All 31 types of Open Badges 3.0 are taken, and terms that begin with ext:."""
    made = await badges(server)
    schema = (await made.client.get(f"/Schemas/{URN}Achievement")).json()
    words = next(one["canonicalValues"] for one in schema["attributes"] if one["name"] == "achievementType")
    assert len(words) == 31
    for word in (*words, "ext:Medal"):
        await made.achievement(achievementType=word, resultDescriptions=[_RESULT | {"resultType": "ext:Grade"}])


@pytest.mark.parametrize(("kind", "parent"), [("skill", "{skill}"), ("program", "{program}")])
async def test_one_achievement_of_a_skill_and_of_a_programme(server: Server, kind: str, parent: str) -> None:
    """A skill and a programme have one achievement that is theirs."""
    made = await badges(server)
    ids = await _catalogue(made)
    first = await made.achievement(kind, ids[parent])
    body = achievement(made.issuer, kind, parent={"value": ids[parent]})
    assert_error(await made.client.post("/Achievements", body), 409, "uniqueness", "parent: it has an achievement of its own already")
    assert (await made.client.delete(f"/Achievements/{first}")).status_code == 204
    await made.achievement(kind, ids[parent])


async def test_a_skill_belongs_to_a_programme(server: Server) -> None:
    """Its programme has to exist and be one; results are held to what the achievement describes."""
    made = await badges(server)
    ids = await _catalogue(made)
    for value in ("nothing", ids["{skill}"]):
        body = {"displayName": "S", "program": {"value": value}}
        assert_error(await made.client.post("/BadgeSkills", body), 400, "invalidValue", "program: there is no BadgeProgram")
    described = await made.achievement(resultDescriptions=[_RESULT, _RESULT | {"id": "urn:x:2", "resultType": "Status"}])
    user = (await made.client.new_user())["id"]
    body = {"recipient": {"value": user}, "achievement": {"value": described}}
    refused = await made.client.post("/Awards", body | {"result": [{"resultDescription": "urn:x:2"}]})
    assert_error(refused, 400, "invalidValue", "result.status is required")
    results = [{"resultDescription": "urn:x:1", "value": "90"}, {"resultDescription": "urn:x:2", "status": "Completed"}]
    assert (await made.award(user, described, result=results))["result"] == results


async def test_the_extension_of_users(server: Server) -> None:
    """What a programme knows of a user stands beside the user's awards: addresses are told to who asks for them, and found by."""
    made = await badges(server)
    ada = await made.client.new_user("ada")
    award = await made.award(ada["id"], await made.achievement())
    own = {"onboardedAt": "2026-01-31T09:00:00Z", "substackEmail": "Ada@example.com", "meetupEmail": "ada@example.org"}
    changed = await made.client.patch(f"/Users/{ada['id']}", {"op": "add", "path": USER_EXTENSION, "value": own})
    assert changed.status_code == 200, changed.text
    shown = (await made.client.get(f"/Users/{ada['id']}")).json()[USER_EXTENSION]
    assert (shown.keys(), shown["awards"][0]["value"]) == ({"awards", "onboardedAt"}, award["id"])
    asked = (await made.client.get(f"/Users/{ada['id']}", attributes=f"{USER_EXTENSION}:substackEmail")).json()
    assert asked[USER_EXTENSION] == {"substackEmail": "Ada@example.com"}
    found = await made.client.get("/Users", filter=f'{USER_EXTENSION}:substackEmail eq "ada@EXAMPLE.com"')
    assert found.json()["totalResults"] == 1
    wrong = await made.client.patch(f"/Users/{ada['id']}", {"op": "add", "path": f"{USER_EXTENSION}:onboardedAt", "value": "yesterday"})
    assert wrong.status_code == 400
