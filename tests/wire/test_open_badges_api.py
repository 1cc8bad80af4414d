"""The Open Badges API: what a user has is read page by page, what is posted is kept and given back byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from scimsrv import auth
from scimsrv.badges import jws
from scimsrv.errors import Kind, ScimError
from scimsrv.openbadges.host import Host
from scimsrv.store import wallet
from tests.unit.badges.test_verification import CREDENTIAL, KEYS
from tests.wire.admin_support import admin_api
from tests.wire.badges import Badges, badges
from tests.wire.support import Client, Server

API = "/ims/ob/v3p0"


async def _user(server: Server, **switches: Any) -> tuple[Badges, Client, str]:
    """A tenant with the API, a client of a user's, and the user's id."""
    made = await badges(server, **{"open_badges_api": True, "me": "userName"} | switches)
    ada = await made.client.new_user("ada@example.com", displayName="Ada", emails=[{"value": "ada@example.com"}])
    return made, made.client.with_token(await server.token(made.client, "scim:me", subject="ada@example.com")), ada["id"]


async def _post(client: Client, body: bytes, media_type: str) -> httpx.Response:
    return await client.request("POST", f"{API}/credentials", content=body, headers={"Content-Type": media_type})


async def test_what_is_posted_comes_back(server: Server) -> None:
    """A token or a document is kept as it came: 201 when it is new, 200 when it replaces one that is the same, 304 when it is the
    older of both."""
    _, own, _ = await _user(server)
    token = jws.sign(CREDENTIAL, KEYS["ES256"]).encode()
    first = await _post(own, token, "text/plain")
    assert (first.status_code, first.content) == (201, token)
    assert (await _post(own, token, "text/plain")).status_code == 200
    older = await _post(own, jws.sign(CREDENTIAL | {"validFrom": "2025-01-31T09:00:00Z"}, KEYS["ES256"]).encode(), "text/plain")
    assert (older.status_code, older.content) == (304, b"")
    spaced = orjson.dumps(CREDENTIAL | {"id": "urn:uuid:2", "proof": {"type": "DataIntegrityProof"}}, option=orjson.OPT_INDENT_2)
    assert (await _post(own, spaced, "application/vc+ld+json")).content == spaced
    listed = await own.get(f"{API}/credentials")
    assert listed.headers["x-total-count"] == "2"
    assert spaced in listed.content
    assert listed.json()["compactJwsString"] == [token.decode()]
    long = jws.sign(CREDENTIAL | {"id": "urn:uuid:3", "issuer": CREDENTIAL["issuer"] | {"name": "n" * 100_000}}, KEYS["ES256"]).encode()
    assert (await _post(own, long, "text/plain")).status_code == 201
    assert len((await own.get("/badges/kept")).content) < 5_000


@pytest.mark.parametrize(("ends", "status"), [("token", 401), ("user", 404)])
async def test_what_ends_while_a_credential_is_verified(server: Server, monkeypatch: pytest.MonkeyPatch, ends: str, status: int) -> None:
    """Verifying may take long: nothing is kept by a token that has ended by then, nor for a user who was deleted meanwhile."""
    monkeypatch.setattr(auth, "_BELIEVED", 0.0)
    made, own, ada = await _user(server)
    found = Host._found

    async def ended(*asked: Any) -> str:
        shown = await found(*asked)
        if ends == "user":
            assert (await made.client.delete(f"/Users/{ada}")).status_code == 204
        else:
            await server.pool.execute("DELETE FROM credential WHERE kid = $1", (own.token or "").split("_")[1])
        return shown

    monkeypatch.setattr(Host, "_found", ended)
    assert (await _post(own, jws.sign(CREDENTIAL, KEYS["ES256"]).encode(), "text/plain")).status_code == status
    assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE tenant = $1", own.id) == 0


async def test_nothing_is_kept_for_nobody(server: Server) -> None:
    """Whoever is deleted in the moment in which a credential is stored leaves none behind."""
    _, own, ada = await _user(server)
    kept = wallet.Kept("issuer id", datetime.now(UTC), "text/plain", b"x", "{}")
    async with server.pool.acquire() as deleting:
        transaction = deleting.transaction()
        await transaction.start()
        await deleting.execute("DELETE FROM resource WHERE tenant = $1 AND id = $2", own.id, ada)
        running = asyncio.create_task(wallet.keep(server.app.pool.of(own.id), own.id, ada, kept, 10))
        await asyncio.sleep(0.2)
        await transaction.commit()
    with pytest.raises(ScimError) as raised:
        await running
    assert raised.value.kind is Kind.NOT_FOUND
    assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE tenant = $1", own.id) == 0


async def test_an_erased_user_without_badges(server: Server) -> None:
    """What a user kept is destroyed by an erasure also after the tenant's badges were switched off."""
    made, own, ada = await _user(server)
    assert (await _post(own, jws.sign(CREDENTIAL, KEYS["ES256"]).encode(), "text/plain")).status_code == 201
    assert (await made.client.delete(f"/BadgeIssuers/{made.issuer}")).status_code == 204
    await server.pool.execute("TRUNCATE admin_credential")
    async with admin_api(server.pool, server.settings) as admin:
        assert (await admin.ask("PATCH", f"/tenants/{own.slug}/policy", {"badges": False})).status_code == 200
        assert (await made.client.delete(f"/Users/{ada}")).status_code == 204
        assert (await admin.ask("POST", f"/tenants/{own.slug}/erasures", {"id": ada})).status_code == 200
    assert await server.pool.fetchval("SELECT count(*) FROM badge_kept WHERE tenant = $1", own.id) == 0


async def test_own_awards_and_pages(server: Server) -> None:
    """Awards are in the list as tokens; pages have links to their neighbours, and `since` leaves out what is older."""
    made, own, ada = await _user(server)
    for _ in range(5):
        award = await made.award(ada, await made.achievement())
        await made.client.get(f"/Awards/{award['id']}/credential.jwt")
    page = await own.get(f"{API}/credentials", limit=2, offset=2)
    assert len(page.json()["compactJwsString"]) == 2
    assert page.headers["x-total-count"] == "5"
    assert _offsets(page) == {"first": 0, "last": 4, "next": 4, "prev": 0}
    for since, total in (("2100-01-01T00:00:00Z", "0"), ("0001-01-01T00:00:00-14:00", "5"), ("9999-12-31T23:59:59+14:00", "0")):
        assert (await own.get(f"{API}/credentials", since=since)).headers["x-total-count"] == total
    assert (await own.request("GET", f"{API}/credentials?since=2100-01-01T00:00:00+01:00")).headers["x-total-count"] == "0"
    assert jws.read(page.json()["compactJwsString"][0]).credential["issuer"]["name"] == "Institute"
    for posted in (page.json()["compactJwsString"][0], page.json()["compactJwsString"][1]):  # which the user has already
        assert (await _post(own, posted.encode(), "text/plain")).status_code == 200
    assert (await own.get(f"{API}/credentials")).headers["x-total-count"] == "5"
    assert (await own.get("/badges/kept")).json()["kept"] == []
    profile = (await own.get(f"{API}/profile")).json()
    assert (profile["name"], profile["email"], profile["type"]) == ("Ada", "ada@example.com", ["Profile"])


def _offsets(page: httpx.Response) -> dict[str, int]:
    """Where the pages begin to which a page has links."""
    links = (one.partition("; rel=") for one in page.headers["link"].split(", "))
    return {rel.strip('"'): int(link.removesuffix(">").rpartition("offset=")[2]) for link, _, rel in links}


@pytest.mark.parametrize(
    ("sizes", "pages", "backwards"),
    [
        ([1, 1, 1, 1], [4], []),
        ([1, 1, 1, 1, 0], [4, 1], [1, 0]),
        ([1, 1, 1, 1.5, 1, 1], [3, 3], [3, 0]),
        ([5, 1, 5, 1], [1, 1, 1, 1], [3, 2, 1, 0]),
        ([0, 0, 3, 0, 1, 0, 0, 4], [4, 3, 1], [7, 3, 0]),
        ([0] * 201, [200, 1], [200, 0]),
    ],
    ids=["all", "one more", "half more", "large", "small", "many"],
)
async def test_pages_have_so_many_bytes(server: Server, sizes: list[float], pages: list[int], backwards: list[int]) -> None:
    """A page has 200 credentials at most, ends before they have more than 4 MiB, and has one of any size; who follows the links, forwards
    or backwards, sees each once."""
    made, own, ada = await _user(server)
    text = "INSERT INTO badge_kept (tenant, holder, identity, issued, media_type, body) SELECT $1, $2, $3, $4, 'text/plain', convert_to($3"
    for number, size in enumerate(sizes):
        issued, length = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=number), max(int(size * 1024 * 1024), 20)
        body = f"{text} || repeat(' ', $5 - length($3)), 'UTF8')"
        await server.pool.execute(body, made.client.id, ada, f"eyJ{number}", issued, length)
    seen, offset = [], 0
    for number in pages:
        page = await own.get(f"{API}/credentials", limit=300, offset=offset)
        assert (len(page.json()["compactJwsString"]), page.headers["x-total-count"]) == (number, str(len(sizes)))
        seen += page.json()["compactJwsString"]
        offset = _offsets(page).get("next", -1)
    assert (offset, seen) == (-1, [f"eyJ{number}" for number in range(len(sizes))])
    found, offset = [], _offsets(page)["last"]
    while backwards and offset >= 0:
        found.append(offset)
        offset = _offsets(await own.get(f"{API}/credentials", limit=300, offset=offset)).get("prev", -1)
    assert found == backwards


async def test_the_profile(server: Server) -> None:
    """A user changes by PUT what the tenant's policy lets users change, and nothing else."""
    _, own, _ = await _user(server, me_attributes=["displayName"])
    changed = await own.put(f"{API}/profile", {"type": ["Profile"], "id": "urn:x", "name": "Ada L."})
    assert (changed.status_code, changed.json()["name"]) == (200, "Ada L."), changed.text
    assert (await own.put(f"{API}/profile", {"familyName": "Byron"})).status_code == 403
    assert (await own.put(f"{API}/profile", {"official": "x"})).status_code == 400
    assert (await own.get(f"{API}/profile")).json()["name"] == "Ada L."


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"{}", "application/json", 400),
        (b"x", "text/plain", 400),
        (b'{"a":1,"a":2}', "application/json", 400),
        (jws.sign(CREDENTIAL, KEYS["ES256"]).encode(), "application/json", 400),
        (orjson.dumps(CREDENTIAL), "application/json", 400),
        (b"{}", "image/png", 415),
        (b'{"id":"' + b"x" * (1024 * 1024) + b'"}', "application/json", 413),
    ],
)
async def test_what_is_refused(server: Server, body: bytes, media_type: str, status: int) -> None:
    """What is no signed credential, or too large, is refused in the API's own form, and nothing is kept."""
    _, own, _ = await _user(server)
    answer = await _post(own, body, media_type)
    assert answer.status_code == status, answer.text
    assert answer.json()["imsx_codeMajor"] == "failure"
    assert answer.json()["imsx_severity"] == "error"
    assert (await own.get(f"{API}/credentials")).headers["x-total-count"] == "0"


async def test_failures_have_the_standards_words(server: Server) -> None:
    """A failure is named by a term of the standard's vocabulary (Open Badges 3.0 §B.3.6)."""
    _, own, _ = await _user(server)
    nobody, narrow = own.with_token(None), own.with_token(await server.token(own, "scim:read"))
    gone = own.with_token(await server.token(own, "scim:me", subject="gone"))
    asked = [
        (await own.get(f"{API}/credentials", limit=0), 400, "error", "invalid_query_parameter"),
        (await own.request("GET", f"{API}/credentials?limit=1&limit=2"), 400, "error", "invalid_query_parameter"),
        (await own.request("GET", f"{API}/credentials?offset=%ff"), 400, "error", "invalid_query_parameter"),
        (await own.get(f"{API}/credentials", since="2026-01-31"), 400, "error", "invalid_query_parameter"),
        *[
            (await own.get(f"{API}/credentials", since=since), 400, "error", "invalid_query_parameter")
            for since in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "10000-01-01T00:00:00Z")
        ],
        *[
            (await own.request(method, path), 404, "status", "not_found")
            for method in ("GET", "POST", "OPTIONS")
            for path in (API, f"{API}/assertions", f"{API}/credentials/1", f"{API}/oauth/userinfo", "/ims/ob/v2p1/assertions")
        ],
        (await nobody.get(f"{API}/credentials"), 401, "error", "unauthorizedrequest"),
        (await narrow.get(f"{API}/credentials"), 403, "error", "forbidden"),
        (await gone.get(f"{API}/profile"), 404, "status", "not_found"),
        (await own.delete(f"{API}/credentials"), 405, "error", "not_allowed"),
        (await _post(own, b"{}", "image/png"), 415, "error", "invalid_data"),
    ]
    for answer, status, severity, minor in asked:
        assert answer.status_code == status, answer.text
        said = answer.json()
        assert (said["imsx_codeMajor"], said["imsx_severity"]) == ("failure", severity)
        assert [one["imsx_codeMinorFieldValue"] for one in said["imsx_codeMinor"]["imsx_codeMinorField"]] == [minor]


@pytest.mark.parametrize(("text", "refused"), [("urn:a%00b", ("id", "issuer")), ("urn:a\x00b", ("id", "issuer", "name", "proof"))])
async def test_the_character_that_no_text_has(server: Server, text: str, refused: tuple[str, ...]) -> None:
    """U+0000 is refused wherever it is written out, and escaped in ids, by which credentials are told from each other."""
    _, own, _ = await _user(server)
    for where in ("id", "issuer", "name", "proof"):
        body = orjson.dumps(CREDENTIAL | {"proof": {"type": "DataIntegrityProof"}} | {where: {"type": text} if where == "proof" else text})
        answer = await _post(own, body, "application/json")
        assert answer.status_code == (400 if where in refused else 201 if where == "name" else 200), answer.text
        assert where not in refused or "U+0000" in answer.json()["imsx_description"]
    assert (await own.get("/badges/kept")).status_code == 200


@pytest.mark.parametrize(("keeping", "unjudged"), [("checked", 201), ("proven", 400)])
async def test_what_is_not_what_it_says(server: Server, keeping: str, unjudged: int) -> None:
    """A credential whose signature is invalid or whose key is another's is refused; what cannot be judged is kept and marked so, or refused
    too where the policy keeps proven ones only."""
    made, own, _ = await _user(server, badge_keeping=keeping)
    award = await made.award((await made.client.new_user("bob"))["id"], await made.achievement())
    token = (await made.client.get(f"/Awards/{award['id']}/credential.jwt")).text
    stranger = jws.sign(CREDENTIAL, replace(KEYS["ES256"], kid=jws.read(token).header["kid"]))
    for body, says in ((token[:-8] + "AAAAAAAA", "does not match"), (stranger, "not one for ES256")):
        refused = await _post(own, body.encode(), "text/plain")
        assert (refused.status_code, says in refused.json()["imsx_description"]) == (400, True), refused.text
    assert (await _post(own, token.encode(), "text/plain")).status_code == 201
    unknown = await _post(own, jws.sign(CREDENTIAL, KEYS["ES256"]).encode(), "text/plain")
    assert unknown.status_code == unjudged, unknown.text
    kept = {one["signature"]["verdict"]: one["issuerBinding"]["verdict"] for one in (await own.get("/badges/kept")).json()["kept"]}
    assert kept == {"valid": "proven"} | ({"cannot verify": "unproven"} if unjudged == 201 else {})


async def test_who_may(server: Server) -> None:
    """Only tokens that stand for a user get in, only where the tenant has the API; its description needs no token."""
    made, own, _ = await _user(server)
    assert (await made.client.get(f"{API}/credentials")).status_code == 403
    assert (await own.with_token(None).get(f"{API}/credentials")).status_code == 401
    assert (await own.get(f"{API}/credentials", limit=0)).status_code == 400
    assert (await own.request("DELETE", f"{API}/credentials")).status_code == 405
    discovery = await own.with_token(None).get(f"{API}/discovery")
    assert discovery.json()["servers"][0]["url"].endswith(f"/scim/{made.client.slug}/v2{API}")
    _, off, _ = await _user(server, open_badges_api=False)
    assert (await off.get(f"{API}/credentials")).status_code == 501
    assert (await off.with_token(None).get(f"{API}/discovery")).status_code == 404


@pytest.mark.parametrize(
    ("problem", "status", "minor"),
    [(RuntimeError("unforeseen"), 500, "internal_server_error"), (asyncpg.ConnectionDoesNotExistError("gone"), 503, "server_busy")],
    ids=["unforeseen", "no database"],
)
async def test_what_fails_inside(server: Server, monkeypatch: pytest.MonkeyPatch, problem: Exception, status: int, minor: str) -> None:
    """A failure that is not the client's has the API's form too, and tells nothing of what happened."""
    _, own, _ = await _user(server)

    async def fails(*_: object) -> None:
        raise problem

    monkeypatch.setattr(wallet, "held_credentials", fails)
    answer = await own.get(f"{API}/credentials")
    assert answer.status_code == status
    assert answer.json()["imsx_codeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"] == minor
    assert str(problem) not in answer.text
