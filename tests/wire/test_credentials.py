"""Credentials over HTTP: issued with an award, signed, verified by anybody, revoked for everybody."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import orjson
import pytest

from scimsrv.badges import jws, signing, status_list
from scimsrv.badges.identity import is_about
from scimsrv.openbadges import office
from tests.unit.badges.test_verification import CREDENTIAL
from tests.wire.badges import URN, Badges, badges
from tests.wire.support import PUBLIC, Client, Server, Starter, assert_error

#: A PNG of one pixel, and a picture as SVG.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="#07c"/></svg>'

#: The canonical JSON Schema of the standard, for those who have it.
SCHEMA = os.environ.get("BADGE_SCHEMA")


async def _public(client: Client, url: str, **headers: str) -> httpx.Response:
    """Ask as anybody: without a token, at a URL that stands in a credential."""
    assert url.startswith(PUBLIC)
    return await client.http.get(url.removeprefix(PUBLIC), headers=headers)


async def _awarded(server: Server, **switches: Any) -> tuple[Badges, dict[str, Any]]:
    made = await badges(server, **switches)
    ada = await made.client.new_user(displayName="Ada", emails=[{"value": "Ada@Example.com", "primary": True}])
    achievement = await made.achievement(
        displayName="Teamwork <&>",
        tags=["team"],
        alignments=[{"targetName": "Team", "targetUrl": "https://example.org/team"}],
        resultDescriptions=[{"id": "points", "name": "Points", "resultType": "RawScore", "valueMax": "10"}],
    )
    award = await made.award(
        ada["id"],
        achievement,
        evidence=[{"id": "https://example.org/e", "name": "Essay"}],
        result=[{"resultDescription": "points", "value": "9"}],
    )
    return made, award


async def _token(client: Client, award: Mapping[str, Any]) -> str:
    answer = await client.get(f"/Awards/{award['id']}/credential.jwt")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert f"<{jws.read(answer.text).credential['id']}>" in answer.headers["link"]
    return answer.text


async def _verify(client: Client, body: bytes, query: str = "") -> dict[str, Any]:
    answer = await client.request("POST", f"/badges/verify{query}", content=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _verdicts(report: Mapping[str, Any]) -> tuple[str, str, str]:
    return report["signature"]["verdict"], report["issuerBinding"]["verdict"], report["status"]["verdict"]


async def test_a_credential(server: Server) -> None:
    """The award's credential says who, what, by whom and when; it is bound to the issuer, and its URLs lead where they say."""
    made, award = await _awarded(server)
    token = await _token(made.client, award)
    taken = jws.read(token)
    credential = taken.credential
    subject = credential["credentialSubject"]
    assert credential["issuer"]["name"] == "Institute"
    assert subject["achievement"]["name"] == "Teamwork <&>"
    assert credential["validFrom"] == award["awardedAt"].replace(".000Z", "Z")
    assert "ada@" not in orjson.dumps(credential).decode().lower()
    assert is_about(subject["identifier"][0], "ada@example.com")
    assert subject["result"] == [{"type": ["Result"], "resultDescription": f"{subject['achievement']['id']}#points", "value": "9"}]
    assert credential["evidence"][0]["name"] == "Essay"

    assert _verdicts(await _verify(made.client, token.encode())) == ("valid", "proven", "active")
    matched = await _verify(made.client, token.encode(), "?recipient=ADA@example.com")
    assert (matched["recipient"], matched["schema"], matched["structure"]) == ({"verdict": "matches"}, {"verdict": "valid"}, [])
    assert (await _verify(made.client, token.encode(), "?recipient=eve@example.com"))["recipient"] == {"verdict": "differs"}

    key = await _public(made.client, taken.header["kid"])
    assert key.json()["iss"] == credential["issuer"]["id"]
    everybody = (await _public(made.client, f"{PUBLIC}/.well-known/jwks.json")).json()["keys"]
    assert key.json() in everybody
    assert not [one for one in everybody if {"d", "p", "q"} & one.keys()]
    profile = await _public(made.client, credential["issuer"]["id"])
    assert profile.json()["name"] == "Institute"
    assert (await _public(made.client, subject["achievement"]["id"])).json()["tag"] == ["team"]
    assert (await _public(made.client, f"{credential['issuer']['id']}/jwks.json")).json()["keys"] == [key.json()]
    did = (await _public(made.client, f"{credential['issuer']['id']}/did.json")).json()
    assert did["id"].startswith("did:web:")
    for document, id_ in ((profile.json(), key.json()["kid"]), (did, f"{did['id']}#{key.json()['kid'].rsplit('/')[-1]}")):
        (method,) = document["verificationMethod"]
        assert document["assertionMethod"] == [method["id"]] == [id_]
        assert (method["type"], method["publicKeyJwk"]["n"]) == ("JsonWebKey", key.json()["n"])
    again = await _public(made.client, credential["issuer"]["id"], **{"If-None-Match": profile.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert profile.headers["cache-control"] == "public, max-age=300"


async def test_an_embedded_proof(server: Server) -> None:
    """The same credential as a document with a proof, by a key that the issuer's profile names."""
    made, award = await _awarded(server)
    answer = await made.client.get(f"/Awards/{award['id']}/credential.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vc+ld+json"
    document = answer.json()
    profile = (await _public(made.client, document["issuer"]["id"])).json()
    assert document["proof"][0]["verificationMethod"] in profile["assertionMethod"]
    assert _verdicts(await _verify(made.client, answer.content)) == ("valid", "proven", "active")
    document["credentialSubject"]["achievement"]["name"] = "Leadership"
    assert _verdicts(await _verify(made.client, orjson.dumps(document)))[:2] == ("invalid", "unproven")


async def test_the_form_by_accept(server: Server) -> None:
    """A credential is had by any of the names of its two forms, the token where the client does not mind, and 406 by others."""
    made, award = await _awarded(server)
    path = f"/Awards/{award['id']}/credential"

    async def ask(accept: str) -> httpx.Response:
        return await made.client.request("GET", path, headers={"Accept": accept})

    token = await _token(made.client, award)
    for accept, media_type in (("*/*", "text/plain"), ("application/jwt, */*;q=0.1", "application/jwt"), ("text/*", "text/plain")):
        answer = await ask(accept)
        assert (answer.text, answer.headers["content-type"].partition(";")[0], answer.headers["vary"][:6]) == (token, media_type, "Accept")
    assert (await ask("application/json;q=0.9, text/plain;q=0.1")).status_code in (200, 501)  # with contexts, and without
    for accept in ("image/png", "*/*;q=0", "text/html;q=1"):
        assert_error(await ask(accept), 406, says="text/plain, application/vc+ld+json")


async def test_without_contexts(start: Starter, tmp_path: Path) -> None:
    """A server without contexts issues and verifies tokens, and says what an embedded proof lacks."""
    async with start(badge_contexts=tmp_path) as server:
        made, award = await _awarded(server)
        token = await _token(made.client, award)
        assert _verdicts(await _verify(made.client, token.encode())) == ("valid", "proven", "active")
        answer = await made.client.get(f"/Awards/{award['id']}/credential.json")
        assert_error(answer, 501, says="set badge_contexts")
        url = jws.read(token).credential["id"]
        lacking = await _public(made.client, url, Accept="application/json")
        assert (lacking.status_code, lacking.headers["vary"].partition(",")[0]) == (501, "Accept")
        assert (await _public(made.client, url, Accept="application/json, text/plain;q=0.1")).text == token
        page = (await _public(made.client, url, Accept="text/html")).text
        assert re.findall(r'rel="alternate" type="([^"]+)"', page) == ["application/json"]


async def test_revocation(server: Server) -> None:
    """A revoked award is revoked in its list at once, and the list is a signed credential of the issuer."""
    made, award = await _awarded(server)
    token = await _token(made.client, award)
    entry = status_list.read_entry(jws.read(token).credential["credentialStatus"])
    before = await _public(made.client, entry.url)
    assert _verdicts(await _verify(made.client, before.content))[:2] == ("valid", "proven")
    assert not status_list.revoked_in(jws.read(before.text).credential, entry)
    revoke = {"op": "replace", "value": {"status": "revoked", "revocationReason": "A mistake"}}
    assert (await made.client.patch(f"/Awards/{award['id']}", revoke)).status_code == 200
    after = await _public(made.client, entry.url)
    assert status_list.revoked_in(jws.read(after.text).credential, entry)
    # A verifier may keep the list as long as a cache may.
    assert after.headers["cache-control"] == "public, max-age=60"
    assert jws.read(after.text).credential["credentialSubject"]["ttl"] == 60_000
    assert _verdicts(await _verify(made.client, token.encode())) == ("valid", "proven", "revoked")


async def test_the_page(server: Server) -> None:
    """Anybody who has the address reads who was awarded what by whom and whether it holds; what people wrote cannot do anything there."""
    made, award = await _awarded(server)
    url = jws.read(await _token(made.client, award)).credential["id"]
    page = await _public(made.client, url, Accept="text/html,*/*;q=0.8")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    for text in ("Teamwork &lt;&amp;&gt;", "Awarded to <bdi>Ada</bdi>", "Institute", "This badge is valid.", "<html lang="):
        assert text in page.text
    links = re.findall(r'<link rel="alternate" type="([^"]+)" href="([^"]+)">', page.text.partition("</head>")[0])
    assert links == [("application/vc+ld+json", f"{url}/credential.json"), ("application/json", f"{url}/verdicts.json")]
    for type_, place in links:
        shown = await _public(made.client, place)
        assert (shown.status_code, shown.headers["content-type"]) == (200, type_)
        assert orjson.loads(shown.content).keys() & {"credentialSubject", "signature"}
    assert "<script" not in page.text
    assert re.search(r"\son\w+=", page.text) is None
    assert re.search(r"\sstyle=", page.text) is None
    verdicts = await _public(made.client, f"{url}/verdicts.json")
    assert _verdicts(verdicts.json()) == ("valid", "proven", "active")
    assert (await _public(made.client, url, Accept="text/plain")).text == await _token(made.client, award)
    assert (await _public(made.client, url, Accept="image/png")).status_code == 406
    revoke = {"op": "replace", "value": {"status": "revoked", "revocationReason": "A mistake"}}
    await made.client.patch(f"/Awards/{award['id']}", revoke)
    gone = await _public(made.client, url, Accept="text/html")
    assert "This badge was revoked" in gone.text
    assert "A mistake" in gone.text


async def test_a_credential_at_its_own_address(server: Server) -> None:
    """Who follows a credential's id gets it in the form that is asked for; caches tell the forms apart, and HEAD says what GET does."""
    made, award = await _awarded(server)
    token = await _token(made.client, award)
    document = (await made.client.get(f"/Awards/{award['id']}/credential.json")).content
    url = orjson.loads(document)["id"]
    cases = [
        *((accept, accept, document) for accept in ("application/vc+ld+json", "application/vc", "application/ld+json", "application/json")),
        ('application/ld+json;profile="x", text/html;q=0.5', "application/ld+json", document),
        *((accept, accept, token.encode()) for accept in ("application/vc+jwt", "application/jwt", "text/plain")),
        ("text/plain, text/html;q=0.9, */*;q=0.1", "text/plain", token.encode()),
    ]
    for accept, media_type, body in cases:
        got = await _public(made.client, url, Accept=accept)
        assert (got.status_code, got.headers["content-type"].partition(";")[0], got.content) == (200, media_type, body), accept
        assert (got.headers["vary"].partition(",")[0], got.headers["cache-control"]) == ("Accept", "public, max-age=60")
        head = await made.client.http.head(url.removeprefix(PUBLIC), headers={"Accept": accept})
        same = ("etag", "content-type", "content-length", "vary", "cache-control")
        assert (head.status_code, head.content) == (200, b"")
        assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same]
        again = await _public(made.client, url, Accept=accept, **{"If-None-Match": got.headers["etag"]})
        assert (again.status_code, again.content, again.headers["vary"].partition(",")[0]) == (304, b"", "Accept")
    assert (await _public(made.client, f"{url}/credential.json")).content == document
    for path, accept, status in ((url, "image/png", 406), (f"{url}x", "application/json", 404), (f"{url}x", "text/html", 404)):
        refused = await _public(made.client, path, Accept=accept)
        assert (refused.status_code, refused.headers["vary"].partition(",")[0]) == (status, "Accept")


async def test_the_page_in_other_languages(server: Server) -> None:
    """What people wrote is in the language that the achievement names, runs its own way and nothing around it, and the picture says what it
    shows."""
    made = await badges(server)
    badge = await made.achievement(
        displayName="\u0639\u0645\u0644", inLanguage="ar", image={"value": f"{PUBLIC}/badges/x/picture", "caption": 'A "hand"'}
    )
    user = await made.client.new_user(displayName="Ada\u202e")
    award = await made.award(user["id"], badge, evidence=[{"name": "Essay\u202e"}])
    url = jws.read(await _token(made.client, award)).credential["id"]
    text = (await _public(made.client, url, Accept="text/html")).text
    assert '<h1 lang="ar" dir="auto">\u0639\u0645\u0644</h1>' in text
    assert 'alt="A &quot;hand&quot;"' in text
    assert "Awarded to <bdi>Ada\u202e</bdi>" in text
    assert "<li><bdi>Essay\u202e</bdi></li>" in text
    assert "<dd><bdi>Institute</bdi></dd>" in text


async def test_public_urls_tell_nothing_apart(server: Server) -> None:
    """What does not exist is 404 everywhere, whether the tenant exists or not; a page says so in words."""
    made = await badges(server)
    slug = made.client.slug
    for where in (slug, "nobody"):
        for path in ("v/x", "issuers/x", "issuers/x/jwks.json", "issuers/x/status/1", "achievements/x", "issuers/x/image", "x", ""):
            answer = await made.client.http.get(f"/badges/{where}/{path}", headers={"Accept": "application/json"})
            assert answer.status_code == 404, path
    page = await made.client.http.get(f"/badges/{slug}/v/x", headers={"Accept": "text/html"})
    assert (page.status_code, "There is no badge" in page.text) == (404, True)
    assert (await made.client.http.post(f"/badges/{slug}/v/x")).status_code == 405


async def test_pictures(server: Server) -> None:
    """Art is taken in clean, shown to anybody, and carries the credential when it is baked, byte for byte the picture otherwise."""
    made, award = await _awarded(server)
    achievement = award["achievement"]["value"]
    assert_error(await made.client.get(f"/Awards/{award['id']}/badge.png"), 404, says="no PNG picture")
    put = await made.client.request("PUT", f"/Achievements/{achievement}/image", content=PIXEL, headers={"Content-Type": "image/png"})
    assert put.status_code == 200, put.text
    shown = await _public(made.client, put.json()["url"])
    assert (shown.headers["content-type"], shown.content) == ("image/png", PIXEL)
    baked = await made.client.get(f"/Awards/{award['id']}/badge.png")
    token = await _token(made.client, award)
    assert baked.content == PIXEL[:33] + baked.content[33 : -len(PIXEL[33:])] + PIXEL[33:]
    report = await _verify(made.client, baked.content)
    assert _verdicts(report) == ("valid", "proven", "active")
    assert report["picture"]["form"] == "openbadges-3"
    extracted = await made.client.request("POST", "/badges/extract", content=baked.content)
    assert extracted.json()["payload"] == token
    assert_error(await made.client.get(f"/Awards/{award['id']}/badge.svg"), 404, says="no SVG picture")

    await made.client.request("PUT", f"/Achievements/{achievement}/image", content=SVG, headers={"Content-Type": "image/svg+xml"})
    vector = await made.client.get(f"/Awards/{award['id']}/badge.svg")
    assert _verdicts(await _verify(made.client, vector.content)) == ("valid", "proven", "active")
    for answer in (vector, await _public(made.client, put.json()["url"])):
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
    chosen = await made.client.request("GET", f"/Awards/{award['id']}/badge", headers={"Accept": "image/svg+xml"})
    assert chosen.headers["content-type"] == "image/svg+xml"
    later = await made.award((await made.client.new_user())["id"], achievement)
    image = jws.read(await _token(made.client, later)).credential["credentialSubject"]["achievement"]["image"]
    assert image == {"id": put.json()["url"], "type": "Image"}
    assert (await made.client.delete(f"/Achievements/{achievement}/image")).status_code == 204
    assert (await _public(made.client, put.json()["url"])).status_code == 404


async def test_signatures_are_in_the_trail(server: Server) -> None:
    """Each credential that is signed or revoked leaves a row that names its key or its place, each status list that is signed one too."""
    made, award = await _awarded(server)
    token = jws.read(await _token(made.client, award))
    status = token.credential["credentialStatus"]
    revocation = {"op": "replace", "value": {"status": "revoked", "revocationReason": "Mistake"}}
    assert (await made.client.patch(f"/Awards/{award['id']}", revocation)).status_code == 200
    assert (await _public(made.client, status["statusListCredential"])).status_code == 200
    rows = await server.pool.fetch(
        "SELECT operation, type, id, actor, content FROM change WHERE tenant = $1 AND type = ANY ('{Credential,StatusList}') ORDER BY seq",
        made.client.id,
    )
    said = [(row["operation"], row["type"], row["id"]) for row in rows]
    assert said == [("issue", "Credential", award["id"]), ("revoke", "Credential", award["id"]), ("issue", "StatusList", made.issuer)]
    contents = [orjson.loads(row["content"]) for row in rows]
    assert contents[0]["key"] == contents[2]["key"] == token.header["kid"].rsplit("/", 1)[1]
    assert contents[1] == {"issuer": made.issuer, "list": 1, "place": int(status["statusListIndex"])}
    assert [row["actor"] for row in rows] == ["system", (made.client.token or "").split("_")[1], "system"]


async def test_an_embedded_proof_that_many_want(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants it at the same time gets the same one, which is made once; what is kept of them has so many bytes."""
    made, award = await _awarded(server)
    answers = await asyncio.gather(*(made.client.get(f"/Awards/{award['id']}/credential.json") for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1
    proofs = "SELECT count(*) FROM change WHERE tenant = $1 AND type = 'Credential' AND content LIKE '%Data Integrity%'"
    assert await server.pool.fetchval(proofs, made.client.id) == 1
    monkeypatch.setattr(office, "_KEPT_BYTES", len(answers[0].content) + 100)
    other = await made.award((await made.client.new_user())["id"], award["achievement"]["value"])
    assert (await made.client.get(f"/Awards/{other['id']}/credential.json")).status_code == 200
    assert (await made.client.get(f"/Awards/{other['id']}/credential.json")).status_code == 200
    assert await server.pool.fetchval(proofs, made.client.id) == 2
    assert (await made.client.get(f"/Awards/{award['id']}/credential.json")).status_code == 200
    assert await server.pool.fetchval(proofs, made.client.id) == 3


async def test_who_may(server: Server) -> None:
    """Every endpoint below a tenant needs a token of that tenant with the right scope; art needs an existing resource."""
    made, award = await _awarded(server)
    other = await badges(server)
    paths = [("GET", f"/Awards/{award['id']}/{name}") for name in ("credential.jwt", "credential.json", "badge.png", "badge")]
    paths += [(method, f"/Achievements/{award['achievement']['value']}/image") for method in ("GET", "PUT", "DELETE")]
    paths += [("POST", "/badges/verify"), ("POST", "/badges/extract"), ("GET", "/ims/ob/v3p0/credentials")]
    readonly = made.client.with_token(await server.token(made.client, "scim:read"))
    useless = made.client.with_token(await server.token(made.client, "tenant:admin"))
    for method, path in paths:
        assert (await made.client.with_token(None).request(method, path, content=b"x")).status_code == 401, path
        assert (await made.client.with_token(other.client.token).request(method, path, content=b"x")).status_code == 404, path
        assert (await useless.request(method, path, content=b"x")).status_code in (403, 501), path
        if method in ("PUT", "DELETE"):
            assert (await readonly.request(method, path, content=b"x")).status_code == 403, path
    assert_error(await other.client.get(f"/Awards/{award['id']}/credential.jwt"), 404)
    assert_error(await made.client.request("PUT", "/Achievements/none/image", content=PIXEL), 404)
    plain = await server.tenant()
    assert_error(await plain.request("POST", "/badges/verify", content=b"{}"), 501, says="switched off")


async def test_endorsements_and_foreign_lists(server: Server) -> None:
    """What a credential carries is judged like a credential, each by itself; a list of another server is not fetched, so that the status
    is not known."""
    made = await badges(server)
    key = signing.new_key("EdDSA")
    did = "did:key:" + signing.multikey_of(signing.public_jwk(key))
    own = signing.SigningKey("EdDSA", f"{did}#{did.removeprefix('did:key:')}", key)
    endorsement = CREDENTIAL | {
        "type": ["VerifiableCredential", "EndorsementCredential"],
        "name": "Endorsement",
        "issuer": {"id": did, "type": ["Profile"], "name": "Endorser"},
        "credentialSubject": {"id": CREDENTIAL["id"], "type": ["EndorsementSubject"], "endorsementComment": "Good work"},
    }
    right, elsewhere = jws.sign(endorsement, own), jws.sign(endorsement | {"credentialSubject": {"id": "urn:x"}}, own)
    carrying = CREDENTIAL | {
        "issuer": {"id": did, "type": ["Profile"]},
        "endorsementJwt": [right, right[:-6] + "AAAAAA", elsewhere, "x"],
        "credentialStatus": {"id": "https://lists.example/1", "type": "1EdTechRevocationList"},
    }
    report = await _verify(made.client, jws.sign(carrying, own).encode())
    assert _verdicts(report) == ("valid", "proven", "unknown")
    assert "nothing is fetched" in report["status"]["detail"]
    first, second, third, fourth = report["endorsements"]
    assert (_verdicts(first), first["comment"], first["structure"]) == (("valid", "proven", "active"), "Good work", [])
    assert (first["of"], first["issuer"], first["issuerName"]) == ("credential", did, "Endorser")
    assert [one["signature"]["verdict"] for one in (second, third, fourth)] == ["invalid", "valid", "invalid"]
    assert third["structure"][-1] == "credentialSubject.id is not what it is carried by"
    assert [one.get("schema", {}).get("verdict") for one in (first, third)] == ["valid", "invalid"]


async def test_automatic_awards_are_issued_too(server: Server) -> None:
    """What follows from an award is issued in the same transaction, with a credential of its own."""
    made = await badges(server)
    user = (await made.client.new_user())["id"]
    program, _ = await made.program()
    skill = await made.skill(program, 1)
    await made.award(user, skill.minis[0])
    awards = await made.awards(user)
    assert skill.achievement in awards
    for award in awards.values():
        token = await _token(made.client, award)
        assert _verdicts(await _verify(made.client, token.encode())) == ("valid", "proven", "active")
        assert jws.read(token).credential["id"].startswith(f"{PUBLIC}/badges/{made.client.slug}/v/")


async def test_users_get_their_own(server: Server) -> None:
    """A token that stands for a user gets the files of that user's awards, and nobody else's."""
    made = await badges(server, me="userName")
    ada, eve = await made.client.new_user("ada@example.com"), await made.client.new_user("eve@example.com")
    award = await made.award(ada["id"], await made.achievement())
    for subject, status in (("ada@example.com", 200), ("eve@example.com", 404)):
        own = made.client.with_token(await server.token(made.client, "scim:me", subject=subject))
        assert (await own.get(f"/Awards/{award['id']}/credential.jwt")).status_code == status
        assert_error(await own.request("POST", "/badges/verify", content=b"{}"), 403)
    assert eve["id"] != ada["id"]


async def test_a_credential_for_other_types(server: Server) -> None:
    """A token that is good for some resource types gets the files of those alone."""
    made, award = await _awarded(server)
    narrow = made.client.with_token(await server.token(made.client, "scim:read"))
    await server.pool.execute(
        "UPDATE credential SET types = '{Achievement}' WHERE tenant = $1 AND kid = $2", made.client.id, (narrow.token or "").split("_")[1]
    )
    assert_error(await narrow.get(f"/Awards/{award['id']}/credential.jwt"), 403)
    assert_error(await narrow.get(f"/Achievements/{award['achievement']['value']}/image"), 404)


async def test_a_badge_opens_no_door(server: Server) -> None:
    """A credential is no bearer token, though it is a JSON Web Token of this server."""
    made, award = await _awarded(server)
    stranger = made.client.with_token(await _token(made.client, award))
    assert_error(await stranger.get("/Users"), 401)
    assert_error(await stranger.get(f"/Awards/{award['id']}/credential.jwt"), 401)


@pytest.mark.parametrize(("policy", "status"), [("keep", "active"), ("pseudonymise", "active"), ("delete", "revoked")])
async def test_a_recipient_who_is_deleted(server: Server, policy: str, status: str) -> None:
    """What becomes of credentials follows the tenant's policy: kept, kept without the person, or revoked and published no more."""
    made, award = await _awarded(server, badge_recipient_deletion=policy)
    token = await _token(made.client, award)
    assert (await made.client.delete(f"/Users/{award['recipient']['value']}")).status_code == 204
    assert (await _verify(made.client, token.encode()))["status"]["verdict"] == status
    page = await _public(made.client, jws.read(token).credential["id"], Accept="text/html")
    assert (page.status_code, "Awarded to <bdi>Ada" in page.text) == (404 if policy == "delete" else 200, policy == "keep")
    if policy == "pseudonymise":
        kept = jws.read(await _token(made.client, award)).credential
        assert "identifier" not in kept["credentialSubject"]
        assert "evidence" not in kept
    entry = status_list.read_entry(jws.read(token).credential["credentialStatus"])
    assert await server.pool.fetchval("SELECT count(*) FROM badge_status WHERE tenant = $1 AND place = $2", made.client.id, entry.index), (
        "a place is never given to another"
    )


@pytest.mark.parametrize(("identity", "said"), [("plain", "Ada@Example.com"), ("none", None)])
async def test_identity_by_policy(server: Server, identity: str, said: str | None) -> None:
    """A tenant may have people named in clear, or not at all; and evidence left out."""
    made, award = await _awarded(server, badge_identity=identity, badge_evidence=False)
    credential = jws.read(await _token(made.client, award)).credential
    identifiers = credential["credentialSubject"].get("identifier", [])
    assert [one["identityHash"] for one in identifiers] == ([said] if said else [])
    assert "evidence" not in credential
    assert "result" not in credential["credentialSubject"]
    page = await _public(made.client, credential["id"], Accept="text/html")
    assert ("Awarded to <bdi>Ada" in page.text) is (said is not None)


async def test_awards_in_bulk_have_places_of_their_own(server: Server) -> None:
    """Many awards at once are signed in the background; no two share a place in a list."""
    made = await badges(server)
    achievement = await made.achievement()
    people = [(await made.client.new_user())["id"] for _ in range(30)]
    body = {"schemas": [URN + "Award"], "achievement": {"value": achievement}}
    operations = [{"method": "POST", "path": "/Awards", "bulkId": one, "data": body | {"recipient": {"value": one}}} for one in people]
    bulk = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    answer = await made.client.post("/Bulk", bulk)
    assert {one["status"] for one in answer.json()["Operations"]} == {"201"}, answer.text
    async with asyncio.timeout(10):
        while await server.pool.fetchval("SELECT count(*) FROM badge_credential WHERE tenant = $1 AND jwt IS NULL", made.client.id):
            await asyncio.sleep(0.05)
    rows = await server.pool.fetch("SELECT list, place, jwt FROM badge_credential WHERE tenant = $1", made.client.id)
    assert len({(row["list"], row["place"]) for row in rows}) == 30
    assert _verdicts(await _verify(made.client, rows[0]["jwt"].encode())) == ("valid", "proven", "active")


@pytest.mark.skipif(SCHEMA is None, reason="BADGE_SCHEMA names no copy of the standard's JSON Schema")
async def test_the_standards_schema(server: Server) -> None:
    """Both forms of a credential are valid against the canonical JSON Schema."""
    validator = jsonschema.Draft201909Validator(orjson.loads(Path(SCHEMA or "").read_bytes()))
    made, award = await _awarded(server)
    document = (await made.client.get(f"/Awards/{award['id']}/credential.json")).json()
    for credential in (document, jws.read(await _token(made.client, award)).credential):
        assert [error.message for error in validator.iter_errors(credential)] == []
